//! The compiled map of a name as CSV.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::cli::diff::shares;
use crate::cli::simulate::percent;
use crate::geo::{Address, RangeMap};
use crate::server::Generation;
use crate::steering::control::Control;
use crate::zone::RecordId;

/// Writes `prefix,pool` for every address, IPv4 first. IPv6 addresses that wrap an IPv4 address
/// are left out: they go where that goes.
pub(super) fn write(
    generation: &Generation,
    control: &Control,
    record: RecordId,
    out: &mut dyn Write,
) -> io::Result<()> {
    let model = &generation.steering.model;
    let compiled = &generation.steering.compiled;
    let target = &compiled.targets[compiled.number(model.records[record.0 as usize].target)];
    let names: Vec<String> = shares(model, control, record).iter().map(named).collect();
    let name = |class: u32| names.get(class as usize).cloned().unwrap_or_default();
    let (v4, v6) = match &target.table {
        Some(table) => {
            (table.v4().map(|class| Some(name(*class))), table.v6().map(|class| class.map(name)))
        }
        None => (RangeMap::uniform(Some(name(0))), RangeMap::uniform(Some(name(0)))),
    };
    writeln!(out, "prefix,pool")?;
    rows(&v4, |first| Ipv4Addr::from(first).to_string(), out)?;
    rows(&v6, |first| Ipv6Addr::from(first).to_string(), out)
}

fn named(shares: &BTreeMap<String, f64>) -> String {
    match shares.iter().next() {
        Some((only, _)) if shares.len() == 1 => only.clone(),
        _ => {
            let mut parts: Vec<_> = shares.iter().collect();
            parts.sort_by(|a, b| b.1.total_cmp(a.1));
            let part = |(name, share): &(&String, &f64)| format!("{name} {}", percent(**share));
            parts.iter().map(part).collect::<Vec<_>>().join("|")
        }
    }
}

fn rows<A: Address>(
    map: &RangeMap<A, Option<String>>,
    shown: impl Fn(A) -> String,
    out: &mut dyn Write,
) -> io::Result<()> {
    for range in map.iter() {
        let Some(name) = range.value else { continue };
        for (first, length) in prefixes(range.first, range.last) {
            writeln!(out, "{}/{length},{name}", shown(first))?;
        }
    }
    Ok(())
}

/// The fewest prefixes that are a range.
fn prefixes<A: Address>(first: A, last: A) -> Vec<(A, u8)> {
    let mut found = Vec::new();
    let mut next = Some(first);
    while let Some(at) = next.filter(|at| *at <= last) {
        let fits = |length: &u8| {
            let (low, high) = at.prefix(*length);
            low == at && high <= last
        };
        let length = (0..=A::BITS).find(fits).unwrap_or(A::BITS);
        found.push((at, length));
        next = at.prefix(length).1.next();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_the_fewest_prefixes() {
        assert_eq!(prefixes(0_u32, u32::MAX), [(0, 0)]);
        assert_eq!(prefixes(1_u32, 6), [(1, 32), (2, 31), (4, 31), (6, 32)]);
        assert_eq!(prefixes(u128::MAX - 1, u128::MAX), [(u128::MAX - 1, 127)]);
    }
}
