//! Members by host name: pools and checks for the addresses that were found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::SystemTime;

use super::{checks, model};
use crate::config::{self, Member, MemberData};
use crate::health::{Check, Monitor};
use crate::server::hosts::{Resolution, Table};
use crate::steering::control::Steering;
use crate::steering::spread;
use crate::wire::Name;

/// What pools and checks are made of, for addresses that are found later.
#[derive(Debug)]
pub struct Blueprint {
    pools: Vec<config::Pool>,
    written: Vec<config::Monitor>,
    /// What `written` stands for.
    monitors: Vec<Arc<Monitor>>,
    names: Vec<Name>,
}

impl Blueprint {
    /// `None` when no member is given by host name.
    pub(super) fn new(
        pools: &[config::Pool],
        written: &[config::Monitor],
        monitors: Vec<Arc<Monitor>>,
    ) -> Option<Blueprint> {
        let members = pools.iter().flat_map(|pool| &pool.members);
        let mut names: Vec<Name> = members.filter_map(host).cloned().collect();
        names.sort();
        names.dedup();
        let (pools, written) = (pools.to_vec(), written.to_vec());
        (!names.is_empty()).then_some(Blueprint { pools, written, monitors, names })
    }

    /// The host names, in lower case, each once.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The steering of the same files with members for these addresses, and what is checked then.
    pub fn fill(&self, steering: &Steering, table: &Table) -> (Steering, Vec<Check>) {
        let pools: Vec<config::Pool> = self.pools.iter().map(|pool| filled(pool, table)).collect();
        // What is wrong with the files was found when they were read, and with an address nothing
        // can be: it was looked at when it was found.
        let found = &mut Vec::new();
        let checks = checks::build(&pools, &self.written, &self.monitors, found);
        let mut pools = model::pools(&pools, &checks, found);
        for (pool, written) in pools.iter_mut().zip(&steering.model.pools) {
            pool.hosts.clone_from(&written.hosts);
            for host in &mut pool.hosts {
                host.addresses = table.addresses(&host.name).to_vec();
            }
        }
        (steering.with_pools(pools), checks.map(|checks| checks.list).unwrap_or_default())
    }

    /// What stands in for addresses where nothing is looked up: two for each name, which nobody
    /// has (RFC 1112 section 4, RFC 3849).
    pub fn stand_ins(&self, now: SystemTime) -> Table {
        let stand_in = |number: u32| Resolution {
            addresses: vec![
                IpAddr::V4(Ipv4Addr::from_bits(0xf000_0000 + number)),
                IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(number))),
            ],
            at: now,
            until: now,
        };
        // The same for a name wherever it stands, so that two configurations can be compared.
        let number = |name: &Name| spread::seed(name.as_wire()) as u32 >> 4;
        let names = self.names.iter();
        Table { of: names.map(|name| (name.clone(), stand_in(number(name)))).collect() }
    }
}

fn host(member: &Member) -> Option<&Name> {
    match &member.data {
        MemberData::Host(name) => Some(name),
        MemberData::Address(_) | MemberData::Cname(_) | MemberData::Rdata(_) => None,
    }
}

/// The pool with a member for each address of its host names, and no address twice.
fn filled(pool: &config::Pool, table: &Table) -> config::Pool {
    if !pool.has_hosts() {
        return pool.clone();
    }
    let mut members: Vec<Member> = Vec::new();
    for member in &pool.members {
        let Some(name) = host(member) else {
            members.push(member.clone());
            continue;
        };
        for address in table.addresses(name) {
            let data = MemberData::Address(*address);
            let is_written = pool.members.iter().any(|other| other.data == data);
            if !is_written && members.iter().all(|other| other.data != data) {
                members.push(Member { data, host: Some(name.clone()), ..member.clone() });
            }
        }
    }
    let counted = members.iter().filter(|m| !matches!(m.data, MemberData::Rdata(_))).count();
    config::Pool { min_healthy: pool.needed_of(counted), members, ..pool.clone() }
}
