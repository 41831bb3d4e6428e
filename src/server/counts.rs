//! What the transports counted, as metrics have it.

use crate::admin::Counts;
use crate::admin::metrics::{Answered, Answers, Histogram};
use crate::server::query_log;
use crate::transport::{AnswerCounts, Meter, QueryCounts, TimeCounts};
use crate::wire::{Rcode, Type};

/// What has no name is counted under this one.
const OTHER: &str = "other";

/// The longest scope of each bucket: how finely clients are told apart, and the lengths that
/// resolvers send.
const SCOPES_V4: [usize; 9] = [0, 8, 12, 16, 18, 20, 22, 24, 32];
const SCOPES_V6: [usize; 10] = [0, 16, 24, 32, 36, 40, 44, 48, 56, 128];

/// Adds up everything.
pub(super) fn counts(meter: &Meter, logged: &query_log::Counts) -> Counts {
    let (udp, connections) = (meter.udp_counts(), meter.connection_counts());
    let queries = meter.query_counts();
    let of_types = queries.iter().flat_map(|counts| {
        let name = |rtype: Option<Type>| rtype.and_then(Type::mnemonic).unwrap_or(OTHER);
        let transport = counts.transport.as_str();
        counts.types.iter().map(move |(rtype, count)| (transport, name(*rtype), *count))
    });
    let of_rcodes = queries.iter().flat_map(|counts| {
        let transport = counts.transport.as_str();
        counts.rcodes.iter().map(move |(rcode, count)| (transport, name(*rcode), *count))
    });
    let open = meter.open_connections().into_iter();
    Counts {
        queries: of_types.collect(),
        responses: of_rcodes.collect(),
        answers: answers(meter.answer_counts(), &queries),
        connections: open.map(|(transport, count)| (transport.as_str(), count)).collect(),
        udp_received: udp.received,
        udp_answered: udp.answered,
        udp_discarded: udp.discarded,
        udp_limited: udp.limited,
        udp_slipped: udp.slipped,
        udp_unsent: udp.unsent,
        udp_panics: udp.panics,
        connections_accepted: connections.accepted,
        connections_refused: connections.refused,
        connections_evicted: connections.evicted,
        log_written: logged.written().to_vec(),
        log_lost: logged.lost().to_vec(),
    }
}

fn name(rcode: Option<Rcode>) -> &'static str {
    rcode.and_then(Rcode::mnemonic).unwrap_or(OTHER)
}

fn answers(counts: AnswerCounts, queries: &[QueryCounts]) -> Answers {
    let AnswerCounts { zones, labels, scopes_v4, scopes_v6 } = counts;
    let zones = zones.into_iter().map(|(apex, rcode, count)| (apex, name(rcode), count));
    let steered = labels.into_iter().map(|(label, count)| Answered {
        policy: label.policy,
        kind: label.kind,
        pool: label.pool,
        reason: label.reason,
        count,
    });
    let scopes =
        [("ipv4", scopes(&scopes_v4, &SCOPES_V4)), ("ipv6", scopes(&scopes_v6, &SCOPES_V6))];
    let times = queries.iter().map(|counts| (counts.transport.as_str(), times(&counts.times)));
    let has_any = |histogram: &Histogram| histogram.count() > 0;
    Answers {
        zones: zones.collect(),
        steered: steered.collect(),
        scopes: scopes.into_iter().filter(|(_, scopes)| has_any(scopes)).collect(),
        times: times.filter(|(_, times)| has_any(times)).collect(),
    }
}

/// A histogram of scopes, of which there are so many of each from 0 on; the last bound is the
/// longest.
fn scopes(counts: &[u64], bounds: &[usize]) -> Histogram {
    let mut from = 0;
    let bucket = |bound: &usize| {
        let count = counts[from..=*bound].iter().sum();
        from = bound + 1;
        (*bound as f64, count)
    };
    let sum = counts.iter().zip(0u64..).map(|(count, scope)| count * scope).sum::<u64>();
    Histogram { buckets: bounds.iter().map(bucket).collect(), greater: 0, sum: sum as f64 }
}

fn times(counts: &TimeCounts) -> Histogram {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    Histogram {
        buckets: counts.buckets.iter().map(|(nanos, count)| (seconds(*nanos), *count)).collect(),
        greater: counts.longer,
        sum: seconds(counts.nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_in_one_bucket() {
        for (longest, bounds) in [(32, &SCOPES_V4[..]), (128, &SCOPES_V6[..])] {
            let histogram = scopes(&vec![1; longest + 1], bounds);
            assert_eq!(histogram.count(), longest as u64 + 1);
            assert_eq!(histogram.sum, (longest * (longest + 1) / 2) as f64);
            let mut one = vec![0; longest + 1];
            one[24] = 7;
            let histogram = scopes(&one, bounds);
            let in_it = |bound: f64| histogram.buckets.iter().find(|(b, _)| *b == bound);
            assert_eq!(in_it(24.0), Some(&(24.0, 7)));
        }
    }
}
