//! The server's own settings: `meridian.toml`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::diagnostic::Diagnostic;
use super::files::{Files, expand};
use super::listen::{self, Sockets};
use super::place;
use super::reader::Reader;
use super::source::Span;
use super::spec::server::{
    AdminSpec, EcsSpec, GeoipSpec, LimitsSpec, LogSpec, NetworkSpec, ServerSpec,
};
use super::spec::{Entries, Spanned};

pub use super::spec::server::{LogFormat, LogLevel};

/// Where the server listens, and which files it serves from.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// UDP and TCP on each; not empty.
    pub listen: Vec<SocketAddr>,
    /// UDP worker threads for each address; 0 is one for each core.
    pub workers: usize,
    /// The zone files that the patterns match, sorted within a pattern, each once.
    pub zones: Vec<FilePath>,
    /// The policy files that the patterns match, sorted within a pattern, each once.
    pub policies: Vec<FilePath>,
    /// The directory for what must survive a restart. It need not exist yet.
    pub state: PathBuf,
}

/// A path, relative to where the program was started, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePath {
    /// The path.
    pub path: PathBuf,
    /// The path or pattern in the file; `None` for a default.
    pub written: Option<Span>,
}

/// Where clients are.
#[derive(Debug, Clone, PartialEq)]
pub struct Geoip {
    /// Databases, the one that wins first.
    pub databases: Vec<FilePath>,
    /// The operator's own networks, each once, in the order of the file.
    pub networks: Vec<Network>,
}

/// Where the clients of one prefix are; what is `None` is left to the databases.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The prefix; never one whose clients are looked up by an IPv4 address inside.
    pub net: IpNet,
    /// ISO 3166-1, upper case. The subdivision's when only that is given.
    pub country: Option<String>,
    /// ISO 3166-2 with the country in front, upper case.
    pub subdivision: Option<String>,
    /// The English name.
    pub city: Option<String>,
    /// Not 0.
    pub asn: Option<u32>,
    /// Latitude and longitude in degrees.
    pub coordinates: Option<(f64, f64)>,
    /// The key.
    pub span: Span,
}

/// What one client, and all together, may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, of all transports that have any: 1 to 1,000,000.
    pub tcp_connections: usize,
    /// Connections of one client, an IPv4 address or an IPv6 /56: 1 to `tcp_connections`.
    pub tcp_per_client: usize,
    /// How long a TCP, TLS, HTTPS or QUIC connection may be silent: 100 ms to 1 h.
    pub tcp_idle: Duration,
    /// How old a connection may become: 1 s to 7 days.
    pub tcp_lifetime: Duration,
    /// Octets of the largest UDP answer: 512 to 4096.
    pub edns_udp_size: u16,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The least severe messages that are written.
    pub level: LogLevel,
    /// How a message is written.
    pub format: LogFormat,
}

const TCP_IDLE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

const TCP_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);

impl Server {
    /// The sockets it listens on are added to `taken`.
    pub(super) fn resolve(
        spec: ServerSpec,
        files: &dyn Files,
        taken: &mut Sockets,
        reader: &mut Reader<'_>,
    ) -> Server {
        let workers = reader.integer("workers", spec.workers.as_ref(), 0..=1024, 0);
        let zones = matching("zones", spec.zones.as_ref(), "../zones/*.zone", files, reader);
        let policies =
            matching("policies", spec.policies.as_ref(), "policies/*.toml", files, reader);
        let empty = Some(toml::Value::from(""));
        reader.not_yet("nsid", spec.nsid.as_ref(), empty.clone());
        reader.not_yet("cookie_secret", spec.cookie_secret.as_ref(), empty.clone());
        reader.not_yet("user", spec.user.as_ref(), empty);
        Server {
            listen: listen(spec.listen.as_ref(), taken, reader),
            workers: usize::try_from(workers).unwrap_or(0),
            zones,
            policies,
            state: single_path("state", spec.state.as_ref(), "state", reader),
        }
    }
}

fn listen(
    spec: Option<&Spanned<Vec<Spanned<String>>>>,
    taken: &mut Sockets,
    reader: &mut Reader<'_>,
) -> Vec<SocketAddr> {
    let Some(Spanned { value: texts, range }) = spec else {
        return vec![([127, 0, 0, 1], 5300).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 5300).into()];
    };
    if texts.is_empty() {
        let help = "write at least one address with its port, such as \"127.0.0.1:5300\"";
        reader.invalid(range, "`listen` is empty", help);
    }
    listen::addresses(texts, &[listen::Kind::Udp, listen::Kind::Tcp], taken, reader)
}

