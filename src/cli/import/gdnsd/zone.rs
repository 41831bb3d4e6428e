//! Zone files of gdnsd: ordinary ones, but for DYNA and DYNC.

use crate::cli::import::Failure;
use crate::cli::import::draft::{Draft, absolute};
use crate::cli::import::masterfile;

/// A name that a resource of a plugin answers for.
#[derive(Debug)]
pub(in crate::cli::import) struct Steered {
    /// With the last dot.
    pub(in crate::cli::import) name: String,
    /// Seconds.
    pub(super) ttl: u32,
    /// `geoip!www`
    pub(in crate::cli::import) resource: String,
    pub(super) place: String,
}

/// Seconds that gdnsd's records live when nothing else is said.
const DEFAULT_TTL: u32 = 86_400;

/// Reads a zone file called `name`: its lines go to the draft as they are, but for those of steered
/// names, which it gives.
///
/// # Errors
/// When a steered name cannot be read.
pub(super) fn read(
    path: &str,
    name: &str,
    text: &str,
    draft: &mut Draft,
) -> Result<Vec<Steered>, Failure> {
    let zone = absolute(name.strip_suffix(".zone").unwrap_or(name));
    let mut entries = Vec::new();
    let rest = masterfile::split(text, &zone, |entry| {
        let is_steered = matches!(entry.rtype.as_str(), "DYNA" | "DYNC");
        entries.extend(Some(entry).filter(|_| is_steered));
        is_steered
    });
    let mut steered: Vec<Steered> = Vec::new();
    for entry in entries {
        let Some(resource) = entry.data.first() else {
            return Err(Failure::Syntax {
                path: path.to_owned(),
                line: Some(entry.line),
                why: format!("`{}` names no resource", entry.rtype),
            });
        };
        let place = format!("{path}:{}", entry.line);
        match steered.iter().find(|known| known.name == entry.owner) {
            // DYNA and DYNC of one name cannot be; the same line twice can.
            Some(known) if known.resource != *resource => {
                let why = format!("`{}` has {} already", entry.owner, known.resource);
                draft.left(&place, format!("`{}` {resource}", entry.owner), &why);
            }
            Some(_) => {}
            None => steered.push(Steered {
                ttl: entry.ttl.or(rest.ttl).unwrap_or(DEFAULT_TTL).min(604_800),
                resource: resource.clone(),
                name: entry.owner,
                place,
            }),
        }
    }
    masterfile::store(rest, path, &zone, draft);
    Ok(steered)
}
