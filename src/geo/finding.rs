//! How what several sources say of one address becomes one location.

use super::country;
use super::location::Location;

/// What one source says of an address, or several together, before it is completed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Finding {
    /// The fields that are known.
    pub(super) location: Location,
    /// The address answers in many places: it has no position, not even its country's centroid.
    pub(super) anycast: bool,
    /// The operator named the country: later sources add nothing but the ASN.
    pub(super) settled: bool,
}

impl Finding {
    /// Fills in what is unknown from a source of lower rank.
    ///
    /// A source that puts the address into another country speaks of another place: of it only
    /// the ASN is taken.
    pub(super) fn complete(&mut self, later: &Finding) {
        let (own, other) = (&mut self.location, &later.location);
        own.asn = own.asn.or(other.asn);
        let disagree = own.country.is_some_and(|a| other.country.is_some_and(|b| a != b));
        if self.settled || disagree {
            return;
        }
        own.country = own.country.or(other.country);
        own.continent = own.continent.or(other.continent);
        if !self.anycast {
            fill(&mut own.subdivision, &other.subdivision);
            fill(&mut own.city, &other.city);
            own.coordinates = own.coordinates.or(other.coordinates);
        }
        self.anycast |= later.anycast;
        self.settled |= later.settled;
    }

    /// The location, with continent and coordinates from the country table where no source knew
    /// them.
    pub(super) fn finish(mut self) -> Location {
        if let Some(info) = self.location.country.and_then(country::find) {
            self.location.continent.get_or_insert(info.continent);
            if !self.anycast {
                self.location.coordinates.get_or_insert(info.centroid);
            }
        }
        self.location
    }
}

fn fill(own: &mut Option<Box<str>>, other: &Option<Box<str>>) {
    if own.is_none() {
        own.clone_from(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::location::{Continent, Coordinates, Country};

    fn place(country: &str, city: Option<&str>, asn: Option<u32>) -> Finding {
        let country = country.parse().ok();
        let location = Location { country, city: city.map(Box::from), asn, ..Location::default() };
        Finding { location, ..Finding::default() }
    }

    #[test]
    fn the_first_source_wins_field_by_field() {
        let mut finding = place("DE", None, None);
        finding.complete(&place("DE", Some("Berlin"), Some(64500)));
        finding.complete(&place("DE", Some("Hamburg"), Some(64501)));
        let location = finding.finish();
        assert_eq!(location.city.as_deref(), Some("Berlin"));
        assert_eq!(location.asn, Some(64500));
        assert_eq!(location.continent, Some(Continent::EU));
        assert_eq!(location.coordinates, Some(country::find(Country(*b"DE")).unwrap().centroid));
    }

    #[test]
    fn a_source_that_names_another_country_gives_only_the_asn() {
        let mut finding = place("DE", None, None);
        finding.complete(&place("FR", Some("Paris"), Some(64500)));
        assert_eq!(finding.location, place("DE", None, Some(64500)).location);
    }

    #[test]
    fn an_anycast_address_has_a_country_but_no_position() {
        let mut finding = Finding { anycast: true, ..place("US", None, None) };
        let mut other = place("US", Some("Ashburn"), None);
        other.location.coordinates = Coordinates::new(39.0, -77.5);
        finding.complete(&other);
        let location = finding.finish();
        assert_eq!((location.city, location.coordinates), (None, None));
        assert_eq!(location.continent, Some(Continent::NA));
    }

    #[test]
    fn a_place_the_operator_settled_takes_only_an_asn_from_databases() {
        let mut finding = Finding { settled: true, ..place("DE", None, None) };
        finding.complete(&place("DE", Some("Berlin"), Some(64500)));
        assert_eq!(finding.location.city, None);
        assert_eq!(finding.location.asn, Some(64500));
    }
}