/// The files that patterns match, each once.
fn matching(
    key: &str,
    spec: Option<&Spanned<Vec<Spanned<String>>>>,
    default: &str,
    files: &dyn Files,
    reader: &mut Reader<'_>,
) -> Vec<FilePath> {
    let patterns: Vec<(String, Option<Span>)> = match spec {
        Some(spec) => {
            let texts = spec.value.iter();
            texts.map(|text| (text.value.clone(), Some(reader.span(&text.range)))).collect()
        }
        None => vec![(default.to_owned(), None)],
    };
    let mut matching: Vec<FilePath> = Vec::new();
    for (pattern, written) in patterns {
        let at = |d: Diagnostic| match &written {
            Some(span) => d.at(span, ""),
            None => d,
        };
        if pattern.is_empty() {
            let d = Diagnostic::error("invalid-value", format!("a path in `{key}` is empty"));
            reader.found.push(at(d));
            continue;
        }
        let path = reader.path(&pattern);
        match expand(files, &path) {
            Err(error) => reader.found.push(at(Diagnostic::unreadable(&path, &error))),
            // Without policies every answer is static: nothing to remark unless files were meant.
            Ok(paths) if paths.is_empty() && (written.is_some() || key == "zones") => {
                let message = format!("`{pattern}` in `{key}` matches no file");
                let help = format!("it stands for {}", path.display());
                reader.found.push(at(Diagnostic::lint("no-files", message)).help(help));
            }
            Ok(paths) => {
                for path in paths {
                    if !matching.iter().any(|known| known.path == path) {
                        matching.push(FilePath { path, written: written.clone() });
                    }
                }
            }
        }
    }
    matching
}

fn single_path(
    key: &str,
    spec: Option<&Spanned<String>>,
    default: &str,
    reader: &mut Reader<'_>,
) -> PathBuf {
    let Some(Spanned { value, range }) = spec else { return reader.path(default) };
    if value.is_empty() {
        reader.invalid(range, format!("`{key}` is empty"), "write a path");
    }
    reader.path(value)
}

impl Geoip {
    pub(super) fn resolve(spec: GeoipSpec, reader: &mut Reader<'_>) -> Geoip {
        let databases = match spec.databases {
            None => {
                vec![FilePath { path: reader.path("../geoip/dbip-region.mmdb"), written: None }]
            }
            Some(databases) => databases
                .value
                .iter()
                .map(|text| FilePath {
                    path: single_path("databases", Some(text), "", reader),
                    written: Some(reader.span(&text.range)),
                })
                .collect(),
        };
        let mut networks: Vec<Network> = Vec::new();
        let mut first_of: HashMap<IpNet, Span> = HashMap::new();
        for (key, spec) in spec.networks.map(|Entries(entries)| entries).unwrap_or_default() {
            let Some(net) = reader.place(&key.range, place::net(&key.value)) else { continue };
            let span = reader.span(&key.range);
            if let Some(first) = first_of.get(&net) {
                let d = Diagnostic::error("duplicate-value", format!("`{net}` is there twice"));
                let d = d.at(&span, "again here").and(first, "first here");
                reader.found.push(d.help("remove one of them"));
                continue;
            }
            first_of.insert(net, span.clone());
            networks.push(Network::resolve(net, span, &spec, reader));
        }
        Geoip { databases, networks }
    }
}

impl Network {
    fn resolve(
        net: IpNet,
        span: Span,
        spec: &Spanned<NetworkSpec>,
        reader: &mut Reader<'_>,
    ) -> Network {
        let Spanned { value: spec, range } = spec;
        let read =
            |reader: &mut Reader<'_>, text: &Option<Spanned<String>>, parse: fn(&str) -> _| {
                text.as_ref().and_then(|text| reader.place(&text.range, parse(&text.value)))
            };
        let mut country: Option<String> = read(reader, &spec.country, place::country);
        let subdivision = read(reader, &spec.subdivision, place::subdivision);
        if let Some(subdivision) = &subdivision {
            let its_country = &subdivision[..2];
            if country.get_or_insert_with(|| its_country.to_owned()) != its_country {
                let range = spec.subdivision.as_ref().map_or(range, |text| &text.range);
                let message = format!("`{subdivision}` is not in the country of this network");
                reader.invalid(range, message, "");
            }
        }
        if let Some(city) = spec.city.as_ref().filter(|city| city.value.trim().is_empty()) {
            reader.invalid(&city.range, "`city` is empty", "leave it out");
        }
        let asn = reader.integer("asn", spec.asn.as_ref(), 1..=u32::MAX.into(), 1);
        let coordinates =
            coordinates(spec.latitude.as_ref(), spec.longitude.as_ref(), range, reader);
        Network {
            net,
            country,
            subdivision,
            city: spec.city.as_ref().map(|city| city.value.clone()),
            asn: spec.asn.as_ref().and_then(|_| u32::try_from(asn).ok()),
            coordinates,
            span,
        }
    }
}

