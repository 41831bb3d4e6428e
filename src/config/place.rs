//! Places: what a geo rule, a latency table or an operator's network names.
//!
//! Knows how they are written. Whether a database ever names such a place it does not know.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use super::suggest;

/// Where clients must be for a rule to match, the most specific kind first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Match {
    /// `net:192.0.2.0/24`; never a network whose clients are looked up by an IPv4 address inside.
    Net(IpNet),
    /// `asn:64500`
    Asn(u32),
    /// `city:London` in any country, or `city:GB/London`. Names are compared without case.
    City {
        /// ISO 3166-1, upper case.
        country: Option<String>,
        /// The English name, in the case of the file.
        name: String,
    },
    /// `subdivision:US-CA`: ISO 3166-2, upper case.
    Subdivision(String),
    /// `country:GB`: ISO 3166-1, upper case.
    Country(String),
    /// `continent:EU`: one of [`CONTINENTS`].
    Continent(String),
}

/// The two letters that GeoIP databases use for continents.
pub const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// Why a text names no place, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoPlace {
    pub(super) message: String,
    pub(super) help: String,
}

impl Match {
    const KINDS: [&'static str; 6] = ["net", "asn", "city", "subdivision", "country", "continent"];

    /// Reads `kind:value`.
    pub(super) fn parse(text: &str) -> Result<Match, NoPlace> {
        let forms = "write net:192.0.2.0/24, asn:64500, city:London, city:GB/London, \
                     subdivision:US-CA, country:GB or continent:EU";
        let Some((kind, value)) = text.split_once(':') else {
            return Err(NoPlace::new(format!("`{text}` has no kind of place in front"), forms));
        };
        match kind {
            "net" => net(value).map(Match::Net),
            "asn" => asn(value).map(Match::Asn),
            "city" => city(value),
            "subdivision" => subdivision(value).map(Match::Subdivision),
            "country" => country(value).map(Match::Country),
            "continent" => continent(value).map(Match::Continent),
            other => {
                let help = match suggest::nearest(other, Match::KINDS) {
                    Some(kind) => format!("did you mean `{kind}:{value}`?"),
                    // An IPv6 network has colons of its own.
                    None if text.parse::<IpNet>().is_ok() => format!("write `net:{text}`"),
                    None => forms.to_owned(),
                };
                Err(NoPlace::new(format!("`{other}` is not a kind of place"), help))
            }
        }
    }

    /// What it has in common with every place it [ties with](Match::ties_with): a key for finding
    /// them.
    pub(super) fn broad(&self) -> Match {
        match self {
            Match::City { name, .. } => Match::City { country: None, name: name.to_lowercase() },
            other => other.clone(),
        }
    }

    /// Whether a client can be in both, and neither is more specific by its kind or length.
    pub(super) fn ties_with(&self, other: &Match) -> bool {
        match (self, other) {
            (Match::City { country: a, name }, Match::City { country: b, name: other_name }) => {
                let same_country = a.is_none() || b.is_none() || a == b;
                same_country && name.to_lowercase() == other_name.to_lowercase()
            }
            _ => self == other,
        }
    }
}

impl FromStr for Match {
    /// What is wrong, and what to write instead.
    type Err = String;

    fn from_str(text: &str) -> Result<Match, String> {
        Match::parse(text).map_err(|NoPlace { message, help }| format!("{message}; {help}"))
    }
}

impl fmt::Display for Match {
    /// As it is written in a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::Net(net) => write!(f, "net:{net}"),
            Match::Asn(asn) => write!(f, "asn:{asn}"),
            Match::City { country: Some(country), name } => write!(f, "city:{country}/{name}"),
            Match::City { country: None, name } => write!(f, "city:{name}"),
            Match::Subdivision(code) => write!(f, "subdivision:{code}"),
            Match::Country(code) => write!(f, "country:{code}"),
            Match::Continent(code) => write!(f, "continent:{code}"),
        }
    }
}

impl NoPlace {
    fn new(message: impl Into<String>, help: impl Into<String>) -> NoPlace {
        NoPlace { message: message.into(), help: help.into() }
    }
}

/// Reads a network with its length; all bits beyond the length must be zero.
pub(super) fn net(text: &str) -> Result<IpNet, NoPlace> {
    let net = prefix(text)?;
    let wrapped = ["::ffff:0:0/96", "64:ff9b::/96", "2002::/16"]
        .iter()
        .filter_map(|text| text.parse::<IpNet>().ok())
        .any(|wrapping| wrapping.contains(&net));
    if wrapped {
        return Err(NoPlace::new(
            format!("`{net}` never matches: it wraps IPv4 addresses"),
            "clients there are looked up by the IPv4 address inside; write the IPv4 network",
        ));
    }
    Ok(net)
}

