//! `meridian geoip lookup` and `meridian geoip info`: what the databases say, in words.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use super::arguments::{Databases, Geoip, GeoipCommand};
use super::report;
use crate::geo::database::Info;
use crate::geo::provenance::Origin;
use crate::geo::{Database, DatabaseError, Network, country, provenance};

pub(super) fn run(arguments: &Geoip) -> anyhow::Result<ExitCode> {
    let (GeoipCommand::Lookup { databases: from, .. } | GeoipCommand::Info { databases: from }) =
        &arguments.command;
    let Some((databases, networks)) = read(from)? else {
        return Ok(ExitCode::from(super::FAILED));
    };
    let out = &mut io::stdout().lock();
    match &arguments.command {
        GeoipCommand::Lookup { addresses, .. } => lookup(&databases, &networks, addresses, out)?,
        GeoipCommand::Info { .. } => info(&databases, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The databases named on the command line, else those of the configuration with the operator's
/// networks. `None` when the configuration has errors; they have been printed.
fn read(from: &Databases) -> anyhow::Result<Option<(Vec<Database>, Vec<Network>)>> {
    if !from.database.is_empty() {
        return Ok(Some((open(&from.database)?, Vec::new())));
    }
    let world = report::world(&from.config.config);
    Ok(world.map(|(_, world)| (world.databases, world.networks)))
}

/// Opens the databases in their order; the first that cannot be used ends it.
pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Database>, DatabaseError> {
    paths.iter().map(Database::open).collect()
}

/// Writes where each address is, and for each field which network or database says so.
pub fn lookup(
    databases: &[Database],
    networks: &[Network],
    addresses: &[IpAddr],
    out: &mut dyn Write,
) -> io::Result<()> {
    for (index, address) in addresses.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        lookup_one(databases, networks, *address, out)?;
    }
    Ok(())
}

fn lookup_one(
    databases: &[Database],
    networks: &[Network],
    address: IpAddr,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = provenance(databases, networks, address);
    let location = &known.location;
    write!(out, "{address}")?;
    if known.address != address {
        write!(out, ", looked up by the address inside, {}", known.address)?;
    }
    writeln!(out)?;
    if known.consulted.is_empty() {
        return writeln!(out, "  unknown: no network and no database speaks of it");
    }
    let country = location.country.map(|code| match country::find(code) {
        Some(info) => format!("{code} ({})", info.name),
        None => code.to_string(),
    });
    let coordinates = location.coordinates.map(|at| format!("{}, {}", at.latitude, at.longitude));
    let fields = [
        ("country", country, known.country),
        ("continent", location.continent.map(|code| code.to_string()), known.continent),
        ("subdivision", location.subdivision.as_deref().map(str::to_owned), known.subdivision),
        ("city", location.city.as_deref().map(str::to_owned), known.city),
        ("asn", location.asn.map(|number| format!("AS{number}")), known.asn),
        ("coordinates", coordinates, known.coordinates),
    ];
    for (field, value, origin) in fields {
        match (value, origin) {
            (Some(value), Some(origin)) => {
                writeln!(out, "  {field:<11}  {value:<28}  {}", shown(origin))?;
            }
            _ => writeln!(out, "  {field:<11}  unknown")?,
        }
    }
    if known.anycast {
        writeln!(out, "  anycast: answers in many places, so its position is not gone by")?;
    }
    Ok(())
}

fn shown(origin: Origin<'_>) -> String {
    match origin {
        Origin::Network(network) => format!("network {} of the configuration", network.prefix),
        Origin::Database { info, network } => {
            format!("{network} in {}, built {}", info.name, info.built_on())
        }
        Origin::CountryTable => "by its country".to_owned(),
    }
}

/// Writes what each database says of itself and how many of its networks give each field.
pub fn info(databases: &[Database], out: &mut dyn Write) -> io::Result<()> {
    for (index, database) in databases.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        info_one(database.info(), out)?;
    }
    Ok(())
}

fn info_one(info: &Info, out: &mut dyn Write) -> io::Result<()> {
    let families = if info.ip_version == 6 { "IPv4 and IPv6" } else { "IPv4" };
    writeln!(out, "{}", info.name)?;
    writeln!(out, "  type         {}", info.database_type)?;
    if !info.description.is_empty() {
        writeln!(out, "  description  {}", info.description)?;
    }
    writeln!(out, "  built        {}", info.built_on())?;
    writeln!(out, "  addresses    {families}")?;
    writeln!(
        out,
        "  tree         {} nodes, records of {} bits",
        info.node_count, info.record_size
    )?;
    writeln!(out, "  records      {}", info.records)?;
    if let Some(error) = &info.first_error {
        writeln!(out, "  unreadable   {} records, the first: {error}", info.unreadable)?;
    }
    let coverage = info.coverage;
    writeln!(out, "  networks     {}, of which give", coverage.networks)?;
    for (field, networks) in [
        ("country", coverage.country),
        ("continent", coverage.continent),
        ("subdivision", coverage.subdivision),
        ("city", coverage.city),
        ("asn", coverage.asn),
        ("coordinates", coverage.coordinates),
        ("anycast", coverage.anycast),
    ] {
        let percent = networks as f64 * 100.0 / coverage.networks.max(1) as f64;
        writeln!(out, "    {field:<11} {networks:>9}  {percent:5.1} %")?;
    }
    Ok(())
}
