//! Pools: regions.

use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::member::{Member, MemberData};
use super::monitor::{Monitor, MonitorKind, Port, composite};
use super::names::Names;
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::pool::{LocationSpec, PoolSpec};
use super::spec::{IntegerOrString, Spanned, StringOr};
use super::{place, server};

pub use super::spec::pool::{Balance, PoolState};

const ZERO: Duration = Duration::ZERO;
const DAY: Duration = Duration::from_secs(86_400);

/// A region: its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name in the files.
    pub name: String,
    /// Where the name is defined.
    pub span: Span,
    /// Index of the monitor that checks its members; `None`: they are always up.
    pub monitor: Option<usize>,
    /// Where it is.
    pub location: Option<Located<Location>>,
    /// Its load balancers: at least one, and if one is a CNAME, all are.
    pub members: Vec<Member>,
    /// How an answer is made of the members that are up.
    pub balance: Balance,
    /// At most so many addresses in one answer: 1 to 255. Where `balance` is not round robin, the
    /// first is the one that was chosen.
    pub answers: usize,
    /// How many of [`Pool::counted`] must be up for the pool to be up: 1 to their number. A
    /// share in the file is rounded up.
    pub min_healthy: usize,
    /// The share in the file, where it is one: 1 to 100 per cent.
    pub min_healthy_share: Option<usize>,
    /// What the operator says of it.
    pub state: PoolState,
    /// How long its clients take to return after it came back up: up to a day.
    pub ramp: Duration,
    /// Where that is said.
    pub ramp_span: Option<Span>,
    /// How much it can serve, in any unit; 0 is not limited.
    pub capacity: u64,
    /// Where that is said.
    pub capacity_span: Option<Span>,
    /// What serving from it costs, in any unit: finite and not negative.
    pub cost: f64,
    /// Where that is said.
    pub cost_span: Option<Span>,
}

/// Where a pool is.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// A region of a cloud, `aws:us-east-1`; whether it exists is not checked here.
    Region {
        /// `aws`
        provider: String,
        /// `us-east-1`
        code: String,
    },
    /// Coordinates in degrees.
    Point {
        /// -90 to 90, north is positive.
        latitude: f64,
        /// -180 to 180, east is positive.
        longitude: f64,
    },
    /// The centre of a country's population: ISO 3166-1, upper case.
    Country(String),
}

