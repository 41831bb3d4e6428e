//! `meridian external-dns`: the webhook that ExternalDNS talks to, so that what runs in a Kubernetes
//! cluster has names in a zone of its own. It writes that zone's file; the server reads it as any
//! other when it changes.
//!
//! Speaks version 1 of ExternalDNS's webhook protocol.

mod zone;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use self::zone::{Changes, Endpoint, Frame, changed};
use super::arguments::ExternalDns;
use super::serve::{Signals, runtime};
use super::{logging, report};
use crate::config::{LogFormat, LogLevel};
use crate::state;

/// What both sides say that they speak.
const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

/// What the file of endpoints says it is; another text is another version's file.
const FORMAT: &str = "meridian external-dns 1";

/// Octets of a request, at most: some ten thousand endpoints.
const LONGEST_REQUEST: usize = 16 << 20;

pub(super) fn run(arguments: &ExternalDns) -> anyhow::Result<ExitCode> {
    logging::start(LogLevel::Info, LogFormat::Text);
    let frame = Frame {
        zone: arguments.zone.clone(),
        name_servers: arguments.name_servers.clone(),
        ttl: arguments.ttl,
    };
    let provider = Arc::new(Provider::open(frame, &arguments.file)?);
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let listener = tokio::net::TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("cannot listen on {}", arguments.listen))?;
        let (zone, file) = (&arguments.zone, arguments.file.display());
        report::say(&format!("webhook for {zone} on {}, into {file}", listener.local_addr()?));
        tokio::select! {
            done = axum::serve(listener, router(provider)) => done?,
            () = signals.stop() => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn router(provider: Arc<Provider>) -> Router {
    Router::new()
        .route("/", get(negotiate))
        .route("/records", get(records).post(apply))
        .route("/adjustendpoints", post(adjust))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
        .with_state(provider)
}

/// A zone, its file, and what is in it.
struct Provider {
    frame: Frame,
    file: PathBuf,
    /// Beside the zone file: endpoints as ExternalDNS gave them.
    endpoints: PathBuf,
    kept: Mutex<Kept>,
}

/// The file of endpoints as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    serial: u32,
    endpoints: Vec<Endpoint>,
}

impl Provider {
    /// Goes on with what was kept; a zone file that somebody else wrote is left alone.
    fn open(frame: Frame, file: &Path) -> anyhow::Result<Provider> {
        let endpoints = file.with_extension("endpoints.json");
        let kept = match state::read::<Kept>(&endpoints, FORMAT) {
            Ok(Some(kept)) => kept,
            Ok(None) if file.exists() => bail!(
                "{} was not written by this command: name another file, or move it away",
                file.display()
            ),
            Ok(None) => Kept::default(),
            Err(error) => bail!("{error}"),
        };
        let (file, kept) = (file.to_owned(), Mutex::new(kept));
        let provider = Provider { frame, file, endpoints, kept };
        // The command line may be another than before, and a file may have been lost.
        if !provider.is_written() {
            provider.apply(Changes::default()).map_err(anyhow::Error::msg)?;
        }
        Ok(provider)
    }

    /// Whether the zone file is as it is to be.
    fn is_written(&self) -> bool {
        let kept = self.locked();
        let text = self.frame.file(&kept.endpoints, kept.serial);
        let written = fs::read(&self.file);
        text.is_ok_and(|text| written.is_ok_and(|written| written == text.as_bytes()))
    }

    /// Writes the zone, when it can be served.
    fn apply(&self, changes: Changes) -> Result<(), String> {
        let mut kept = self.locked();
        let endpoints = changed(&kept.endpoints, changes);
        let new = Kept { serial: next(kept.serial), endpoints };
        self.keep(&new)?;
        *kept = new;
        Ok(())
    }

    fn keep(&self, kept: &Kept) -> Result<(), String> {
        let text = self.frame.file(&kept.endpoints, kept.serial)?;
        let failed = |file: &Path, error| format!("{}: {error}", file.display());
        // First what the other is made of: it is made again at the start.
        state::write(&self.endpoints, FORMAT, kept).map_err(|e| failed(&self.endpoints, e))?;
        state::replace(&self.file, text.as_bytes(), 0o644).map_err(|e| failed(&self.file, e))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A serial that is later than another, and the time where that is later (RFC 1982).
fn next(serial: u32) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
    let after = serial.wrapping_add(1);
    if serial == 0 || now.wrapping_sub(after) < 1 << 31 { now } else { after }
}

/// Which domains it answers for.
async fn negotiate(State(provider): State<Arc<Provider>>) -> Response {
    let zone = provider.frame.zone.to_string();
    with_media_type(Json(serde_json::json!({ "filters": [zone.trim_end_matches('.')] })))
}

/// What is in the zone.
async fn records(State(provider): State<Arc<Provider>>) -> Response {
    with_media_type(Json(&provider.locked().endpoints))
}

/// Endpoints as they can be had here: answers of policies are not made of records.
async fn adjust(Json(mut endpoints): Json<Vec<Endpoint>>) -> Response {
    endpoints.retain(|endpoint| {
        let is_plain = endpoint.set_identifier.is_empty();
        if !is_plain {
            let name = &endpoint.dns_name;
            tracing::warn!("{name}: left out, it has a set identifier; write a policy for it");
        }
        is_plain
    });
    with_media_type(Json(endpoints))
}

/// Makes the zone another one.
async fn apply(State(provider): State<Arc<Provider>>, Json(changes): Json<Changes>) -> Response {
    // It waits for the disk.
    let done = tokio::task::spawn_blocking(move || {
        let done = provider.apply(changes);
        match &done {
            Ok(()) => tracing::info!("{} is written", provider.file.display()),
            Err(error) => tracing::error!("refused, and nothing is changed: {error}"),
        }
        done
    });
    match done.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// ExternalDNS takes no other type of content.
fn with_media_type(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let value = header::HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_only_rise() {
        let now = next(0);
        assert!(next(1) >= now && next(now) > now);
        assert_eq!(next(now + 1000), now + 1001);
    }
}
