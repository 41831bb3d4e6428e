//! Which version of each zone secondaries were last told of, kept in a file across restarts.
//!
//! The file is a convenience: without it secondaries are told of what they have already.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::engine::Snapshot;
use crate::state;
use crate::wire::Name;
use crate::zone::walk::Records;
use crate::zone::{Walk, ZoneId};

/// The name of the file in the state directory.
pub const FILE: &str = "zones.json";

/// What the file says it is; another text is another version's file.
const FORMAT: &str = "meridian zones 1";

/// One version of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The serial of its SOA.
    pub serial: u32,
    /// SHA-256 of its records in hexadecimal: what secondaries would get.
    pub sha256: String,
}

impl Version {
    /// The version that is served.
    pub fn of(snapshot: &Snapshot, zone: ZoneId) -> Version {
        let zones = &snapshot.zones;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut buffer = vec![0; 2 * usize::from(u16::MAX)];
        let mut walk = Walk::new(zone);
        while let Some(entry) = walk.next(zones) {
            let owner = entry.owner(zones);
            match entry.records(zones) {
                Records::Static(rrset) => {
                    let mut next = Some(0);
                    while let Some(record) = next {
                        // The pointer to the apex may be any; it is the same each time.
                        let written = rrset.write_record(&mut buffer, 0, record, owner, 0xc000);
                        hash.update(&buffer[..written.map_or(0, |written| written.end)]);
                        next = written.and_then(|written| written.next);
                    }
                }
                Records::Steered(record) => {
                    for fixed in snapshot.transfer.fixed(record) {
                        hash.update(owner);
                        hash.update(&fixed.rtype.0.to_be_bytes());
                        hash.update(&fixed.ttl.to_be_bytes());
                        hash.update(&(fixed.rdata.len() as u64).to_be_bytes());
                        hash.update(&fixed.rdata);
                    }
                }
            }
        }
        let sha256 = hash.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        Version { serial: zones.zone(zone).serial(), sha256 }
    }
}

/// The file as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    zones: BTreeMap<String, Version>,
}

/// The versions of all zones, by their names in lower case.
#[derive(Debug, Default)]
pub struct Versions {
    of: BTreeMap<String, Version>,
    is_changed: bool,
}

impl Versions {
    /// Reads what was known; a file that cannot be used is warned of and counts as empty.
    pub fn load(directory: &Path) -> Versions {
        let kept = state::read::<Kept>(&directory.join(FILE), FORMAT).unwrap_or_else(|error| {
            tracing::warn!("what secondaries were told of is not known: {error}");
            None
        });
        Versions { of: kept.map(|kept| kept.zones).unwrap_or_default(), is_changed: false }
    }

    /// The version that secondaries of a zone were told of.
    pub fn told(&self, zone: &Name) -> Option<&Version> {
        self.of.get(&zone.to_lower().to_string())
    }

    /// Takes the version that is served now, and gives the one before it.
    pub fn replace(&mut self, zone: &Name, version: Version) -> Option<Version> {
        let before = self.of.insert(zone.to_lower().to_string(), version.clone());
        self.is_changed |= before.as_ref() != Some(&version);
        before
    }

    /// Whether the file would be another one.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Writes the file, as a whole or not at all. The directory is made if it does not exist.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be written.
    pub fn store(&mut self, directory: &Path) -> io::Result<()> {
        let kept = Kept { zones: self.of.clone() };
        state::write(&directory.join(FILE), FORMAT, &kept)?;
        self.is_changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn version(serial: u32) -> Version {
        Version { serial, sha256: "00".to_owned() }
    }

    #[test]
    fn versions_are_read_back_and_a_broken_file_is_none() {
        let state = tempfile::tempdir().unwrap();
        let zone: Name = "Example.com.".parse().unwrap();
        let mut versions = Versions::load(state.path());
        assert_eq!(versions.replace(&zone, version(1)), None);
        versions.store(state.path()).unwrap();
        let mut versions = Versions::load(state.path());
        assert_eq!(versions.replace(&zone.to_lower(), version(1)), Some(version(1)));
        assert!(!versions.is_changed());
        assert_eq!(versions.replace(&zone, version(2)), Some(version(1)));
        assert!(versions.is_changed());
        fs::write(state.path().join(FILE), "{").unwrap();
        assert_eq!(Versions::load(state.path()).replace(&zone, version(1)), None);
    }
}
