//! What can be typed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::admin::OverrideState;
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
    /// SIGHUP makes it read all files anew and go on with what they say, or with what was when
    /// there is a mistake in them. SIGTERM and SIGINT end it in order.
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
    /// are younger than ten minutes, and what is not known counts as up. Exits with 0, or with 1
    /// when no such name is served.
    Explain(Explain),
    /// Ask a running server, or tell it what to do.
    ///
    /// Exits with 0 when it is done, 1 when the server refuses, 2 when it is not reached.
    Ctl(Ctl),
    /// Look into GeoIP databases.
    Geoip(Geoip),
    /// Print the JSON Schema of the configuration files.
    Schema,
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
    /// The server's configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "config/meridian.toml")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) config: Config,
    /// Listen here instead of where the file says (UDP and TCP); may be given often.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Vec<SocketAddr>,
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
pub(super) struct Check {
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The name asked for.
    pub(super) name: Name,
    /// The type asked for.
    #[arg(default_value = "A")]
    pub(super) rtype: Type,
    /// The client: an address, or the subnet that a resolver would send for it.
    #[arg(long, value_name = "IP[/LENGTH]", value_parser = client)]
    pub(super) client: ClientSubnet,
    /// Suppose that this pool is down; may be given often.
    #[arg(long, value_name = "POOL")]
    pub(super) down: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: Config,
}

#[derive(Debug, Args)]
pub(super) struct Ctl {
    #[command(subcommand)]
    pub(super) command: CtlCommand,
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// How the server is reached.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// The server's configuration file, which says where its control socket is.
    #[arg(long, short, value_name = "FILE", default_value = "config/meridian.toml", global = true)]
    pub(super) config: PathBuf,
    /// The server's control socket, instead of that in the configuration file.
    #[arg(long, value_name = "PATH", global = true)]
    pub(super) socket: Option<PathBuf>,
    /// Reach it over HTTP instead: http://127.0.0.1:9153.
    #[arg(long, value_name = "URL", global = true, conflicts_with = "socket")]
    pub(super) server: Option<String>,
    /// File with the bearer token that changes over HTTP need.
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum CtlCommand {
    /// The server at a glance: generation, zones, pools, what is wrong.
    Status,
    /// Every pool and member: verdict, who says so, why, since when.
    Health {
        /// Only this pool.
        pool: Option<String>,
    },
    /// Take a pool out of the answers as long as anything else is up.
    Drain {
        /// The pool.
        pool: String,
        #[command(flatten)]
        order: Order,
    },
    /// Take back what was drained or forced: files and checks decide again.
    Restore {
        /// The pool.
        pool: String,
        /// Why; it is kept in the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put a pool up or down, or drain it, whatever files and checks say.
    Force {
        /// The pool.
        pool: String,
        /// The state.
        #[arg(value_parser = state)]
        state: OverrideState,
        #[command(flatten)]
        order: Order,
    },
    /// Read all files anew, as SIGHUP does. Prints what is wrong with them.
    Reload,
    /// Say which answer a client gets from the running server, and every reason for it.
    Explain {
        /// The name asked for.
        name: Name,
        /// The type asked for.
        #[arg(default_value = "A")]
        rtype: Type,
        /// The client: an address, or the subnet that a resolver would send for it.
        #[arg(long, value_name = "IP[/LENGTH]", value_parser = client)]
        client: ClientSubnet,
    },
    /// What happened: verdicts, pools, panics, overrides, reloads.
    Events {
        /// Only what happened so long ago at most: 30m, 2h, 7d.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        since: Option<Duration>,
        /// So many at most, the newest.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on with what happens, until interrupted.
        #[arg(long, short)]
        follow: bool,
    },
}

/// What belongs to an order about a pool.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// Why; `health`, `explain` and the history show it.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// End by itself after so long: 30m, 2h, 7d.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) expires: Option<Duration>,
    /// Even when the pool is the last that is up for some record.
    #[arg(long)]
    pub(super) force: bool,
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

fn client(text: &str) -> Result<ClientSubnet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ClientSubnet { address, length: if address.is_ipv4() { 32 } else { 128 } });
    }
    let net: ipnet::IpNet = text
        .parse()
        .map_err(|_| "write an address such as 192.0.2.1, or a subnet such as 192.0.2.0/24")?;
    Ok(ClientSubnet { address: net.addr(), length: net.prefix_len() })
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration::parse(text)
        .ok_or_else(|| "write a number and a unit, such as 90s, 30m, 2h or 7d".to_owned())
}

fn state(text: &str) -> Result<OverrideState, String> {
    [OverrideState::Up, OverrideState::Down, OverrideState::Drain]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| "a pool can be put `up`, `down` or `drain`".to_owned())
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
