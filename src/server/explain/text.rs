//! The facts as text, in the order of deciding.

use std::io::{self, Write};

use super::facts::{
    CompiledFacts, ConsideredFacts, Facts, HostFacts, IfUpFacts, MemberFacts, PlanFacts, RowFacts,
    StateFacts, TargetFacts,
};
use super::gather::{Scene, gather};
use crate::admin::message::{Course, Explained, utc};
use crate::admin::{Question, Refusal};
use crate::steering::trace::Fate;

/// Writes the whole explanation.
///
/// # Errors
///
/// When `out` does not take it.
pub fn write(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} {} for {}", facts.name, facts.rtype, facts.client.subnet)?;
    writeln!(out)?;
    state(&facts.state, out)?;
    write!(out, "client    {} (from {})", facts.client.subnet, facts.client.source)?;
    if !facts.client.subnet.starts_with(&facts.client.looked_up) {
        write!(out, ", looked up as {}", facts.client.looked_up)?;
    }
    writeln!(out)?;
    location(facts, out)?;
    for step in &facts.steps {
        writeln!(out)?;
        write!(out, "name      {}", step.name)?;
        if let Some(zone) = &step.zone {
            write!(out, " in zone {zone}")?;
        }
        writeln!(out, ": {}", step.found)?;
        if let Some(steered) = &step.steered {
            write!(out, "          record at {}, ttl {}", steered.site, steered.ttl)?;
            if let Some(cut) = &steered.ttl_cut {
                write!(out, " ({cut})")?;
            }
            writeln!(out)?;
            if let Some(exception) = &steered.exception {
                writeln!(out, "          ! {exception}")?;
            }
            target(&steered.decision, "", 0, out)?;
            writeln!(out, "outcome   {}", steered.outcome)?;
            let ways: Vec<String> = steered
                .counted
                .iter()
                .map(|way| format!("{} ({})", way.pool, way.reason))
                .collect();
            writeln!(out, "counted   {}", ways.join(" or "))?;
            if let Some(facts) = &steered.compiled {
                compiled(facts, out)?;
            }
        }
    }
    writeln!(out)?;
    writeln!(out, "answer    {}", facts.answer.rcode)?;
    for record in facts.answer.records.iter().chain(&facts.answer.authority) {
        writeln!(out, "          {record}")?;
    }
    match (facts.answer.scope, &facts.answer.shared_by) {
        (Some(scope), Some(prefix)) => {
            writeln!(out, "scope     /{scope}: shared by the clients in {prefix}")
        }
        _ => writeln!(out, "scope     none: the reply carries no client subnet"),
    }
}

/// The explanation as it is sent to whoever asks a server.
///
/// # Errors
///
/// When the name or the answer cannot be written as a message.
pub fn explained(scene: Scene<'_>, question: &Question) -> Result<Explained, Refusal> {
    let invalid = |error: anyhow::Error| Refusal::Invalid(format!("{error:#}"));
    let facts = gather(scene, question).map_err(invalid)?;
    let mut text = Vec::new();
    let written = write(&facts, &mut text).map_err(anyhow::Error::from);
    let json = serde_json::to_value(&facts).map_err(anyhow::Error::from);
    let (exists, facts) = (facts.exists, written.and(json).map_err(invalid)?);
    Ok(Explained { exists, facts, text: String::from_utf8_lossy(&text).into_owned() })
}

/// What it is about, where that is not the files.
fn state(facts: &StateFacts, out: &mut dyn Write) -> io::Result<()> {
    let generation =
        facts.generation.map_or(String::new(), |number| format!("generation {number}"));
    match facts.of {
        "server" => writeln!(out, "state     {generation} of the running server")?,
        "history" => {
            let at = utc(facts.at);
            writeln!(out, "state     {generation} at {at}, by the server's history")?;
        }
        _ => {}
    }
    facts.remarks.iter().try_for_each(|remark| writeln!(out, "          ! {remark}"))
}

/// What is ready for the client, and whether it is what was evaluated.
fn compiled(facts: &CompiledFacts, out: &mut dyn Write) -> io::Result<()> {
    let CompiledFacts { row, class, order, cell, evaluated, agrees } = facts;
    match row {
        Some(RowFacts { first, last, class_scope, first_choice_scope }) => {
            writeln!(out, "compiled  table row {first} to {last}: class {class}")?;
            writeln!(
                out,
                "          scope /{first_choice_scope} by the first choice, /{class_scope} by the \
                 class"
            )?;
        }
        None => writeln!(out, "compiled  no place is looked at: all clients are class {class}")?,
    }
    plan(order, 0, out)?;
    match cell.number {
        None => write!(out, "          no cell: no pool has the type")?,
        Some(number) => {
            let first = if cell.is_first_choice_up { "is up" } else { "is not up" };
            write!(out, "          cell {number}: the first choice {first}")?;
        }
    }
    if let Some(what) = cell.stands_in {
        write!(out, ", {what} stands in")?;
    }
    if cell.is_hashed {
        write!(out, ", a hash of the client's network decides")?;
    }
    writeln!(out, ": {}, scope /{}", listed(&cell.answer), cell.scope)?;
    let same = if *agrees { "the same" } else { "NOT the same: please report this" };
    writeln!(out, "          evaluated: {}: {same}", listed(evaluated))
}

