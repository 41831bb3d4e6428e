//! Configuration: what stands in the TOML files, with its place in them.
//!
//! Reading takes two steps: [`spec`] holds the files as they are written, [`Config`] what they
//! mean, with every name resolved and every value in its range. Whatever is wrong is collected
//! as [`Diagnostic`]s, as many as can be found in one run.
//!
//! Plain data; knows nothing of the runtime objects that `server::build` makes of it, and not
//! what stands in zone files and databases.

pub mod admin;
pub mod cases;
pub mod diagnostic;
pub mod duration;
pub mod files;
pub mod glimpse;
pub mod latency;
pub mod listen;
pub mod load;
pub mod maintenance;
pub mod member;
pub mod monitor;
pub mod names;
pub mod place;
pub mod policy;
pub mod pool;
pub mod record;
pub mod resolver;
pub mod rhythm;
pub mod safety;
pub mod secret;
pub mod server;
pub mod source;
pub mod spec;
pub mod suggest;
pub mod transfer;
pub mod webhook;

mod check;
mod conceal;
mod decode;
mod lint;
mod reader;
mod repeated;
mod schema;
mod syntax;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use check::Graph;
use lint::Lints;
use names::{Definition, Definitions, Names};
use reader::Reader;
use spec::{Entries, MaintenanceSpec, MonitorSpec, PolicyFile, PolicySpec, ServerFile};
use transfer::Keys;

pub use admin::Admin;
pub use cases::{Case, CaseRcode, Down, Expect};
pub use conceal::struck;
pub use diagnostic::{Diagnostic, Label, Severity, render};
pub use files::{Disk, Files, Memory, NoOwnFile, own_file};
pub use glimpse::{control_socket, state_directory};
pub use latency::{LatencyRow, LatencyTable};
pub use listen::Encrypted;
pub use load::{Load, Meter};
pub use maintenance::Maintenance;
pub use member::{Member, MemberData};
pub use monitor::{
    ClientCertificate, Composite, Dns, Exec, Expiry, Grpc, Handshake, HeaderMatch, Http,
    HttpExpect, Monitor, MonitorKind, Part, Port, Tcp, Tls,
};
pub use names::{Target, TargetRef};
pub use place::Match;
pub use policy::{
    BiasedTarget, Destination, Geo, OnDown, Policy, PolicyKind, Rule, Spread, WeightedTarget,
};
pub use pool::{Balance, Location, Pool, PoolState};
pub use record::{OnAllDown, Record};
pub use resolver::Resolver;
pub use rhythm::{Damping, Warn};
pub use safety::{MaxShift, Safety};
pub use schema::schema;
pub use secret::Secret;
pub use server::{
    FilePath, Geoip, Limits, Log, LogFormat, LogLevel, Network, QueryLogFile, Server,
};
pub use source::{Located, Site, Source, Span};
pub use transfer::{Key, KeyAlgorithm, Transfer};
pub use webhook::{Topic, Webhook};

/// Everything the files say, resolved. Lists are in the order of the files: policy files by
/// path, tables by place.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the server listens, and which files it serves from.
    pub server: Server,
    /// The encrypted transports, when there are any.
    pub encrypted: Option<Encrypted>,
    /// Where clients are.
    pub geoip: Geoip,
    /// Whether EDNS Client Subnet decides who the client is.
    pub ecs_enabled: bool,
    /// How members given by host name are looked up.
    pub resolver: Resolver,
    /// What one client, and all together, may use.
    pub limits: Limits,
    /// Keys for transaction signatures.
    pub keys: Vec<Key>,
    /// Who may have zones, and who is told of changes.
    pub transfer: Transfer,
    /// What no change may break.
    pub safety: Safety,
    /// Whether monitors may run programs.
    pub exec_allowed: bool,
    /// Control, metrics and health of the server itself.
    pub admin: Admin,
    /// Who is told of what happens; no name twice.
    pub webhooks: Vec<Webhook>,
    /// What is logged, and how.
    pub log: Log,
    /// How members are checked.
    pub monitors: Vec<Monitor>,
    /// Regions.
    pub pools: Vec<Pool>,
    /// How targets are chosen; free of loops.
    pub policies: Vec<Policy>,
    /// DNS names bound to pools and policies.
    pub records: Vec<Record>,
    /// Times in which pools are given to nobody.
    pub maintenance: Vec<Maintenance>,
}

