//! Monitors that go by what somebody else reports.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Monitor, MonitorKind, Port};
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::monitor::PushSpec;

/// How long a report may hold: 100 ms to a week.
const TTL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(7 * 86_400);

/// Its interval is how long a report holds; every report decides.
pub(super) fn resolve(name: &Located<String>, spec: PushSpec, reader: &mut Reader<'_>) -> Monitor {
    let mut rhythm = Rhythm::resolve(spec.rhythm(), reader);
    rhythm.interval = reader.duration("ttl", Some(&spec.ttl), TTL, *TTL.start());
    rhythm.timeout = rhythm.timeout.min(rhythm.interval);
    (rhythm.fall, rhythm.rise) = (1, 1);
    rhythm.monitor(name, MonitorKind::Push, Port::Needless)
}
