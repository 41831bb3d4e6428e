//! The server's own settings: `meridian.toml`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::diagnostic::Diagnostic;
use super::files::{Files, expand};
use super::glimpse::STATE;
use super::listen::{self, Sockets};
use super::place;
use super::reader::Reader;
use super::secret::{self, Secret};
use super::source::Span;
use super::spec::server::{
    EcsSpec, GeoipSpec, HealthSpec, LimitsSpec, LogSpec, NetworkSpec, ServerSpec,
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
    /// How many generations are kept there: 0 (none) to 100.
    pub generations: usize,
    /// Whether files that change are read anew without anybody asking for it.
    pub watch: bool,
    /// The server's identifier (RFC 5001): at most 128 octets, empty for none.
    pub nsid: Nsid,
    /// The version it tells: at most 255 octets, empty for none.
    pub version: String,
    /// What DNS cookies are signed with; `None` is a random secret.
    pub cookie_secret: Option<Secret>,
    /// Further secrets whose cookies are accepted.
    pub cookie_accept: Vec<Secret>,
    /// Who may ask over DNS why a client gets its answer.
    pub explain_from: Vec<IpNet>,
    /// The user to go on as after binding; `None` is whoever starts it.
    pub user: Option<String>,
}

/// The server's identifier, which may name the generation in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nsid {
    /// A text, in which [`GENERATION`] stands for the generation's number.
    Text(String),
    /// Octets as they are.
    Octets(Vec<u8>),
}

/// What stands in an identifier for the number of the generation.
pub const GENERATION: &str = "{generation}";

impl Nsid {
    /// The identifier of a generation: at most 128 octets, empty for none.
    pub fn of(&self, generation: u64) -> Vec<u8> {
        match self {
            Nsid::Text(text) => text.replace(GENERATION, &generation.to_string()).into_bytes(),
            Nsid::Octets(octets) => octets.clone(),
        }
    }
}

impl Default for Nsid {
    fn default() -> Nsid {
        Nsid::Text(String::new())
    }
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
    /// UDP answers a second for one client prefix: 0 (no limit) to 1,000,000.
    pub responses_per_second: u32,
    /// NXDOMAIN answers a second over UDP for one client prefix and zone: as above.
    pub nxdomains_per_second: u32,
    /// Other errors a second over UDP for one client prefix: as above.
    pub errors_per_second: u32,
    /// Which of the answers over a limit are sent empty, counted from 1: 0 (none) to 1000.
    pub slip: u32,
    /// Networks that are never limited.
    pub exempt: Vec<IpNet>,
    /// UDP queries a second from one client prefix without demanding cookies: 0 (never
    /// demanded) to 1,000,000.
    pub require_cookies_over: u32,
    /// Connections in all, of all transports that have any: 1 to 1,000,000.
    pub tcp_connections: usize,
    /// Connections of one client, an IPv4 address or an IPv6 /56: 1 to `tcp_connections`.
    pub tcp_per_client: usize,
    /// How long a TCP, TLS, HTTPS or QUIC connection may be silent: 100 ms to 1 h.
    pub tcp_idle: Duration,
    /// How old a connection may become: 1 s to 7 days.
    pub tcp_lifetime: Duration,
    /// Octets of the largest UDP answer: 512 to 1232.
    pub edns_udp_size: u16,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least severe messages that are written.
    pub level: LogLevel,
    /// How a message is written.
    pub format: LogFormat,
    /// Where queries are written; `None` for nowhere.
    pub queries: Option<QueryLogFile>,
    /// How a query is written there.
    pub queries_format: LogFormat,
    /// MiB of the file, from which on it is moved out of the way: 0 (never) to 1,000,000.
    pub queries_max_mib: u64,
    /// One query in so many is told, there and over dnstap: 1 to 1,000,000.
    pub queries_sample: u32,
    /// The Unix socket of a dnstap reader.
    pub dnstap: Option<PathBuf>,
}

