//! What a record of any vendor means: which of its fields is the country, the city, the ASN.
//!
//! Goes by the record, never by the database's declared type, which vendors choose freely.

use crate::geo::finding::Finding;
use crate::geo::location::{Coordinates, Country, Location};

use super::record::Value;

/// The fields this record gives, as far as they are well formed.
pub(super) fn of(record: &Value<'_>) -> Finding {
    let asn = asn(record);
    if speaks_of_the_network_operator(record) {
        return Finding { location: Location { asn, ..Location::default() }, ..Finding::default() };
    }
    let country = country(record);
    let anycast = [&["is_anycast"][..], &["traits", "is_anycast"]]
        .iter()
        .any(|path| record.at(path).is_some_and(Value::is_true));
    let mut location = Location {
        country,
        continent: [&["continent", "code"][..], &["continent_code"], &["continent"]]
            .iter()
            .find_map(|path| record.at(path)?.text()?.parse().ok()),
        asn,
        ..Location::default()
    };
    if !anycast {
        location.subdivision = country.and_then(|country| subdivision(record, country));
        location.city = city(record);
        location.coordinates = coordinates(record);
    }
    Finding { location, anycast, settled: false }
}

/// IPinfo's ASN files give the country in which the AS is registered beside its name; the
/// addresses may be anywhere. Files that place addresses call the name `as_name`.
fn speaks_of_the_network_operator(record: &Value<'_>) -> bool {
    record.at(&["asn"]).is_some()
        && ["name", "domain", "route"].iter().any(|key| record.at(&[key]).is_some())
}

fn country(record: &Value<'_>) -> Option<Country> {
    [
        &["country", "iso_code"][..],
        &["registered_country", "iso_code"],
        &["country_code"],
        &["country"],
        &[],
    ]
    .iter()
    .find_map(|path| record.at(path)?.text()?.parse().ok())
}

/// ISO 3166-2. Names are not codes: `region` is one only where `region_name` stands beside it.
fn subdivision(record: &Value<'_>, country: Country) -> Option<Box<str>> {
    let nested = || record.at(&["subdivisions"])?.first()?.at(&["iso_code"])?.text();
    let flat = || record.at(&["region_code"])?.text();
    let beside_name = || {
        record.at(&["region_name"])?;
        record.at(&["region"])?.text()
    };
    let code = nested().or_else(flat).or_else(beside_name)?.to_ascii_uppercase();
    let country = country.to_string();
    let own = code.strip_prefix(&country).and_then(|rest| rest.strip_prefix('-')).unwrap_or(&code);
    let valid = (1..=3).contains(&own.len()) && own.bytes().all(|b| b.is_ascii_alphanumeric());
    valid.then(|| format!("{country}-{own}").into())
}

fn city(record: &Value<'_>) -> Option<Box<str>> {
    let name = [&["city", "names", "en"][..], &["city"]]
        .iter()
        .find_map(|path| record.at(path)?.text())?
        .trim();
    let known = !name.is_empty() && name != "-" && name != "None" && name.len() <= 256;
    known.then(|| name.into())
}

fn coordinates(record: &Value<'_>) -> Option<Coordinates> {
    [
        [&["location", "latitude"][..], &["location", "longitude"]],
        [&["latitude"], &["longitude"]],
        [&["lat"], &["lng"]],
    ]
    .iter()
    .find_map(|[latitude, longitude]| {
        let number = |path| record.at(path)?.number();
        let point = Coordinates::new(number(latitude)?, number(longitude)?)?;
        // Null Island is how databases write "unknown".
        (point.latitude != 0.0 || point.longitude != 0.0).then_some(point)
    })
}

