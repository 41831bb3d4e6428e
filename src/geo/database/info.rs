//! What a database says of itself, and what was found in it.

use jiff::Timestamp;

use crate::geo::finding::Finding;

/// The facts of one database.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// The path it was read from, or what the program calls it.
    pub name: String,
    /// The declared type. Vendors choose it freely; nothing goes by it.
    pub database_type: String,
    /// The English description, else any, else empty.
    pub description: String,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// 4, or 6 for a file of both families.
    pub ip_version: u16,
    /// Bits of a record in the search tree: 24, 28 or 32.
    pub record_size: u16,
    /// Nodes of the search tree.
    pub node_count: u32,
    /// Distinct data records.
    pub records: usize,
    /// Records that could not be decoded: their networks have no location.
    pub unreadable: usize,
    /// Why the first of those could not be decoded.
    pub first_error: Option<String>,
    /// What its networks say.
    pub coverage: Coverage,
}

/// How many networks give each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Networks that have a record, of both families.
    pub networks: u64,
    /// Networks with a country; likewise below.
    pub country: u64,
    /// With a continent of the file's own.
    pub continent: u64,
    /// With a subdivision code.
    pub subdivision: u64,
    /// With a city.
    pub city: u64,
    /// With coordinates of the file's own.
    pub coordinates: u64,
    /// With an ASN.
    pub asn: u64,
    /// Marked as anycast.
    pub anycast: u64,
}

impl Info {
    /// The day it was built, in UTC: `2026-06-05`; the last day of 9999 when the file names none.
    pub fn built_on(&self) -> String {
        let time = i64::try_from(self.built).ok().and_then(|at| Timestamp::from_second(at).ok());
        time.unwrap_or(Timestamp::MAX).strftime("%F").to_string()
    }
}

impl Coverage {
    pub(super) fn add(&mut self, networks: u64, finding: &Finding) {
        let location = &finding.location;
        let count = |field: &mut u64, known: bool| *field += if known { networks } else { 0 };
        count(&mut self.networks, true);
        count(&mut self.country, location.country.is_some());
        count(&mut self.continent, location.continent.is_some());
        count(&mut self.subdivision, location.subdivision.is_some());
        count(&mut self.city, location.city.is_some());
        count(&mut self.coordinates, location.coordinates.is_some());
        count(&mut self.asn, location.asn.is_some());
        count(&mut self.anycast, finding.anycast);
    }
}