/// Where queries are written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum QueryLogFile {
    Stdout,
    Stderr,
    Path(PathBuf),
}

/// Octets of the longest server identifier.
const MAX_NSID: usize = 128;
/// Octets of the longest string in a TXT record.
const MAX_VERSION: usize = 255;

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
        let generations = reader.integer("generations", spec.generations.as_ref(), 0..=100, 5);
        let zones = matching("zones", spec.zones.as_ref(), "../zones/*.zone", files, reader);
        let policies =
            matching("policies", spec.policies.as_ref(), "policies/*.toml", files, reader);
        Server {
            listen: listen(spec.listen.as_ref(), taken, reader),
            workers: usize::try_from(workers).unwrap_or(0),
            zones,
            policies,
            state: single_path("state", spec.state.as_ref(), STATE, reader),
            generations: usize::try_from(generations).unwrap_or(5),
            watch: spec.watch.is_some_and(|watch| watch.value),
            nsid: nsid(spec.nsid.as_ref(), reader),
            version: version(spec.version, reader),
            cookie_secret: spec
                .cookie_secret
                .filter(|secret| !secret.value.is_empty())
                .and_then(|secret| cookie_secret("cookie_secret", &secret, reader)),
            cookie_accept: spec
                .cookie_accept
                .iter()
                .flat_map(|secrets| &secrets.value)
                .filter_map(|secret| cookie_secret("cookie_accept", secret, reader))
                .collect(),
            explain_from: networks(spec.explain_from, reader),
            user: spec.user.map(|user| user.value).filter(|user| !user.is_empty()),
        }
    }
}

