//! What is probably not meant: the configuration works, and an operator should look at it.
//!
//! Sees the configuration alone. Records outside every zone, and rules that no network in the
//! database matches, are found where zones and databases are known.

use std::time::Duration;

use ipnet::IpNet;

use super::check::Graph;
use super::diagnostic::Diagnostic;
use super::duration;
use super::maintenance::{self, Maintenance};
use super::monitor::{Monitor, MonitorKind, composite};
use super::place::Match;
use super::policy::{Geo, OnDown, Policy, PolicyKind};
use super::pool::{Pool, PoolState};
use super::record::Record;
use super::repeated;
use super::source::Located;

/// Everything a lint looks at.
pub(super) struct Lints<'a> {
    pub(super) graph: Graph<'a>,
    pub(super) monitors: &'a [Option<Monitor>],
    pub(super) records: &'a [Record],
    /// Pools that a record is never left with fewer of.
    pub(super) never_below: usize,
    pub(super) maintenance: &'a [Maintenance],
}

impl Lints<'_> {
    /// All lints, in the order of the tables they are about; one that says the same of many places is
    /// about the first few.
    pub(super) fn collect(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        self.unused(&mut found);
        self.monitors.iter().flatten().for_each(|monitor| idle_rules(monitor, &mut found));
        for policy in self.graph.policies.iter().flatten() {
            if let PolicyKind::Geo(geo) = &policy.kind {
                no_default(policy, geo, &mut found);
                unreachable_nets(geo, &mut found);
            }
            self.equal_costs(policy, &mut found);
            nothing_to_explore(policy, &mut found);
            self.unknown_loads(policy, &mut found);
        }
        for pool in self.graph.pools.iter().flatten() {
            unwatched(pool, &mut found);
        }
        self.unused_costs(&mut found);
        let state = |pool: usize| self.graph.pools[pool].as_ref().and_then(kept_away);
        found.extend(maintenance::needless(self.maintenance, state));
        for record in self.records {
            self.long_ttl(record, &mut found);
            self.idle_ttl_min(record, &mut found);
            self.unlike_pools(record, &mut found);
            self.all_held(record, &mut found);
            let pools = self.graph.pools_below(record.target.target);
            let named = (&*record.name.to_string(), &record.span);
            found.extend(maintenance::together(named, &pools, self.maintenance));
        }
        repeated::cut_short(found)
    }

    fn unused(&self, found: &mut Vec<Diagnostic>) {
        let mut pools = vec![false; self.graph.pools.len()];
        let mut policies = vec![false; self.graph.policies.len()];
        for record in self.records {
            for index in self.graph.pools_below(record.target.target) {
                pools[index] = true;
            }
            for index in self.graph.policies_below(record.target.target) {
                policies[index] = true;
            }
        }
        let mut report = |what: &str, name: &str, span, help: &str| {
            let d = Diagnostic::lint("unused", format!("{what} `{name}` is not used"));
            found.push(d.at(span, "").help(help));
        };
        let named = self.graph.pools.iter().flatten().filter_map(|pool| pool.monitor);
        let mut monitors = vec![false; self.monitors.len()];
        for index in named.flat_map(|index| composite::below(self.monitors, index)) {
            monitors[index] = true;
        }
        for (monitor, _) in self.monitors.iter().zip(monitors).filter(|(_, used)| !used) {
            if let Some(monitor) = monitor {
                report("monitor", &monitor.name, &monitor.span, "no pool names it; remove it");
            }
        }
        let help = "no record leads to it; remove it, or `use` it";
        for (pool, _) in self.graph.pools.iter().zip(pools).filter(|(_, used)| !used) {
            if let Some(pool) = pool {
                report("pool", &pool.name, &pool.span, help);
            }
        }
        for (policy, _) in self.graph.policies.iter().zip(policies).filter(|(_, used)| !used) {
            if let Some(policy) = policy {
                report("policy", &policy.name, &policy.span, help);
            }
        }
    }

    /// Costs that are all the same decide nothing.
    fn equal_costs(&self, policy: &Policy, found: &mut Vec<Diagnostic>) {
        let PolicyKind::Latency { targets, within: Some(within), .. } = &policy.kind else {
            return;
        };
        let pools = targets.iter().flat_map(|to| self.graph.pools_below(to.target));
        let costs: Vec<f64> =
            pools.filter_map(|index| Some(self.graph.pools[index].as_ref()?.cost)).collect();
        if costs.iter().all(|cost| *cost == costs[0]) {
            let message = format!("all pools of `{}` cost the same", policy.name);
            let d = Diagnostic::lint("equal-costs", message).at(&within.span, "decides nothing");
            found.push(d.help("give the pools a `cost` each, or remove `prefer`"));
        }
    }

    /// A cost that no policy looks at is probably meant for one.
    fn unused_costs(&self, found: &mut Vec<Diagnostic>) {
        let mut seen = vec![false; self.graph.pools.len()];
        for policy in self.graph.policies.iter().flatten() {
            if let PolicyKind::Latency { targets, within: Some(_), .. } = &policy.kind {
                let pools = targets.iter().flat_map(|to| self.graph.pools_below(to.target));
                pools.for_each(|index| seen[index] = true);
            }
        }
        for (pool, _) in self.graph.pools.iter().zip(seen).filter(|(_, seen)| !seen) {
            let Some(pool) = pool.as_ref().filter(|pool| pool.cost > 0.0) else { continue };
            let Some(span) = &pool.cost_span else { continue };
            let message = format!("nothing looks at the cost of pool `{}`", pool.name);
            let d = Diagnostic::lint("unused-cost", message).at(span, "");
            found.push(d.help("latency policies with `prefer = \"cheapest\"` do"));
        }
    }

    /// A target that never says how busy it is comes last, however idle.
    fn unknown_loads(&self, policy: &Policy, found: &mut Vec<Diagnostic>) {
        let PolicyKind::Load { targets } = &policy.kind else { return };
        let reports = |index: &usize| {
            let monitor = self.graph.pools[*index].as_ref().and_then(|pool| pool.monitor);
            let leaves = monitor.into_iter().flat_map(|top| composite::leaves(self.monitors, top));
            leaves.into_iter().any(|monitor| match &monitor.kind {
                MonitorKind::Http(http) => http.load.is_some(),
                _ => false,
            })
        };
        for target in targets {
            if self.graph.pools_below(target.to.target).iter().any(reports) {
                continue;
            }
            let message = format!("a target of `{}` never says how busy it is", policy.name);
            let d = Diagnostic::lint("unknown-load", message);
            let d = d.at(&target.to.span, "comes after all that do");
            found.push(d.help("give its pools a `monitor` that reads a `load`"));
        }
    }

    /// A TTL that outlasts the detection of a failure is what really decides how long clients
    /// go to a region that is down.
    fn long_ttl(&self, record: &Record, found: &mut Vec<Diagnostic>) {
        let named = self.pools_of(record).filter_map(|pool| pool.monitor);
        let monitors = named.flat_map(|index| composite::leaves(self.monitors, index));
        let Some(slowest) = monitors.max_by_key(|monitor| monitor.detection()) else { return };
        let detection = slowest.detection();
        let sum = match slowest.kind {
            MonitorKind::Push => "ttl",
            _ => "interval x fall + timeout",
        };
        if Duration::from_secs(record.ttl.into()) <= detection {
            return;
        }
        let message = format!(
            "the TTL of {} s is longer than the {} it takes to detect a failure",
            record.ttl,
            duration::show(detection)
        );
        let d = Diagnostic::lint("long-ttl", message)
            .at(record.ttl_span.as_ref().unwrap_or(&record.span), "")
            .and(&slowest.span, sum);
        let help = format!(
            "clients keep a dead address for so long; a TTL of {} or less would do",
            detection.as_secs()
        );
        found.push(d.help(help));
    }

    /// A rule that keeps every pool in the answers leaves no room for a failure.
    fn all_held(&self, record: &Record, found: &mut Vec<Diagnostic>) {
        let pools = self.pools_of(record).count();
        if pools < 2 || self.never_below < pools {
            return;
        }
        let least = self.never_below;
        let message = format!("`never_below` = {least} keeps all {pools} pools of this record");
        let d = Diagnostic::lint("never-leaves", message).at(&record.span, "");
        found.push(d.help(
            "none of them is ever taken out of the answers, not even when it is down; lower \
             `never_below` in [safety], or add a pool",
        ));
    }

    /// Without checks no change is ever seen to be near.
    fn idle_ttl_min(&self, record: &Record, found: &mut Vec<Diagnostic>) {
        let is_watched = self.pools_of(record).any(|pool| pool.monitor.is_some());
        if let Some(span) = record.ttl_min_span.as_ref().filter(|_| !is_watched) {
            let message = "no pool of this record has a monitor: its TTL never falls";
            let d = Diagnostic::lint("unused-ttl-min", message).at(span, "");
            found.push(d.help("give its pools a `monitor`, or remove `ttl_min`"));
        }
    }

    /// Pools that clients are moved between should not differ in what they promise.
    fn unlike_pools(&self, record: &Record, found: &mut Vec<Diagnostic>) {
        let pools: Vec<&Pool> = self.pools_of(record).collect();
        let mut report = |d: Diagnostic| {
            // Several records may lead to the same pool.
            if !found.iter().any(|known| known.code == d.code && known.primary == d.primary) {
                found.push(d);
            }
        };
        if let Some(checked) = pools.iter().find(|pool| pool.monitor.is_some()) {
            for pool in pools.iter().filter(|pool| pool.monitor.is_none()) {
                let message = format!("pool `{}` has no monitor beside checked ones", pool.name);
                report(
                    Diagnostic::lint("unchecked-pool", message)
                        .at(&pool.span, "counts as up, always")
                        .and(&checked.span, "is checked")
                        .help("clients are sent to it even when it is dead; give it a `monitor`"),
                );
            }
        }
        if let Some(dual) = pools.iter().find(|pool| pool.families() == (true, true)) {
            for pool in pools.iter().filter(|pool| pool.families() == (true, false)) {
                let message = format!("pool `{}` is IPv4-only beside dual-stack ones", pool.name);
                report(
                    Diagnostic::lint("ipv4-only-pool", message)
                        .at(&pool.span, "has no IPv6 address")
                        .and(&dual.span, "has both")
                        .help("clients with IPv6 only get no address there; add one"),
                );
            }
        }
    }

    fn pools_of(&self, record: &Record) -> impl Iterator<Item = &Pool> {
        let pools = self.graph.pools_below(record.target.target);
        pools.into_iter().filter_map(|index| self.graph.pools[index].as_ref())
    }
}

