//! Who said what about an address: the merge of [`Atlas::compile`](super::Atlas::compile), with
//! its reasons.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::unwrap;
use super::database::{Database, Info};
use super::finding::Finding;
use super::location::Location;
use super::network::{self, Network};

/// Where a field comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin<'a> {
    /// An operator's network.
    Network(&'a Network),
    /// A database.
    Database {
        /// Which one.
        info: &'a Info,
        /// The network its record speaks of.
        network: IpNet,
    },
    /// The continent or centroid of the country.
    CountryTable,
}

/// The location of one address, with the origin of each field that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance<'a> {
    /// The address that was looked up: the IPv4 address inside, if there is one.
    pub address: IpAddr,
    /// What the atlas says too.
    pub location: Location,
    /// Where the country comes from; likewise below.
    pub country: Option<Origin<'a>>,
    /// Of the continent.
    pub continent: Option<Origin<'a>>,
    /// Of the subdivision.
    pub subdivision: Option<Origin<'a>>,
    /// Of the city.
    pub city: Option<Origin<'a>>,
    /// Of the ASN.
    pub asn: Option<Origin<'a>>,
    /// Of the coordinates.
    pub coordinates: Option<Origin<'a>>,
    /// Every network and database record that speaks of the address, in order of rank, whether
    /// or not a field was taken from it.
    pub consulted: Vec<Origin<'a>>,
    /// A source marks the address as anycast: it has no position.
    pub anycast: bool,
}

/// Looks an address up in the sources of an atlas, and remembers who said what.
pub fn provenance<'a>(
    databases: &'a [Database],
    networks: &'a [Network],
    address: IpAddr,
) -> Provenance<'a> {
    let address = unwrap(address).address;
    let own = network::around(networks, address)
        .into_iter()
        .map(|network| (Origin::Network(network), network.finding()));
    let found = databases.iter().filter_map(|database| {
        let (finding, network) = database.find(address)?;
        Some((Origin::Database { info: database.info(), network }, finding.clone()))
    });

    let mut known = Provenance {
        address,
        location: Location::default(),
        country: None,
        continent: None,
        subdivision: None,
        city: None,
        asn: None,
        coordinates: None,
        consulted: Vec::new(),
        anycast: false,
    };
    let mut merged = Finding::default();
    for (origin, finding) in own.chain(found) {
        merged.complete(&finding);
        known.credit(&merged.location, origin);
        known.consulted.push(origin);
    }
    known.anycast = merged.anycast;
    known.location = merged.finish();
    let location = known.location.clone();
    known.credit(&location, Origin::CountryTable);
    known
}

impl<'a> Provenance<'a> {
    /// Credits `origin` with every field that is known now and was not before.
    fn credit(&mut self, location: &Location, origin: Origin<'a>) {
        let credit = |credited: &mut Option<Origin<'a>>, is_known: bool| {
            if is_known {
                credited.get_or_insert(origin);
            }
        };
        credit(&mut self.country, location.country.is_some());
        credit(&mut self.continent, location.continent.is_some());
        credit(&mut self.subdivision, location.subdivision.is_some());
        credit(&mut self.city, location.city.is_some());
        credit(&mut self.asn, location.asn.is_some());
        credit(&mut self.coordinates, location.coordinates.is_some());
    }
}