/// Reads a network of packets' senders, without bits beyond its length.
pub(super) fn prefix(text: &str) -> Result<IpNet, NoPlace> {
    let Ok(net) = text.parse::<IpNet>() else {
        let help = match text.parse::<std::net::IpAddr>() {
            Ok(address) => format!("a single address is `{}`", IpNet::from(address)),
            Err(_) => "write an address and a length, such as 192.0.2.0/24".to_owned(),
        };
        return Err(NoPlace::new(format!("`{text}` is not a network"), help));
    };
    if net != net.trunc() {
        return Err(NoPlace::new(
            format!("`{net}` has bits set beyond its length"),
            format!("write `{}`", net.trunc()),
        ));
    }
    Ok(net)
}

/// Reads an autonomous system number: 1 to 2^32 - 1.
fn asn(text: &str) -> Result<u32, NoPlace> {
    match text.parse::<u32>() {
        Ok(asn) if asn > 0 && !text.starts_with('+') => Ok(asn),
        _ => Err(NoPlace::new(
            format!("`{text}` is not an autonomous system number"),
            "write the number alone, such as asn:64500",
        )),
    }
}

fn city(text: &str) -> Result<Match, NoPlace> {
    let (country_code, name) = match text.split_once('/') {
        Some((code, name)) => (Some(country(code)?), name),
        None => (None, text),
    };
    if name.trim().is_empty() || name.trim() != name {
        return Err(NoPlace::new(
            format!("`{text}` is not the name of a city"),
            "write city:London or city:GB/London, without spaces around the name",
        ));
    }
    Ok(Match::City { country: country_code, name: name.to_owned() })
}

/// Reads an ISO 3166-2 code, its country in front; gives it in upper case.
pub(super) fn subdivision(text: &str) -> Result<String, NoPlace> {
    let help = "write the ISO 3166-2 code with its country, such as US-CA";
    let Some((code, part)) = text.split_once('-') else {
        return Err(NoPlace::new(format!("`{text}` is not a subdivision"), help));
    };
    let code = country(code)?;
    if !(1..=3).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(NoPlace::new(format!("`{text}` is not a subdivision"), help));
    }
    Ok(format!("{code}-{}", part.to_ascii_uppercase()))
}

/// Reads an ISO 3166-1 code of two letters; gives it in upper case.
pub(super) fn country(text: &str) -> Result<String, NoPlace> {
    let code = text.to_ascii_uppercase();
    if code.len() == 2 && COUNTRIES.split_ascii_whitespace().any(|known| known == code) {
        return Ok(code);
    }
    let help = match code.as_str() {
        "UK" => "the code of the United Kingdom is GB",
        "EL" => "the code of Greece is GR",
        "EU" => "write continent:EU for Europe, or list the countries",
        _ => "write the two letters of ISO 3166-1, such as GB",
    };
    Err(NoPlace::new(format!("`{text}` is not a country"), help))
}

fn continent(text: &str) -> Result<String, NoPlace> {
    let code = text.to_ascii_uppercase();
    if CONTINENTS.contains(&code.as_str()) {
        return Ok(code);
    }
    Err(NoPlace::new(
        format!("`{text}` is not a continent"),
        "write AF, AN (Antarctica), AS, EU, NA, OC or SA",
    ))
}

/// The assigned codes of ISO 3166-1, and XK, which databases use for Kosovo.
const COUNTRIES: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_place_is_read_and_written_back() {
        for text in [
            "net:10.0.0.0/8",
            "net:2001:db8::/32",
            "asn:64500",
            "city:Frankfurt am Main",
            "city:DE/Frankfurt",
            "subdivision:US-CA",
            "country:GB",
            "continent:EU",
        ] {
            assert_eq!(Match::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Match::parse("country:gb").unwrap().to_string(), "country:GB");
    }

    #[test]
    fn mistakes_come_with_the_right_form() {
        let help = |text: &str| Match::parse(text).unwrap_err().help;
        assert_eq!(help("net:10.1.2.3/8"), "write `10.0.0.0/8`");
        assert_eq!(help("net:10.1.2.3"), "a single address is `10.1.2.3/32`");
        assert_eq!(help("10.0.0.0/8").split(',').next(), Some("write net:192.0.2.0/24"));
        assert_eq!(help("2001:db8::/32"), "write `net:2001:db8::/32`");
        assert_eq!(help("contry:GB"), "did you mean `country:GB`?");
        assert_eq!(help("country:UK"), "the code of the United Kingdom is GB");
        assert!(help("net:::ffff:10.0.0.0/104").contains("IPv4"));
        for text in ["asn:AS64500", "asn:0", "asn:4294967296", "city:", "city:GB/ London"] {
            assert!(Match::parse(text).is_err(), "{text}");
        }
        for text in ["subdivision:CA", "subdivision:US-", "country:XX", "continent:XX", ""] {
            assert!(Match::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_city_of_any_country_ties_with_the_city_of_one() {
        let ties = |a, b| Match::parse(a).unwrap().ties_with(&Match::parse(b).unwrap());
        assert!(ties("city:London", "city:GB/london"));
        assert!(!ties("city:CA/London", "city:GB/London"));
        assert!(!ties("net:10.0.0.0/8", "net:10.0.0.0/9"));
        assert!(ties("country:GB", "country:gb"));
    }
}