fn asn(record: &Value<'_>) -> Option<u32> {
    [&["autonomous_system_number"][..], &["traits", "autonomous_system_number"], &["asn"]]
        .iter()
        .find_map(|path| match record.at(path)? {
            Value::Text(text) => {
                let digits = match text.get(..2) {
                    Some(prefix) if prefix.eq_ignore_ascii_case("AS") => &text[2..],
                    _ => text,
                };
                digits.parse().ok()
            }
            Value::Number(number) => (*number <= f64::from(u32::MAX)).then_some(*number as u32),
            _ => None,
        })
        .filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use super::Value::{Bool, List, Map, Number, Text};
    use super::*;

    fn shown(record: &Value<'_>) -> String {
        let location = of(record).location;
        let text = |field: &Option<Box<str>>| field.as_deref().unwrap_or("?").to_owned();
        format!(
            "{} {} {} {} {} {}",
            location.country.map_or("?".to_owned(), |c| c.to_string()),
            location.continent.map_or("?".to_owned(), |c| c.to_string()),
            text(&location.subdivision),
            text(&location.city),
            location.asn.map_or("?".to_owned(), |n| n.to_string()),
            location
                .coordinates
                .map_or("?".to_owned(), |c| format!("{},{}", c.latitude, c.longitude)),
        )
    }

    #[test]
    fn every_vendor_is_read_by_the_shape_of_its_record() {
        let map = |entries: &[(&'static str, Value<'static>)]| Map(entries.to_vec());
        let nested = map(&[
            ("continent", map(&[("code", Text("EU"))])),
            ("country", map(&[("iso_code", Text("GB"))])),
            ("subdivisions", List(vec![map(&[("iso_code", Text("ENG"))]), map(&[])])),
            ("city", map(&[("names", map(&[("de", Text("L")), ("en", Text("London"))]))])),
            ("location", map(&[("latitude", Number(51.5)), ("longitude", Number(-0.1))])),
            ("traits", map(&[("autonomous_system_number", Number(64500.0))])),
        ]);
        assert_eq!(shown(&nested), "GB EU GB-ENG London 64500 51.5,-0.1");
        let registered = map(&[("registered_country", map(&[("iso_code", Text("SE"))]))]);
        assert_eq!(shown(&registered), "SE ? ? ? ? ?");
        let ip_location_db = map(&[
            ("country_code", Text("US")),
            ("state1", Text("California")),
            ("city", Text("Los Angeles")),
            ("latitude", Number(34.05)),
            ("longitude", Number(-118.24)),
        ]);
        assert_eq!(shown(&ip_location_db), "US ? ? Los Angeles ? 34.05,-118.24");
        let ipinfo = map(&[
            ("country", Text("Japan")),
            ("country_code", Text("JP")),
            ("continent", Text("Asia")),
            ("continent_code", Text("AS")),
            ("region", Text("Tokyo")),
            ("region_code", Text("13")),
            ("asn", Text("AS18144")),
            ("as_name", Text("Enecom")),
        ]);
        assert_eq!(shown(&ipinfo), "JP AS JP-13 ? 18144 ?");
        let ipinfo_extended = map(&[
            ("country", Text("AU")),
            ("country_name", Text("Australia")),
            ("region", Text("NSW")),
            ("region_name", Text("New South Wales")),
            ("lat", Text("-33.86785")),
            ("lng", Text("151.20732")),
        ]);
        assert_eq!(shown(&ipinfo_extended), "AU ? AU-NSW ? ? -33.86785,151.20732");
        let ip2location = map(&[
            ("country", map(&[("iso_code", Text("-"))])),
            ("city", map(&[("names", map(&[("en", Text("-"))]))])),
            ("location", map(&[("latitude", Number(0.0)), ("longitude", Number(0.0))])),
        ]);
        assert_eq!(shown(&ip2location), "? ? ? ? ? ?");
        assert_eq!(shown(&Text("uk")), "GB ? ? ? ? ?");
        assert_eq!(shown(&Text("None")), "? ? ? ? ? ?");
    }

    #[test]
    fn a_file_about_networks_operators_gives_only_their_numbers() {
        let record = Map(vec![
            ("asn", Text("AS13335")),
            ("country", Text("US")),
            ("name", Text("Cloudflare, Inc.")),
        ]);
        assert_eq!(shown(&record), "? ? ? ? 13335 ?");
        let empty = Map(vec![("asn", Text("")), ("country", Text("CN"))]);
        assert_eq!(shown(&empty), "CN ? ? ? ? ?");
    }

    #[test]
    fn an_anycast_address_keeps_its_country_and_loses_its_position() {
        let record = Map(vec![
            ("country_code", Text("AU")),
            ("city", Text("Sydney")),
            ("latitude", Number(-33.8)),
            ("longitude", Number(151.2)),
            ("is_anycast", Bool(true)),
        ]);
        assert_eq!(shown(&record), "AU ? ? ? ? ?");
        assert!(of(&record).anycast);
    }

    #[test]
    fn malformed_fields_are_unknown() {
        let record = Map(vec![
            ("country_code", Text("DE")),
            ("region_code", Text("Hesse!")),
            ("latitude", Number(f64::INFINITY)),
            ("longitude", Text("east")),
            ("asn", Number(-1.0)),
            ("is_anycast", Text("no")),
        ]);
        assert_eq!(shown(&record), "DE ? ? ? ? ?");
    }
}
