//! What a geo rule or a row of a latency table matches, and which match is the more specific.

use std::fmt;

use ipnet::IpNet;

use crate::geo::{Continent, Country, Location};

/// One thing a client can match, `kind:value` in the files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Match {
    /// `net:10.0.0.0/8`: the client's address, after unwrapping, lies in the prefix.
    Net(IpNet),
    /// `asn:64500`.
    Asn(u32),
    /// `city:Frankfurt` or `city:DE/Frankfurt`: the English name, in any case.
    City {
        /// Only the city of that name in this country.
        country: Option<Country>,
        /// The name.
        name: String,
    },
    /// `subdivision:US-CA` (ISO 3166-2), upper case.
    Subdivision(String),
    /// `country:GB` (ISO 3166-1).
    Country(Country),
    /// `continent:EU`.
    Continent(Continent),
}

/// How narrow a match is: a greater one wins.
///
/// Prefixes by length over everything else, then autonomous system, city, subdivision, country,
/// continent (steering.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity(u8);

impl Match {
    /// Whether clients in `location` match. `around` is the client's own unwrapped address as a
    /// prefix, or the innermost prefix around it that any rule in question names.
    pub fn covers(&self, location: &Location, around: Option<IpNet>) -> bool {
        match self {
            Match::Net(net) => around.is_some_and(|around| net.contains(&around)),
            Match::Asn(asn) => location.asn == Some(*asn),
            Match::City { country, name } => {
                location.city.as_deref().is_some_and(|city| same_text(city, name))
                    && (country.is_none() || location.country == *country)
            }
            Match::Subdivision(code) => location.subdivision.as_deref() == Some(code),
            Match::Country(country) => location.country == Some(*country),
            Match::Continent(continent) => location.continent == Some(*continent),
        }
    }

    /// How narrow it is.
    pub fn specificity(&self) -> Specificity {
        Specificity(match self {
            // IPv4 and IPv6 prefixes never match the same client, so lengths compare.
            Match::Net(net) => 10 + net.prefix_len(),
            Match::Asn(_) => 5,
            Match::City { country: Some(_), .. } => 4,
            Match::City { country: None, .. } => 3,
            Match::Subdivision(_) => 2,
            Match::Country(_) => 1,
            Match::Continent(_) => 0,
        })
    }
}

/// Equal but for case, beyond ASCII too.
fn same_text(a: &str, b: &str) -> bool {
    a == b || a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::Net(net) => write!(f, "net:{net}"),
            Match::Asn(asn) => write!(f, "asn:{asn}"),
            Match::City { country: Some(country), name } => write!(f, "city:{country}/{name}"),
            Match::City { country: None, name } => write!(f, "city:{name}"),
            Match::Subdivision(code) => write!(f, "subdivision:{code}"),
            Match::Country(country) => write!(f, "country:{country}"),
            Match::Continent(continent) => write!(f, "continent:{continent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_matches_win() {
        let net = |text: &str| Match::Net(text.parse().unwrap());
        let germany = Some(Country(*b"DE"));
        let order = [
            net("10.1.0.0/16"),
            net("10.0.0.0/8"),
            net("0.0.0.0/0"),
            Match::Asn(1),
            Match::City { country: germany, name: "X".into() },
            Match::City { country: None, name: "X".into() },
            Match::Subdivision("DE-HE".into()),
            Match::Country(Country(*b"DE")),
            Match::Continent(Continent::EU),
        ];
        assert!(order.is_sorted_by(|a, b| a.specificity() > b.specificity()));
    }

    #[test]
    fn a_city_is_known_in_any_case_and_may_be_bound_to_a_country() {
        let sao_paulo = Location {
            country: Some(Country(*b"BR")),
            city: Some("São Paulo".into()),
            ..Location::default()
        };
        let city = |country, name: &str| Match::City { country, name: name.into() };
        assert!(city(None, "são paulo").covers(&sao_paulo, None));
        assert!(city(None, "SÃO PAULO").covers(&sao_paulo, None));
        assert!(city(Some(Country(*b"BR")), "São Paulo").covers(&sao_paulo, None));
        assert!(!city(Some(Country(*b"PT")), "São Paulo").covers(&sao_paulo, None));
    }
}
