//! What is said over HTTP, as the types that are read and written. Times are milliseconds since
//! 1970.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::overrides::Override;

/// Zones and steered names that [`Status`] has; there may be a million.
pub const NAMED: usize = 1000;

/// The server at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The number of the generation in force. It only grows; over a restart too, except
    /// for numbers that only other addresses of host names were given.
    pub generation: u64,
    /// When the server began to answer.
    pub started: u64,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// Zones that are served.
    pub zone_count: usize,
    /// The first thousand of them.
    pub zones: Vec<Zone>,
    /// Steered records.
    pub record_count: usize,
    /// The names of the first thousand of them.
    pub records: Vec<String>,
    /// Pools by state.
    pub pools: PoolCounts,
    /// Records for which nothing is up for some clients.
    pub panics: Vec<String>,
    /// What operators have put over the files and the checks.
    pub overrides: Vec<Override>,
    /// Pools that safety rules leave clients which they would have lost.
    #[serde(default)]
    pub held: Vec<HeldPool>,
    /// Planned maintenance that is not over.
    #[serde(default)]
    pub maintenance: Vec<MaintenanceStatus>,
    /// The last reload, if there was any.
    pub reload: Option<Reload>,
    /// Who is told of what happens, and how far that is.
    #[serde(default)]
    pub webhooks: Vec<WebhookStatus>,
    /// What is in force instead of what the files on disk say, after a start on broken files or a
    /// rollback.
    #[serde(default)]
    pub fallback: Option<Fallback>,
    /// GeoIP databases.
    pub databases: Vec<DatabaseStatus>,
    /// What does not work and is worked around, as a state directory that cannot be written.
    pub warnings: Vec<String>,
}

/// A time in which a pool is given to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MaintenanceStatus {
    /// The pool.
    pub pool: String,
    /// `planned`, `leaving`, `away` or `returning`.
    pub phase: String,
    /// From when on it is empty.
    pub from: u64,
    /// When its clients begin to come back.
    pub until: u64,
    /// How many seconds they take to leave before, and to come back after.
    pub over_seconds: u64,
    /// Why.
    pub reason: Option<String>,
}

/// A pool that a safety rule leaves clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldPool {
    /// Its name.
    pub pool: String,
    /// The rule.
    pub why: String,
    /// The share of its clients that it keeps now, 0.0 to 1.0.
    pub share: f64,
}

/// A zone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Zone {
    /// Its apex.
    pub name: String,
    /// The serial of its SOA record.
    pub serial: u32,
}

/// Pools by state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub struct PoolCounts {
    /// Given to clients.
    pub up: usize,
    /// Given to none.
    pub down: usize,
    /// Drained and healthy.
    pub drain: usize,
}

/// A reload and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reload {
    /// When it ended.
    pub at: u64,
    /// Who asked for it.
    pub who: String,
    /// The generation in force afterwards.
    pub generation: u64,
    /// What `meridian check` would print of the mistakes; then the old generation is in force.
    pub error: Option<String>,
    /// What is probably not meant, as `meridian check` prints it; empty for nothing.
    pub lints: String,
    /// Keys whose new values wait for a restart.
    pub waiting: Vec<String>,
}

/// An HTTP server that is told of what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookStatus {
    /// Its name.
    pub name: String,
    /// Events that it has not taken yet.
    pub waiting: usize,
    /// Why it did not take the last one it was offered, if it did not.
    pub problem: Option<String>,
    /// Since when it takes none.
    pub since: Option<u64>,
    /// Events that it has taken since the start of the server.
    #[serde(default)]
    pub sent: u64,
    /// Attempts since then that failed.
    #[serde(default)]
    pub failed: u64,
    /// Events that were gone from the history since then before it took them.
    #[serde(default)]
    pub lost: u64,
}

/// A kept generation that is in force instead of what the files on disk say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fallback {
    /// The number it was kept under.
    pub generation: u64,
    /// When it came into force first.
    pub at: u64,
    /// Who put it in force.
    pub who: String,
}

