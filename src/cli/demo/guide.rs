//! What the demo says to dig.

use std::io::{self, Write};
use std::net::SocketAddr;

use super::REGIONS;
use super::region::Region;

/// A client subnet in each region, in the order of [`REGIONS`], and where it is.
const CLIENTS: [(&str, &str); 3] =
    [("128.101.0.0/24", "Minneapolis"), ("81.2.69.0/24", "London"), ("133.11.0.0/24", "Tokyo")];

/// Every steered name of the demo: its first label, and what it shows.
const NAMES: [(&str, &str); 7] = [
    ("www", "geo: by continent; when a region is down, the nearest that is up"),
    ("near", "nearest: by distance"),
    ("fast", "latency: by estimated round trip, kept until another is clearly better"),
    ("pair", "failover: Europe, and North America while Europe is down"),
    ("shares", "weighted 50/30/20, drawn for each query"),
    ("rotation", "round robin: all that are up, in rotation"),
    ("loyal", "sticky: the same region for the same client network, on every server"),
];

/// Writes the whole guide.
pub(super) fn write(
    out: &mut dyn Write,
    address: SocketAddr,
    regions: &[Region],
) -> io::Result<()> {
    let dig = dig(address);
    writeln!(out, "Meridian answers for example.com on {address} (UDP and TCP).")?;
    writeln!(out)?;
    writeln!(out, "Three regions, each a small load balancer in this process:")?;
    for (((pool, _, place), region), (subnet, city)) in REGIONS.iter().zip(regions).zip(CLIENTS) {
        writeln!(
            out,
            "  {pool}  {place:<14} http://{}/health   clients such as {subnet} ({city})",
            region.address()
        )?;
    }
    writeln!(out)?;
    writeln!(out, "Dig as a client of each region:")?;
    for (subnet, city) in CLIENTS {
        writeln!(out, "  {dig} www.example.com +subnet={subnet:<15}  # {city}")?;
    }
    writeln!(out)?;
    writeln!(out, "Every policy has a name; put +subnet=… behind any of them:")?;
    for (label, what) in NAMES {
        writeln!(out, "  {dig} {:<22} # {what}", format!("{label}.example.com"))?;
    }
    writeln!(out, "  {dig} {:<22} # an alias to www, followed in the answer", "shop.example.com")?;
    writeln!(out)?;
    writeln!(out, "Stop a region and start it again, by a line here or by HTTP:")?;
    writeln!(out, "  stop eu        curl -X POST http://{}/stop", regions[1].address())?;
    writeln!(out, "  start eu       curl -X POST http://{}/start", regions[1].address())?;
    writeln!(out, "Other lines: status, help, quit.")?;
    writeln!(out)?;
    writeln!(out, "IP Geolocation by DB-IP (https://db-ip.com)")?;
    out.flush()
}

/// Where the server can be looked into.
pub(super) fn write_admin(out: &mut dyn Write, address: SocketAddr) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "Look into it:")?;
    writeln!(out, "  meridian ctl --server http://{address} health")?;
    writeln!(out, "  curl http://{address}/metrics")?;
    writeln!(out, "  http://{address}/ in a browser")?;
    out.flush()
}

/// What to dig after a pool has changed.
pub(super) fn again(pool: &str, is_up: bool, address: SocketAddr) -> String {
    let client = REGIONS.iter().zip(CLIENTS).find(|((name, ..), _)| *name == pool);
    let Some(((_, _, place), (subnet, _))) = client else {
        return String::new();
    };
    let what = if is_up { "is back in the answers" } else { "is out of the answers" };
    format!("{place} {what}: {} www.example.com +subnet={subnet} +short", dig(address))
}

fn dig(address: SocketAddr) -> String {
    format!("dig @{} -p {}", address.ip(), address.port())
}
