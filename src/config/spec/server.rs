//! `meridian.toml`: the server.

use schemars::JsonSchema;
use serde::Deserialize;

use super::resolver::ResolverSpec;
use super::safety::SafetySpec;
use super::transfer::{KeySpec, TransferSpec};
use super::webhook::WebhookSpec;
use super::{DurationText, Entries, Spanned};

/// The server's own file: `config/meridian.toml`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ServerFile {
    /// Where it listens, and which files it serves from.
    pub server: Option<ServerSpec>,
    /// Encrypted transports.
    pub tls: Option<TlsSpec>,
    /// Where clients are.
    pub geoip: Option<GeoipSpec>,
    /// EDNS Client Subnet (RFC 7871).
    pub ecs: Option<EcsSpec>,
    /// How members given by host name are looked up.
    pub resolver: Option<ResolverSpec>,
    /// What one client, and all together, may use.
    pub limits: Option<LimitsSpec>,
    /// Keys for transaction signatures (RFC 8945), by name.
    pub keys: Option<Entries<KeySpec>>,
    /// Zone transfers to secondaries.
    pub transfer: Option<TransferSpec>,
    /// What no change may break, whoever makes it.
    pub safety: Option<SafetySpec>,
    /// What checks of members may do.
    pub health: Option<HealthSpec>,
    /// Control, metrics, and health of the server itself.
    pub admin: Option<AdminSpec>,
    /// HTTP servers that are told of what happens.
    pub webhook: Option<Vec<Spanned<WebhookSpec>>>,
    /// The log, on stderr, and that of queries.
    pub log: Option<LogSpec>,
}

impl ServerFile {
    /// The tables such a file may hold.
    pub const TABLES: &'static [&'static str] = &[
        "server", "tls", "geoip", "ecs", "resolver", "limits", "keys", "transfer", "health",
        "safety", "admin", "webhook", "log",
    ];

    /// Those that may be there more than once.
    pub const LISTS: &'static [&'static str] = &["webhook"];
}

/// Where the server listens, and which files it serves from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Addresses with ports; UDP and TCP on each.
    #[schemars(extend("default" = ["127.0.0.1:5300", "[::1]:5300"]))]
    pub listen: Option<Spanned<Vec<Spanned<String>>>>,
    /// UDP worker threads for each address; 0 is one for each core.
    #[schemars(extend("default" = 0))]
    pub workers: Option<Spanned<i64>>,
    /// Zone files; `*` and `?` may stand in the last part of a path.
    #[schemars(extend("default" = ["../zones/*.zone"]))]
    pub zones: Option<Spanned<Vec<Spanned<String>>>>,
    /// Policy files; `*` and `?` may stand in the last part of a path.
    #[schemars(extend("default" = ["policies/*.toml"]))]
    pub policies: Option<Spanned<Vec<Spanned<String>>>>,
    /// Directory for what must survive a restart: last known health, announced zones, the last
    /// generations.
    #[schemars(extend("default" = "state"))]
    pub state: Option<Spanned<String>>,
    /// How many generations of all files are kept in the state directory, for a start on broken
    /// files and for `meridian ctl rollback`; 0 is none.
    #[schemars(extend("default" = 5))]
    pub generations: Option<Spanned<i64>>,
    /// Whether files that change are read anew without anybody asking for it.
    #[schemars(extend("default" = false))]
    pub watch: Option<Spanned<bool>>,
    /// Server identifier, told to those who ask (RFC 5001, RFC 4892): a text, or `0x` and
    /// hexadecimal digits; at most 128 octets. `{generation}` in a text stands for the number of
    /// the generation in force. Empty is none.
    #[schemars(extend("default" = ""))]
    pub nsid: Option<Spanned<String>>,
    /// Version, told to those who ask for `version.bind` in class CHAOS; at most 255 octets.
    /// Empty is none.
    #[schemars(extend("default" = ""))]
    pub version: Option<Spanned<String>>,
    /// Secret that DNS cookies are signed with (RFC 9018): 32 hexadecimal digits. Empty is a
    /// random one, new at each start.
    #[schemars(regex(pattern = r"^([0-9A-Fa-f]{32})?$"), extend("default" = ""))]
    pub cookie_secret: Option<Spanned<String>>,
    /// Further secrets, whose cookies are accepted while `cookie_secret` is changed.
    #[schemars(extend("default" = []))]
    pub cookie_accept: Option<Spanned<Vec<Spanned<String>>>>,
    /// Networks from which TXT queries for `_explain.` before a name are told why a client gets
    /// its answer.
    #[schemars(extend("default" = []))]
    pub explain_from: Option<Spanned<Vec<Spanned<String>>>>,
    /// User to go on as once all sockets are bound, for a server that is started by root; empty
    /// is the one that starts it.
    #[schemars(extend("default" = ""))]
    pub user: Option<Spanned<String>>,
}

