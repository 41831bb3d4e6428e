//! What can be typed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::complete;
use super::ctl::{Ctl, Reach};
use super::latency::Level;
use crate::config;
use crate::wire::{Name, Type};

/// Authoritative GeoDNS and global server load balancing.
///
/// Answers each client with the best region that is up, and can say why.
#[derive(Debug, Parser)]
#[command(name = "meridian", version, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the zones of a configuration.
    ///
    /// When there are mistakes in the files it says so, and serves the last generation that had
    /// none. SIGHUP makes it read all files anew and go on with what they say, or with what was
    /// when there is a mistake in them. SIGTERM and SIGINT end it in order.
    Serve(Serve),
    /// Try it: a server with zone, policies, GeoIP data and three regions inside.
    Demo(Demo),
    /// Read and compile everything; print errors and lints.
    ///
    /// Exits with 0 when all is clean, 1 when there are lints, 2 when there are errors.
    Check(Check),
    /// Say which answer a client gets, and every reason for it.
    ///
    /// Works from the files; verdicts of health checks come from the state directory while they
    /// are younger than ten minutes, and what is not known counts as up. With --server it is a
    /// running server that says it. Exits with 0, or with 1 when no such name is served.
    Explain(Explain),
    /// Say where the world's clients go: the share of each pool, by country, and what failures
    /// would do.
    ///
    /// Every prefix of the GeoIP databases is a client, weighed by the people who live in its
    /// country, or by a query log. All pools count as up but those of `--down`.
    Simulate(Simulate),
    /// Say which clients a change would move, and where to.
    ///
    /// Compares compiled tables, so that no client is left out. Exits with 0 when nothing differs,
    /// with 1 when something does.
    Diff(Diff),
    /// Ask a running server, or tell it what to do.
    ///
    /// Exits with 0 when it is done, 1 when the server refuses, 2 when it is not reached.
    Ctl(Ctl),
    /// Watch a running server: pools and members, queries, events, what operators ordered.
    ///
    /// Looks once a second. Arrows and page keys move, p pauses, q ends it. Where there is no
    /// terminal it prints one frame. Exits as `ctl` does.
    Top(Top),
    /// Hold policies to what is expected of them: cases in a file.
    ///
    /// A case has a client, a name and what is down, and says which pool, addresses or scope the
    /// client must get. docs/test.md has all of it. Exits with 0 when all hold, with 1 when some
    /// fail, with 2 when something cannot be read.
    Test(Test),
    /// Come over from another system: its files become policies, zones and a report.
    ///
    /// The report says of each thing whether it was taken over exactly, nearly or not, and why.
    /// docs/migrate.md has a section for each system. Exits with 0, with 1 when something could
    /// not be taken over, with 2 when the files cannot be read, and with 3 when `--prove` finds a
    /// difference that the report does not tell of.
    Import(Import),
    /// Hand over to another system: a table of clients, a zone file, octoDNS.
    Export(Export),
    /// Be the webhook of ExternalDNS: names of a Kubernetes cluster, as a zone file.
    ///
    /// ExternalDNS says what is to be in the zone; the file is written anew, and a server that has
    /// it among its zones takes it over. docs/external-dns.md shows both.
    ExternalDns(ExternalDns),
    /// Look into GeoIP databases.
    Geoip(Geoip),
    /// Make tables for latency policies.
    Latency(Latency),
    /// Print the JSON Schema of the configuration files.
    Schema {
        /// Print the description of the control API instead (OpenAPI 3.1).
        #[arg(long)]
        api: bool,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a directory.
    Man {
        /// Where to write meridian.1, meridian-serve.1 and so on.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

/// Which configuration.
#[derive(Debug, Args)]
pub(super) struct Config {
    /// The server's configuration file, or the directory that it is in.
    #[arg(long, short, value_name = "FILE", default_value = "config/meridian.toml",
        value_parser = own_file())]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) config: Config,
    /// Listen here instead of where the file says (UDP and TCP); may be given often.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Vec<SocketAddr>,
    /// Do not start when there are mistakes in the files, whatever was kept of them.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Answer DNS here (UDP and TCP); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5300")]
    pub(super) listen: SocketAddr,
    /// Port of the first regional load balancer; the others take the next ones. 0 takes free
    /// ones.
    #[arg(long, value_name = "PORT", default_value_t = 8101)]
    pub(super) regions: u16,
}