fn plan(facts: &PlanFacts, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    let by = facts.by.as_ref().map_or(String::new(), |by| format!("[{by}] "));
    writeln!(out, "          {indent}{by}{}", facts.what)?;
    facts.of.iter().try_for_each(|part| plan(part, depth + 1, out))
}

fn listed(records: &[String]) -> String {
    if records.is_empty() { "no data".to_owned() } else { records.join(", ") }
}

fn location(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    if facts.location.fields.is_empty() {
        return writeln!(out, "location  unknown: no network and no database speaks of it");
    }
    let mut label = "location";
    for field in &facts.location.fields {
        writeln!(out, "{label:<8}  {:<11} {:<20} {}", field.field, field.value, field.from)?;
        label = "";
    }
    if facts.location.is_anycast {
        writeln!(out, "          anycast: the address has no position")?;
    }
    Ok(())
}

fn target(facts: &TargetFacts, mark: &str, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    head(facts, mark, &facts.note, depth, out)?;
    inside(facts, depth, out)
}

/// What a target is made of.
fn inside(facts: &TargetFacts, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    for considered in &facts.considered {
        self::considered(considered, depth + 1, out)?;
    }
    for member in &facts.members {
        self::member(member, depth + 1, out)?;
    }
    Ok(())
}

/// One line: the target, where it is defined, and a remark.
fn head(
    facts: &TargetFacts,
    mark: &str,
    remark: &str,
    depth: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    write!(out, "          {indent}{mark}{} {}", facts.kind, facts.name)?;
    if !facts.site.is_empty() {
        write!(out, " ({})", facts.site)?;
    }
    if !remark.is_empty() {
        write!(out, ": {remark}")?;
    }
    writeln!(out)
}

fn considered(facts: &ConsideredFacts, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let by = &facts.by;
    match &facts.fate {
        Fate::Taken => target(&facts.target, &format!("-> [{by}] "), depth, out),
        Fate::Shares(share) => {
            let mark = format!("-> [{by}, {:.1} %] ", share * 100.0);
            target(&facts.target, &mark, depth, out)
        }
        Fate::NotNeeded => head(&facts.target, &format!("   [{by}] "), "not needed", depth, out),
        Fate::PassedOver(why) => {
            let remark = format!("passed over: {why}");
            head(&facts.target, &format!("x  [{by}] "), &remark, depth, out)?;
            if let Some(IfUpFacts { outcome, records }) = &facts.if_up {
                let indent = "  ".repeat(depth + 1);
                let records = listed(records);
                writeln!(out, "          {indent}were it up: {records} ({outcome})")?;
            }
            inside(&facts.target, depth, out)
        }
    }
}

fn member(facts: &MemberFacts, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    let mark = if facts.is_offered { "+" } else { "-" };
    // A member of other data names its type itself.
    let rtype = if facts.name.starts_with(&facts.rtype) { "" } else { &facts.rtype };
    let space = if rtype.is_empty() { "" } else { " " };
    let MemberFacts { name, state, by, .. } = facts;
    write!(out, "          {indent}{mark} {rtype}{space}{name}")?;
    if let Some(HostFacts { name, found_seconds_ago }) = &facts.host {
        write!(out, " of {name}")?;
        if let Some(seconds) = found_seconds_ago {
            write!(out, " (found {seconds} s ago)")?;
        }
    }
    write!(out, " {state}: {by}")?;
    if let Some(failure) = &facts.failure {
        write!(out, ": {failure}")?;
    }
    if let Some(seconds) = facts.checked_seconds_ago {
        write!(out, ", last checked {seconds} s ago")?;
    }
    let Course { load, hold, score, weight_left, warnings } = &facts.course;
    if let Some(load) = load {
        write!(out, ", load {load:.2}")?;
    }
    match (hold, score) {
        (Some(hold), _) => write!(out, "; {hold}")?,
        // One that has all but faded is no news.
        (None, Some(score)) if *score >= 0.05 => write!(out, "; damping score {score:.1}")?,
        (None, _) => {}
    }
    if let Some(left) = weight_left {
        write!(out, "; warned of, {left} % of its weight left")?;
    }
    for warning in warnings {
        write!(out, "; {warning}")?;
    }
    writeln!(out)
}
