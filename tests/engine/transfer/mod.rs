//! Zone transfers and signed queries: a message in, one message or many out.

mod client;
mod requests;
mod signatures;
mod slow;

use std::sync::Arc;

use meridian::engine::transfer::{Access, Allow, Slots, Transfers};
use meridian::engine::{Settings, Snapshot};
use meridian::steering::fixed::FixedRecord;
use meridian::wire::tsig::{Algorithm, Key};
use meridian::wire::{Name, Type};
use meridian::zone::{RecordId, Steered, Zones};

use crate::support::bed::{Bed, source};

/// The secret of all keys.
pub(crate) const SECRET: &[u8] = b"secret of the test";

/// A zone with something of everything, and a steered name `www`.
pub(crate) const ZONE: &str = "\
$ORIGIN Example.COM.
@ 60 SOA ns.sub hostmaster 7 7200 900 1209600 300
@ 60 NS ns.sub
@ 60 NS ns.elsewhere.test.
@ 60 MX 10 mail
mail 60 A 192.0.2.1
mail 60 A 192.0.2.2
*.wild 60 TXT \"any\"
a.b.c 60 CNAME mail
sub 60 NS ns.sub
ns.sub 60 A 192.0.2.3
below.sub 60 TXT \"hidden\"
";

/// A key of this name.
pub(crate) fn key(name: &str) -> Arc<Key> {
    Arc::new(Key::new(&name.parse().unwrap(), Algorithm::HmacSha256, SECRET))
}

/// Everybody in the network of the bed's client.
pub(crate) fn neighbours() -> Allow {
    Allow { net: Some("198.51.100.0/24".parse().unwrap()), key: None }
}

/// Whoever has the key `transfer.`.
pub(crate) fn holders() -> Allow {
    Allow { net: None, key: Some(0) }
}

/// A bed with one zone that these may have; its steered name `www` is two addresses to others.
pub(crate) fn bed(zone: &str, allow: &[Allow]) -> Bed {
    bed_with_slots(zone, allow, 8)
}

pub(crate) fn bed_with_slots(zone: &str, allow: &[Allow], slots: usize) -> Bed {
    let source = source(zone);
    let www = Name::parse(b"www", &source.apex).unwrap();
    let steered = Steered { owner: www, record: RecordId(0), types: vec![Type::A], cname: false };
    let address = |last| FixedRecord { rtype: Type::A, ttl: 30, rdata: [203, 0, 113, last].into() };
    let transfer = Transfers {
        keys: vec![key("transfer."), key("other.")],
        access: vec![Access(allow.to_vec())],
        fixed: vec![vec![address(1), address(2)]],
        slots: Slots::new(slots),
    };
    let zones = Zones::build(vec![source], vec![steered]).unwrap();
    Bed::with(Snapshot { zones, settings: Settings::default(), transfer }, Vec::new())
}