/// Encrypted transports; they need `certificate` and `key`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// PEM file: the server's certificate, then those that lead to its authority.
    #[schemars(extend("default" = ""))]
    pub certificate: Option<Spanned<String>>,
    /// PEM file: the certificate's private key, not encrypted.
    #[schemars(extend("default" = ""))]
    pub key: Option<Spanned<String>>,
    /// Addresses with ports for DNS over TLS (RFC 7858).
    #[schemars(extend("default" = []))]
    pub listen_dot: Option<Spanned<Vec<Spanned<String>>>>,
    /// Addresses with ports for DNS over HTTPS (RFC 8484): GET and POST at `/dns-query`, HTTP/2.
    #[schemars(extend("default" = []))]
    pub listen_doh: Option<Spanned<Vec<Spanned<String>>>>,
    /// Addresses with ports for DNS over QUIC (RFC 9250).
    #[schemars(extend("default" = []))]
    pub listen_doq: Option<Spanned<Vec<Spanned<String>>>>,
    /// Addresses with ports for DNS over HTTP/3. Its connections are not counted by `[limits]`.
    #[schemars(extend("default" = []))]
    pub listen_doh3: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Where clients are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoipSpec {
    /// Database files in MaxMind's format, of any vendor. Fields merge; an earlier file wins.
    #[schemars(extend("default" = ["../geoip/dbip-region.mmdb"]))]
    pub databases: Option<Spanned<Vec<Spanned<String>>>>,
    /// The operator's own prefixes; they win over every database.
    pub networks: Option<Entries<Spanned<NetworkSpec>>>,
}

/// Where the clients of one prefix are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// ISO 3166-1, two letters.
    pub country: Option<Spanned<String>>,
    /// ISO 3166-2, such as `US-CA`.
    pub subdivision: Option<Spanned<String>>,
    /// English name.
    pub city: Option<Spanned<String>>,
    /// Autonomous system number.
    #[schemars(range(min = 1, max = 4_294_967_295_i64))]
    pub asn: Option<Spanned<i64>>,
    /// Degrees, north is positive.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: Option<Spanned<f64>>,
    /// Degrees, east is positive.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: Option<Spanned<f64>>,
}

/// EDNS Client Subnet (RFC 7871).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcsSpec {
    /// Whether the subnet in a query decides, rather than the packet's sender.
    #[schemars(extend("default" = true))]
    pub enabled: Option<Spanned<bool>>,
}

/// What checks of members may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSpec {
    /// Whether monitors of kind `exec` may run programs.
    #[schemars(extend("default" = false))]
    pub exec: Option<Spanned<bool>>,
}

