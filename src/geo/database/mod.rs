//! A GeoIP database in the MaxMind DB format, of whichever vendor.
//!
//! Read whole at load: every network of the search tree is walked once and every distinct record
//! decoded once, within bounds that no honest file reaches. What a damaged file does not give is
//! "no location" for the networks concerned; a file that gives nothing at all is an error.

mod info;
mod meaning;
mod packed;
mod record;
mod tree;

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use foldhash::fast::RandomState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use maxminddb::{MaxMindDbError, Reader};

pub use info::{Coverage, Info};

use super::address::unwrap;
use super::finding::Finding;
use super::location::Location;
use super::ranges::{Address, RangeMap};
use record::{Record, Value};
use tree::{Leaf, Overgrown, Tree};

/// One database, as the file says it: nothing is completed from other sources yet.
#[derive(Debug)]
pub struct Database {
    info: Info,
    file: Vec<u8>,
    tree: Tree,
    /// What the record at each offset of the data means: an index into `findings`.
    meanings: HashMap<u32, u32, RandomState>,
    /// The distinct meanings; the first is "nothing known".
    findings: Vec<Finding>,
    v4: RangeMap<u32, u32>,
    v6: RangeMap<u128, u32>,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file system says no.
    #[error("cannot read the GeoIP database {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something else than a database, or the first part of one.
    #[error("{name} is not a MaxMind DB file, or only the first part of one: {hint}")]
    NotADatabase {
        /// The file.
        name: String,
        /// What it looks like, and what to do.
        hint: &'static str,
    },
    /// A database whose description of itself does not hold.
    #[error("the GeoIP database {name} is damaged: {reason}; fetch it again")]
    Damaged {
        /// The file.
        name: String,
        /// What does not hold, and where.
        reason: String,
    },
    /// A database that says nothing of places.
    #[error(
        "no record of the GeoIP database {name} gives a country, coordinates or an ASN; \
         name a database of countries, cities or ASNs; its first record: {record}"
    )]
    NoLocation {
        /// The file.
        name: String,
        /// The first record it has, or why there is none to show.
        record: String,
    },
}

/// Where an archive says that it is one (POSIX ustar).
const TAR_MAGIC_AT: usize = 257;

impl Database {
    /// Reads the file whole.
    pub fn open(path: impl AsRef<Path>) -> Result<Database, DatabaseError> {
        let name = path.as_ref().display().to_string();
        match fs::read(path) {
            Ok(file) => Database::from_bytes(name, file),
            Err(source) => Err(DatabaseError::Unreadable { path: name, source }),
        }
    }

    /// Takes the octets of a file, which may be compressed by gzip; `name` stands for it in messages.
    pub fn from_bytes(name: impl Into<String>, file: Vec<u8>) -> Result<Database, DatabaseError> {
        let name = name.into();
        let file = match packed::unpacked(file) {
            Ok(file) => file,
            Err(error) => {
                let reason = format!("it cannot be unpacked: {error}");
                return Err(DatabaseError::Damaged { name, reason });
            }
        };
        if file.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
            let hint = "it is a tar archive; unpack it and name the .mmdb file inside";
            return Err(DatabaseError::NotADatabase { name, hint });
        }
        let reader = match Reader::from_source(file.as_slice()) {
            Ok(reader) => reader,
            Err(error) => return Err(unopened(name, &file, &error)),
        };
        let metadata = reader.metadata();
        let mut tree = Tree {
            nodes: metadata.node_count as usize,
            record_bits: usize::from(metadata.record_size),
            v6: metadata.ip_version == 6,
            data: 0,
        };
        tree.data = tree.data_start().map_or(0, |start| file.len().saturating_sub(start));

        let mut loader = Loader::new(&reader, tree.data);
        let (mut v4, mut v6) = (RangeMap::uniform(0), RangeMap::uniform(0));
        let walked = tree
            .walk_v4(&file, |first, _, offset| {
                v4.push(first, loader.meaning(offset, Ipv4Addr::from_bits(first).into()));
            })
            .and_then(|()| {
                tree.walk_v6(&file, |first, length, offset| {
                    let meaning = loader.meaning(offset, Ipv6Addr::from_bits(first).into());
                    push_around_ipv4(&mut v6, first, length, meaning);
                })
            });
        if walked == Err(Overgrown) || loader.budget == 0 {
            let reason = "it refers to the same parts over and over".to_owned();
            return Err(DatabaseError::Damaged { name, reason });
        }

        let mut coverage = Coverage::default();
        for (networks, finding) in loader.networks.iter().zip(&loader.findings) {
            coverage.add(*networks, finding);
        }
        if coverage.country + coverage.coordinates + coverage.asn == 0 {
            let record = loader.first_record.or(loader.first_error);
            let record = record.unwrap_or_else(|| "it has none".to_owned());
            return Err(DatabaseError::NoLocation { name, record });
        }
        let info = Info {
            name,
            database_type: printable(&metadata.database_type),
            description: printable(
                metadata
                    .description
                    .get("en")
                    .or(metadata.description.values().next())
                    .map_or("", String::as_str),
            ),
            built: metadata.build_epoch,
            ip_version: metadata.ip_version,
            record_size: metadata.record_size,
            node_count: metadata.node_count,
            records: loader.meanings.len(),
            unreadable: loader.unreadable,
            first_error: loader.first_error,
            coverage,
        };
        let Loader { meanings, findings, .. } = loader;
        Ok(Database { info, file, tree, meanings, findings, v4, v6 })
    }

    /// What it says of itself, and what was found in it.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What the file says of an address, and the network it says it of: an IPv4 one for an
    /// address with IPv4 inside. `None` when it says nothing.
    pub fn lookup(&self, address: IpAddr) -> Option<(&Location, IpNet)> {
        self.find(address).map(|(finding, network)| (&finding.location, network))
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<(&Finding, IpNet)> {
        let (leaf, network) = match unwrap(address).address {
            IpAddr::V4(address) => {
                let leaf = self.tree.find_v4(&self.file, address.to_bits());
                (leaf, IpNet::V4(Ipv4Net::new_assert(address, leaf.length).trunc()))
            }
            IpAddr::V6(address) if tree::left_out(address.to_bits()) => return None,
            IpAddr::V6(address) => {
                let leaf = self.tree.find_v6(&self.file, address.to_bits());
                (leaf, IpNet::V6(Ipv6Net::new_assert(address, leaf.length).trunc()))
            }
        };
        let Leaf { offset: Some(offset), .. } = leaf else { return None };
        let meaning = *self.meanings.get(&offset)?;
        (meaning != 0).then(|| (&self.findings[meaning as usize], network))
    }

    /// The distinct things it says; the ranges below point into them.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub(super) fn v4(&self) -> &RangeMap<u32, u32> {
        &self.v4
    }

    pub(super) fn v6(&self) -> &RangeMap<u128, u32> {
        &self.v6
    }
}

