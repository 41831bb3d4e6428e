//! What a geo rule or a row of a latency table matches, and which match is the more specific.

use std::fmt;
use std::str::FromStr;

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

/// Why a text is no match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` matches nothing: write net:PREFIX, asn:NUMBER, city:NAME, city:CC/NAME, \
     subdivision:CC-XX, country:CC or continent:CC"
)]
pub struct BadMatch(pub String);

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

impl FromStr for Match {
    type Err = BadMatch;

    fn from_str(text: &str) -> Result<Match, BadMatch> {
        let bad = || BadMatch(text.to_owned());
        let (kind, value) = text.split_once(':').ok_or_else(bad)?;
        Ok(match kind {
            "net" => Match::Net(value.parse::<IpNet>().map_err(|_| bad())?.trunc()),
            "asn" => Match::Asn(value.parse().map_err(|_| bad())?),
            "city" => {
                let (country, name) = match value.split_once('/') {
                    Some((country, name)) => (Some(country_code(country).ok_or_else(bad)?), name),
                    None => (None, value),
                };
                if name.trim().is_empty() {
                    return Err(bad());
                }
                Match::City { country, name: name.to_owned() }
            }
            "subdivision" => {
                let (country, part) = value.split_once('-').ok_or_else(bad)?;
                country_code(country).ok_or_else(bad)?;
                let alphanumeric = part.bytes().all(|b| b.is_ascii_alphanumeric());
                if !(1..=3).contains(&part.len()) || !alphanumeric {
                    return Err(bad());
                }
                Match::Subdivision(value.to_ascii_uppercase())
            }
            "country" => Match::Country(country_code(value).ok_or_else(bad)?),
            "continent" => Match::Continent(value.parse().map_err(|()| bad())?),
            _ => return Err(bad()),
        })
    }
}

fn country_code(text: &str) -> Option<Country> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_alphabetic).then(|| Country(code.map(|b| b.to_ascii_uppercase())))
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
    fn a_match_reads_back_from_its_text() {
        for text in [
            "net:10.0.0.0/8",
            "net:2001:db8::/32",
            "asn:64500",
            "city:São Paulo",
            "city:DE/Frankfurt",
            "subdivision:US-CA",
            "country:GB",
            "continent:EU",
        ] {
            assert_eq!(text.parse::<Match>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_text_that_matches_nothing_is_refused() {
        for text in [
            "",
            "GB",
            "country:",
            "country:GBR",
            "continent:XX",
            "net:10.0.0.0/33",
            "asn:-1",
            "subdivision:CA",
            "subdivision:US-",
            "city:",
            "city:/x",
            "planet:earth",
        ] {
            assert!(text.parse::<Match>().is_err(), "{text}");
        }
    }

    #[test]
    fn narrower_matches_win() {
        let order = [
            "net:10.1.0.0/16",
            "net:10.0.0.0/8",
            "net:0.0.0.0/0",
            "asn:1",
            "city:DE/X",
            "city:X",
            "subdivision:DE-HE",
            "country:DE",
            "continent:EU",
        ]
        .map(|text| text.parse::<Match>().unwrap().specificity());
        assert!(order.is_sorted_by(|a, b| a > b));
    }
}