impl Pool {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: PoolSpec,
        names: &Names,
        monitors: &[Option<Monitor>],
        reader: &mut Reader<'_>,
    ) -> Pool {
        let monitor = spec.monitor.as_ref().and_then(|word| names.monitor(word, reader));
        let location =
            spec.location.and_then(|location| Location::resolve(&location, &name.value, reader));
        if spec.members.value.is_empty() {
            let message = format!("pool `{}` has no members", name.value);
            let d = Diagnostic::error("empty-pool", message);
            let d = d.at(&reader.span(&spec.members.range), "empty");
            reader.found.push(d.help("write at least one address, such as \"192.0.2.10\""));
        }
        let written = spec.members.value.len();
        let mut members: Vec<Member> = Vec::new();
        for member in spec.members.value {
            if let Some(member) = Member::resolve(member, reader) {
                members.push(member);
            }
        }
        let balance = spec.balance.map(|balance| balance.value).unwrap_or_default();
        check_members(&members, balance, reader);
        if let Some(index) = monitor {
            set_check_ports(&mut members, monitors, index, reader);
        }
        if spec.monitor.is_none() {
            drop_check_ports(&mut members, reader);
        }
        let usual = if balance == Balance::RoundRobin { 8 } else { 1 };
        let answers = reader.integer("answers", spec.answers.as_ref(), 1..=255, usual);
        // A member that cannot be read has its own report, and may be one of those that count.
        let checkable = members.iter().filter(|member| member.is_checkable()).count();
        let countable = if checkable > 0 { checkable } else { members.len() };
        let countable = countable + (written - members.len());
        // How many addresses a host name has is seen later.
        let has_hosts = members.iter().any(|m| matches!(m.data, MemberData::Host(_)));
        let countable = if has_hosts { None } else { Some(countable) };
        let (min_healthy, min_healthy_share) =
            min_healthy(spec.min_healthy.as_ref(), countable, reader);
        let ramp = reader.duration("ramp", spec.ramp.as_ref(), ZERO..=DAY, ZERO);
        let capacity = reader.integer("capacity", spec.capacity.as_ref(), 0..=i64::MAX, 0);
        Pool {
            name: name.value.clone(),
            span: name.span.clone(),
            monitor,
            location,
            members,
            balance,
            answers: usize::try_from(answers).unwrap_or(1),
            min_healthy,
            min_healthy_share,
            state: spec.state.map(|state| state.value).unwrap_or_default(),
            ramp,
            ramp_span: spec.ramp.map(|ramp| reader.span(&ramp.range)),
            capacity: u64::try_from(capacity).unwrap_or(0),
            capacity_span: spec.capacity.map(|capacity| reader.span(&capacity.range)),
            cost: cost(spec.cost.as_ref(), reader),
            cost_span: spec.cost.map(|cost| reader.span(&cost.range)),
        }
    }

    /// The members that decide whether it is up: those with an address or a name. Other records
    /// are never checked and would keep a dead pool up, so they count only where nothing else is.
    pub fn counted(&self) -> impl Iterator<Item = &Member> {
        let checkable = self.members.iter().any(Member::is_checkable);
        self.members.iter().filter(move |member| !checkable || member.is_checkable())
    }

    /// Whether its members are names and not addresses.
    pub fn is_alias(&self) -> bool {
        self.members.iter().any(|member| matches!(member.data, MemberData::Cname(_)))
    }

    /// Whether some of its members are given by host name.
    pub fn has_hosts(&self) -> bool {
        self.members.iter().any(|member| matches!(member.data, MemberData::Host(_)))
    }

    /// So many of `members` must be up for the pool to be up.
    pub fn needed_of(&self, members: usize) -> usize {
        match self.min_healthy_share {
            Some(share) => (members * share).div_ceil(100).max(1),
            None => self.min_healthy,
        }
    }

    /// Whether it has a member with an IPv4 and one with an IPv6 address.
    pub(super) fn families(&self) -> (bool, bool) {
        let has = |v6: bool| {
            self.members.iter().any(|member| match &member.data {
                MemberData::Address(address) => address.is_ipv6() == v6,
                // It may have both.
                MemberData::Host(_) => true,
                MemberData::Cname(_) | MemberData::Rdata(_) => false,
            })
        };
        (has(false), has(true))
    }
}

