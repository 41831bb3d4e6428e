//! Where a client is, as far as the databases and the operator's networks say.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// An index into an [`Atlas`](crate::geo::Atlas)'s distinct locations; 0 is "not located".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocationId(pub u32);

/// A place, every field of which may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
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

impl FromStr for Country {
    type Err = ();

    /// Two ASCII letters in either case, but none of the codes that databases give to what is
    /// no country: ZZ XX EU AP A1 A2 O1. UK is read as GB.
    fn from_str(text: &str) -> Result<Country, ()> {
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(drop)?;
        if !letters.iter().all(u8::is_ascii_alphabetic) {
            return Err(());
        }
        match &letters.map(|letter| letter.to_ascii_uppercase()) {
            b"ZZ" | b"XX" | b"EU" | b"AP" => Err(()),
            b"UK" => Ok(Country(*b"GB")),
            code => Ok(Country(*code)),
        }
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
///
/// Compared bit by bit, so that locations can be keys of a map.
#[derive(Debug, Clone, Copy)]
pub struct Coordinates {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

impl PartialEq for Coordinates {
    fn eq(&self, other: &Coordinates) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Coordinates {}

impl Hash for Coordinates {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

/// The mean radius of the earth in kilometres (IUGG).
const EARTH_KM: f64 = 6371.0088;

impl Coordinates {
    /// A point from degrees; `None` unless both are finite and in range.
    pub fn new(latitude: f64, longitude: f64) -> Option<Coordinates> {
        let valid = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        valid.then_some(Coordinates { latitude, longitude })
    }

    /// Great-circle distance in kilometres, by the haversine formula.
    pub fn distance_km(self, other: Coordinates) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_lat = (lat2 - lat1) / 2.0;
        let half_lon = (other.longitude - self.longitude).to_radians() / 2.0;
        let h = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lon.sin().powi(2);
        2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
    }

    fn bits(self) -> (u64, u64) {
        (self.latitude.to_bits(), self.longitude.to_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_stand_for_no_country_are_refused() {
        let parse = |text: &str| text.parse::<Country>().map(|c| c.to_string());
        assert_eq!(parse("de"), Ok("DE".to_owned()));
        assert_eq!(parse("UK"), Ok("GB".to_owned()));
        assert_eq!(parse("XK"), Ok("XK".to_owned()));
        let none = ["ZZ", "xx", "EU", "AP", "A1", "A2", "O1", "-", "", "None", "DEU", "\u{e9}"];
        for none in none {
            assert_eq!(parse(none), Err(()), "{none}");
        }
    }

    #[test]
    fn a_point_off_the_globe_is_none() {
        assert!(Coordinates::new(90.0, -180.0).is_some());
        for (latitude, longitude) in [(90.1, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::NAN)] {
            assert_eq!(Coordinates::new(latitude, longitude), None);
        }
    }

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
