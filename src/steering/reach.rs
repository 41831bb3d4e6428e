//! Everything that one client may be told over many queries: each member that takes its turn, and
//! each side of a draw. What is fixed for the client is one of them. And what a record says.

use std::borrow::Cow;

use crate::steering::hints;
use crate::steering::model::{MemberData, Model};
use crate::steering::resolve::{Item, Resolved};
use crate::steering::spread;
use crate::steering::standing::Standing;

impl Resolved {
    /// The records that a client may be told, each once, in the order of preference as far as
    /// there is one. `record` is the hash seed of the name, `client` the key of the client.
    pub fn reach(&self, record: u64, client: u64) -> Vec<Item> {
        let mut items = Vec::new();
        self.collect(record, client, &mut items);
        items
    }

    fn collect(&self, record: u64, client: u64, items: &mut Vec<Item>) {
        match self {
            Resolved::NoData => {}
            Resolved::Ring(ring) => {
                for item in &ring.items {
                    if !items.contains(item) {
                        items.push(*item);
                    }
                }
            }
            Resolved::Draw(parts) => {
                let nobody = parts.iter().all(|(weight, _)| *weight == 0);
                for (weight, part) in parts {
                    if nobody || *weight > 0 {
                        part.collect(record, client, items);
                    }
                }
            }
            Resolved::Hash(parts) => {
                let candidates = parts.iter().map(|(candidate, _)| *candidate);
                if let Some((_, part)) = parts.get(spread::rendezvous(record, client, candidates)) {
                    part.collect(record, client, items);
                }
            }
            Resolved::Split(parts) => {
                let portion = u16::from(spread::portion(record, client));
                if let Some((_, part)) = parts.iter().find(|(bound, _)| portion < *bound) {
                    part.collect(record, client, items);
                }
            }
        }
    }
}

impl Item {
    /// What the record has in answers now: without hints that are down.
    pub fn data<'m>(&self, model: &'m Model, standings: &[Standing]) -> Cow<'m, MemberData> {
        let (id, index) = match self {
            Item::Member(id, index) => (*id, *index),
            Item::Address(address) => return Cow::Owned(MemberData::Address(*address)),
        };
        let pool = model.pool(id);
        let member = &pool.members[index];
        match (&member.data, standings.get(id.0 as usize)) {
            (MemberData::Data { rtype, .. }, Some(standing)) => {
                match hints::without_down(pool, standing, member) {
                    Some(rdata) => Cow::Owned(MemberData::Data { rtype: *rtype, rdata }),
                    None => Cow::Borrowed(&member.data),
                }
            }
            (data, _) => Cow::Borrowed(data),
        }
    }

    /// What the record says, as the files have it: an address, a name, or a type and its data.
    pub fn said(&self, model: &Model) -> String {
        match self {
            Item::Member(pool, index) => model.pool(*pool).members[*index].name.clone(),
            Item::Address(address) => address.to_string(),
        }
    }
}
