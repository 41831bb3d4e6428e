//! Databases and operator networks to the atlas.

use std::path::Path;

use crate::config::Config;
use crate::config::diagnostic::Diagnostic;
use crate::config::files::Files;
use crate::geo::{self, Atlas, Coordinates, Database, DatabaseError, Location, Network};
use crate::server::build::Origin;

/// Where clients are, and what says so.
#[derive(Debug)]
pub struct World {
    /// The place of every address.
    pub atlas: Atlas,
    /// The databases behind it, the one that wins first.
    pub databases: Vec<Database>,
    /// The operator's own networks.
    pub networks: Vec<Network>,
}

/// Opens the databases and compiles the atlas. `None` when there are mistakes; they are in
/// `found`.
pub fn build(config: &Config, origin: Origin<'_>, found: &mut Vec<Diagnostic>) -> Option<World> {
    let mut databases = Vec::new();
    let mut complete = true;
    match origin {
        Origin::Embedded(_) => databases.push(geo::embedded()),
        Origin::Disk | Origin::Files(_) | Origin::Elsewhere(_) => {
            for file in &config.geoip.databases {
                match open(&file.path, origin.files()) {
                    Ok(database) => databases.push(database),
                    Err(error) => {
                        let mut d = Diagnostic::error("bad-database", error.to_string());
                        if let Some(span) = &file.written {
                            d = d.at(span, "");
                        }
                        found.push(d);
                        complete = false;
                    }
                }
            }
        }
    }
    let networks: Vec<Network> = config.geoip.networks.iter().map(network).collect();
    complete.then(|| World { atlas: Atlas::compile(&databases, &networks), databases, networks })
}

fn open(path: &Path, files: &dyn Files) -> Result<Database, DatabaseError> {
    let name = path.display().to_string();
    match files.read(path) {
        Ok(octets) => Database::from_bytes(name, octets),
        Err(source) => Err(DatabaseError::Unreadable { path: name, source }),
    }
}

fn network(network: &crate::config::Network) -> Network {
    let coordinates = network.coordinates;
    Network {
        prefix: network.net,
        location: Location {
            country: network.country.as_deref().and_then(|code| code.parse().ok()),
            continent: None,
            subdivision: network.subdivision.as_deref().map(Into::into),
            city: network.city.as_deref().map(Into::into),
            asn: network.asn,
            coordinates: coordinates.and_then(|(lat, lon)| Coordinates::new(lat, lon)),
        },
    }
}
