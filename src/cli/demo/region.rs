//! A region of the demo: one small load balancer on 127.0.0.1, with a health endpoint that can
//! be made to fail.
//!
//! ```text
//! GET  /            what a visitor sees: which region it reached
//! GET  /health      what the health checks ask: 200, or 503 while the region is stopped
//! POST /stop        stops the region; what is posted is answered always, and at once
//! POST /start       starts it again
//! POST /slow?ms=N   lets what is got wait for so many milliseconds; 0 ends that
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A region that listens, until it is dropped.
#[derive(Debug)]
pub struct Region {
    state: Arc<Switch>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Switch {
    name: String,
    is_running: AtomicBool,
    /// Milliseconds before an answer.
    delay: AtomicU16,
}

/// What `/slow` is asked for.
#[derive(Debug, Deserialize)]
struct Slow {
    ms: u16,
}

impl Region {
    /// Listens on `address` (port 0 takes a free one) and starts healthy. Must be called inside
    /// a tokio runtime.
    pub async fn open(name: &str, address: SocketAddr) -> io::Result<Region> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Switch {
            name: name.to_owned(),
            is_running: AtomicBool::new(true),
            delay: AtomicU16::new(0),
        });
        let router = Router::new()
            .route("/", get(greeting))
            .route("/health", get(health))
            .route("/stop", post(stop))
            .route("/start", post(start))
            .route("/slow", post(slow))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            // It serves until the task is aborted; failed accepts are waited out inside.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Region { state, address, task })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Where it listens, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its health checks succeed.
    pub fn is_running(&self) -> bool {
        self.state.is_running.load(Relaxed)
    }

    /// Makes health checks fail; says whether that is a change.
    pub fn stop(&self) -> bool {
        self.state.turn(false)
    }

    /// Makes health checks succeed; says whether that is a change.
    pub fn start(&self) -> bool {
        self.state.turn(true)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Switch {
    fn turn(&self, on: bool) -> bool {
        self.is_running.swap(on, Relaxed) != on
    }

    async fn wait(&self) {
        let delay = Duration::from_millis(self.delay.load(Relaxed).into());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    fn status(&self) -> StatusCode {
        match self.is_running.load(Relaxed) {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn greeting(State(state): State<Arc<Switch>>) -> (StatusCode, String) {
    state.wait().await;
    let text = match state.is_running.load(Relaxed) {
        true => format!("Hello from {}.\n", state.name),
        false => format!("{} is stopped.\n", state.name),
    };
    (state.status(), text)
}

async fn health(State(state): State<Arc<Switch>>) -> Response {
    state.wait().await;
    report(&state, state.status())
}

async fn stop(State(state): State<Arc<Switch>>) -> Response {
    state.turn(false);
    report(&state, StatusCode::OK)
}

async fn start(State(state): State<Arc<Switch>>) -> Response {
    state.turn(true);
    report(&state, StatusCode::OK)
}

async fn slow(State(state): State<Arc<Switch>>, Query(slow): Query<Slow>) -> Response {
    state.delay.store(slow.ms, Relaxed);
    report(&state, StatusCode::OK)
}

fn report(state: &Switch, status: StatusCode) -> Response {
    let word = if state.is_running.load(Relaxed) { "healthy" } else { "stopped" };
    let body = format!("{}\n", json!({ "status": word, "region": state.name }));
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{Client, Method};

    async fn open(name: &str) -> (Region, Client) {
        // Installed already by another test is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        (Region::open(name, ([127, 0, 0, 1], 0).into()).await.unwrap(), client)
    }

    async fn call(client: &Client, region: &Region, method: Method, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", region.address());
        let response = client.request(method, url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    #[tokio::test]
    async fn a_region_is_stopped_and_started_over_http() {
        let (region, client) = open("north-america").await;
        let healthy = "{\"status\":\"healthy\",\"region\":\"north-america\"}\n";
        let stopped = "{\"status\":\"stopped\",\"region\":\"north-america\"}\n";
        for (method, path, status, body) in [
            (Method::GET, "/health", 200, healthy),
            (Method::GET, "/", 200, "Hello from north-america.\n"),
            (Method::POST, "/stop", 200, stopped),
            (Method::GET, "/health", 503, stopped),
            (Method::GET, "/", 503, "north-america is stopped.\n"),
            (Method::POST, "/start", 200, healthy),
            (Method::GET, "/health", 200, healthy),
            (Method::POST, "/slow?ms=1", 200, healthy),
            (Method::GET, "/stop", 405, ""), // looking changes nothing
            (Method::GET, "/health", 200, healthy),
            (Method::GET, "/elsewhere", 404, ""),
        ] {
            let answer = call(&client, &region, method, path).await;
            assert_eq!(answer, (status, body.to_owned()), "{path}");
        }
    }

    #[tokio::test]
    async fn a_region_is_stopped_and_started_from_the_program() {
        let (region, client) = open("europe").await;
        assert_eq!(region.name(), "europe");
        assert!(region.is_running() && !region.start());
        assert!(region.stop() && !region.stop() && !region.is_running());
        assert_eq!(call(&client, &region, Method::GET, "/health").await.0, 503);
        assert!(region.start());
        assert_eq!(call(&client, &region, Method::GET, "/health").await.0, 200);
    }

    #[tokio::test]
    async fn a_dropped_region_no_longer_answers() {
        let (region, client) = open("asia-pacific").await;
        let url = format!("http://{}/health", region.address());
        drop(region);
        // The task ends at its next turn.
        tokio::task::yield_now().await;
        while client.get(&url).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
