//! The HTTP API: paths, and what they become.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::access::{self, Peer, What};
use super::dashboard;
use super::history::{Entry, History};
use super::line::{self, Change, Inquiry, Line, Order, Part, Place, Question, Refusal, Request};
use super::message::{
    Changed, Drain, Explained, Force, Health, KeptGeneration, Problem, Reload, Report, Reported,
    Reread, Restore, Resume, Resumed, Rollback, RolledBack, ServedFiles, Status, World, time,
};
use super::metrics::{self, Counts};
use super::route::{self, Route};

/// The longest that a request for events may wait, in seconds.
const MAX_WAIT: u64 = 60;

/// Entries in one answer, unless it is asked for fewer or more.
const ENTRIES: usize = 100;

/// The longest expiry of an override: a year, in seconds.
const MAX_EXPIRY: u64 = 366 * 24 * 3600;

/// The longest that a pool's share may move: a week, in seconds.
const MAX_OVER: u64 = 7 * 24 * 3600;

/// What requests are answered from.
pub(super) struct Office {
    history: Arc<History>,
    token_file: Option<PathBuf>,
    server: OnceLock<(Line, Box<dyn Fn() -> Counts + Send + Sync>)>,
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("is_open", &self.server.get().is_some()).finish()
    }
}

impl Office {
    pub(super) fn new(history: Arc<History>, token_file: Option<PathBuf>) -> Office {
        Office { history, token_file, server: OnceLock::new() }
    }

    pub(super) fn open(&self, line: Line, counts: Box<dyn Fn() -> Counts + Send + Sync>) {
        // A second call would be a second server behind one API; the first stays.
        let _ = self.server.set((line, counts));
    }

    fn line(&self) -> Result<&Line, Refusal> {
        self.server.get().map(|(line, _)| line).ok_or(Refusal::Away)
    }

    async fn change(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        change: impl FnOnce(String) -> Result<Change, Refusal>,
    ) -> Result<Json<Changed>, Refusal> {
        let who = access::permit(peer, headers, self.token_file.as_deref(), What::Change)?;
        let change = change(who)?;
        self.line()?.ask(|back| Request::Change(change, back)).await?.map(Json)
    }
}

type Here = State<Arc<Office>>;

pub(super) fn router(office: Arc<Office>) -> Router {
    route::router(routes())
        .merge(dashboard::router())
        .fallback(async || {
            Refusal::Unknown("there is nothing here; docs/control.md lists the paths".to_owned())
        })
        .with_state(office)
}

/// What the API is, in OpenAPI 3.1: pretty JSON with a newline at the end.
pub fn description() -> String {
    route::describe(&routes())
}

fn routes() -> Vec<Route<Arc<Office>>> {
    vec![
        Route::get("/v1/status", "The server at a glance.", get(status)).gives::<Status>(),
        Route::get("/v1/health", "Every pool and member.", get(health)).gives::<Health>(),
        Route::get("/v1/explain", "Which answer a client gets, and why.", get(explain))
            .asks::<Asked>()
            .gives::<Explained>(),
        Route::get("/v1/world", "Where the clients of a name are sent now.", get(world))
            .asks::<Steered>()
            .gives::<World>(),
        Route::get("/v1/events", "What happened, oldest first.", get(events))
            .asks::<Wanted>()
            .gives::<Vec<Entry>>(),
        Route::post("/v1/drain", "Take a pool out of the answers.", post(drain))
            .takes::<Drain>()
            .gives::<Changed>(),
        Route::post("/v1/restore", "Take back what was drained or forced.", post(restore))
            .takes::<Restore>()
            .gives::<Changed>(),
        Route::post("/v1/force", "Put a pool into a state.", post(force))
            .takes::<Force>()
            .gives::<Changed>(),
        Route::post("/v1/resume", "Let what is held down come back.", post(resume))
            .takes::<Resume>()
            .gives::<Resumed>(),
        Route::post("/v1/report", "Say what was found, to a monitor of kind push.", post(report))
            .takes::<Report>()
            .gives::<Reported>(),
        Route::post("/v1/reload", "Read all files anew.", post(reload))
            .takes::<Reread>()
            .gives::<Reload>(),
        Route::post("/v1/rollback", "Put a kept generation in force.", post(rollback))
            .takes::<Rollback>()
            .gives::<RolledBack>(),
        Route::get("/v1/generations", "Which generations are kept.", get(generations))
            .gives::<Vec<KeptGeneration>>(),
        Route::get("/v1/files", "What is served from, without secrets.", get(files))
            .guarded()
            .gives::<ServedFiles>(),
        Route::get("/v1/files/part", "A part of such a file: 4 MiB at most.", get(part))
            .guarded()
            .asks::<Piece>()
            .gives_octets(),
        Route::get("/metrics", "Metrics in Prometheus' text format.", get(prometheus)),
        Route::get("/livez", "The process answers.", get(async || "ok\n")),
        Route::get("/readyz", "The first round of checks is over.", get(ready)),
    ]
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
            Refusal::Refused(_) => StatusCode::CONFLICT,
            Refusal::Mistakes(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Away => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(Problem { error: self.to_string() })).into_response()
    }
}