/// The state in the file that gives a pool to nobody.
fn kept_away(pool: &Pool) -> Option<&'static str> {
    match pool.state {
        PoolState::Down => Some("down"),
        PoolState::Drain => Some("drain"),
        PoolState::Auto | PoolState::Up => None,
    }
}

/// Where there is one target, no other can be measured.
fn nothing_to_explore(policy: &Policy, found: &mut Vec<Diagnostic>) {
    if let PolicyKind::Latency { targets, explore: Some(explore), .. } = &policy.kind
        && targets.len() < 2
    {
        let message = format!("`{}` has one target: there is no other to explore", policy.name);
        let d = Diagnostic::lint("no-exploring", message).at(&explore.span, "");
        found.push(d.help("give it more targets, or remove `explore`"));
    }
}

/// Keys that can change nothing beside others.
fn idle_rules(monitor: &Monitor, found: &mut Vec<Diagnostic>) {
    if let Some(backoff) = monitor.backoff.as_ref().filter(|b| b.value <= monitor.interval) {
        let interval = duration::show(monitor.interval);
        let message = format!("`backoff` is not longer than `interval` ({interval})");
        let d = Diagnostic::lint("no-backoff", message).at(&backoff.span, "");
        let help = "the interval cannot grow; make `backoff` several times as long, or remove it";
        found.push(d.help(help));
    }
    let fails_from = match &monitor.kind {
        MonitorKind::Http(http) => http.expect.latency,
        MonitorKind::Tcp(tcp) => tcp.latency,
        MonitorKind::Tls(tls) => tls.latency,
        MonitorKind::Dns(dns) => dns.latency,
        MonitorKind::Grpc(grpc) => grpc.latency,
        MonitorKind::Exec(_) | MonitorKind::Push | MonitorKind::Composite(_) => None,
    };
    let fails_from = fails_from.unwrap_or(monitor.timeout);
    let Some(warn) = &monitor.warn else { return };
    if let Some(latency) = warn.latency.as_ref().filter(|latency| latency.value >= fails_from) {
        let message = format!(
            "nothing is ever warned of: a check that takes {} fails",
            duration::show(fails_from)
        );
        let d = Diagnostic::lint("no-warning", message).at(&latency.span, "");
        found.push(d.help("warn earlier than `timeout` and `expect.latency`"));
    }
    let reads_load = matches!(&monitor.kind, MonitorKind::Http(http) if http.load.is_some());
    if let Some(load) = warn.load.as_ref().filter(|_| !reads_load) {
        let message = "nothing is ever warned of for its load: the monitor reads none";
        let d = Diagnostic::lint("no-warning", message).at(&load.span, "");
        found.push(d.help("say where it is read with `load`, which http and https monitors have"));
    }
}

