//! Webhooks: the program tells a real HTTP server of what happens, whatever becomes of the two.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::certificates::Authority;
use crate::support::control::{done, http, http_address};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};
use crate::support::service::{POLICIES, www};

/// What the receiver does with what it gets.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Accept,
    Fail,
    /// Fails, and wants to be left alone for an hour.
    Busy,
    Hang,
    Redirect,
}

/// An HTTP server that events are posted to.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    mood: Mutex<Mood>,
    /// Posts of any outcome.
    attempts: Mutex<usize>,
    accepted: Mutex<Vec<(HeaderMap, Vec<u8>)>>,
    elsewhere: Mutex<usize>,
}

impl Receiver {
    fn start(mood: Mood) -> Receiver {
        Receiver::start_with(mood, None)
    }

    /// One over TLS.
    fn start_tls(config: ServerConfig) -> Receiver {
        Receiver::start_with(Mood::Accept, Some(config))
    }

    fn start_with(mood: Mood, tls: Option<ServerConfig>) -> Receiver {
        let runtime = Runtime::new().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            attempts: Mutex::default(),
            accepted: Mutex::default(),
            elsewhere: Mutex::default(),
        });
        let routes = Router::new()
            .route("/hook", post(take))
            .route("/elsewhere", post(elsewhere).get(elsewhere))
            .with_state(Arc::clone(&shared));
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        match tls {
            None => runtime.spawn(async move { axum::serve(listener, routes).await }),
            Some(config) => {
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let listener = Secured { listener, acceptor };
                runtime.spawn(async move { axum::serve(listener, routes).await })
            }
        };
        Receiver { address, shared, _runtime: runtime }
    }

    fn feel(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    fn attempts(&self) -> usize {
        *self.shared.attempts.lock().unwrap()
    }

    fn wait_for_an_attempt(&self) {
        let before = self.attempts();
        until("there is an attempt", || self.attempts() > before);
    }

    fn events(&self) -> Vec<Value> {
        let accepted = self.shared.accepted.lock().unwrap();
        accepted.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    fn wait_for(&self, count: usize) -> Vec<Value> {
        until(&format!("there are {count} events"), || self.events().len() >= count);
        self.events()
    }

    fn hook(&self, more: &str) -> String {
        format!(
            "{SERVER}[admin]\nlisten = \"\"\n[[webhook]]\nname = \"pager\"\n\
             url = \"http://{}/hook\"\n{more}\n",
            self.address
        )
    }
}

/// Connections whose handshake succeeded.
struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    *shared.attempts.lock().unwrap() += 1;
    let mood = *shared.mood.lock().unwrap();
    match mood {
        Mood::Accept => {
            shared.accepted.lock().unwrap().push((headers, body.to_vec()));
            StatusCode::NO_CONTENT.into_response()
        }
        Mood::Fail => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Busy => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response(),
        Mood::Hang => std::future::pending().await,
        Mood::Redirect => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response()
        }
    }
}

async fn elsewhere(State(shared): State<Arc<Shared>>) -> StatusCode {
    *shared.elsewhere.lock().unwrap() += 1;
    StatusCode::OK
}

fn files(config: &str) -> Files {
    Files::of(config, POLICIES)
}

fn kill(mut serving: Serving) {
    serving.process.signal("KILL");
    serving.process.wait();
}

fn hook_status(files: &Files) -> Value {
    let status: Value = serde_json::from_str(&done(files, "status --json")).unwrap();
    status["webhooks"][0].clone()
}

/// All that is in the history, as `ctl events` tells it.
fn history(files: &Files) -> Vec<Value> {
    let text = done(files, "events --limit 1000 --json");
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(list)) => list,
        _ => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

#[test]
fn nothing_is_lost_when_the_receiver_fails_and_hangs_and_the_server_is_killed() {
    let receiver = Receiver::start(Mood::Fail);
    let files = files(&receiver.hook("timeout = \"300ms\""));
    let serving = files.serve();
    receiver.wait_for_an_attempt();
    done(&files, "drain eu-west --reason works");
    // The desk did not wait.
    assert_eq!(www(&serving), "198.51.100.10");
    until("status says why", || hook_status(&files)["problem"] == "503 Service Unavailable");
    assert!(hook_status(&files)["waiting"].as_u64().unwrap() >= 2);
    assert!(done(&files, "status").contains("webhook     pager: "));
    kill(serving);

    receiver.feel(Mood::Hang);
    let serving = files.serve();
    until("status says why", || hook_status(&files)["problem"] == "no answer in time");
    done(&files, "restore eu-west");
    assert_eq!(www(&serving), "192.0.2.10");
    kill(serving);

    let serving = files.serve();
    receiver.feel(Mood::Accept);
    let all = history(&files);
    let told = receiver.wait_for(all.len());
    assert_eq!(told, all);
    let kinds = told.iter().filter(|event| event["kind"] == "override").count();
    assert_eq!(kinds, 2);
    until("nothing waits", || hook_status(&files)["waiting"] == 0);
    assert_eq!(hook_status(&files)["problem"], Value::Null);
    until("it is written down", || {
        let kept = std::fs::read_to_string(files.path("state/webhooks.json")).unwrap_or_default();
        let kept: Value = serde_json::from_str(&kept).unwrap_or_default();
        kept["done"]["pager"] == all.last().unwrap()["number"]
    });
    kill(serving);

    // Only what is new is told from now on.
    let _serving = files.serve();
    let told = receiver.wait_for(all.len() + 1);
    assert_eq!(told.len(), all.len() + 1);
    assert_eq!(told.last().unwrap()["kind"], "start");
}