/// A generation that is kept in the state directory.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeptGeneration {
    /// Its number.
    pub generation: u64,
    /// When it came into force first.
    pub at: u64,
    /// How many files it was made from, without secrets and certificates.
    pub files: usize,
    /// Their octets together.
    pub octets: u64,
    /// Whether it is in force.
    pub in_force: bool,
}

/// What the generation in force was made from. Keys and certificates are not among the files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ServedFiles {
    /// The program's version.
    pub version: String,
    /// The generation's number.
    pub generation: u64,
    /// The path of the server's own file.
    pub server_file: String,
    /// All of them, by path.
    pub files: Vec<ServedFile>,
}

/// A file as it was read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ServedFile {
    /// From the root on.
    pub path: String,
    /// Octets that are given of it.
    pub length: u64,
    /// What a file of the configuration says: 32 zeros stand for each secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The SHA-256 of what any other file says, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Puts a kept generation in force.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Which; the one before that in force when it is not said.
    #[serde(default)]
    pub generation: Option<u64>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A kept generation that was put in force.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The number it is in force as.
    pub generation: u64,
    /// The number it was kept under.
    pub of: u64,
    /// When it came into force first.
    pub at: u64,
    /// Files on disk that say something else; the next reload reads them.
    pub differing: Vec<String>,
    /// Keys whose values wait for a restart.
    pub waiting: Vec<String>,
}

/// A GeoIP database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseStatus {
    /// Its file.
    pub name: String,
    /// When it was built.
    pub built: u64,
}

/// Every pool and member, and what policies make of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// In the order of the files.
    pub pools: Vec<PoolHealth>,
    /// The shares that pools are to get of answers, by policies that treat all clients alike.
    #[serde(default)]
    pub policies: Vec<PolicyShares>,
}

/// The shares that pools are to get of a policy's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyShares {
    /// Its name.
    pub name: String,
    /// Each of its pools, and what stands in for them.
    pub pools: Vec<PoolShare>,
}

/// The share that a pool is to get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolShare {
    /// Its name.
    pub pool: String,
    /// 0.0 to 1.0.
    pub share: f64,
}

/// A pool.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PoolHealth {
    /// Its name.
    pub name: String,
    /// `up`, `down`, or `drain`: healthy and given to nobody while anything else is up.
    pub state: String,
    /// Who decided that: an operator, the file, or the checks.
    pub decided_by: String,
    /// Whether enough members are up, whatever was decided.
    pub healthy: bool,
    /// The share of its clients that it keeps, 0.0 to 1.0.
    pub share: f64,
    /// How busy its members that are up say it is, 0.0 to 1.0 and more; `null` when none does.
    pub load: Option<f64>,
    /// Which safety rule leaves it clients that it would have lost, if one does.
    #[serde(default)]
    pub held: Option<String>,
    /// The operator's word, if there is one.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
    /// Its members.
    pub members: Vec<MemberHealth>,
}

/// A member of a pool.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MemberHealth {
    /// Its address, name or data.
    pub name: String,
    /// `up`, `down` or `unknown`, by its check.
    pub verdict: String,
    /// Who says so: a monitor and its target, or that there is none.
    pub decided_by: String,
    /// The monitor, if there is one.
    pub monitor: Option<String>,
    /// What is checked, if it is.
    pub target: Option<String>,
    /// Why the last check failed, if it did.
    pub reason: Option<String>,
    /// Since when the verdict stands.
    pub since: Option<u64>,
    /// When it was last checked.
    pub checked: Option<u64>,
    /// What the target needs to answer beyond the network, in milliseconds: a moving average.
    pub server_ms: Option<f32>,
    /// How long the last check that succeeded took, in milliseconds.
    pub took_ms: Option<f64>,
    /// What its check says beyond up and down.
    #[serde(flatten)]
    pub course: Course,
}