impl Location {
    fn resolve(
        spec: &Spanned<StringOr<LocationSpec>>,
        pool: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Located<Location>> {
        let Spanned { value: spec, range } = spec;
        let value = match spec {
            StringOr::String(text) => {
                let region = text.split_once(':').filter(|(provider, code)| {
                    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                    [provider, code].iter().all(|part| !part.is_empty() && part.bytes().all(fine))
                });
                let Some((provider, code)) = region else {
                    let help = "write a cloud region such as \"aws:us-east-1\", { latitude = 39.0, \
                                longitude = -77.5 } or { country = \"US\" }";
                    reader.invalid(range, format!("`{text}` is not a location"), help);
                    return None;
                };
                Location::Region { provider: provider.to_owned(), code: code.to_owned() }
            }
            StringOr::Table(table) => Location::of_table(table, range, pool, reader)?,
        };
        Some(Located { value, span: reader.span(range) })
    }

    fn of_table(
        table: &LocationSpec,
        range: &std::ops::Range<usize>,
        pool: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Location> {
        let (latitude, longitude) = (table.latitude.as_ref(), table.longitude.as_ref());
        match (&table.country, latitude.is_some() || longitude.is_some()) {
            (Some(country), false) => {
                let code = reader.place(&country.range, place::country(&country.value))?;
                Some(Location::Country(code))
            }
            (None, true) => {
                let (latitude, longitude) =
                    server::coordinates(latitude, longitude, range, reader)?;
                Some(Location::Point { latitude, longitude })
            }
            (country, _) => {
                let what = if country.is_some() { "has two locations" } else { "has no location" };
                let help = "write latitude and longitude, or country";
                reader.invalid(range, format!("pool `{pool}` {what} in this table"), help);
                None
            }
        }
    }
}

fn cost(spec: Option<&Spanned<f64>>, reader: &mut Reader<'_>) -> f64 {
    let Some(Spanned { value, range }) = spec else { return 0.0 };
    if value.is_finite() && *value >= 0.0 {
        return *value;
    }
    reader.invalid(range, format!("`cost` cannot be {value}"), "write a number from 0");
    0.0
}

/// What must hold among the members of one pool.
fn check_members(members: &[Member], balance: Balance, reader: &mut Reader<'_>) {
    let alias = members.iter().find(|m| matches!(m.data, MemberData::Cname(_)));
    let other = members.iter().find(|m| !matches!(m.data, MemberData::Cname(_)));
    if let (Some(alias), Some(other)) = (alias, other) {
        let d = Diagnostic::error("mixed-members", "a CNAME cannot stand beside other records")
            .at(&alias.span, "a name")
            .and(&other.span, "not a name")
            .help("a pool has either names or addresses (RFC 1034 section 3.6.2)");
        reader.found.push(d);
    }
    for (i, member) in members.iter().enumerate() {
        if let Some(first) = members[..i].iter().find(|first| first.data == member.data) {
            let d = Diagnostic::error("duplicate-value", "a member is listed twice")
                .at(&member.span, "again here")
                .and(&first.span, "first here");
            reader.found.push(d.help("for a larger share give it a weight"));
        }
    }
    let mut weighed = members.iter().filter(|member| member.is_checkable()).peekable();
    if balance != Balance::RoundRobin && weighed.peek().is_some() && weighed.all(|m| m.weight == 0)
    {
        let mut zero = members.iter().filter(|m| m.weight == 0);
        if let Some(first) = zero.next() {
            let d = Diagnostic::error("zero-weights", "all members have weight 0");
            let d = zero.fold(d.at(&first.span, ""), |d, member| d.and(&member.span, ""));
            reader.found.push(d.help("give at least one of them a weight of 1 or more"));
        }
    }
}

/// A port that nobody checks is probably not what was meant: clients never learn of it.
fn drop_check_ports(members: &mut [Member], reader: &mut Reader<'_>) {
    for member in members {
        if member.check_port.take().is_some() {
            let message = "a `port` is only for checks, and the pool has no monitor";
            let d = Diagnostic::lint("unused-port", message).at(&member.span, "");
            reader.found.push(d.help("give the pool a `monitor`; clients do not learn the port"));
        }
    }
}

/// Works out where each member is checked.
fn set_check_ports(
    members: &mut [Member],
    monitors: &[Option<Monitor>],
    index: usize,
    reader: &mut Reader<'_>,
) {
    let Some(monitor) = &monitors[index] else { return };
    let is_composite = matches!(monitor.kind, MonitorKind::Composite(_));
    for member in members.iter_mut().filter(|member| member.is_checkable()) {
        for leaf in composite::leaves(monitors, index) {
            let port = leaf.port_at(member.check_port, is_composite);
            if port.is_none() && leaf.port == Port::Unsaid {
                let message = format!("nothing says at which port `{}` checks", leaf.name);
                let d = Diagnostic::error("missing-key", message)
                    .at(&member.span, "has no port")
                    .and(&leaf.span, "has no port")
                    .help("such a monitor has no default; give one of the two a `port`");
                reader.found.push(d);
            }
        }
        member.check_port = monitor.port_at(member.check_port, false);
    }
}

/// How many members must be up, and the share that the file has in its place. `members` is how
/// many there are, where that is known.
fn min_healthy(
    spec: Option<&Spanned<IntegerOrString>>,
    members: Option<usize>,
    reader: &mut Reader<'_>,
) -> (usize, Option<usize>) {
    let Some(Spanned { value, range }) = spec else { return (1, None) };
    let mut of_all = None;
    let needed = match value {
        IntegerOrString::Integer(count) => usize::try_from(*count).ok().filter(|&count| count > 0),
        IntegerOrString::String(text) => text
            .strip_suffix('%')
            .and_then(|share| share.parse::<usize>().ok())
            .filter(|share| (1..=100).contains(share))
            .inspect(|share| of_all = Some(*share))
            .map(|share| (members.unwrap_or(1) * share).div_ceil(100)),
    };
    match needed {
        None => {
            let written = match value {
                IntegerOrString::Integer(count) => count.to_string(),
                IntegerOrString::String(text) => text.clone(),
            };
            let message = format!("`min_healthy` cannot be `{written}`");
            reader.invalid(
                range,
                message,
                "write a count from 1, or a share from \"1%\" to \"100%\"",
            );
            (1, None)
        }
        // An empty pool is an error of its own.
        Some(needed) if members.is_some_and(|members| needed > members && members > 0) => {
            let members = members.unwrap_or_default();
            let message =
                format!("`min_healthy` is {needed}, and {members} members can be up or down");
            reader.invalid(range, message, "the pool could never be up");
            (1, None)
        }
        Some(needed) => (needed, of_all),
    }
}
