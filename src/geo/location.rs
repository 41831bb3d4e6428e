//! Where a client is, as far as the databases and the operator's networks say.

use std::fmt;
use std::str::FromStr;

/// An index into an [`Atlas`](crate::geo)'s distinct locations; 0 is "not located".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocationId(pub u32);

/// A place, every field of which may be unknown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Location {
    /// ISO 3166-1.
    pub country: Option<Country>,
    /// The country's, or the database's own.
    pub continent: Option<Continent>,
    /// ISO 3166-2 with the country in front: `US-CA`, upper case.
    pub subdivision: Option<Box<str>>,
    /// The English name of the city.
    pub city: Option<Box<str>>,
    /// The autonomous system that announces the address.
    pub asn: Option<u32>,
    /// The database's coordinates, else the country's population-weighted centroid.
    pub coordinates: Option<Coordinates>,
}

/// A two-letter country code (ISO 3166-1), upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country(pub [u8; 2]);

/// A continent, by the two letters GeoIP databases use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Continent {
    AF,
    AN,
    AS,
    EU,
    NA,
    OC,
    SA,
}

impl Continent {
    /// All of them, in alphabetical order.
    pub const ALL: [Continent; 7] = [
        Continent::AF,
        Continent::AN,
        Continent::AS,
        Continent::EU,
        Continent::NA,
        Continent::OC,
        Continent::SA,
    ];
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Continent {
    type Err = ();

    fn from_str(text: &str) -> Result<Continent, ()> {
        Continent::ALL.into_iter().find(|c| c.to_string().eq_ignore_ascii_case(text)).ok_or(())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("??"))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A point on the globe in degrees: latitude -90 to 90, longitude -180 to 180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

/// The mean radius of the earth in kilometres (IUGG).
const EARTH_KM: f64 = 6371.0088;

impl Coordinates {
    /// Great-circle distance in kilometres, by the haversine formula.
    pub fn distance_km(self, other: Coordinates) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_lat = (lat2 - lat1) / 2.0;
        let half_lon = (other.longitude - self.longitude).to_radians() / 2.0;
        let h = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lon.sin().powi(2);
        2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_match_known_ones() {
        let at = |latitude, longitude| Coordinates { latitude, longitude };
        let frankfurt = at(50.11, 8.68);
        let new_york = at(40.71, -74.01);
        assert!((frankfurt.distance_km(new_york) - 6202.0).abs() < 10.0);
        assert_eq!(frankfurt.distance_km(frankfurt), 0.0);
        let half_way_round = at(0.0, 0.0).distance_km(at(0.0, 180.0));
        assert!((half_way_round - std::f64::consts::PI * EARTH_KM).abs() < 0.001);
        let across_the_date_line = at(0.0, 179.5).distance_km(at(0.0, -179.5));
        assert!((across_the_date_line - 111.2).abs() < 0.1);
    }
}