impl Config {
    /// The name of a pool or policy.
    pub fn target_name(&self, target: Target) -> &str {
        match target {
            Target::Pool(index) => &self.pools[index].name,
            Target::Policy(index) => &self.policies[index].name,
        }
    }
}

/// A configuration that can be used, and what was remarked on the way.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every file that was read: the server's own first, then the policy files, then the latency
    /// tables. Zone files and databases are read elsewhere.
    pub sources: Vec<Arc<Source>>,
    /// What is probably not meant.
    pub lints: Vec<Diagnostic>,
}

/// Reads the server's file and all it names from disk. The errors come with the lints.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    read(&Disk, path)
}

/// Reads the server's file and all it names from `files`. The errors come with the lints, errors
/// first, then by file and place.
pub fn read(files: &dyn Files, path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let loaded = read_all(files, path, &mut found);
    // A table that two policies name is read twice.
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for diagnostic in found {
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    match loaded {
        Some((config, sources)) if !diagnostic::any_error(&diagnostics) => {
            Ok(Loaded { config, sources, lints: diagnostics })
        }
        _ => {
            diagnostics.sort_by_key(|diagnostic| {
                let place = diagnostic
                    .primary
                    .as_ref()
                    .map(|label| (label.span.source().path().to_owned(), label.span.range().start));
                (std::cmp::Reverse(diagnostic.severity), place)
            });
            Err(diagnostics)
        }
    }
}

/// `None` when there are errors; all are in `found`.
fn read_all(
    files: &dyn Files,
    path: &Path,
    found: &mut Vec<Diagnostic>,
) -> Option<(Config, Vec<Arc<Source>>)> {
    let source = read_source(files, path, found)?;
    let own = ServerTables::read(&source, files, found)?;
    let mut sources = vec![source];
    let mut defined = Definitions::default();
    for file in &own.server.policies {
        match read_source(files, &file.path, found) {
            Some(source) => {
                define(&source, &mut defined, found);
                sources.push(source);
            }
            None => defined.incomplete = true,
        }
    }
    let names = Names::collect(&mut defined, found);

    let monitors: Vec<Option<Monitor>> = defined
        .monitors
        .into_iter()
        .map(|Definition { name, spec }| {
            let mut reader = Reader::new(name.span.source(), found);
            Some(Monitor::resolve(&name, spec?, &names, &mut reader))
        })
        .collect();
    check::monitor_loops(&monitors, found);
    if !own.exec_allowed {
        check::no_programs(&monitors, found);
    }
    let pools: Vec<Option<Pool>> = defined
        .pools
        .into_iter()
        .map(|Definition { name, spec }| {
            let mut reader = Reader::new(name.span.source(), found);
            Some(Pool::resolve(&name, spec?, &names, &monitors, &mut reader))
        })
        .collect();
    let policies: Vec<Option<Policy>> = defined
        .policies
        .into_iter()
        .map(|Definition { name, spec }| {
            let mut reader = Reader::new(name.span.source(), found);
            Some(Policy::resolve(&name, spec?, &names, files, &mut reader))
        })
        .collect();
    let records: Vec<Option<Record>> = defined
        .records
        .into_iter()
        .map(|Definition { name, spec }| {
            let mut reader = Reader::new(name.span.source(), found);
            Record::resolve(&name, spec?, &names, &mut reader)
        })
        .collect();

    let maintenance: Vec<Maintenance> = defined
        .maintenance
        .into_iter()
        .filter_map(|(source, spec)| {
            let mut reader = Reader::new(&source, found);
            Maintenance::resolve(spec, &names, &mut reader)
        })
        .collect();

    let graph = Graph { pools: &pools, policies: &policies };
    check::check(graph, found);
    let all_records: Option<Vec<Record>> = records.into_iter().collect();
    // Lints on half of the tables would be about the errors in the other half.
    if diagnostic::any_error(found) {
        return None;
    }
    let records = all_records?;
    for policy in policies.iter().flatten() {
        if let PolicyKind::Latency { table: Some(table), .. } = &policy.kind
            && !sources.contains(&table.source)
        {
            sources.push(Arc::clone(&table.source));
        }
    }
    let never_below = own.safety.never_below;
    let lints = Lints {
        graph,
        monitors: &monitors,
        records: &records,
        never_below,
        maintenance: &maintenance,
    };
    found.extend(lints.collect());
    let config = Config {
        server: own.server,
        encrypted: own.encrypted,
        geoip: own.geoip,
        ecs_enabled: own.ecs_enabled,
        resolver: own.resolver,
        limits: own.limits,
        keys: own.keys,
        transfer: own.transfer,
        safety: own.safety,
        exec_allowed: own.exec_allowed,
        admin: own.admin,
        webhooks: own.webhooks,
        log: own.log,
        monitors: monitors.into_iter().collect::<Option<_>>()?,
        pools: pools.into_iter().collect::<Option<_>>()?,
        policies: policies.into_iter().collect::<Option<_>>()?,
        records,
        maintenance,
    };
    Some((config, sources))
}

/// Reads a file; `None` when it cannot be read or is not UTF-8, which is reported.
fn read_source(files: &dyn Files, path: &Path, found: &mut Vec<Diagnostic>) -> Option<Arc<Source>> {
    match files.read_config(path) {
        Ok(octets) => decode_text(path, octets, Source::configuration, found),
        Err(error) => {
            found.push(Diagnostic::unreadable(path, &error));
            None
        }
    }
}

/// The text of a file as a `source`.
fn decode_text(
    path: &Path,
    octets: Vec<u8>,
    source: fn(PathBuf, String) -> Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Arc<Source>> {
    match String::from_utf8(octets) {
        Ok(text) => Some(source(path.to_owned(), text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = source(path.to_owned(), text);
            let d = Diagnostic::error("not-utf8", format!("{} is not UTF-8", path.display()));
            // The first replacement character takes three octets.
            let d = d.at(&Span::new(&source, at..at + 3), "not a character");
            found.push(d.help("save the file as UTF-8"));
            None
        }
    }
}

/// What the server's own file says.
struct ServerTables {
    server: Server,
    encrypted: Option<Encrypted>,
    geoip: Geoip,
    ecs_enabled: bool,
    resolver: Resolver,
    limits: Limits,
    keys: Vec<Key>,
    transfer: Transfer,
    safety: Safety,
    exec_allowed: bool,
    admin: Admin,
    webhooks: Vec<Webhook>,
    log: Log,
}

impl ServerTables {
    fn read(
        source: &Arc<Source>,
        files: &dyn Files,
        found: &mut Vec<Diagnostic>,
    ) -> Option<ServerTables> {
        let mut reader = Reader::new(source, found);
        let root = reader.parse(source)?;
        let elsewhere = (
            PolicyFile::TABLES,
            "monitors, pools, policies and records stand in the files that `policies` names",
        );
        let mut file = ServerFile::default();
        for (name, table) in reader.tables(root, ServerFile::TABLES, ServerFile::LISTS, elsewhere) {
            let mut misfits = Vec::new();
            match name {
                "server" => file.server = decode::decode(table, &mut misfits),
                "tls" => file.tls = decode::decode(table, &mut misfits),
                "geoip" => file.geoip = decode::decode(table, &mut misfits),
                "ecs" => file.ecs = decode::decode(table, &mut misfits),
                "resolver" => file.resolver = decode::decode(table, &mut misfits),
                "limits" => file.limits = decode::decode(table, &mut misfits),
                "keys" => file.keys = decode::decode(table, &mut misfits),
                "transfer" => file.transfer = decode::decode(table, &mut misfits),
                "safety" => file.safety = decode::decode(table, &mut misfits),
                "health" => file.health = decode::decode(table, &mut misfits),
                "admin" => file.admin = decode::decode(table, &mut misfits),
                "webhook" => file.webhook = decode::decode(table, &mut misfits),
                _ => file.log = decode::decode(table, &mut misfits),
            }
            let shown = match ServerFile::LISTS.contains(&name) {
                true => format!("[[{name}]]"),
                false => format!("[{name}]"),
            };
            reader.misfits(&shown, &misfits, |_| vec![]);
        }
        let mut taken = listen::Sockets::default();
        let server =
            Server::resolve(file.server.unwrap_or_default(), files, &mut taken, &mut reader);
        let keys = Keys::resolve(file.keys.unwrap_or(Entries(Vec::new())), &mut reader);
        let transfer = Transfer::resolve(file.transfer.unwrap_or_default(), &keys, &mut reader);
        Some(ServerTables {
            server,
            encrypted: Encrypted::resolve(file.tls.unwrap_or_default(), &mut taken, &mut reader),
            admin: Admin::resolve(file.admin.unwrap_or_default(), &mut taken, &mut reader),
            geoip: Geoip::resolve(file.geoip.unwrap_or_default(), &mut reader),
            ecs_enabled: server::ecs_enabled(file.ecs.unwrap_or_default()),
            resolver: Resolver::resolve(file.resolver.unwrap_or_default(), &mut reader),
            limits: Limits::resolve(file.limits.unwrap_or_default(), &mut reader),
            keys: keys.list,
            transfer,
            safety: Safety::resolve(file.safety.unwrap_or_default(), &mut reader),
            webhooks: Webhook::resolve_all(file.webhook.unwrap_or_default(), &mut reader),
            exec_allowed: server::exec_allowed(file.health.unwrap_or_default()),
            log: Log::resolve(file.log.unwrap_or_default(), &mut reader),
        })
    }
}

/// Adds the tables of one policy file.
fn define(source: &Arc<Source>, defined: &mut Definitions, found: &mut Vec<Diagnostic>) {
    let mut reader = Reader::new(source, found);
    let Some(root) = reader.parse(source) else {
        defined.incomplete = true;
        return;
    };
    let elsewhere = (ServerFile::TABLES, "this table stands in the server's own file");
    for (group, tables) in reader.tables(root, PolicyFile::TABLES, PolicyFile::LISTS, elsewhere) {
        if PolicyFile::LISTS.contains(&group) {
            let mut misfits = Vec::new();
            let list = decode::decode::<Vec<MaintenanceSpec>>(tables, &mut misfits);
            let list = list.into_iter().flatten();
            defined.maintenance.extend(list.map(|spec| (Arc::clone(source), spec)));
            reader.misfits(&format!("[[{group}]]"), &misfits, |_| vec![]);
            continue;
        }
        // `tables` has let only tables through.
        let DeValue::Table(tables) = tables.into_inner() else { continue };
        for (name, value) in named(tables, &reader) {
            let mut misfits = Vec::new();
            let table = match group {
                "record" => format!("[record.\"{}\"]", name.value),
                _ => format!("[{group}.{}]", name.value),
            };
            match group {
                "monitor" => {
                    let spec = MonitorSpec::decode(value, &mut misfits);
                    defined.monitors.push(Definition { name, spec });
                }
                "pool" => {
                    let spec = decode::decode(value, &mut misfits);
                    defined.pools.push(Definition { name, spec });
                }
                "policy" => {
                    let spec = PolicySpec::decode(value, &mut misfits);
                    defined.policies.push(Definition { name, spec });
                }
                _ => {
                    let spec = decode::decode(value, &mut misfits);
                    defined.records.push(Definition { name, spec });
                }
            }
            reader.misfits(&table, &misfits, |key| schema::kinds_with_key(group, key));
        }
    }
}

type NamedTable<'s> = (Located<String>, toml::Spanned<DeValue<'s>>);

/// The tables of a group with their names, in the order of the file.
fn named<'s>(tables: DeTable<'s>, reader: &Reader<'_>) -> Vec<NamedTable<'s>> {
    let mut named: Vec<NamedTable<'s>> = tables
        .into_iter()
        .map(|(key, value)| {
            let name = key.get_ref().to_string();
            (Located { value: name, span: reader.span(&key.span()) }, value)
        })
        .collect();
    named.sort_by_key(|(name, _)| name.span.range().start);
    named
}