#[derive(Debug, Args)]
pub(super) struct ExternalDns {
    /// The zone that is ExternalDNS's alone.
    #[arg(long, value_name = "NAME")]
    pub(super) zone: Name,
    /// A name server of the zone; may be given more than once.
    #[arg(long = "name-server", value_name = "NAME", required = true)]
    pub(super) name_servers: Vec<Name>,
    /// The zone file. What ExternalDNS said is kept beside it, in a file that ends in
    /// .endpoints.json.
    #[arg(long, value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Seconds that records live for which nobody says.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(super) ttl: u32,
    /// Where ExternalDNS asks; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8888")]
    pub(super) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Ask a running server instead of the files: the one that the configuration file is of, or
    /// that at a control socket or at http://127.0.0.1:9153.
    #[arg(long, value_name = "SOCKET|URL", num_args = 0..=1, default_missing_value = "")]
    pub(super) server: Option<String>,
    /// With the state that a running server was in then: 2026-12-01T22:00:00Z, or so long ago: 30m.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "server")]
    pub(super) at: Option<SystemTime>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: Config,
}

/// A question to explain.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The name asked for.
    #[arg(add = ArgValueCandidates::new(complete::names))]
    pub(super) name: Name,
    /// The type asked for.
    #[arg(default_value = "A", add = ArgValueCandidates::new(complete::types))]
    pub(super) rtype: Type,
    /// The client: an address, or the subnet that a resolver would send for it.
    #[arg(long, value_name = "IP[/LENGTH]", value_parser = client)]
    pub(super) client: ClientSubnet,
    /// Suppose that this pool is down; may be given often.
    #[arg(long, value_name = "POOL", add = ArgValueCandidates::new(complete::pools))]
    pub(super) down: Vec<String>,
    /// Also print what is compiled at each step: the row of the prefix table, the class with its
    /// order of preference, and the answer that is ready for it.
    #[arg(long)]
    pub(super) trace: bool,
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Names to look at; all steered ones when none is given.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::records))]
    pub(super) names: Vec<Name>,
    /// Suppose that this pool is down; may be given often.
    #[arg(long, value_name = "POOL", add = ArgValueCandidates::new(complete::pools))]
    pub(super) down: Vec<String>,
    /// Also suppose each pool to be down, one after another; with 2 also every two of them.
    #[arg(long, value_name = "AT-ONCE", num_args = 0..=1, default_missing_value = "1",
        value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(super) every_failure: Option<u8>,
    /// Show every country, and not continents alone.
    #[arg(long)]
    pub(super) countries: bool,
    /// Draw a map of which pool has which part of the world.
    #[arg(long)]
    pub(super) map: bool,
    /// Write the map as an SVG image; needs one name.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// How much all clients of a name ask for, in the unit that pools have their `capacity` in:
    /// 50000, or 50000qps. Without it, what the members' loads come to that were reported last.
    #[arg(long, value_name = "LOAD", value_parser = total)]
    pub(super) total: Option<f64>,
    #[command(flatten)]
    pub(super) weights: Weights,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: Config,
}