/// What one client, and all together, may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// UDP answers a second for one client prefix (IPv4 /24, IPv6 /56), all names together; 0 is
    /// no limit.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 0))]
    pub responses_per_second: Option<Spanned<i64>>,
    /// NXDOMAIN answers a second over UDP for one client prefix and zone; 0 is no limit. By
    /// default as many as `responses_per_second`.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub nxdomains_per_second: Option<Spanned<i64>>,
    /// Answers with any other error a second over UDP for one client prefix; 0 is no limit. By
    /// default as many as `responses_per_second`.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub errors_per_second: Option<Spanned<i64>>,
    /// Every so many-th answer over a limit is sent empty, so that its client asks again over
    /// TCP; the others are dropped. 0 drops all.
    #[schemars(range(min = 0, max = 1000), extend("default" = 2))]
    pub slip: Option<Spanned<i64>>,
    /// Networks that are never limited.
    #[schemars(extend("default" = []))]
    pub exempt: Option<Spanned<Vec<Spanned<String>>>>,
    /// Queries a second over UDP from one client prefix, from which on those without a valid
    /// DNS cookie are told to come with one, or over TCP; 0 is never.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 0))]
    pub require_cookies_over: Option<Spanned<i64>>,
    /// TCP, TLS, HTTPS and QUIC connections in all.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1024))]
    pub tcp_connections: Option<Spanned<i64>>,
    /// TCP, TLS, HTTPS and QUIC connections of one client: an IPv4 address or an IPv6 /56.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 64))]
    pub tcp_per_client: Option<Spanned<i64>>,
    /// How long a TCP, TLS, HTTPS or QUIC connection may be silent.
    #[schemars(extend("default" = "10s"))]
    pub tcp_idle: Option<Spanned<DurationText>>,
    /// How old a TCP, TLS, HTTPS or QUIC connection may become.
    #[schemars(extend("default" = "1h"))]
    pub tcp_lifetime: Option<Spanned<DurationText>>,
    /// Octets of the largest UDP answer (RFC 6891).
    #[schemars(range(min = 512, max = 1232), extend("default" = 1232))]
    pub edns_udp_size: Option<Spanned<i64>>,
}

/// Control, metrics, and health of the server itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSpec {
    /// Unix socket of the control API, for `meridian ctl`; "" for none. Whoever may open it may
    /// do everything.
    #[schemars(extend("default" = "state/meridian.sock"))]
    pub socket: Option<Spanned<String>>,
    /// TCP address of metrics and the API; "" for none. Everybody who reaches it may read.
    #[schemars(extend("default" = "127.0.0.1:9153"))]
    pub listen: Option<Spanned<String>>,
    /// File with the bearer tokens that changes over TCP need, and `diff` for the files of the
    /// server, a line each: `TOKEN` or `NAME TOKEN`; "" allows neither.
    #[schemars(extend("default" = ""))]
    pub token_file: Option<Spanned<String>>,
}

/// The log, on stderr, and that of queries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSpec {
    /// The least severe messages that are written.
    #[schemars(extend("default" = "info"))]
    pub level: Option<Spanned<LogLevel>>,
    /// Lines for people or objects for programs.
    #[schemars(extend("default" = "text"))]
    pub format: Option<Spanned<LogFormat>>,
    /// Query log: a file, `stdout` or `stderr`; "" for none.
    #[schemars(extend("default" = ""))]
    pub queries: Option<Spanned<String>>,
    /// How a query is written there.
    #[schemars(extend("default" = "text"))]
    pub queries_format: Option<Spanned<LogFormat>>,
    /// MiB, from which on the file is moved to the same name with `.1`, in place of what was moved
    /// before: 0 (never) to 1,000,000.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 0))]
    pub queries_max_mib: Option<Spanned<i64>>,
    /// One query in so many is told, by chance, in the query log and over dnstap: 1 (each) to
    /// 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1))]
    pub queries_sample: Option<Spanned<i64>>,
    /// Unix socket of a dnstap reader that is sent queries and answers; "" for none.
    #[schemars(extend("default" = ""))]
    pub dnstap: Option<Spanned<String>>,
}

/// The least severe messages that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a message or a query is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object on a line.
    Json,
}
