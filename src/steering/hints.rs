//! Address hints of HTTPS and SVCB members (RFC 9460 section 7.3), without those that are down.
//!
//! A hint spares a client a look-up. One to an address that is a member of the same pool and down
//! would send it where no A or AAAA answer does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::steering::model::{Member, MemberData, Pool, PoolState};
use crate::steering::standing::Standing;
use crate::wire::Type;

const MANDATORY: u16 = 0;
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// One service parameter.
type Param<'a> = (u16, &'a [u8]);

/// The data of a member without hints that are down; `None` when none is, and it is to be given as
/// it is.
pub fn without_down(pool: &Pool, standing: &Standing, member: &Member) -> Option<Box<[u8]>> {
    let (head, params) = hinting(member)?;
    let mut is_cut = false;
    let mut data = head.to_vec();
    for (key, value) in &params {
        let up: Vec<u8> = hints(*key, value)
            .filter(|(address, _)| !is_down(pool, standing, *address))
            .flat_map(|(_, octets)| octets.iter().copied())
            .collect();
        let value = if is_hint(*key) { &up[..] } else { value };
        // A parameter without a hint is malformed, and one that clients must heed must be there.
        if is_hint(*key) && value.is_empty() {
            if is_mandatory(&params, *key) {
                return None;
            }
            is_cut = true;
            continue;
        }
        is_cut |= params.iter().any(|(other, whole)| other == key && whole.len() != value.len());
        data.extend(key.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(value);
    }
    is_cut.then(|| data.into())
}

/// The hints of a member that are left out.
pub fn down(pool: &Pool, standing: &Standing, member: &Member) -> Vec<IpAddr> {
    let Some((_, params)) = hinting(member) else { return Vec::new() };
    if without_down(pool, standing, member).is_none() {
        return Vec::new();
    }
    let all = params.iter().flat_map(|(key, value)| hints(*key, value));
    all.map(|(address, _)| address).filter(|a| is_down(pool, standing, *a)).collect()
}

/// Whether every member of the pool with this address is down, and there is one.
fn is_down(pool: &Pool, standing: &Standing, address: IpAddr) -> bool {
    let is_it = |member: &Member| member.data == MemberData::Address(address);
    let mut here = pool.members.iter().zip(&standing.members).filter(|(m, _)| is_it(m)).peekable();
    standing.state != PoolState::Up && here.peek().is_some() && here.all(|(_, up)| !up)
}

/// Priority and target of a record that may have hints, and its parameters.
fn hinting(member: &Member) -> Option<(&[u8], Vec<Param<'_>>)> {
    let MemberData::Data { rtype: Type::HTTPS | Type::SVCB, rdata } = &member.data else {
        return None;
    };
    let mut at = 2;
    while *rdata.get(at)? != 0 {
        at += 1 + usize::from(rdata[at]);
    }
    let (head, mut rest) = rdata.split_at_checked(at + 1)?;
    let mut params = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let (value, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        params.push((u16::from_be_bytes(*key), value));
        rest = after;
    }
    params.iter().any(|(key, _)| is_hint(*key)).then_some((head, params))
}

fn is_hint(key: u16) -> bool {
    matches!(key, IPV4HINT | IPV6HINT)
}

fn is_mandatory(params: &[Param<'_>], key: u16) -> bool {
    let lists = params.iter().filter(|(other, _)| *other == MANDATORY);
    lists.flat_map(|(_, value)| value.chunks(2)).any(|listed| listed == key.to_be_bytes())
}

/// The addresses of a parameter that holds hints, with their octets.
fn hints(key: u16, value: &[u8]) -> impl Iterator<Item = (IpAddr, &[u8])> {
    let width = match key {
        IPV4HINT => 4,
        IPV6HINT => 16,
        _ => 0,
    };
    let value = if width == 0 { &[] } else { value };
    value.chunks_exact(width.max(1)).filter_map(move |octets| {
        let address = match width {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into(),
        };
        Some((address, octets))
    })
}
