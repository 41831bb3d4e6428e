//! The addresses of host names, kept in a file across restarts: a server that starts while no
//! resolver answers goes on with what it knew.
//!
//! The file is a convenience: without it names are looked up, and that is all.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::table::{Resolution, Table};
use crate::state;

/// The name of the file in the state directory.
pub const FILE: &str = "hosts.json";

/// What the file says it is; another text is another version's file.
const FORMAT: &str = "meridian hosts 1";

/// The file as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    names: BTreeMap<String, Entry>,
}

/// One name in the file. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    addresses: Vec<IpAddr>,
    at: u64,
    until: u64,
}

/// Reads what was known; a file that cannot be used is warned of and counts as empty.
pub fn load(directory: &Path) -> Table {
    let kept = state::read::<Kept>(&directory.join(FILE), FORMAT).unwrap_or_else(|error| {
        tracing::warn!("stored addresses of host names not used: {error}");
        None
    });
    let names = kept.map(|kept| kept.names).unwrap_or_default();
    let time = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let read = |(name, entry): (String, Entry)| {
        let (at, until) = (time(entry.at)?, time(entry.until)?);
        Some((name.parse().ok()?, Resolution { addresses: entry.addresses, at, until }))
    };
    Table { of: names.into_iter().filter_map(read).collect() }
}

/// Writes what is known, all of it or nothing.
///
/// # Errors
/// When the directory cannot be made or written to.
pub fn save(directory: &Path, table: &Table) -> io::Result<()> {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let names = table
        .of
        .iter()
        .map(|(name, known)| {
            let addresses = known.addresses.clone();
            let (at, until) = (seconds(known.at), seconds(known.until));
            (name.to_string(), Entry { addresses, at, until })
        })
        .collect();
    state::write(&directory.join(FILE), FORMAT, &Kept { names })
}
