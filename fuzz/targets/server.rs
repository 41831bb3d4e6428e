//! An engine over a zone and policies of every kind, without sockets.

use std::cell::RefCell;
use std::sync::Arc;

use meridian::config::{self, Memory};
use meridian::engine::{Clock, Engine, Reply, Request, Scratch, Transport};
use meridian::server::{Origin, build};
use meridian::steering::control::Control;

/// When everything happens, in milliseconds of Unix time.
pub const NOW: u64 = 1_700_000_000_000;

const SERVER: &str = r#"
[server]
zones = ["example.com.zone"]
policies = ["policies.toml"]
[geoip]
databases = []
[geoip.networks]
"192.0.2.0/24" = { country = "DE" }
"2001:db8::/32" = { country = "US" }
[keys."transfer.example.com"]
algorithm = "hmac-sha256"
secret = "c2VlZHMgYXJlIHB1YmxpYywgYW5kIHNvIGlzIHRoaXM="
[transfer]
allow = ["key:transfer.example.com"]
"#;

const ZONE: &str = include_str!("example.com.zone");
const POLICIES: &str = include_str!("policies.toml");

thread_local! {
    static BED: RefCell<(Engine, Scratch, Vec<u8>)> = RefCell::new(bed());
}

fn bed() -> (Engine, Scratch, Vec<u8>) {
    let files = Memory::from_iter([
        ("meridian.toml", SERVER),
        ("policies.toml", POLICIES),
        ("example.com.zone", ZONE),
    ]);
    let loaded = config::read(&files, "meridian.toml".as_ref()).unwrap();
    let generation = build(loaded, Origin::Embedded(&files)).unwrap();
    let control = Control::new(generation.steering.clone(), []);
    let live = Arc::new(control.live().clone());
    (Engine { snapshot: generation.snapshot, live }, Scratch::new(1), vec![0; 65_535])
}

/// The reply to a message, if there is one.
pub fn ask(message: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let client = &"192.0.2.77:5353".parse().unwrap();
    let request = Request { message, client, local: &None, transport, clock: &Clock::at(NOW) };
    BED.with_borrow_mut(|(engine, scratch, out)| match engine.respond(&request, scratch, out) {
        Reply::Message(length) => Some(out[..length].to_vec()),
        // Nobody has the key for one.
        Reply::Transfer(_) | Reply::Drop => None,
    })
}