/// How much each client counts.
#[derive(Debug, Args)]
pub(super) struct Weights {
    /// How many people a country counts for, instead of its population: CSV, `DE,79000000`.
    #[arg(long, value_name = "FILE")]
    pub(super) people: Option<PathBuf>,
    /// Clients and their queries from a log instead of the world's people: an address or subnet
    /// a line with an optional count (`192.0.2.1,12`), a query log of Meridian (text or JSON), BIND
    /// or Route 53, or a file of dnstap. May be given often.
    #[arg(long, value_name = "LOG", conflicts_with = "people")]
    pub(super) queries: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The configuration before: its file or the directory that it is in, or either as
    /// `REVISION:PATH` of the git repository around here; or what a running server serves now:
    /// `server` for the one that the file of --config is of, a control socket, or
    /// http://127.0.0.1:9153.
    #[arg(add = ArgValueCompleter::new(complete::sides))]
    pub(super) old: String,
    /// The configuration after, likewise.
    #[arg(add = ArgValueCompleter::new(complete::sides))]
    pub(super) new: String,
    /// Databases after the change, instead of those that NEW names; may be given often.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Vec<PathBuf>,
    /// Exit with 0 as long as no name moves more than this share of its clients.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) max_moved: Option<f64>,
    #[command(flatten)]
    pub(super) weights: Weights,
    /// File with the bearer token that a server wants to see over HTTP.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Print one frame, and end.
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Files of cases.
    #[arg(required = true, value_name = "CASES")]
    pub(super) cases: Vec<PathBuf>,
    /// Also write the outcome here, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The system that the files are of.
    #[arg(value_name = "SOURCE")]
    pub(super) from: System,
    /// Its files, or directories of them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Where to write meridian.toml, policies, zones and report.md; nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// A zone, where no file says which there are; may be given often.
    #[arg(long, value_name = "NAME")]
    pub(super) zone: Vec<String>,
    /// A server that will answer for the zones; may be given often.
    #[arg(long, value_name = "NAME")]
    pub(super) name_server: Vec<String>,
    /// A value that only Terraform knows: `aws_eip.us.public_ip=192.0.2.1`; may be given often.
    #[arg(long, value_name = "REFERENCE=VALUE")]
    pub(super) set: Vec<String>,
    /// A GeoIP database for the new configuration; may be given often.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Vec<PathBuf>,
    /// Also ask the old system's rules and the new configuration for so many clients, and print
    /// what differs.
    ///
    /// Exits with 3 when something differs that the report does not tell of.
    #[arg(long, value_name = "CLIENTS", num_args = 0..=1, require_equals = true,
        default_missing_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) prove: Option<u32>,
    /// Which clients those are: others with another number.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "prove")]
    pub(super) seed: u64,
}

/// A system whose files can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum System {
    /// Terraform files with Route 53 or Cloudflare in them.
    Terraform,
    /// JSON that `aws route53` prints: record sets, health checks, traffic policies.
    Route53,
    /// JSON of Cloudflare's API: load balancers, pools, monitors, DNS records.
    Cloudflare,
    /// gdnsd's configuration and zone files.
    Gdnsd,
    /// octoDNS's zones in YAML, with dynamic records.
    Octodns,
    /// YAML of PowerDNS's GeoIP backend, and zone files with LUA records.
    Powerdns,
    /// Knot DNS's knot.conf, geo.conf and zone files (NAME.zone).
    Knot,
    /// Zones of abh/geodns in JSON.
    Geodns,
    /// BIND's named.conf with rrset-order, and zone files.
    Bind,
}

impl System {
    /// Its name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            System::Terraform => "Terraform",
            System::Route53 => "Route 53",
            System::Cloudflare => "Cloudflare",
            System::Gdnsd => "gdnsd",
            System::Octodns => "octoDNS",
            System::Powerdns => "PowerDNS",
            System::Knot => "Knot DNS",
            System::Geodns => "geodns",
            System::Bind => "BIND",
        }
    }

    /// How its files end; all files when there is no usual end.
    pub(super) fn extensions(self) -> &'static [&'static str] {
        match self {
            System::Terraform => &["tf", "tfvars"],
            System::Route53 | System::Cloudflare | System::Geodns => &["json"],
            System::Gdnsd | System::Powerdns | System::Bind => &[],
            System::Octodns => &["yaml", "yml"],
            System::Knot => &["conf", "zone"],
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(subcommand)]
    pub(super) command: ExportCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// Print which clients go where, as CSV: `prefix,pool`.
    ///
    /// Every address is in one prefix. Where an answer comes from several pools they stand with
    /// their shares: `us 75 %|eu 25 %`.
    Map {
        /// A steered name.
        #[arg(add = ArgValueCandidates::new(complete::records))]
        name: Name,
        #[command(flatten)]
        supposed: Supposed,
    },
    /// Print a zone as one client sees it, as a zone file.
    Zone {
        /// The zone.
        #[arg(add = ArgValueCandidates::new(complete::zones))]
        zone: Name,
        /// The client: an address, or the subnet that a resolver would send for it.
        #[arg(long, value_name = "IP[/LENGTH]", value_parser = client)]
        client: ClientSubnet,
        #[command(flatten)]
        supposed: Supposed,
    },
    /// Print a zone with its policies in octoDNS's YAML.
    ///
    /// Exits with 1 when something cannot be said there; it is told on stderr.
    Octodns {
        /// The zone.
        #[arg(add = ArgValueCandidates::new(complete::zones))]
        zone: Name,
        #[command(flatten)]
        config: Config,
    },
}

