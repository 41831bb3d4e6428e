//! Keys, access lists and secondaries, and what steered names are to secondaries.

use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::transfer::Secret;
use crate::config::{self, Config, KeyAlgorithm};
use crate::engine::transfer::{Access, Allow, Slots, Transfers};
use crate::server::build::{Origin, shown};
use crate::server::notify::Secondary;
use crate::steering::fixed;
use crate::steering::model::Model;
use crate::wire::tsig::{Algorithm, Key};
use crate::zone::{Zone, Zones, rdata};

/// The keys, in the order of the configuration; `None` when there are mistakes, which are in
/// `found`.
pub(super) fn keys(
    config: &Config,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Arc<Key>>> {
    // All are read, so that all mistakes are found.
    let keys: Vec<_> = config.keys.iter().map(|key| read(key, origin, found)).collect();
    keys.into_iter().collect()
}

/// `None` when there is a mistake; it is in `found`.
fn read(key: &config::Key, origin: Origin<'_>, found: &mut Vec<Diagnostic>) -> Option<Arc<Key>> {
    let (text, place) = match &key.secret {
        // Nothing is signed.
        Secret::File(path) if origin.is_elsewhere() => ("0000".to_owned(), shown(&path.value)),
        Secret::Text(text) => (text.0.clone(), "`secret`".to_owned()),
        Secret::File(path) => match origin.files().read_secret(&path.value) {
            Ok(octets) => (String::from_utf8_lossy(&octets).into_owned(), shown(&path.value)),
            Err(error) => {
                found.push(Diagnostic::unreadable(&path.value, &error).at(&path.span, ""));
                return None;
            }
        },
    };
    let mut secret = Vec::new();
    if !rdata::base64(text.trim().as_bytes(), &mut secret) || secret.is_empty() {
        // At the key's name: the line of the secret is not for a screen.
        let message = format!("{place} of this key is not base64");
        let d = Diagnostic::error("bad-secret", message).at(&key.span, "");
        found.push(d.help("`openssl rand -base64 32` makes a secret"));
        return None;
    }
    let algorithm = match key.algorithm {
        KeyAlgorithm::HmacSha1 => Algorithm::HmacSha1,
        KeyAlgorithm::HmacSha224 => Algorithm::HmacSha224,
        KeyAlgorithm::HmacSha256 => Algorithm::HmacSha256,
        KeyAlgorithm::HmacSha384 => Algorithm::HmacSha384,
        KeyAlgorithm::HmacSha512 => Algorithm::HmacSha512,
    };
    Some(Arc::new(Key::new(&key.name, algorithm, &secret)))
}

/// What the engine gives away. Zones that have settings of their own and are not served are
/// remarked in `found`.
pub(super) fn build(
    config: &Config,
    keys: Vec<Arc<Key>>,
    zones: &Zones,
    model: &Model,
    found: &mut Vec<Diagnostic>,
) -> Transfers {
    for (name, _) in &config.transfer.zones {
        if !zones.zones().any(|zone| *zone.apex() == name.value) {
            let message = format!("no zone {} is served", name.value);
            let d = Diagnostic::lint("unused", message).at(&name.span, "");
            found.push(d.help("add its file, or remove this table"));
        }
    }
    let access = zones.zones().map(|zone| {
        let allow = config.transfer.of(zone.apex()).allow.iter();
        Access(allow.map(|allow| Allow { net: allow.net, key: allow.key }).collect())
    });
    Transfers {
        keys,
        access: access.collect(),
        fixed: model.records.iter().map(|record| fixed::records(model, record)).collect(),
        slots: Slots::new(config.transfer.at_once),
    }
}

/// Who is to be told of changes, by zone in the order of `zones`.
pub(super) fn secondaries(
    config: &Config,
    keys: &[Arc<Key>],
    zones: &Zones,
) -> Vec<Vec<Secondary>> {
    let of = |zone: Zone<'_>| {
        let notify = config.transfer.of(zone.apex()).notify.iter();
        let secondary = |notify: &config::transfer::Notify| Secondary {
            address: notify.address,
            key: notify.key.and_then(|key| keys.get(key)).map(Arc::clone),
        };
        notify.map(secondary).collect()
    };
    zones.zones().map(of).collect()
}
