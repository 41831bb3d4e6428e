//! Pools: regions, and the load balancers in them.

use std::net::{IpAddr, SocketAddr};

use crate::wire::Name;

use super::diagnostic::Diagnostic;
use super::monitor::{Monitor, port};
use super::names::{Names, owner};
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::pool::{LocationSpec, MemberSpec, PoolSpec};
use super::spec::{IntegerOrString, Spanned, StringOr};
use super::{place, server};

pub use super::spec::pool::{Balance, PoolState};

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
    /// At most so many addresses in one answer: 1 to 255.
    pub answers: usize,
    /// Members that must be up for the pool to be up: 1 to the number of members. A share in
    /// the file is rounded up.
    pub min_healthy: usize,
    /// What the operator says of it.
    pub state: PoolState,
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

/// One load balancer.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What clients are told.
    pub data: MemberData,
    /// Share of the clients when `balance` is weighted or sticky: 0 to 1,000,000.
    pub weight: u32,
    /// Where checks connect: the member's own port, else the monitor's. `None` when it is not
    /// checked: the pool has no monitor, or the data is neither address nor name.
    pub check_port: Option<u16>,
    /// Where checks connect instead of to the member itself.
    pub check: Option<SocketAddr>,
    /// Where it is written.
    pub span: Span,
}

/// What clients are told of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberData {
    /// An A or AAAA record; never unspecified, multicast or IPv4-mapped.
    Address(IpAddr),
    /// A CNAME record.
    Cname(Name),
    /// Type and data of any other record in presentation form; only its form is checked here.
    Rdata(String),
}

