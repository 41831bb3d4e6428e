//! Everything that one client may be told of a name, as the files have it.

use crate::geo::address::truncate;
use crate::server::Generation;
use crate::steering::Client;
use crate::steering::answers::Outcome;
use crate::steering::control::Control;
use crate::steering::evaluate::{Asker, evaluate};
use crate::steering::resolve::Item;
use crate::steering::spread;
use crate::wire::Type;
use crate::zone::RecordId;

use super::arguments::ClientSubnet;

/// The records of a type that a client may be told of a steered name; each once, in the order of
/// preference as far as there is one.
pub(super) fn told(
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
    match evaluate(control.view(), record, asker, None).outcome {
        Outcome::Resolved(resolved) => {
            let own = spread::seed(record.owner.to_lower().as_wire());
            resolved.reach(own, spread::client_key(client.address))
        }
        Outcome::ServFail => Vec::new(),
    }
}