#[test]
fn a_receiver_is_told_what_it_wants_and_who_speaks() {
    let receiver = Receiver::start(Mood::Accept);
    let keys = "on = [\"override\"]\ntoken_file = \"token\"\nsecret_file = \"secret\"";
    let files = files(&receiver.hook(keys))
        .with("config/token", "sesame\n")
        .with("config/secret", "a secret\n");
    let _serving = files.serve();
    done(&files, "drain eu-west --reason works");
    done(&files, "restore eu-west");
    let told = receiver.wait_for(2);
    let states: Vec<_> = told.iter().map(|event| event["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["drain", "restore"]);
    assert_eq!(told[0]["why"], "works");
    for (headers, body) in &*receiver.shared.accepted.lock().unwrap() {
        assert_eq!(headers["authorization"], "Bearer sesame");
        assert_eq!(headers["content-type"], "application/json");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret");
        let signed = headers["meridian-signature"].to_str().unwrap();
        let signature = data_encoding::HEXLOWER.decode(&signed.as_bytes()[7..]).unwrap();
        assert!(signed.starts_with("sha256=") && hmac::verify(&key, body, &signature).is_ok());
    }
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let receiver = Receiver::start(Mood::Redirect);
    let files = files(&receiver.hook(""));
    let serving = files.serve();
    serving.log(&["webhook pager does not take events: 307 Temporary Redirect"]);
    assert_eq!(*receiver.shared.elsewhere.lock().unwrap(), 0);
    receiver.feel(Mood::Accept);
    receiver.wait_for(1);
    serving.log(&["webhook pager takes events again"]);
}

#[test]
fn over_tls_only_a_receiver_whose_authority_is_believed_is_told() {
    let authority = Authority::new("the house's own");
    let receiver = Receiver::start_tls(authority.server("localhost"));
    let hook = |more: &str| {
        let at = format!("https://localhost:{}/hook", receiver.address.port());
        receiver.hook(more).replace(&format!("http://{}/hook", receiver.address), &at)
    };
    let files = files(&hook("")).with("config/own.pem", authority.pem());
    let serving = files.serve();
    serving.log(&["webhook pager does not take events: ", "UnknownIssuer"]);
    assert_eq!(receiver.attempts(), 0);
    files.write(CONFIG, hook("ca = \"own.pem\""));
    done(&files, "reload");
    let told = receiver.wait_for(2);
    assert_eq!((&told[0]["kind"], &told[1]["kind"]), (&"start".into(), &"reload".into()));
    serving.log(&["webhook pager takes events again"]);
    files.write(CONFIG, hook("ca = \"nothing.pem\""));
    let refused = files.run(&["ctl", "reload"]);
    assert!(refused.code == 1 && refused.stderr.contains("nothing.pem"), "{refused:?}");
}

#[test]
fn a_receiver_that_wants_to_be_left_alone_is_until_a_reload_and_metrics_count_it() {
    let receiver = Receiver::start(Mood::Busy);
    let config = receiver.hook("").replace("listen = \"\"", "listen = \"127.0.0.1:0\"");
    let files = files(&config);
    let serving = files.serve();
    let value = |metric: &str| -> u64 {
        let text = http(http_address(&serving), "GET", "/metrics", "", "").1;
        let sample = format!("meridian_webhook_{metric}{{webhook=\"pager\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&sample));
        line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    };
    serving.log(&["webhook pager does not take events: 429 Too Many Requests"]);
    done(&files, "drain eu-west --reason works");
    assert_eq!((receiver.attempts(), value("failed_total")), (1, 1));
    assert!(value("waiting") >= 2 && value("sent_total") == 0);
    receiver.feel(Mood::Accept);
    done(&files, "reload");
    let told = receiver.wait_for(3);
    until("all are taken", || value("waiting") == 0);
    assert!(value("sent_total") >= told.len() as u64);
    assert_eq!((value("failed_total"), value("dropped_total")), (1, 0));
}

#[test]
fn a_reload_names_new_receivers() {
    let receiver = Receiver::start(Mood::Accept);
    let files = files(&format!("{SERVER}[admin]\nlisten = \"\"\n"));
    let _serving = files.serve();
    assert!(!done(&files, "status").contains("webhook"));
    files.write(CONFIG, receiver.hook(""));
    done(&files, "reload");
    let told = receiver.wait_for(1);
    assert_eq!((&told[0]["kind"], &told[0]["state"]), (&"reload".into(), &"done".into()));
    files.write(CONFIG, receiver.hook("token_file = \"nothing\""));
    let refused = files.run(&["ctl", "reload"]);
    assert!(refused.code == 1 && refused.stderr.contains("nothing"), "{refused:?}");
}
