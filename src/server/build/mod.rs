//! From configuration to runtime objects, with every mistake that only the whole can show.
//!
//! What one file can show is wrong was said by `config`; here zone files, GeoIP databases and
//! the cloud's regions come in. All mistakes are collected before any is reported.

mod checks;
mod encrypted;
mod hosts;
mod load;
mod model;
mod monitor;
mod query_log;
mod settings;
mod transfer;
mod webhooks;
pub mod world;
mod zones;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::diagnostic::Diagnostic;
use crate::config::files::{Disk, Files, Memory};
use crate::config::server::Nsid;
use crate::config::{self, Config, Loaded};
use crate::engine::Snapshot;
use crate::geo::{Atlas, Database, Network};
use crate::health::Check;
use crate::server::certificate::Certificate;
use crate::server::hosts::{Settings as Lookups, Table};
use crate::server::notify::Secondary;
use crate::server::query_log::Settings as QueryLogSettings;
use crate::server::webhook::Hook;
use crate::steering::compile::World;
use crate::steering::control::{MaxShift, Safety, Steering, Window};
use crate::steering::model::{PolicyId, PoolId};
use crate::transport::Encrypted;

pub use hosts::Blueprint;

/// Where zone files and databases come from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// The paths in the configuration.
    Disk,
    /// The same, read through these.
    Files(&'a dyn Files),
    /// The same, of a server elsewhere or of another time, for those who compare: keys,
    /// certificates and programs are not there, and what is made of them is left out.
    Elsewhere(&'a dyn Files),
    /// Memory: zone files by the same paths, and the embedded GeoIP database for any path.
    Embedded(&'a Memory),
}

impl<'a> Origin<'a> {
    /// Whether keys, certificates and programs are not there.
    fn is_elsewhere(self) -> bool {
        matches!(self, Origin::Elsewhere(_))
    }

    /// What reads the files.
    fn files(self) -> &'a dyn Files {
        match self {
            Origin::Disk => &Disk,
            Origin::Files(files) | Origin::Elsewhere(files) => files,
            Origin::Embedded(memory) => memory,
        }
    }
}

/// Everything that one generation of the configuration becomes.
#[derive(Debug)]
pub struct Generation {
    /// Its number: 1 until it is given another one.
    pub number: u64,
    nsid: Nsid,
    /// What the engine answers from.
    pub snapshot: Arc<Snapshot>,
    /// What steers.
    pub steering: Arc<Steering>,
    /// Where clients are.
    pub atlas: Atlas,
    /// The databases behind the atlas, for those who explain.
    pub databases: Vec<Database>,
    /// The operator's own networks.
    pub networks: Vec<Network>,
    /// What is checked; the index is the [`CheckId`](crate::health::CheckId).
    pub checks: Vec<Check>,
    /// What pools and checks are made of anew when host names have other addresses; `None` when
    /// no member is given by host name. Until [`Generation::place`] they have none.
    pub blueprint: Option<Arc<Blueprint>>,
    /// How host names are looked up.
    pub resolver: Lookups,
    /// The encrypted transports, when there are any.
    pub encrypted: Option<Encrypted>,
    /// Who is told of changes; the index is the [`ZoneId`](crate::zone::ZoneId).
    pub secondaries: Vec<Vec<Secondary>>,
    /// What no change may break.
    pub safety: Safety,
    /// Times in which pools are given to nobody.
    pub maintenance: Vec<(PoolId, Window)>,
    /// Who is told of what happens.
    pub hooks: Vec<Arc<Hook>>,
    /// What is logged of queries.
    pub query_log: QueryLogSettings,
    /// The files of their certificate, when it comes from files.
    pub certificate: Option<Certificate>,
    /// What is probably not meant, from all layers.
    pub lints: Vec<Diagnostic>,
}

/// Builds a generation.
///
/// # Errors
///
/// All mistakes together with all lints, each with its place.
pub fn build(loaded: Loaded, origin: Origin<'_>) -> Result<Generation, Vec<Diagnostic>> {
    let Loaded { config, lints, .. } = loaded;
    let mut found = lints;
    let monitors = checks::monitors(&config, origin, &mut found);
    let checks = monitors
        .as_ref()
        .and_then(|made| checks::build(&config.pools, &config.monitors, made, &mut found));
    let model = model::build(&config, &checks, &mut found);
    let zones = zones::build(&config, &model, origin, &mut found);
    let world = world::build(&config, origin, &mut found);
    let encrypted = encrypted::build(&config, origin, &mut found);
    let keys = transfer::keys(&config, origin, &mut found);
    let hooks = webhooks::build(&config, origin, &mut found);
    let (
        Some(checks),
        Some(model),
        Some(zones),
        Some(world),
        Some(encrypted),
        Some(keys),
        Some(hooks),
    ) = (checks, model, zones, world, encrypted, keys, hooks)
    else {
        found.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
        return Err(found);
    };
    let secondaries = transfer::secondaries(&config, &keys, &zones);
    let transfer = transfer::build(&config, keys, &zones, &model, &mut found);
    let (encrypted, certificate) = encrypted;
    let atlas = &world.atlas;
    let steering = Steering::new(
        model,
        World { locations: atlas.locations(), v4: atlas.v4(), v6: atlas.v6() },
    );
    if !world.databases.is_empty() {
        found.extend(unreached_rules(&config, &steering));
    }
    let settings = settings::build(&config);
    Ok(Generation {
        number: 1,
        nsid: config.server.nsid.clone(),
        snapshot: Arc::new(Snapshot { zones, settings, transfer }),
        steering: Arc::new(steering),
        atlas: world.atlas,
        databases: world.databases,
        networks: world.networks,
        checks: checks.list,
        blueprint: monitors
            .and_then(|made| Blueprint::new(&config.pools, &config.monitors, made))
            .map(Arc::new),
        resolver: Lookups::of(&config.resolver),
        encrypted,
        secondaries,
        safety: safety(&config),
        maintenance: config.maintenance.iter().map(window).collect(),
        hooks,
        query_log: query_log::build(&config),
        certificate,
        lints: found,
    })
}

fn window(planned: &config::Maintenance) -> (PoolId, Window) {
    let config::Maintenance { pool, from, until, over, is_weekly, reason, .. } = planned;
    let (from, until, over, is_weekly) = (*from, *until, *over, *is_weekly);
    (PoolId(*pool as u32), Window { from, until, over, is_weekly, reason: reason.clone() })
}

fn safety(config: &Config) -> Safety {
    let config::Safety { never_below, max_shift } = config.safety;
    let shift = |shift: config::MaxShift| MaxShift { percent: shift.percent, window: shift.window };
    Safety { never_below, max_shift: max_shift.map(shift) }
}

impl Generation {
    /// Gives it its number, which answers may tell. Only as long as nobody answers from it.
    pub fn number(&mut self, number: u64) {
        self.number = number;
        if let Some(snapshot) = Arc::get_mut(&mut self.snapshot) {
            snapshot.settings.nsid = self.nsid.of(number).into();
        }
        if let Some(dnstap) = &mut self.query_log.dnstap {
            dnstap.identity = query_log::identity(&self.nsid.of(number));
        }
    }

    /// Puts the addresses of host names in: pools and checks are what they are with these.
    pub fn place(&mut self, table: &Table) {
        if let Some(blueprint) = self.blueprint.clone() {
            let (steering, checks) = blueprint.fill(&self.steering, table);
            (self.steering, self.checks) = (Arc::new(steering), checks);
        }
    }

    /// Supposes that every host name has addresses, for those who ask what the files mean and look
    /// nothing up.
    pub fn suppose_hosts(&mut self) {
        if let Some(blueprint) = self.blueprint.clone() {
            self.place(&blueprint.stand_ins(SystemTime::now()));
        }
    }
}

/// Lints for geo rules that no client of the world matches first.
fn unreached_rules(config: &Config, steering: &Steering) -> Vec<Diagnostic> {
    let mut lints = Vec::new();
    for (PolicyId(policy), rule) in &steering.compiled.unreached {
        let policy = &config.policies[*policy as usize];
        let crate::config::PolicyKind::Geo(geo) = &policy.kind else {
            continue;
        };
        let span = &geo.rules[*rule].span;
        lints.push(
            Diagnostic::lint(
                "unreachable-rule",
                format!("no client matches this rule of `{}` first", policy.name),
            )
            .at(span, "no place in the GeoIP data comes here")
            .help(
                "a narrower rule takes its clients, or the databases do not know the place: see \
                 `meridian geoip info`",
            ),
        );
    }
    lints
}

/// A path as messages show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
