//! Measurements of clients become rows of a latency table: what is believed of whom.
//!
//! Anybody can send a beacon, so that each client counts once for each pool, whatever it sends,
//! and rows are medians: whoever wants to move one needs half of its clients. Knows nothing of
//! files.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::geo::{Atlas, unwrap};

/// What rows may be made for, the broadest first: the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Level {
    /// `continent:EU`
    Continent,
    /// `country:DE`
    Country,
    /// `subdivision:US-CA`
    Subdivision,
    /// `asn:64500`
    Asn,
    /// `net:192.0.2.0/24`, IPv6 /56
    Net,
}

/// One round trip that a client measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Who measured.
    pub client: IpAddr,
    /// To which pool.
    pub pool: String,
    /// The round trip in milliseconds: over 0, at most 60,000.
    pub ms: f64,
}

/// A row of the table: a place as policies write it, and a pool.
pub type Key = (Level, String, String);

/// The other half of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The median of its clients' medians, in milliseconds.
    pub ms: f64,
    /// How many clients.
    pub samples: u32,
}

/// What clients measured, by client and pool.
#[derive(Debug, Default)]
pub struct Measurements {
    of_client: HashMap<(IpAddr, String), Vec<f64>>,
}

impl Measurements {
    /// Takes one more.
    pub fn add(&mut self, measurement: Measurement) {
        let Measurement { client, pool, ms } = measurement;
        self.of_client.entry((unwrap(client).address, pool)).or_default().push(ms);
    }

    /// The rows of these levels that have at least so many clients, the broadest places first.
    pub fn rows(self, atlas: &Atlas, levels: &[Level], at_least: u32) -> BTreeMap<Key, Estimate> {
        let mut of_place: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
        for ((client, pool), times) in self.of_client {
            let ms = median(times);
            for level in levels {
                if let Some(place) = level.place(atlas, client) {
                    of_place.entry((*level, place, pool.clone())).or_default().push(ms);
                }
            }
        }
        let estimate = |(key, times): (Key, Vec<f64>)| {
            let samples = u32::try_from(times.len()).unwrap_or(u32::MAX);
            (samples >= at_least.max(1)).then(|| (key, Estimate { ms: median(times), samples }))
        };
        of_place.into_iter().filter_map(estimate).collect()
    }
}

impl Estimate {
    /// What an older estimate and this one come to. The older one counts half: the network
    /// changes, and what nobody measures any more fades.
    #[must_use]
    pub fn after(self, older: Estimate) -> Estimate {
        let (new, old) = (f64::from(self.samples), f64::from(older.samples) / 2.0);
        Estimate {
            ms: (self.ms * new + older.ms * old) / (new + old),
            samples: self.samples.saturating_add(older.samples / 2),
        }
    }
}

impl Level {
    /// The place of this level that a client is in, as a table writes it.
    fn place(self, atlas: &Atlas, client: IpAddr) -> Option<String> {
        let location = atlas.location(atlas.locate(client));
        match self {
            Level::Continent => location.continent.map(|code| format!("continent:{code}")),
            Level::Country => location.country.map(|code| format!("country:{code}")),
            Level::Subdivision => {
                location.subdivision.as_ref().map(|code| format!("subdivision:{code}"))
            }
            Level::Asn => location.asn.map(|number| format!("asn:{number}")),
            Level::Net => {
                let length = if client.is_ipv4() { 24 } else { 56 };
                let net = ipnet::IpNet::new(client, length).ok()?;
                Some(format!("net:{}", net.trunc()))
            }
        }
    }

    /// The level of a place as a table writes it; `None` for a place that no row is made for.
    pub fn of(place: &str) -> Option<Level> {
        Some(match place.split_once(':')?.0 {
            "continent" => Level::Continent,
            "country" => Level::Country,
            "subdivision" => Level::Subdivision,
            "asn" => Level::Asn,
            "net" => Level::Net,
            _ => return None,
        })
    }
}

/// The middle one, or the mean of the two in the middle. There is at least one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Country, Location, Network};

    fn atlas() -> Atlas {
        let germany =
            Location { country: Some(Country(*b"DE")), asn: Some(64500), ..Location::default() };
        let networks = [
            Network { prefix: "192.0.2.0/24".parse().unwrap(), location: germany.clone() },
            Network {
                prefix: "2001:db8::/32".parse().unwrap(),
                location: Location { asn: None, ..germany },
            },
        ];
        Atlas::compile(&[], &networks)
    }

    fn of(measurements: &[(&str, f64)]) -> Measurements {
        let mut all = Measurements::default();
        for (client, ms) in measurements {
            let client = client.parse().unwrap();
            all.add(Measurement { client, pool: "eu".into(), ms: *ms });
        }
        all
    }

    #[test]
    fn each_client_counts_once_however_much_it_sends() {
        let mut sent = vec![("192.0.2.1", 20.0), ("192.0.2.2", 30.0), ("2001:db8::1", 40.0)];
        sent.extend(std::iter::repeat_n(("192.0.2.9", 9_000.0), 1_000));
        let rows = of(&sent).rows(&atlas(), &[Level::Country, Level::Asn], 1);
        let row = |level, place: &str| rows[&(level, place.to_owned(), "eu".to_owned())];
        assert_eq!(row(Level::Country, "country:DE"), Estimate { ms: 35.0, samples: 4 });
        assert_eq!(row(Level::Asn, "asn:64500"), Estimate { ms: 30.0, samples: 3 });
    }

    #[test]
    fn places_with_too_few_clients_have_no_row() {
        let sent = [("192.0.2.1", 20.0), ("::ffff:192.0.2.1", 22.0), ("2001:db8::1", 40.0)];
        let rows = of(&sent).rows(&atlas(), &[Level::Net, Level::Country], 2);
        assert_eq!(rows.len(), 1, "{rows:?}");
        let rows = of(&sent).rows(&atlas(), &[Level::Net], 1);
        let places: Vec<&str> = rows.keys().map(|(_, place, _)| place.as_str()).collect();
        assert_eq!(places, ["net:192.0.2.0/24", "net:2001:db8::/56"]);
    }

    #[test]
    fn an_older_estimate_counts_half() {
        let new = Estimate { ms: 30.0, samples: 10 };
        let merged = new.after(Estimate { ms: 60.0, samples: 40 });
        assert_eq!(merged, Estimate { ms: 50.0, samples: 30 });
    }
}