/// Latitude and longitude in their ranges: both, or neither.
pub(super) fn coordinates(
    latitude: Option<&Spanned<f64>>,
    longitude: Option<&Spanned<f64>>,
    table: &std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<(f64, f64)> {
    let mut degrees = |key: &str, value: Option<&Spanned<f64>>, most: f64| {
        let Spanned { value, range } = value?;
        // Not a number is in no range.
        if (-most..=most).contains(value) {
            return Some(*value);
        }
        reader.invalid(range, format!("`{key}` must be from -{most} to {most}"), "");
        None
    };
    let pair = (degrees("latitude", latitude, 90.0), degrees("longitude", longitude, 180.0));
    if latitude.is_some() != longitude.is_some() {
        let missing = if latitude.is_some() { "longitude" } else { "latitude" };
        reader.found.push(
            Diagnostic::error("missing-key", format!("`{missing}` is missing"))
                .at(&reader.span(table), "a place needs both coordinates"),
        );
    }
    pair.0.zip(pair.1)
}

impl Limits {
    pub(super) fn resolve(spec: LimitsSpec, reader: &mut Reader<'_>) -> Limits {
        let zero = Some(toml::Value::from(0));
        reader.not_yet("responses_per_second", spec.responses_per_second.as_ref(), zero);
        reader.not_yet("slip", spec.slip.as_ref(), Some(toml::Value::from(2)));
        let in_all = spec.tcp_connections.as_ref();
        let in_all = reader.integer("tcp_connections", in_all, 1..=1_000_000, 1024);
        let each = spec.tcp_per_client.as_ref();
        // A smaller limit in all lowers the default of each; a larger one that was written is
        // a contradiction.
        let each = reader.integer("tcp_per_client", each, 1..=in_all, 64.min(in_all));
        let size = reader.integer("edns_udp_size", spec.edns_udp_size.as_ref(), 512..=4096, 1232);
        let (idle, life) = (spec.tcp_idle.as_ref(), spec.tcp_lifetime.as_ref());
        let hour = Duration::from_secs(3600);
        Limits {
            tcp_connections: usize::try_from(in_all).unwrap_or(1024),
            tcp_per_client: usize::try_from(each).unwrap_or(64),
            tcp_idle: reader.duration("tcp_idle", idle, TCP_IDLE, Duration::from_secs(10)),
            tcp_lifetime: reader.duration("tcp_lifetime", life, TCP_LIFETIME, hour),
            edns_udp_size: u16::try_from(size).unwrap_or(1232),
        }
    }
}

impl Log {
    pub(super) fn resolve(spec: LogSpec, reader: &mut Reader<'_>) -> Log {
        reader.not_yet("queries", spec.queries.as_ref(), Some(toml::Value::from("")));
        Log {
            level: spec.level.map(|level| level.value).unwrap_or_default(),
            format: spec.format.map(|format| format.value).unwrap_or_default(),
        }
    }
}

/// Whether ECS decides who the client is.
pub(super) fn ecs_enabled(spec: EcsSpec) -> bool {
    spec.enabled.is_none_or(|enabled| enabled.value)
}

/// Accepts the table that is not yet supported only at its defaults.
pub(super) fn refuse_not_yet(admin: AdminSpec, reader: &mut Reader<'_>) {
    let text = |text: &str| Some(toml::Value::from(text));
    reader.not_yet("socket", admin.socket.as_ref(), text("state/meridian.sock"));
    reader.not_yet("listen", admin.listen.as_ref(), text("127.0.0.1:9153"));
    reader.not_yet("token_file", admin.token_file.as_ref(), text(""));
}