async fn status(State(office): Here) -> Result<Json<Status>, Refusal> {
    office.line()?.ask(Request::Status).await.map(Json)
}

async fn health(State(office): Here) -> Result<Json<Health>, Refusal> {
    office.line()?.ask(Request::Health).await.map(Json)
}

async fn ready(State(office): Here) -> Result<&'static str, Refusal> {
    office.line().map(|_| "ok\n")
}

/// What is to be explained, as it stands in the address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The name asked for.
    name: String,
    /// The type asked for; A when there is none.
    #[serde(rename = "type", default)]
    rtype: Option<String>,
    /// The client: an address, or the subnet that a resolver would send for it.
    client: String,
    /// Pools that are supposed to be down, with commas between.
    down: Option<String>,
    /// With the state that was in force then, in milliseconds since 1970, as far as the history
    /// has it.
    at: Option<u64>,
    /// Also what is compiled at each step.
    #[serde(default)]
    trace: bool,
}

async fn explain(
    State(office): Here,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Explained>, Refusal> {
    let inquiry = inquiry(query(asked)?)?;
    office.line()?.ask(|back| Request::Explain(inquiry, back)).await?.map(Json)
}

fn inquiry(asked: Asked) -> Result<Inquiry, Refusal> {
    let invalid = |what: &str, text: &str| Refusal::Invalid(format!("`{text}` is no {what}"));
    let name = asked.name.parse().map_err(|_| invalid("name", &asked.name))?;
    let rtype = asked.rtype.as_deref().unwrap_or("A");
    let rtype = rtype.parse().map_err(|_| invalid("type of records", rtype))?;
    let (address, length) = match asked.client.parse::<IpAddr>() {
        Ok(address) => (address, if address.is_ipv4() { 32 } else { 128 }),
        Err(_) => {
            let net = asked.client.parse::<ipnet::IpNet>();
            let net = net.map_err(|_| invalid("address or subnet", &asked.client))?;
            (net.addr(), net.prefix_len())
        }
    };
    let down = asked.down.iter().flat_map(|down| down.split(','));
    let down = down.map(str::trim).filter(|pool| !pool.is_empty()).map(str::to_owned).collect();
    let (at, is_traced) = (asked.at.map(time), asked.trace);
    Ok(Inquiry { question: Question { name, rtype, address, length }, down, at, is_traced })
}

/// A steered name, as it stands in the address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Steered {
    /// A name that a policy or a pool answers for.
    name: String,
}

async fn world(
    State(office): Here,
    steered: Result<Query<Steered>, QueryRejection>,
) -> Result<Json<World>, Refusal> {
    let name = query(steered)?.name;
    let name = name.parse().map_err(|_| Refusal::Invalid(format!("`{name}` is no name")))?;
    office.line()?.ask(|back| Request::World(name, back)).await?.map(Json)
}

/// Which events, as it stands in the address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those with a higher number, from the oldest on.
    after: Option<u64>,
    /// Only those since then, in milliseconds since 1970.
    since: Option<u64>,
    /// So many at most; 100 when it is not said.
    limit: Option<usize>,
    /// How many seconds to wait when there is none yet.
    wait: Option<u64>,
}

