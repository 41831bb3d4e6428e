//! What must hold across tables: no loops, locations where distances are measured, no names
//! beside addresses in one answer.

use super::diagnostic::Diagnostic;
use super::monitor::{Monitor, MonitorKind};
use super::names::{Target, TargetRef};
use super::policy::{OnDown, Policy, PolicyKind};
use super::pool::Pool;
use super::source::Span;

/// The pools and policies as far as they could be read.
#[derive(Clone, Copy)]
pub(super) struct Graph<'a> {
    pub(super) pools: &'a [Option<Pool>],
    pub(super) policies: &'a [Option<Policy>],
}

impl Graph<'_> {
    /// The pools at and below a target, in the order they are met; each once. Ends on loops.
    pub(super) fn pools_below(&self, target: Target) -> Vec<usize> {
        let mut pools = Vec::new();
        self.walk(target, &mut vec![false; self.policies.len()], &mut |target| match target {
            Target::Pool(index) if !pools.contains(&index) => pools.push(index),
            _ => {}
        });
        pools
    }

    /// The policies at and below a target; each once. Ends on loops.
    pub(super) fn policies_below(&self, target: Target) -> Vec<usize> {
        let mut policies = Vec::new();
        self.walk(target, &mut vec![false; self.policies.len()], &mut |target| match target {
            Target::Policy(index) => policies.push(index),
            Target::Pool(_) => {}
        });
        policies
    }

    fn walk(&self, target: Target, seen: &mut [bool], visit: &mut impl FnMut(Target)) {
        // A list of what is still to do and not recursion: a chain of policies may be long.
        let mut left = vec![target];
        while let Some(target) = left.pop() {
            if let Target::Policy(index) = target {
                if std::mem::replace(&mut seen[index], true) {
                    continue;
                }
                let targets = self.policies[index].iter().flat_map(Policy::targets);
                left.extend(targets.map(|to| to.target).rev());
            }
            visit(target);
        }
    }
}

