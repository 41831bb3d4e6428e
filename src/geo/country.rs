//! The countries of ISO 3166-1 with their continents and centroids.
//!
//! The table lists what can be placed on a globe. A [`Country`] that a database names and the
//! table does not know (a withdrawn code, say) is still a country, without continent or centroid.

use std::sync::LazyLock;

use super::location::{Continent, Coordinates, Country};

/// One country.
#[derive(Debug, Clone, PartialEq)]
pub struct CountryInfo {
    /// ISO 3166-1, and XK for Kosovo.
    pub code: Country,
    /// Where GeoNames counts it.
    pub continent: Continent,
    /// The population-weighted centroid: where its clients are, not where its land is.
    pub centroid: Coordinates,
    /// The English name.
    pub name: &'static str,
    /// How many people live there.
    pub population: u64,
}

/// All countries, sorted by code.
pub fn all() -> &'static [CountryInfo] {
    &TABLE
}

/// The country with this code; `None` when the table has none.
pub fn find(code: Country) -> Option<&'static CountryInfo> {
    TABLE.binary_search_by_key(&code, |country| country.code).ok().map(|index| &TABLE[index])
}

static TABLE: LazyLock<Vec<CountryInfo>> = LazyLock::new(|| {
    include_str!("data/countries.csv")
        .lines()
        .skip(1)
        .map(|line| row(line).expect("the table is part of the program, and a test reads it"))
        .collect()
});

fn row(line: &'static str) -> Option<CountryInfo> {
    let mut fields = line.splitn(6, ',');
    Some(CountryInfo {
        code: fields.next()?.parse().ok()?,
        continent: fields.next()?.parse().ok()?,
        centroid: Coordinates {
            latitude: fields.next()?.parse().ok()?,
            longitude: fields.next()?.parse().ok()?,
        },
        population: fields.next()?.parse().ok()?,
        name: fields.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_found_by_its_code() {
        assert_eq!(all().len(), 250);
        for country in all() {
            assert_eq!(find(country.code), Some(country));
            assert!(country.centroid.latitude.abs() <= 90.0, "{}", country.name);
            assert!(country.centroid.longitude.abs() <= 180.0, "{}", country.name);
        }
        assert!(all().iter().map(|country| country.population).sum::<u64>() > 7_000_000_000);
        assert!(all().windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn kosovo_is_a_country_and_a_name_may_hold_a_comma() {
        assert_eq!(find(Country(*b"XK")).unwrap().continent, Continent::EU);
        assert_eq!(find(Country(*b"BQ")).unwrap().name, "Bonaire, Saint Eustatius and Saba");
        assert_eq!(find(Country(*b"QQ")), None);
    }
}