async fn events(
    State(office): Here,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Vec<Entry>>, Refusal> {
    let Wanted { after, since, limit, wait } = query(wanted)?;
    let limit = limit.unwrap_or(ENTRIES);
    let mut last = office.history.watch();
    let list = || match after {
        Some(after) => office.history.following(after, limit),
        None => office.history.list(0, since.unwrap_or(0), limit),
    };
    let mut entries = list();
    if entries.is_empty()
        && let Some(wait) = wait
    {
        let more = last.wait_for(|last| *last > after.unwrap_or(0));
        // The time may be over, and then there is nothing to tell.
        let _ = tokio::time::timeout(Duration::from_secs(wait.min(MAX_WAIT)), more).await;
        entries = list();
    }
    Ok(Json(entries))
}

async fn drain(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Changed>, Refusal> {
    let change = |who| {
        let Drain { pool, reason, over_seconds, expires_seconds, force } = read(&body)?;
        let (over, until) = (over(over_seconds)?, until(expires_seconds)?);
        let order = Order::Drain { over, until, anyway: force };
        Ok(Change { pool, order, who, reason: reason_of(reason)? })
    };
    office.change(peer, &headers, change).await
}

async fn force(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Changed>, Refusal> {
    let change = |who| {
        let Force { pool, state, reason, expires_seconds, force } = read(&body)?;
        let order = Order::Force { state, until: until(expires_seconds)?, anyway: force };
        Ok(Change { pool, order, who, reason: reason_of(reason)? })
    };
    office.change(peer, &headers, change).await
}

async fn restore(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Changed>, Refusal> {
    let change = |who| {
        let Restore { pool, reason, over_seconds } = read(&body)?;
        let order = Order::Restore { over: over(over_seconds)? };
        Ok(Change { pool, order, who, reason: reason_of(reason)? })
    };
    office.change(peer, &headers, change).await
}

async fn resume(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Resumed>, Refusal> {
    let who = access::permit(peer, &headers, office.token_file.as_deref(), What::Change)?;
    let Resume { name, reason } = read(&body)?;
    let order = line::Resume { name, who, reason: reason_of(reason)? };
    office.line()?.ask(|back| Request::Resume(order, back)).await?.map(Json)
}

async fn report(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Reported>, Refusal> {
    let who = access::permit(peer, &headers, office.token_file.as_deref(), What::Change)?;
    let Report { monitor, target, pool, member, verdict, reason } = read(&body)?;
    let place = match (target, pool, member) {
        (Some(target), None, None) => Place::Target(target),
        (None, Some(pool), Some(member)) => Place::Member { pool, member },
        _ => {
            let text = "say what it is about: `target`, or `pool` and `member`";
            return Err(Refusal::Invalid(text.to_owned()));
        }
    };
    let order = line::Report { monitor, place, verdict, who, reason: reason_of(reason)? };
    office.line()?.ask(|back| Request::Report(order, back)).await?.map(Json)
}

async fn reload(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Reload>, Refusal> {
    let who = access::permit(peer, &headers, office.token_file.as_deref(), What::Change)?;
    // Nothing has to be said.
    let Reread { reason } = if body.is_empty() { Reread::default() } else { read(&body)? };
    let order = line::Reread { who, reason: reason_of(reason)? };
    office.line()?.ask(|back| Request::Reload(order, back)).await?.map(Json)
}

async fn rollback(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<RolledBack>, Refusal> {
    let who = access::permit(peer, &headers, office.token_file.as_deref(), What::Change)?;
    let Rollback { generation, reason } = read(&body)?;
    let order = line::Rollback { generation, who, reason: reason_of(reason)? };
    office.line()?.ask(|back| Request::Rollback(order, back)).await?.map(Json)
}

async fn generations(State(office): Here) -> Result<Json<Vec<KeptGeneration>>, Refusal> {
    office.line()?.ask(Request::Generations).await.map(Json)
}

async fn files(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Result<Json<ServedFiles>, Refusal> {
    access::permit(peer, &headers, office.token_file.as_deref(), What::Files)?;
    office.line()?.ask(Request::Files).await?.map(Json)
}

/// A part of a file, as it stands in the address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Piece {
    /// The SHA-256 of the file's content, in hexadecimal digits.
    sha256: String,
    /// The first octet that is wanted, from 0.
    #[serde(default)]
    from: u64,
}

async fn part(
    State(office): Here,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    piece: Result<Query<Piece>, QueryRejection>,
) -> Result<Response, Refusal> {
    access::permit(peer, &headers, office.token_file.as_deref(), What::Files)?;
    let Piece { sha256, from } = query(piece)?;
    let part = Part { sha256, from };
    let octets = office.line()?.ask(|back| Request::Part(part, back)).await??;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], octets).into_response())
}

async fn prometheus(State(office): Here) -> Result<Response, Refusal> {
    let (line, counts) = office.server.get().ok_or(Refusal::Away)?;
    let status = line.ask(Request::Status).await?;
    let health = line.ask(Request::Health).await?;
    let text = metrics::write(&status, &health, &counts(), metrics::resident_octets());
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, text).into_response())
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    query.map(|Query(query)| query).map_err(|error| Refusal::Invalid(error.body_text()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Invalid(format!("the body cannot be read: {error}")))
}

/// The reason, on one line of a bounded length: it goes into logs and answers.
fn reason_of(reason: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else { return Ok(None) };
    if reason.len() > 500 || reason.chars().any(char::is_control) {
        let text = "`reason` must be one line of at most 500 octets";
        return Err(Refusal::Invalid(text.to_owned()));
    }
    Ok(Some(reason))
}

fn until(seconds: Option<u64>) -> Result<Option<SystemTime>, Refusal> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_EXPIRY) => {
            Ok(Some(SystemTime::now() + Duration::from_secs(seconds)))
        }
        Some(_) => Err(Refusal::Invalid("an override lasts from a second to a year".to_owned())),
    }
}

fn over(seconds: Option<u64>) -> Result<Duration, Refusal> {
    match seconds.unwrap_or(0) {
        seconds @ 0..=MAX_OVER => Ok(Duration::from_secs(seconds)),
        _ => Err(Refusal::Invalid("a share moves in a week at most".to_owned())),
    }
}