/// Reports everything that does not hold.
pub(super) fn check(graph: Graph<'_>, found: &mut Vec<Diagnostic>) {
    loops(graph, found);
    for policy in graph.policies.iter().flatten() {
        if policy.take > 1 {
            one_kind_of_data(graph, &policy.targets(), found);
        }
        match &policy.kind {
            PolicyKind::RoundRobin { .. } => one_kind_of_data(graph, &policy.targets(), found),
            PolicyKind::Nearest { targets } => {
                for target in targets {
                    located(graph, &target.to, "`nearest` measures distances", found);
                }
            }
            PolicyKind::Latency { targets, table, .. } => {
                let rows = table.iter().flat_map(|table| &table.rows);
                let in_table: Vec<usize> = rows.map(|row| row.pool).collect();
                for target in targets {
                    let pools = graph.pools_below(target.target);
                    if !pools.iter().any(|pool| in_table.contains(pool)) {
                        let why = "`latency` estimates from the distance where no table row does";
                        located(graph, target, why, found);
                    }
                }
            }
            PolicyKind::Geo(geo) if geo.on_down == OnDown::Nearest => {
                let mut seen = Vec::new();
                for target in policy.targets() {
                    if !seen.contains(&target.target) {
                        seen.push(target.target);
                        located(graph, target, "`on_down = \"nearest\"` measures distances", found);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Reports each loop of policies once, with the whole way round.
fn loops(graph: Graph<'_>, found: &mut Vec<Diagnostic>) {
    let policies = graph.policies.iter().map(|policy| {
        let targets = policy.iter().flat_map(Policy::targets);
        let policies = targets.filter_map(|to| match to.target {
            Target::Policy(index) => Some((index, &to.span)),
            Target::Pool(_) => None,
        });
        policies.collect()
    });
    let name = |index: usize| graph.policies[index].as_ref().map_or("", |policy| &*policy.name);
    for round in rounds(&policies.collect::<Vec<_>>()) {
        let help = "every way from a policy must end at a pool";
        found.push(round_trip("policies lead", "leads to", &round, name).help(help));
    }
}

/// Reports each loop of composites once, with the whole way round.
pub(super) fn monitor_loops(monitors: &[Option<Monitor>], found: &mut Vec<Diagnostic>) {
    let parts = monitors.iter().map(|monitor| match monitor.as_ref().map(|m| &m.kind) {
        Some(MonitorKind::Composite(composite)) => {
            composite.parts.iter().map(|part| (part.monitor, &part.span)).collect()
        }
        _ => Vec::new(),
    });
    let name = |index: usize| monitors[index].as_ref().map_or("", |monitor| &*monitor.name);
    for round in rounds(&parts.collect::<Vec<_>>()) {
        let help = "every composite must end at monitors that check something";
        found.push(round_trip("composites lead", "has the part", &round, name).help(help));
    }
}

/// Reports monitors that run programs.
pub(super) fn no_programs(monitors: &[Option<Monitor>], found: &mut Vec<Diagnostic>) {
    for monitor in monitors.iter().flatten() {
        if let MonitorKind::Exec(exec) = &monitor.kind {
            let message =
                format!("monitor `{}` runs a program, which is not allowed", monitor.name);
            let d = Diagnostic::error("exec-not-allowed", message).at(&exec.program.span, "");
            found.push(d.help(
                "set `exec = true` in [health] of the server's own file, if whoever writes policy \
                 files may run programs on this machine",
            ));
        }
    }
}

/// The loops of a graph: the steps of each, as (from, to, the place that names `to`). `edges` has
/// for each node where it leads.
fn rounds<'s>(edges: &[Vec<(usize, &'s Span)>]) -> Vec<Vec<(usize, usize, &'s Span)>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut rounds = Vec::new();
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::OnPath;
        // Each node on the way, and how many of its edges have been looked at.
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let Some(&(to, _)) = edges[*at].get(*next) else {
                marks[*at] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[to] {
                Mark::New => {
                    marks[to] = Mark::OnPath;
                    path.push((to, 0));
                }
                Mark::OnPath => {
                    let from = path.iter().position(|(node, _)| *node == to).unwrap_or(0);
                    let step = |(at, next): &(usize, usize)| {
                        let (to, span) = edges[*at][next - 1];
                        (*at, to, span)
                    };
                    rounds.push(path[from..].iter().map(step).collect());
                }
                Mark::Done => {}
            }
        }
    }
    rounds
}

/// An error about one loop. `who` does what, `verb` is what each of its steps does.
fn round_trip<'n>(
    who: &str,
    verb: &str,
    round: &[(usize, usize, &Span)],
    name: impl Fn(usize) -> &'n str,
) -> Diagnostic {
    let mut way = round.first().map_or("", |(from, ..)| name(*from)).to_owned();
    for (_, to, _) in round {
        way = format!("{way} -> {}", name(*to));
    }
    let mut d = Diagnostic::error("loop", format!("{who} in a loop: {way}"));
    for (i, (from, to, span)) in round.iter().enumerate() {
        let text = format!("`{}` {verb} `{}`", name(*from), name(*to));
        d = if i == 0 { d.at(span, text) } else { d.and(span, text) };
    }
    d
}

/// A policy's location is that of its nearest pool, so one located pool below is enough.
fn located(graph: Graph<'_>, target: &TargetRef, why: &str, found: &mut Vec<Diagnostic>) {
    let pools = graph.pools_below(target.target);
    // What could not be read has its own report, and so has a policy without pools.
    let located = |index: &usize| graph.pools[*index].as_ref().is_none_or(|p| p.location.is_some());
    if pools.is_empty() || pools.iter().any(located) {
        return;
    }
    let (name, what) = match target.target {
        Target::Pool(index) => {
            (graph.pools[index].as_ref().map(|pool| &pool.name), "the pool has no location")
        }
        Target::Policy(index) => (
            graph.policies[index].as_ref().map(|policy| &policy.name),
            "no pool below this policy has a location",
        ),
    };
    let name = name.map_or("", String::as_str);
    let mut d = Diagnostic::error("no-location", format!("`{name}` has no location"))
        .at(&target.span, what);
    for pool in pools.iter().filter_map(|index| graph.pools[*index].as_ref()) {
        d = d.and(&pool.span, "defined here");
    }
    found.push(d.help(why).help("give the pool a `location`, such as \"aws:us-east-1\""));
}

/// Some policies put the members of several pools into one answer.
fn one_kind_of_data(graph: Graph<'_>, targets: &[&TargetRef], found: &mut Vec<Diagnostic>) {
    let mut pools = Vec::new();
    for target in targets {
        for index in graph.pools_below(target.target) {
            pools.extend(graph.pools[index].as_ref().map(|pool| (pool, *target)));
        }
    }
    let alias = pools.iter().find(|(pool, _)| pool.is_alias());
    let other = pools.iter().find(|(pool, _)| !pool.is_alias() && !pool.members.is_empty());
    if let (Some((alias, to_alias)), Some((other, to_other))) = (alias, other) {
        let message = "names and addresses cannot stand in one answer";
        let d = Diagnostic::error("mixed-members", message)
            .at(&to_alias.span, format!("`{}` has names", alias.name))
            .and(&to_other.span, format!("`{}` has not", other.name));
        found.push(d.help("a CNAME cannot stand beside other records (RFC 1034 section 3.6.2)"));
    }
}