/// A configuration, and what is supposed to be down in it.
#[derive(Debug, Args)]
pub(super) struct Supposed {
    /// Suppose that this pool is down; may be given often.
    #[arg(long, value_name = "POOL", add = ArgValueCandidates::new(complete::pools))]
    pub(super) down: Vec<String>,
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Geoip {
    #[command(subcommand)]
    pub(super) command: GeoipCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum GeoipCommand {
    /// Print the location of addresses, and what says so.
    Lookup {
        /// The addresses.
        #[arg(required = true, value_name = "IP")]
        addresses: Vec<IpAddr>,
        #[command(flatten)]
        databases: Databases,
    },
    /// Print what databases are and what they hold.
    Info {
        #[command(flatten)]
        databases: Databases,
    },
}

#[derive(Debug, Args)]
pub(super) struct Latency {
    #[command(subcommand)]
    pub(super) command: LatencyCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum LatencyCommand {
    /// Print the table that measurements of clients come to.
    ///
    /// A log has a measurement a line: `client,pool,ms`, or a JSON object with these keys among
    /// others. Each client counts once for each pool, and a row is the median of its clients.
    /// docs/latency.md says how to measure.
    Merge(Merge),
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Logs of measurements.
    #[arg(required = true, value_name = "LOG")]
    pub(super) logs: Vec<PathBuf>,
    /// An earlier table to go on from; its rows count half.
    #[arg(long, value_name = "FILE")]
    pub(super) table: Option<PathBuf>,
    /// What rows are made for.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', default_value = "country,asn")]
    pub(super) by: Vec<Level>,
    /// Clients that a row needs.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(super) at_least: u32,
    #[command(flatten)]
    pub(super) config: Config,
}

/// Which databases.
#[derive(Debug, Args)]
pub(super) struct Databases {
    /// A database file instead of those of the configuration; may be given often.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) config: Config,
}

/// An address, or a prefix of one, as EDNS Client Subnet carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientSubnet {
    /// The address as it was given.
    pub(super) address: IpAddr,
    /// Bits that are known of it.
    pub(super) length: u8,
}

/// A server's own file: a directory stands for the one in it.
pub(super) fn own_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| config::own_file(&path))
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(|text| text.trim().parse::<f64>().map(|n| n / 100.0));
    match number.unwrap_or_else(|| text.parse()) {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("write a share such as 5% or 0.05".to_owned()),
    }
}

/// A moment, or how long ago it was.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    let ago = config::duration::parse(text).and_then(|ago| SystemTime::now().checked_sub(ago));
    ago.or_else(|| config::maintenance::moment(text)).ok_or_else(|| {
        "write a date, a time and the zone, such as 2026-12-01T22:00:00Z, or how long ago it was, \
         such as 30m"
            .to_owned()
    })
}

/// A number, with a unit that says nothing more.
fn total(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '/' || c == ' ');
    match number.parse() {
        Ok(total) if total > 0.0 && f64::is_finite(total) => Ok(total),
        _ => Err("write a number above 0, such as 50000 or 50000qps".to_owned()),
    }
}

pub(super) fn client(text: &str) -> Result<ClientSubnet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ClientSubnet { address, length: if address.is_ipv4() { 32 } else { 128 } });
    }
    let net: ipnet::IpNet = text
        .parse()
        .map_err(|_| "write an address such as 192.0.2.1, or a subnet such as 192.0.2.0/24")?;
    Ok(ClientSubnet { address: net.addr(), length: net.prefix_len() })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_client_is_an_address_or_a_subnet() {
        let v4 = "192.0.2.1".parse().unwrap();
        assert_eq!(client("192.0.2.1"), Ok(ClientSubnet { address: v4, length: 32 }));
        assert_eq!(client("192.0.2.1/24"), Ok(ClientSubnet { address: v4, length: 24 }));
        assert!(client("192.0.2.1/33").is_err());
        assert!(client("example.com").is_err());
    }
}
