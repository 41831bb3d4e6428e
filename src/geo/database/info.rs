//! What a database says of itself, and what was found in it.

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
    /// The day it was built, in UTC: `2026-06-05`.
    pub fn built_on(&self) -> String {
        let (year, month, day) = civil(self.built / 86_400);
        format!("{year:04}-{month:02}-{day:02}")
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

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let since_march_0000 = days + 719_468;
    let era = since_march_0000 / DAYS_IN_400_YEARS;
    let day_of_era = since_march_0000 % DAYS_IN_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
        assert_eq!(civil(20_609), (2026, 6, 5));
        assert_eq!(civil(u64::MAX / 86_400).0, 584_554_051_223);
    }
}