impl Pool {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: PoolSpec,
        names: &Names,
        monitors: &[Option<Monitor>],
        reader: &mut Reader<'_>,
    ) -> Pool {
        reader.not_yet("capacity", spec.capacity.as_ref(), Some(0.into()));
        reader.not_yet("cost", spec.cost.as_ref(), Some(0.0.into()));
        reader.not_yet("ramp", spec.ramp.as_ref(), Some("0s".into()));
        let monitor = spec.monitor.as_ref().and_then(|word| names.monitor(word, reader));
        let location =
            spec.location.and_then(|location| Location::resolve(&location, &name.value, reader));
        if spec.members.value.is_empty() {
            let message = format!("pool `{}` has no members", name.value);
            let d = Diagnostic::error("empty-pool", message);
            let d = d.at(&reader.span(&spec.members.range), "empty");
            reader.found.push(d.help("write at least one address, such as \"192.0.2.10\""));
        }
        let count = spec.members.value.len();
        let mut members: Vec<Member> = Vec::new();
        for member in spec.members.value {
            if let Some(member) = Member::resolve(member, reader) {
                members.push(member);
            }
        }
        let balance = spec.balance.map(|balance| balance.value).unwrap_or_default();
        check_members(&members, balance, reader);
        if let Some(monitor) = monitor.and_then(|index| monitors[index].as_ref()) {
            set_check_ports(&mut members, monitor, reader);
        }
        for member in members.iter_mut() {
            // A port without a monitor is checked by nobody.
            if monitor.is_none() || matches!(member.data, MemberData::Rdata(_)) {
                member.check_port = None;
            }
        }
        let answers = reader.integer("answers", spec.answers.as_ref(), 1..=255, 8);
        Pool {
            name: name.value.clone(),
            span: name.span.clone(),
            monitor,
            location,
            members,
            balance,
            answers: usize::try_from(answers).unwrap_or(8),
            min_healthy: min_healthy(spec.min_healthy.as_ref(), count, reader),
            state: spec.state.map(|state| state.value).unwrap_or_default(),
        }
    }

    /// Whether its members are names and not addresses.
    pub fn is_alias(&self) -> bool {
        self.members.iter().any(|member| matches!(member.data, MemberData::Cname(_)))
    }

    /// Whether it has a member with an IPv4 and one with an IPv6 address.
    pub(super) fn families(&self) -> (bool, bool) {
        let has = |v6: bool| {
            self.members
                .iter()
                .any(|member| matches!(&member.data, MemberData::Address(a) if a.is_ipv6() == v6))
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

impl Member {
    /// Reads one member; its check port is its own until the monitor is known.
    fn resolve(spec: Spanned<StringOr<MemberSpec>>, reader: &mut Reader<'_>) -> Option<Member> {
        let Spanned { value, range } = spec;
        let spec = match value {
            StringOr::String(text) => {
                let data = address(&Spanned { value: text, range: range.clone() }, reader)?;
                let span = reader.span(&range);
                return Some(Member { data, weight: 1, check_port: None, check: None, span });
            }
            StringOr::Table(spec) => spec,
        };
        let weight = reader.integer("weight", spec.weight.as_ref(), 0..=1_000_000, 1);
        let check = spec.check.as_ref().and_then(|text| check(text, reader));
        let own_port = match (check, &spec.port) {
            (Some(_), Some(port)) => {
                let help = "remove `port`: `check` names a port of its own";
                reader.invalid(&port.range, "`port` and `check` say two things", help);
                None
            }
            (Some(at), None) => Some(at.port()),
            (None, own) => port(own.as_ref(), reader),
        };
        let data = match (&spec.address, &spec.cname, &spec.rdata) {
            (Some(text), None, None) => address(text, reader)?,
            (None, Some(text), None) => MemberData::Cname(cname(text, reader)?),
            (None, None, Some(text)) => {
                let unused = [("weight", &spec.weight), ("port", &spec.port)];
                if let Some(check) = &spec.check {
                    let help = "records of other types are never checked";
                    reader.invalid(&check.range, "`check` has no meaning for `rdata`", help);
                }
                for (key, value) in unused {
                    if let Some(value) = value {
                        let message = format!("`{key}` has no meaning for `rdata`");
                        let help = "records of other types are all given, and never checked";
                        reader.invalid(&value.range, message, help);
                    }
                }
                rdata(text, reader)?
            }
            _ => {
                let help = "write one of `address`, `cname` and `rdata`";
                reader.invalid(&range, "a member needs exactly one kind of data", help);
                return None;
            }
        };
        let weight = u32::try_from(weight).unwrap_or(1);
        Some(Member { data, weight, check_port: own_port, check, span: reader.span(&range) })
    }
}

fn check(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let at: Option<SocketAddr> = text.value.parse().ok();
    if at.is_none_or(|at| at.port() == 0 || at.ip().is_unspecified()) {
        let message = format!("`{}` is not an address with a port", text.value);
        reader.invalid(
            &text.range,
            message,
            "write it as \"10.0.0.5:8080\" or \"[2001:db8::5]:8080\"",
        );
        return None;
    }
    at
}

fn address(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<MemberData> {
    let Spanned { value, range } = text;
    let Ok(address) = value.parse::<IpAddr>() else {
        let help = if owner(value).is_ok() && value.contains(|c: char| c.is_ascii_alphabetic()) {
            format!("a name is written {{ cname = \"{value}\" }}")
        } else if let Ok(socket) = value.parse::<std::net::SocketAddr>() {
            format!("write {{ address = \"{}\", port = {} }}", socket.ip(), socket.port())
        } else {
            "write an IPv4 or IPv6 address, such as \"192.0.2.10\"".to_owned()
        };
        reader.invalid(range, format!("`{value}` is not an address"), &help);
        return None;
    };
    let no_host = address.is_unspecified() || address.is_multicast();
    let mapped = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped(),
        IpAddr::V4(v4) if v4.is_broadcast() => {
            reader.invalid(range, format!("no client can connect to `{value}`"), "");
            return None;
        }
        IpAddr::V4(_) => None,
    };
    if no_host {
        reader.invalid(range, format!("no client can connect to `{value}`"), "");
        return None;
    }
    if let Some(v4) = mapped {
        let message = format!("`{value}` is an IPv4 address in IPv6 clothes");
        reader.invalid(range, message, &format!("write \"{v4}\""));
        return None;
    }
    Some(MemberData::Address(address))
}

fn cname(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Name> {
    match owner(&text.value) {
        Ok(name) if text.value.parse::<IpAddr>().is_err() => Some(name),
        Ok(_) => {
            let message = format!("`{}` is an address, not a name", text.value);
            reader.invalid(&text.range, message, "use `address`");
            None
        }
        Err(why) => {
            reader.invalid(
                &text.range,
                format!("`{}` is not a domain name: {why}", text.value),
                "write it like \"lb.example.net\"",
            );
            None
        }
    }
}

fn rdata(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<MemberData> {
    let Spanned { value, range } = text;
    let mut parts = value.split_ascii_whitespace();
    let (rtype, data) = (parts.next().unwrap_or_default(), parts.next());
    let what = match rtype.to_ascii_uppercase().as_str() {
        "A" | "AAAA" => Some("write the address itself as the member"),
        "CNAME" => Some("write { cname = \"lb.example.net\" }"),
        _ if data.is_none() => Some("write a type and its data, such as 'HTTPS 1 . alpn=h2'"),
        _ => None,
    };
    if let Some(help) = what {
        reader.invalid(range, format!("`{value}` cannot be the data of a member"), help);
        return None;
    }
    Some(MemberData::Rdata(value.clone()))
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
    let mut weighed = members.iter().filter(|m| !matches!(m.data, MemberData::Rdata(_))).peekable();
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

/// Works out where each member is checked.
fn set_check_ports(members: &mut [Member], monitor: &Monitor, reader: &mut Reader<'_>) {
    for member in members {
        if matches!(member.data, MemberData::Rdata(_)) {
            continue;
        }
        member.check_port = member.check_port.or(monitor.port);
        if member.check_port.is_none() {
            let message = format!("nothing says at which port `{}` checks", monitor.name);
            let d = Diagnostic::error("missing-key", message)
                .at(&member.span, "has no port")
                .and(&monitor.span, "has no port");
            reader.found.push(d.help("a tcp monitor has no default; give one of the two a `port`"));
        }
    }
}

fn min_healthy(
    spec: Option<&Spanned<IntegerOrString>>,
    members: usize,
    reader: &mut Reader<'_>,
) -> usize {
    let Some(Spanned { value, range }) = spec else { return 1 };
    let needed = match value {
        IntegerOrString::Integer(count) => usize::try_from(*count).ok().filter(|&count| count > 0),
        IntegerOrString::String(text) => text
            .strip_suffix('%')
            .and_then(|share| share.parse::<usize>().ok())
            .filter(|share| (1..=100).contains(share))
            .map(|share| (members * share).div_ceil(100)),
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
            1
        }
        // An empty pool is an error of its own.
        Some(needed) if needed > members && members > 0 => {
            let message = format!("`min_healthy` is {needed}, and the pool has {members} members");
            reader.invalid(range, message, "the pool could never be up");
            1
        }
        Some(needed) => needed,
    }
}
