//! Metrics in Prometheus' text format (version 0.0.4), written at each scrape.
//!
//! Counters are summed by whoever counts; nothing here is on the way of a query.

mod answers;

use std::fmt::Write;
use std::fs;

pub use answers::{Answered, Answers, Histogram};

use super::message::{Health, MaintenanceStatus, Status};

/// What the transports counted since the start.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // the help texts below say it
pub struct Counts {
    /// By transport and type; types without a name are `other`.
    pub queries: Vec<(&'static str, &'static str, u64)>,
    /// By transport and response code; others are `other`.
    pub responses: Vec<(&'static str, &'static str, u64)>,
    /// Where clients were sent, scopes and times.
    pub answers: Answers,
    /// Open connections by transport.
    pub connections: Vec<(&'static str, u64)>,
    pub udp_received: u64,
    pub udp_answered: u64,
    pub udp_discarded: u64,
    pub udp_limited: u64,
    pub udp_slipped: u64,
    pub udp_unsent: u64,
    pub udp_panics: u64,
    pub connections_accepted: u64,
    pub connections_refused: u64,
    pub connections_evicted: u64,
    /// Queries in the query log, by where: `lines`, `dnstap`.
    pub log_written: Vec<(&'static str, u64)>,
    /// Queries that are not in it for want of room, by where.
    pub log_lost: Vec<(&'static str, u64)>,
}

/// A metric being written.
struct Family<'a> {
    name: &'static str,
    out: &'a mut String,
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.line("", labels, value);
    }

    /// The samples of a histogram: each bucket has those of the buckets before it too.
    fn histogram(&mut self, label: (&str, &str), histogram: &Histogram) {
        let mut all = 0;
        for (bound, count) in &histogram.buckets {
            all += count;
            self.line("_bucket", &[label, ("le", &bound.to_string())], all);
        }
        self.line("_bucket", &[label, ("le", "+Inf")], histogram.count());
        self.line("_sum", &[label], histogram.sum);
        self.line("_count", &[label], histogram.count());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let Family { name, out } = self;
        out.push_str(name);
        out.push_str(suffix);
        for (index, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if index == 0 { '{' } else { ',' };
            // Writing to a string does not fail.
            let _ = write!(out, "{before}{label}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(out, "{after} {value}");
    }
}

/// The octets of memory that this process holds; `None` where /proc does not say.
pub fn resident_octets() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Writes all metrics. Each has its help text even while it has no sample, so that it can be
/// found.
pub fn write(status: &Status, health: &Health, counts: &Counts, resident: Option<u64>) -> String {
    let mut out = String::new();
    process(status, resident, &mut out);
    steering(status, health, &mut out);
    checks(health, &mut out);
    webhooks(status, &mut out);
    queries(counts, &mut out);
    answers::write(health, &counts.answers, &mut out);
    transports(counts, &mut out);
    query_log(counts, &mut out);
    out
}

fn family<'a>(out: &'a mut String, name: &'static str, kind: &str, help: &str) -> Family<'a> {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    Family { name, out }
}

fn process(status: &Status, resident: Option<u64>, out: &mut String) {
    family(out, "meridian_build_info", "gauge", "1, with the version of the program.")
        .sample(&[("version", &status.version)], 1);
    family(out, "meridian_start_time_seconds", "gauge", "When the server began to answer.")
        .sample(&[], seconds(status.started));
    let mut memory =
        family(out, "meridian_resident_memory_bytes", "gauge", "Memory that the process holds.");
    if let Some(resident) = resident {
        memory.sample(&[], resident);
    }
    family(out, "meridian_config_generation", "gauge", "The generation in force.")
        .sample(&[], status.generation);
    let failed = status.reload.as_ref().is_some_and(|reload| reload.error.is_some());
    family(
        out,
        "meridian_config_reload_failed",
        "gauge",
        "1 when the last reload failed and the generation before it answers.",
    )
    .sample(&[], u8::from(failed));
    family(
        out,
        "meridian_config_fallback",
        "gauge",
        "1 while a kept generation answers instead of the files: after a start on broken files, or \
         a rollback.",
    )
    .sample(&[], u8::from(status.fallback.is_some()));
    let mut reload = family(
        out,
        "meridian_config_last_reload_timestamp_seconds",
        "gauge",
        "When the last reload ended, well or not.",
    );
    if let Some(last) = &status.reload {
        reload.sample(&[], seconds(last.at));
    }
    let mut built = family(
        out,
        "meridian_geoip_database_build_timestamp_seconds",
        "gauge",
        "When a GeoIP database was built.",
    );
    for database in &status.databases {
        built.sample(&[("database", &database.name)], seconds(database.built));
    }
    family(
        out,
        "meridian_warnings",
        "gauge",
        "What does not work and is worked around, as a state directory that cannot be written.",
    )
    .sample(&[], status.warnings.len());
    family(out, "meridian_zones", "gauge", "Zones that are served.").sample(&[], status.zone_count);
    family(out, "meridian_steered_records", "gauge", "Records that policies or pools answer for.")
        .sample(&[], status.record_count);
}

fn steering(status: &Status, health: &Health, out: &mut String) {
    family(
        out,
        "meridian_panic_records",
        "gauge",
        "Records for which nothing is up for some clients.",
    )
    .sample(&[], status.panics.len());
    let mut state = family(
        out,
        "meridian_pool_state",
        "gauge",
        "1 for the state a pool is in: up, down or drain.",
    );
    for pool in &health.pools {
        for word in ["up", "down", "drain"] {
            let is_it = u8::from(pool.state == word);
            state.sample(&[("pool", &pool.name), ("state", word)], is_it);
        }
    }
    let mut share = family(
        out,
        "meridian_pool_share",
        "gauge",
        "The share of its clients that a pool keeps, 0 to 1.",
    );
    for pool in &health.pools {
        share.sample(&[("pool", &pool.name)], pool.share);
    }
    let mut held = family(
        out,
        "meridian_pool_held",
        "gauge",
        "1 while a safety rule leaves a pool clients that it would have lost.",
    );
    for pool in &health.pools {
        let is_held = status.held.iter().any(|held| held.pool == pool.name);
        held.sample(&[("pool", &pool.name)], u8::from(is_held));
    }
    let mut maintenance = family(
        out,
        "meridian_pool_maintenance",
        "gauge",
        "1 while a scheduled maintenance is under way for a pool: leaving, away or returning.",
    );
    for pool in &health.pools {
        let of_pool = |planned: &&MaintenanceStatus| planned.pool == pool.name;
        let mut planned = status.maintenance.iter().filter(of_pool);
        let is_under_way = planned.any(|planned| planned.phase != "planned");
        maintenance.sample(&[("pool", &pool.name)], u8::from(is_under_way));
    }
    let mut load = family(
        out,
        "meridian_pool_load",
        "gauge",
        "How busy the members of a pool that are up say they are; 1 is full.",
    );
    for pool in &health.pools {
        if let Some(value) = pool.load {
            load.sample(&[("pool", &pool.name)], value);
        }
    }
    let mut members = family(
        out,
        "meridian_pool_members",
        "gauge",
        "Members of a pool by the verdict of their checks: up, down or unknown.",
    );
    for pool in &health.pools {
        for word in ["up", "down", "unknown"] {
            let count = pool.members.iter().filter(|member| member.verdict == word).count();
            members.sample(&[("pool", &pool.name), ("verdict", word)], count);
        }
    }
    let mut overrides = family(
        out,
        "meridian_overrides",
        "gauge",
        "Pools that an operator has put into a state: up, down or drain.",
    );
    for word in ["up", "down", "drain"] {
        let count = status.overrides.iter().filter(|known| known.state.as_str() == word).count();
        overrides.sample(&[("state", word)], count);
    }
}

fn checks(health: &Health, out: &mut String) {
    // Pools that name the same member with the same monitor share one check.
    let mut checks: Vec<_> = health
        .pools
        .iter()
        .flat_map(|pool| &pool.members)
        .filter_map(|member| Some((member.target.as_deref()?, member.monitor.as_deref()?, member)))
        .collect();
    checks.sort_by_key(|(target, monitor, _)| (*target, *monitor));
    checks.dedup_by_key(|(target, monitor, _)| (*target, *monitor));
    let labels = |target, monitor| [("target", target), ("monitor", monitor)];
    let mut up = family(
        out,
        "meridian_check_up",
        "gauge",
        "1 when a check's verdict is up, 0 when it is down; none before the first result.",
    );
    for (target, monitor, member) in &checks {
        if member.verdict != "unknown" {
            up.sample(&labels(*target, *monitor), u8::from(member.verdict == "up"));
        }
    }
    let mut since = family(
        out,
        "meridian_check_verdict_timestamp_seconds",
        "gauge",
        "Since when a check's verdict stands.",
    );
    for (target, monitor, member) in &checks {
        if let Some(at) = member.since {
            since.sample(&labels(*target, *monitor), seconds(at));
        }
    }
    let mut checked =
        family(out, "meridian_check_last_timestamp_seconds", "gauge", "When a check last ended.");
    for (target, monitor, member) in &checks {
        if let Some(at) = member.checked {
            checked.sample(&labels(*target, *monitor), seconds(at));
        }
    }
    let mut took = family(
        out,
        "meridian_check_duration_seconds",
        "gauge",
        "How long the last check that succeeded took.",
    );
    for (target, monitor, member) in &checks {
        if let Some(ms) = member.took_ms {
            took.sample(&labels(*target, *monitor), ms / 1000.0);
        }
    }
    let mut held = family(
        out,
        "meridian_check_held",
        "gauge",
        "1 when something holds the target down although its checks may succeed.",
    );
    for (target, monitor, member) in &checks {
        held.sample(&labels(*target, *monitor), u8::from(member.course.hold.is_some()));
    }
    let mut warned =
        family(out, "meridian_check_warned", "gauge", "1 when the target is up and warned of.");
    for (target, monitor, member) in &checks {
        warned.sample(&labels(*target, *monitor), u8::from(member.course.weight_left.is_some()));
    }
    let mut server = family(
        out,
        "meridian_check_server_seconds",
        "gauge",
        "What a target needs to answer beyond the network: a moving average.",
    );
    for (target, monitor, member) in &checks {
        if let Some(ms) = member.server_ms {
            server.sample(&labels(*target, *monitor), ms / 1000.0);
        }
    }
}

fn webhooks(status: &Status, out: &mut String) {
    let mut waiting = family(
        out,
        "meridian_webhook_waiting",
        "gauge",
        "Events that a webhook has not taken yet.",
    );
    for hook in &status.webhooks {
        waiting.sample(&[("webhook", &hook.name)], hook.waiting);
    }
    let mut sent =
        family(out, "meridian_webhook_sent_total", "counter", "Events that a webhook has taken.");
    for hook in &status.webhooks {
        sent.sample(&[("webhook", &hook.name)], hook.sent);
    }
    let mut failed = family(
        out,
        "meridian_webhook_failed_total",
        "counter",
        "Attempts to post to a webhook that failed.",
    );
    for hook in &status.webhooks {
        failed.sample(&[("webhook", &hook.name)], hook.failed);
    }
    let mut lost = family(
        out,
        "meridian_webhook_dropped_total",
        "counter",
        "Events that were gone from the history before a webhook took them.",
    );
    for hook in &status.webhooks {
        lost.sample(&[("webhook", &hook.name)], hook.lost);
    }
}

fn queries(counts: &Counts, out: &mut String) {
    let mut queries = family(
        out,
        "meridian_queries_total",
        "counter",
        "Queries that were answered, by transport and type; those without a type that has a name \
         are `other`.",
    );
    for (transport, rtype, count) in &counts.queries {
        queries.sample(&[("transport", transport), ("type", rtype)], count);
    }
    let mut responses = family(
        out,
        "meridian_responses_total",
        "counter",
        "Answers by transport and response code.",
    );
    for (transport, rcode, count) in &counts.responses {
        responses.sample(&[("transport", transport), ("rcode", rcode)], count);
    }
    let mut connections = family(
        out,
        "meridian_connections",
        "gauge",
        "Connections that are open now, by transport, but for those of HTTP/3.",
    );
    for (transport, count) in &counts.connections {
        connections.sample(&[("transport", transport)], count);
    }
}

fn transports(counts: &Counts, out: &mut String) {
    let counters = [
        ("meridian_udp_received_total", counts.udp_received, "Datagrams that came."),
        ("meridian_udp_answered_total", counts.udp_answered, "Replies that the kernel took."),
        (
            "meridian_udp_discarded_total",
            counts.udp_discarded,
            "Datagrams not looked at: longer than 1,600 octets, or from port 0.",
        ),
        ("meridian_udp_limited_total", counts.udp_limited, "Answers over a rate limit."),
        (
            "meridian_udp_slipped_total",
            counts.udp_slipped,
            "Answers over a rate limit that went out all the same, empty or as an error.",
        ),
        ("meridian_udp_unsent_total", counts.udp_unsent, "Replies that the kernel did not take."),
        (
            "meridian_udp_lost_batches_total",
            counts.udp_panics,
            "Batches of datagrams lost to a defect of the program.",
        ),
        (
            "meridian_connections_accepted_total",
            counts.connections_accepted,
            "Connections served, over TCP, TLS, HTTPS and QUIC.",
        ),
        (
            "meridian_connections_refused_total",
            counts.connections_refused,
            "Connections refused because their client held as many as it may.",
        ),
        (
            "meridian_connections_evicted_total",
            counts.connections_evicted,
            "Connections closed to make room for others.",
        ),
    ];
    for (name, value, help) in counters {
        family(out, name, "counter", help).sample(&[], value);
    }
}

fn query_log(counts: &Counts, out: &mut String) {
    let mut written = family(
        out,
        "meridian_query_log_written_total",
        "counter",
        "Queries that were logged, by where: lines or dnstap.",
    );
    for (to, count) in &counts.log_written {
        written.sample(&[("to", to)], count);
    }
    let mut lost = family(
        out,
        "meridian_query_log_lost_total",
        "counter",
        "Queries that were to be logged and found no room, by where: queue (for both logs), lines or \
         dnstap.",
    );
    for (at, count) in &counts.log_lost {
        lost.sample(&[("at", at)], count);
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
