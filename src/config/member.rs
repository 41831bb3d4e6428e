//! Members: the load balancers of a pool.

use std::net::{IpAddr, SocketAddr};

use crate::wire::Name;

use super::monitor::port_number;
use super::names::owner;
use super::reader::Reader;
use super::source::Span;
use super::spec::pool::MemberSpec;
use super::spec::{Spanned, StringOr};

/// One load balancer.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What clients are told.
    pub data: MemberData,
    /// Share of the clients when `balance` is weighted or sticky: 0 to 1,000,000.
    pub weight: u32,
    /// Where checks connect: the member's own port, else the monitor's. `None` when it is not
    /// checked (the pool has no monitor, or the data is neither address nor name), and where the
    /// monitor has no port of its own: a composite's parts have theirs, a script needs none.
    pub check_port: Option<u16>,
    /// Where checks connect instead of to the member itself; its port is `check_port`.
    pub check: Option<SocketAddr>,
    /// The host name that this server found its address by.
    pub host: Option<Name>,
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
    /// A name in lower case that this server looks up itself: each of its addresses is a member.
    Host(Name),
    /// Type and data of any other record in presentation form; only its form is checked here.
    Rdata(String),
}

impl Member {
    /// Whether it is something that can be connected to.
    pub(super) fn is_checkable(&self) -> bool {
        !matches!(self.data, MemberData::Rdata(_))
    }

    /// Reads one member; its check port is its own until the monitor is known.
    pub(super) fn resolve(
        spec: Spanned<StringOr<MemberSpec>>,
        reader: &mut Reader<'_>,
    ) -> Option<Member> {
        let Spanned { value, range } = spec;
        let spec = match value {
            StringOr::String(text) => {
                let data = address(&Spanned { value: text, range: range.clone() }, reader)?;
                let span = reader.span(&range);
                return Some(Member {
                    data,
                    weight: 1,
                    check_port: None,
                    check: None,
                    host: None,
                    span,
                });
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
            (None, own) => port_number(own.as_ref(), reader),
        };
        let data = match (&spec.address, &spec.cname, &spec.host, &spec.rdata) {
            (Some(text), None, None, None) => address(text, reader)?,
            (None, Some(text), None, None) => MemberData::Cname(name(text, reader)?),
            (None, None, Some(text), None) => {
                if let Some(at) = &spec.check {
                    let message = "`check` has no meaning for `host`";
                    let help =
                        "each of its addresses is checked; give it a `port`, or list addresses";
                    reader.invalid(&at.range, message, help);
                }
                MemberData::Host(name(text, reader)?.to_lower())
            }
            (None, None, None, Some(text)) => {
                let range = |value: &Option<Spanned<i64>>| value.as_ref().map(|v| v.range.clone());
                let unused = [
                    ("weight", range(&spec.weight)),
                    ("port", range(&spec.port)),
                    ("check", spec.check.as_ref().map(|v| v.range.clone())),
                ];
                for (key, range) in unused {
                    if let Some(range) = range {
                        let message = format!("`{key}` has no meaning for `rdata`");
                        let help = "records of other types are all given, and never checked";
                        reader.invalid(&range, message, help);
                    }
                }
                rdata(text, reader)?
            }
            _ => {
                let help = "write one of `address`, `cname`, `host` and `rdata`";
                reader.invalid(&range, "a member needs exactly one kind of data", help);
                return None;
            }
        };
        let weight = u32::try_from(weight).unwrap_or(1);
        let span = reader.span(&range);
        Some(Member { data, weight, check_port: own_port, check, host: None, span })
    }
}

fn check(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let at: Option<SocketAddr> = text.value.parse().ok();
    if at.is_none_or(|at| at.port() == 0 || at.ip().is_unspecified()) {
        let message = format!("`{}` is not an address with a port", text.value);
        let help = "write it like \"10.0.0.5:8080\" or \"[2001:db8::5]:8080\"";
        reader.invalid(&text.range, message, help);
        return None;
    }
    at
}

fn address(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<MemberData> {
    let Spanned { value, range } = text;
    let Ok(address) = value.parse::<IpAddr>() else {
        let is_name = value.contains(|c: char| c.is_ascii_alphabetic()) && !value.contains(':');
        let help = if let Ok(socket) = value.parse::<SocketAddr>() {
            format!("write {{ address = \"{}\", port = {} }}", socket.ip(), socket.port())
        } else if is_name && owner(value).is_ok() {
            format!("a name is written {{ cname = \"{value}\" }}, or {{ host = \"{value}\" }}")
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
        let message = format!("`{value}` is an IPv4 address written as IPv6");
        reader.invalid(range, message, &format!("write \"{v4}\""));
        return None;
    }
    Some(MemberData::Address(address))
}

fn name(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Name> {
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
