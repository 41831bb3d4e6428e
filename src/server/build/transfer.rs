//! Keys, access lists and secondaries, and what steered names are to secondaries.

use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::files::{Disk, Files};
use crate::config::transfer::Secret;
use crate::config::{Config, KeyAlgorithm};
use crate::engine::transfer::{Access, Allow, Slots, Transfers};
use crate::server::build::{Origin, shown};
use crate::server::notify::Secondary;
use crate::steering::fixed;
use crate::steering::model::Model;
use crate::wire::tsig::{Algorithm, Key};
use crate::zone::{Zones, rdata};

/// The keys, in the order of the configuration; `None` when there are mistakes, which are in
/// `found`.
pub(super) fn keys(
    config: &Config,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Arc<Key>>> {
    let read = |key: &crate::config::Key| {
        let text = match &key.secret {
            Secret::Text(text) => text.0.clone(),
            Secret::File(path) => {
                let octets = match origin {
                    Origin::Disk => Disk.read(&path.value),
                    Origin::Embedded(files) => files.read(&path.value),
                };
                let octets = octets.map_err(|error| {
                    Diagnostic::unreadable(&path.value, &error).at(&path.span, "")
                })?;
                String::from_utf8_lossy(&octets).into_owned()
            }
        };
        let mut secret = Vec::new();
        let is_base64 = rdata::base64(text.trim().as_bytes(), &mut secret);
        if !is_base64 || secret.is_empty() {
            // The place is that of the name: the line of the secret is not for a screen.
            let where_ = match &key.secret {
                Secret::Text(_) => "`secret`".to_owned(),
                Secret::File(path) => shown(&path.value),
            };
            let message = format!("{where_} of this key is not base64");
            return Err(Diagnostic::error("bad-secret", message)
                .at(&key.span, "")
                .help("`openssl rand -base64 32` makes a secret"));
        }
        let algorithm = match key.algorithm {
            KeyAlgorithm::HmacSha1 => Algorithm::HmacSha1,
            KeyAlgorithm::HmacSha224 => Algorithm::HmacSha224,
            KeyAlgorithm::HmacSha256 => Algorithm::HmacSha256,
            KeyAlgorithm::HmacSha384 => Algorithm::HmacSha384,
            KeyAlgorithm::HmacSha512 => Algorithm::HmacSha512,
        };
        Ok(Arc::new(Key::new(&key.name, algorithm, &secret)))
    };
    let mut keys = Some(Vec::new());
    for key in config.keys.iter().map(read) {
        match (key, &mut keys) {
            (Ok(key), Some(keys)) => keys.push(key),
            (Ok(_), None) => {}
            (Err(diagnostic), _) => {
                found.push(diagnostic);
                keys = None;
            }
        }
    }
    keys
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
    let of = |zone: crate::zone::Zone<'_>| {
        let notify = config.transfer.of(zone.apex()).notify.iter();
        let secondary = |notify: &crate::config::transfer::Notify| Secondary {
            address: notify.address,
            key: notify.key.and_then(|key| keys.get(key)).map(Arc::clone),
        };
        notify.map(secondary).collect()
    };
    zones.zones().map(of).collect()
}
