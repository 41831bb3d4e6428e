//! The addresses of host names, kept in a file across restarts: a server that starts while no
//! resolver answers goes on with what it knew.
//!
//! The file is a convenience: without it names are looked up, and that is all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::table::{Resolution, Table};

/// The name of the file in the state directory.
pub const FILE: &str = "hosts.json";

/// One name in the file. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    addresses: Vec<IpAddr>,
    at: u64,
    until: u64,
}

/// Reads what was known; a file that cannot be used is warned of and counts as empty.
pub fn load(state: &Path) -> Table {
    let path = state.join(FILE);
    let unusable = |why: &dyn std::fmt::Display| {
        tracing::warn!("{} is not used: {why}", path.display());
        Table::default()
    };
    let entries: BTreeMap<String, Entry> = match fs::read(&path) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(entries) => entries,
            Err(error) => return unusable(&error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Table::default(),
        Err(error) => return unusable(&error),
    };
    let time = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let read = |(name, entry): (String, Entry)| {
        let (at, until) = (time(entry.at)?, time(entry.until)?);
        Some((name.parse().ok()?, Resolution { addresses: entry.addresses, at, until }))
    };
    Table { of: entries.into_iter().filter_map(read).collect() }
}

/// Writes what is known, all of it or nothing.
///
/// # Errors
/// When the directory cannot be made or written to.
pub fn save(state: &Path, table: &Table) -> io::Result<()> {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let entries: BTreeMap<String, Entry> = table
        .of
        .iter()
        .map(|(name, known)| {
            let addresses = known.addresses.clone();
            let (at, until) = (seconds(known.at), seconds(known.until));
            (name.to_string(), Entry { addresses, at, until })
        })
        .collect();
    let text = serde_json::to_vec_pretty(&entries)?;
    fs::create_dir_all(state)?;
    let temporary = state.join(FILE).with_extension("json.new");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&text)?;
    // On the disk before the name points at it: else a power cut could leave an empty file.
    file.sync_all()?;
    fs::rename(&temporary, state.join(FILE))
}