/// A text, or `0x` and digits.
fn nsid(spec: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> Nsid {
    let Some(Spanned { value, range }) = spec else { return Nsid::default() };
    let nsid = match value.strip_prefix("0x") {
        Some(digits) => secret::hex(digits).filter(|octets| !octets.is_empty()).map(Nsid::Octets),
        None => Some(Nsid::Text(value.clone())),
    };
    match nsid {
        Some(nsid) => {
            // A generation's number only grows.
            let longest = nsid.of(u64::MAX).len();
            if longest <= MAX_NSID {
                return nsid;
            }
            let message = format!("`nsid` has {longest} octets, at most {MAX_NSID} fit");
            reader.invalid(range, message, "");
        }
        None => {
            let help = "behind `0x` write pairs of hexadecimal digits, or begin a text otherwise";
            reader.invalid(range, format!("`{value}` is no identifier"), help);
        }
    }
    Nsid::default()
}

fn version(spec: Option<Spanned<String>>, reader: &mut Reader<'_>) -> String {
    let Some(Spanned { value, range }) = spec else { return String::new() };
    if value.len() > MAX_VERSION {
        let message = format!("`version` has {} octets, at most {MAX_VERSION} fit", value.len());
        reader.invalid(&range, message, "");
    }
    value
}

fn cookie_secret(key: &str, spec: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Secret> {
    let secret = Secret::parse(&spec.value);
    if secret.is_none() {
        let message = format!("a secret in `{key}` must be 32 hexadecimal digits");
        reader.invalid(&spec.range, message, "`openssl rand -hex 16` makes one");
    }
    secret
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
        let mut rate = |key: &str, value: &Option<Spanned<i64>>, default: u32| {
            let rate = reader.integer(key, value.as_ref(), 0..=1_000_000, default.into());
            u32::try_from(rate).unwrap_or(default)
        };
        let responses = rate("responses_per_second", &spec.responses_per_second, 0);
        let nxdomains = rate("nxdomains_per_second", &spec.nxdomains_per_second, responses);
        let errors = rate("errors_per_second", &spec.errors_per_second, responses);
        let queries = rate("require_cookies_over", &spec.require_cookies_over, 0);
        let slip = reader.integer("slip", spec.slip.as_ref(), 0..=1000, 2);
        let in_all = spec.tcp_connections.as_ref();
        let in_all = reader.integer("tcp_connections", in_all, 1..=1_000_000, 1024);
        let each = spec.tcp_per_client.as_ref();
        // A smaller limit in all lowers the default of each; a larger one that was written is
        // a contradiction.
        let each = reader.integer("tcp_per_client", each, 1..=in_all, 64.min(in_all));
        let (idle, life) = (spec.tcp_idle.as_ref(), spec.tcp_lifetime.as_ref());
        let hour = Duration::from_secs(3600);
        Limits {
            responses_per_second: responses,
            nxdomains_per_second: nxdomains,
            errors_per_second: errors,
            slip: u32::try_from(slip).unwrap_or(2),
            exempt: networks(spec.exempt, reader),
            require_cookies_over: queries,
            tcp_connections: usize::try_from(in_all).unwrap_or(1024),
            tcp_per_client: usize::try_from(each).unwrap_or(64),
            tcp_idle: reader.duration("tcp_idle", idle, TCP_IDLE, Duration::from_secs(10)),
            tcp_lifetime: reader.duration("tcp_lifetime", life, TCP_LIFETIME, hour),
            edns_udp_size: udp_size(spec.edns_udp_size.as_ref(), reader),
        }
    }
}

/// Networks of senders.
fn networks(spec: Option<Spanned<Vec<Spanned<String>>>>, reader: &mut Reader<'_>) -> Vec<IpNet> {
    let texts = spec.map(|spec| spec.value).unwrap_or_default();
    let read = |text: &Spanned<String>| reader.place(&text.range, place::prefix(&text.value));
    texts.iter().filter_map(read).collect()
}

fn udp_size(spec: Option<&Spanned<i64>>, reader: &mut Reader<'_>) -> u16 {
    const BOUNDS: RangeInclusive<u16> = 512..=1232;
    let Some(Spanned { value, range }) = spec else { return 1232 };
    match u16::try_from(*value) {
        Ok(size) if BOUNDS.contains(&size) => return size,
        _ => reader.invalid(
            range,
            format!("`edns_udp_size` must be from 512 to 1232, not {value}"),
            "every client takes 512; larger than 1232 an answer is cut into fragments, which get \
             lost and can be forged, and a flood with a false sender hits its victim harder. What \
             is larger goes over TCP",
        ),
    }
    1232
}

impl Log {
    pub(super) fn resolve(spec: LogSpec, reader: &mut Reader<'_>) -> Log {
        let sample = spec.queries_sample.as_ref();
        let sample = reader.integer("queries_sample", sample, 1..=1_000_000, 1);
        let most = spec.queries_max_mib.as_ref();
        let most = reader.integer("queries_max_mib", most, 0..=1_000_000, 0);
        let written = |text: Option<Spanned<String>>| {
            text.map(|text| text.value).filter(|text| !text.is_empty())
        };
        Log {
            level: spec.level.map(|level| level.value).unwrap_or_default(),
            format: spec.format.map(|format| format.value).unwrap_or_default(),
            queries: written(spec.queries).map(|text| match text.as_str() {
                "stdout" => QueryLogFile::Stdout,
                "stderr" => QueryLogFile::Stderr,
                path => QueryLogFile::Path(reader.path(path)),
            }),
            queries_format: spec.queries_format.map(|format| format.value).unwrap_or_default(),
            queries_max_mib: u64::try_from(most).unwrap_or(0),
            queries_sample: u32::try_from(sample).unwrap_or(1),
            dnstap: written(spec.dnstap).map(|path| reader.path(&path)),
        }
    }
}

/// Whether ECS decides who the client is.
pub(super) fn ecs_enabled(spec: EcsSpec) -> bool {
    spec.enabled.is_none_or(|enabled| enabled.value)
}

/// Whether monitors may run programs.
pub(super) fn exec_allowed(spec: HealthSpec) -> bool {
    spec.exec.is_some_and(|exec| exec.value)
}
