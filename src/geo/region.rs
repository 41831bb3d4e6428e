//! The regions of the large clouds, so that a pool's place can be written `aws:us-east-1`.

use std::sync::LazyLock;

use super::location::{Continent, Coordinates, Country};

/// One region of a cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudRegion {
    /// The provider and its own code: `aws:us-east-1`, `gcp:europe-west3`, `azure:eastus`.
    pub code: &'static str,
    /// Of the city the region is named for.
    pub coordinates: Coordinates,
    /// Where that city is.
    pub country: Country,
    /// Where that country is.
    pub continent: Continent,
    /// The city.
    pub city: &'static str,
}

/// All regions, sorted by code.
pub fn all() -> &'static [CloudRegion] {
    &TABLE
}

/// The region with this code, in lower case as its provider writes it.
pub fn find(code: &str) -> Option<&'static CloudRegion> {
    TABLE.binary_search_by_key(&code, |region| region.code).ok().map(|index| &TABLE[index])
}

static TABLE: LazyLock<Vec<CloudRegion>> = LazyLock::new(|| {
    include_str!("data/cloud_regions.csv")
        .lines()
        .skip(1)
        .map(|line| row(line).expect("the table is part of the program, and a test reads it"))
        .collect()
});

fn row(line: &'static str) -> Option<CloudRegion> {
    let mut fields = line.splitn(6, ',');
    Some(CloudRegion {
        code: fields.next()?,
        coordinates: Coordinates {
            latitude: fields.next()?.parse().ok()?,
            longitude: fields.next()?.parse().ok()?,
        },
        country: fields.next()?.parse().ok()?,
        continent: fields.next()?.parse().ok()?,
        city: fields.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::country;

    #[test]
    fn every_region_is_found_and_lies_in_its_country() {
        assert_eq!(all().len(), 143);
        for region in all() {
            assert_eq!(find(region.code), Some(region));
            let country = country::find(region.country).unwrap();
            assert_eq!(country.continent, region.continent, "{}", region.code);
            let km = country.centroid.distance_km(region.coordinates);
            assert!(km < 5000.0, "{} is {km} km from the centroid of its country", region.code);
        }
    }

    #[test]
    fn providers_do_not_share_codes() {
        assert_eq!(find("aws:us-east-1").unwrap().city, "Ashburn");
        assert_eq!(find("us-east-1"), None);
        assert_eq!(find("gcp:us-east-1"), None);
    }
}