/// What a check says of its target beyond up and down.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Course {
    /// How busy it says it is, 0.0 to 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f32>,
    /// What holds it down although its checks may succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// How often it went down lately, where damping is on: 0.0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What is left of its weight in percent, while it is up and warned of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_left: Option<u8>,
    /// What is worth a look although the check succeeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Takes a pool out of the answers as long as anything else is up, at once or little by little.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Which.
    pub pool: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many seconds its share of clients takes to fall to nothing; 0 or nothing for at once.
    #[serde(default)]
    pub over_seconds: Option<u64>,
    /// When it ends by itself, in seconds from now.
    #[serde(default)]
    pub expires_seconds: Option<u64>,
    /// Even when it is the last that is up for some record.
    #[serde(default)]
    pub force: bool,
}

/// Takes the operator's word back: files and checks decide again.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Which.
    pub pool: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many seconds its share of clients takes to rise again; 0 or nothing for at once.
    #[serde(default)]
    pub over_seconds: Option<u64>,
}

/// Puts a pool into a state, whatever files and checks say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Force {
    /// Which.
    pub pool: String,
    /// The state.
    pub state: Forced,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it ends by itself, in seconds from now.
    #[serde(default)]
    pub expires_seconds: Option<u64>,
    /// Even when nothing else is up for some record.
    #[serde(default)]
    pub force: bool,
}

/// A state that a pool can be forced into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Forced {
    /// Up, and all its members with it, whatever the checks say.
    Up,
    /// Down.
    Down,
    /// Given to nobody while any other choice is up.
    Drain,
}

/// Has all files read anew.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reread {
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Says that what is held down may come back: `manual_resume` and damping hold it no longer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// A pool, for all its members; or a member by its name, `pool/member`, or what is checked.
    pub name: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What may come back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// What the name stands for.
    pub targets: Vec<ResumedTarget>,
}

/// A target that may come back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResumedTarget {
    /// What is checked.
    pub target: String,
    /// The monitor.
    pub monitor: String,
    /// Whether anything held it down.
    pub was_held: bool,
}

/// What somebody found, for a monitor of kind push: of a `target`, or of the `member` of a `pool`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The monitor.
    pub monitor: String,
    /// What is checked, as `health` names it; or a pool, for all its members.
    #[serde(default)]
    pub target: Option<String>,
    /// The pool of `member`.
    #[serde(default)]
    pub pool: Option<String>,
    /// A member of `pool` by its name.
    #[serde(default)]
    pub member: Option<String>,
    /// What was found.
    pub verdict: Reportable,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What can be found of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reportable {
    /// It is well.
    Up,
    /// It is not.
    Down,
}

/// What a report led to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Reported {
    /// What it was about.
    pub targets: Vec<ReportedTarget>,
}

/// A target that was reported about.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReportedTarget {
    /// Which.
    pub target: String,
    /// The monitor.
    pub monitor: String,
    /// What it says now: `up` or `down`.
    pub verdict: String,
    /// What holds it down although it is reported up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

/// What an order has changed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The pool.
    pub pool: String,
    /// What it is now: `up`, `down` or `drain`.
    pub state: String,
    /// The share of its clients that it keeps now, 0.0 to 1.0.
    pub share: f64,
    /// The operator's word in force; `null` after a restore.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
    /// That a safety rule holds it back, or that it was not kept on disk, and why.
    pub warning: Option<String>,
}

/// Where the clients of a steered name are sent now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct World {
    /// The name.
    pub name: String,
    /// For each country, by its code of ISO 3166-1, the part of its clients, 0.0 to 1.0, that each
    /// pool gets. `(all down)` is for those whose pools are all down, `(nothing)` for those who get
    /// no address.
    pub countries: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Why a client gets its answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Whether the name is served.
    pub exists: bool,
    /// The reasons, as `meridian explain --json` prints them.
    pub facts: serde_json::Value,
    /// The same, for people.
    pub text: String,
}

/// What was not done, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The reason, with what to do.
    pub error: String,
}

/// A time as it is said here.
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time that was said; the end of time when the clock does not go so far.
pub fn time(millis: u64) -> SystemTime {
    let far = Duration::from_secs(u64::from(u32::MAX));
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH + far)
}

/// `2026-03-01 12:00:00Z` of milliseconds since 1970; the last second of 9999 for what is later.
pub fn utc(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::MAX).strftime("%F %TZ").to_string()
}
