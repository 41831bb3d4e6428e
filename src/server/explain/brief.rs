//! The same in a few short lines, for an answer over DNS.

use super::facts::{ConsideredFacts, SteeredFacts, TargetFacts};
use super::gather::{Case, Scene};
use crate::admin::Question;
use crate::geo::provenance;
use crate::steering::trace::Fate;

/// What there is to say, without what the engine would write: nothing is asked of it.
pub fn brief(scene: Scene<'_>, question: &Question) -> Vec<String> {
    let client = Case::client(scene, question);
    let known = provenance(scene.databases, scene.networks, client.address);
    let case = Case::new(scene, question, client, &known.location);
    let generation =
        scene.state.generation.map_or(String::new(), |it| format!(", generation {it}"));
    let mut lines =
        vec![format!("{} {} for {}{generation}", question.name, question.rtype, client.address)];
    let fields = super::gather::location(&known).fields;
    let place: Vec<String> =
        fields.iter().map(|field| format!("{} {}", field.field, field.value)).collect();
    lines.push(match place.is_empty() {
        true => "location unknown".to_owned(),
        false => format!("location {}", place.join(", ")),
    });
    for step in case.steps() {
        lines.push(format!("{} {}", step.name, step.found));
        if let Some(steered) = &step.steered {
            self::steered(steered, &mut lines);
        }
    }
    lines
}

fn steered(facts: &SteeredFacts, lines: &mut Vec<String>) {
    if let Some(compiled) = &facts.compiled {
        let row = compiled.row.as_ref();
        let row = row.map_or(String::new(), |row| format!(", {} to {}", row.first, row.last));
        lines.push(format!("class {}{row}, scope /{}", compiled.class, compiled.cell.scope));
    }
    lines.extend(facts.exception.clone());
    target("", &facts.decision, lines);
    if let Some(compiled) = &facts.compiled {
        lines.push(format!("answer {}", compiled.cell.answer.join(", ")));
    }
}

fn target(mark: &str, facts: &TargetFacts, lines: &mut Vec<String>) {
    lines.push(format!("{mark}{} {}: {}", facts.kind, facts.name, facts.note));
    for considered in &facts.considered {
        let ConsideredFacts { by, fate, target, .. } = considered;
        match fate {
            Fate::Taken => self::target(&format!("-> [{by}] "), target, lines),
            Fate::Shares(share) => {
                self::target(&format!("-> [{by}, {:.1} %] ", share * 100.0), target, lines);
            }
            Fate::PassedOver(why) => {
                lines.push(format!("x [{by}] {} {}: {why}", target.kind, target.name));
                members(target, lines);
            }
            Fate::NotNeeded => {}
        }
    }
    members(facts, lines);
}

fn members(facts: &TargetFacts, lines: &mut Vec<String>) {
    for member in &facts.members {
        lines.push(format!("{} {}: {}", member.name, member.state, member.by));
    }
}