/// What only checks can set off says nothing in a pool that has none.
fn unwatched(pool: &Pool, found: &mut Vec<Diagnostic>) {
    if pool.monitor.is_some() {
        return;
    }
    if let Some(span) = pool.ramp_span.as_ref().filter(|_| !pool.ramp.is_zero()) {
        let message = format!("pool `{}` has a ramp and no monitor", pool.name);
        let d = Diagnostic::lint("unused-ramp", message).at(span, "");
        found.push(d.help("it is always up and never comes back up; give it a `monitor`"));
    }
    if let Some(span) = pool.capacity_span.as_ref().filter(|_| pool.capacity > 0) {
        let message = format!("pool `{}` has a capacity and no monitor", pool.name);
        let d = Diagnostic::lint("unused-capacity", message).at(span, "");
        found.push(d.help("nothing tells how busy it is; give it a `monitor`"));
    }
}

fn no_default(policy: &Policy, geo: &Geo, found: &mut Vec<Diagnostic>) {
    let everyone = |net: &str| {
        let wanted = net.parse::<IpNet>().ok();
        geo.rules
            .iter()
            .flat_map(|rule| &rule.matches)
            .any(|place| matches!(&place.value, Match::Net(net) if Some(*net) == wanted))
    };
    if geo.default.is_none() && !(everyone("0.0.0.0/0") && everyone("::/0")) {
        let message = format!("geo policy `{}` has no default", policy.name);
        let d = Diagnostic::lint("no-default", message).at(&policy.span, "");
        found.push(d.help(
            "clients that no rule matches get no address; add `default`, or `default = \"none\"` \
             if that is meant",
        ));
    }
}

/// A network whose every address is in a longer network of another rule matches nobody. With
/// `climb` it is still the way out when the longer one is down.
fn unreachable_nets(geo: &Geo, found: &mut Vec<Diagnostic>) {
    if geo.on_down == OnDown::Climb {
        return;
    }
    let nets: Vec<(&Located<Match>, IpNet)> = geo
        .rules
        .iter()
        .flat_map(|rule| &rule.matches)
        .filter_map(|place| match place.value {
            Match::Net(net) => Some((place, net)),
            _ => None,
        })
        .collect();
    for (place, net) in &nets {
        let mut inside: Vec<IpNet> = nets
            .iter()
            .map(|(_, other)| *other)
            .filter(|other| net.contains(other) && other.prefix_len() > net.prefix_len())
            .collect();
        inside = IpNet::aggregate(&inside);
        if inside.contains(net) {
            let message = format!("`net:{net}` matches nobody");
            let d = Diagnostic::lint("unreachable-rule", message);
            let d = d.at(&place.span, "longer networks of other rules cover it");
            found.push(d.help("remove it, or one of the longer ones"));
        }
    }
}