/// Decodes each distinct record once.
struct Loader<'a> {
    reader: &'a Reader<&'a [u8]>,
    meanings: HashMap<u32, u32, RandomState>,
    findings: Vec<Finding>,
    /// How many networks have each finding.
    networks: Vec<u64>,
    indices: HashMap<Finding, u32, RandomState>,
    /// Neighbours often share a record.
    latest: Option<(u32, u32)>,
    /// What decoding may still cost: 0 when a hostile file has used it up.
    budget: usize,
    unreadable: usize,
    first_error: Option<String>,
    first_record: Option<String>,
}

impl<'a> Loader<'a> {
    fn new(reader: &'a Reader<&'a [u8]>, data: usize) -> Loader<'a> {
        let nothing = Finding::default();
        Loader {
            reader,
            meanings: HashMap::default(),
            findings: vec![nothing.clone()],
            networks: vec![0],
            indices: HashMap::from_iter([(nothing, 0)]),
            latest: None,
            // Honest records cost a part for every octet or so; shared parts make it a few.
            budget: data.saturating_mul(16).saturating_add(1 << 20),
            unreadable: 0,
            first_error: None,
            first_record: None,
        }
    }

    /// The meaning of the record at `offset`, which `address` leads to.
    fn meaning(&mut self, offset: Option<u32>, address: IpAddr) -> u32 {
        let Some(offset) = offset else { return 0 };
        let meaning = match self.latest {
            Some((latest, meaning)) if latest == offset => meaning,
            _ => match self.meanings.get(&offset) {
                Some(meaning) => *meaning,
                None => self.decode(offset, address),
            },
        };
        self.latest = Some((offset, meaning));
        self.networks[meaning as usize] += 1;
        meaning
    }

    fn decode(&mut self, offset: u32, address: IpAddr) -> u32 {
        if self.budget == 0 {
            return 0;
        }
        let reader = self.reader;
        let record = reader
            .lookup(address)
            .and_then(|found| match found.offset() {
                Some(found_at) if found_at == offset as usize => found.decode::<Record<'_>>(),
                _ => Ok(None),
            })
            .unwrap_or_else(|error| Some(Record { value: Err(error.to_string()), cost: 1 }));
        let meaning = match record {
            Some(Record { value, cost }) => {
                self.budget = self.budget.saturating_sub(cost);
                self.intern(value)
            }
            None => 0,
        };
        self.meanings.insert(offset, meaning);
        meaning
    }

    fn intern(&mut self, value: Result<Value<'_>, String>) -> u32 {
        let finding = match value {
            Ok(value) => {
                self.first_record.get_or_insert_with(|| printable(&value.to_string()));
                meaning::of(&value)
            }
            Err(error) => {
                self.unreadable += 1;
                self.first_error.get_or_insert_with(|| printable(&error));
                return 0;
            }
        };
        if let Some(index) = self.indices.get(&finding) {
            return *index;
        }
        let index = self.findings.len() as u32;
        self.findings.push(finding.clone());
        self.networks.push(0);
        self.indices.insert(finding, index);
        index
    }
}

/// Pushes a leaf, leaving out the ranges inside it whose clients are looked up by IPv4.
fn push_around_ipv4(map: &mut RangeMap<u128, u32>, first: u128, length: u8, meaning: u32) {
    let last = first.prefix(length).1;
    map.push(first, meaning);
    for (out_first, out_last) in tree::LEFT_OUT {
        if first <= out_first && out_last <= last {
            map.push(out_first, 0);
            if out_last < last {
                map.push(out_last + 1, meaning);
            }
        }
    }
}

/// Says what a file that is no database looks like.
fn unopened(name: String, file: &[u8], error: &MaxMindDbError) -> DatabaseError {
    const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
    if file.windows(MARKER.len()).any(|octets| octets == MARKER) {
        return DatabaseError::Damaged { name, reason: printable(&error.to_string()) };
    }
    let packed = [&b"PK\x03\x04"[..], b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh"];
    let start = &file[..file.len().min(512)];
    let hint = if file.is_empty() {
        "it is empty; fetch it again"
    } else if packed.iter().any(|magic| file.starts_with(magic)) {
        "it is compressed, and not by gzip; unpack it and name the .mmdb file inside"
    } else if start.iter().all(|octet| octet.is_ascii_graphic() || octet.is_ascii_whitespace()) {
        "it is text; name the .mmdb file of the same database"
    } else {
        "the metadata that ends every such file is missing; fetch it again, whole"
    };
    DatabaseError::NotADatabase { name, hint }
}

/// A text of the file's, short and without control characters.
fn printable(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
