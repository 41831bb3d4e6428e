//! Metrics of what was answered: by zone, where clients were sent and why, scopes, times.

use super::family;
use crate::admin::message::Health;

/// Answers with a steered name that are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The policy that the record uses; empty where it uses a pool.
    pub policy: String,
    /// The kind of the policy, or `pool`.
    pub kind: &'static str,
    /// The pool that clients were sent to, or what stands for it.
    pub pool: String,
    /// Why there.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// How often values occurred.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// The greatest value of each bucket, rising, and how many are in it.
    pub buckets: Vec<(f64, u64)>,
    /// How many are greater than all of these.
    pub greater: u64,
    /// The sum of all values.
    pub sum: f64,
}

impl Histogram {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.greater
    }
}

/// What the metrics here are written from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// By the apex of the zone and by response code; others are `other`.
    pub zones: Vec<(String, &'static str, u64)>,
    /// By what they are counted as.
    pub steered: Vec<Answered>,
    /// ECS scopes by family.
    pub scopes: Vec<(&'static str, Histogram)>,
    /// Seconds by transport.
    pub times: Vec<(&'static str, Histogram)>,
}

pub(super) fn write(health: &Health, answers: &Answers, out: &mut String) {
    let mut zones = family(
        out,
        "meridian_zone_responses_total",
        "counter",
        "Answers by the zone of the name asked for and response code, over all transports; zones \
         behind the first thousand are counted together as `other`.",
    );
    for (zone, rcode, count) in &answers.zones {
        zones.sample(&[("zone", zone), ("rcode", rcode)], count);
    }
    let mut steered = family(
        out,
        "meridian_answers_total",
        "counter",
        "Answers with steered names, by policy and its kind, pool, and the reason for the pool.",
    );
    for Answered { policy, kind, pool, reason, count } in &answers.steered {
        let labels = [("policy", &**policy), ("kind", kind), ("pool", pool), ("reason", reason)];
        steered.sample(&labels, count);
    }
    let mut expected = family(
        out,
        "meridian_policy_expected_share",
        "gauge",
        "The share of a policy's answers that is to lead to a pool now, 0 to 1; of policies that \
         treat all clients alike.",
    );
    for policy in &health.policies {
        for pool in &policy.pools {
            expected.sample(&[("policy", &policy.name), ("pool", &pool.pool)], pool.share);
        }
    }
    let mut scopes = family(
        out,
        "meridian_ecs_scope",
        "histogram",
        "ECS scopes of answers to queries with a client subnet, in bits, by family.",
    );
    for (kind, scope) in &answers.scopes {
        scopes.histogram(("family", kind), scope);
    }
    let mut times = family(
        out,
        "meridian_answer_duration_seconds",
        "histogram",
        "How long answers took, by transport; over UDP of one batch in 64.",
    );
    for (transport, time) in &answers.times {
        times.histogram(("transport", transport), time);
    }
}
