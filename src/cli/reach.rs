//! Everything that one client may be told over many queries: each member that takes its turn, and
//! each side of a draw. What is fixed for the client is one of them.

use crate::geo::address::truncate;
use crate::server::Generation;
use crate::steering::Client;
use crate::steering::answers::Outcome;
use crate::steering::control::Control;
use crate::steering::evaluate::{Asker, evaluate};
use crate::steering::resolve::{Item, Resolved};
use crate::steering::spread;
use crate::wire::Type;
use crate::zone::RecordId;

use super::arguments::ClientSubnet;

/// The records of a type that a client may be told of a steered name; each once, in the order of
/// preference as far as there is one.
pub(super) fn reach(
    generation: &Generation,
    control: &Control,
    record: RecordId,
    client: ClientSubnet,
    rtype: Type,
) -> Vec<Item> {
    let has_ecs = generation.snapshot.settings.ecs_enabled && client.length > 0;
    let address = if has_ecs { truncate(client.address, client.length) } else { client.address };
    let client = Client::new(address);
    let location = generation.atlas.location(generation.atlas.locate(client.address));
    let record = &control.view().model.records[record.0 as usize];
    let asker = Asker { client, location, rtype };
    let mut items = Vec::new();
    if let Outcome::Resolved(resolved) = evaluate(control.view(), record, asker, None).outcome {
        let own = spread::seed(record.owner.to_lower().as_wire());
        collect(&resolved, own, spread::client_key(client.address), &mut items);
    }
    items
}

fn collect(resolved: &Resolved, record: u64, client: u64, items: &mut Vec<Item>) {
    match resolved {
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
                    collect(part, record, client, items);
                }
            }
        }
        Resolved::Hash(parts) => {
            let candidates = parts.iter().map(|(candidate, _)| *candidate);
            if let Some((_, part)) = parts.get(spread::rendezvous(record, client, candidates)) {
                collect(part, record, client, items);
            }
        }
        Resolved::Split(parts) => {
            let portion = u16::from(spread::portion(record, client));
            if let Some((_, part)) = parts.iter().find(|(bound, _)| portion < *bound) {
                collect(part, record, client, items);
            }
        }
    }
}
