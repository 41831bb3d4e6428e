//! What only DNS over HTTPS has: methods, statuses, caches, and clients that misuse HTTP/2.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use h2::client::SendRequest;
use meridian::transport::Protocol;
use meridian::transport::stream::Limits;
use reqwest::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{LIMITS, Server, ZONE, octets};
use crate::support::bed::{Bed, query};
use crate::support::clients::{self, NAME, PATIENCE};

const SOON: Duration = Duration::from_millis(500);
const MESSAGE: &str = "application/dns-message";

/// A zone with an answer of more than 60,000 octets.
fn large() -> String {
    let mut zone = ZONE.to_owned();
    for index in 0..230 {
        zone += &format!("text TXT {index} \"{}\"\n", "t".repeat(250));
    }
    zone
}

fn base64url(octets: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(octets)
}

/// A client and the address of the server's path.
fn client(server: &Server) -> (reqwest::Client, String) {
    let port = server.address(Protocol::Https).port();
    (server.https(), format!("https://{NAME}:{port}/dns-query"))
}

async fn send(request: RequestBuilder) -> Response {
    timeout(PATIENCE, request.send()).await.expect("a response").unwrap()
}

#[tokio::test]
async fn get_and_post_say_the_same_and_how_long_it_stays_fresh() {
    let server = Server::start(Bed::new(&[ZONE]), LIMITS);
    let (client, address) = client(&server);
    for (question, fresh) in [
        ("example.com. SOA", 300),
        ("nothing.example.com. A", 60),
        ("mail.example.com. TXT", 60),
        ("x.del.example.com. A", 0),
        ("elsewhere.example. A", 0),
    ] {
        let query = octets(query(question));
        let tcp = clients::tcp(server.plain(), &query).await;
        let get = client.get(format!("{address}?dns={}", base64url(&query)));
        let post = client.post(&address).header(CONTENT_TYPE, MESSAGE).body(query);
        for request in [get, post] {
            let response = send(request).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()[CONTENT_TYPE], MESSAGE);
            assert_eq!(response.headers()[CACHE_CONTROL], format!("max-age={fresh}"), "{question}");
            assert_eq!(response.bytes().await.unwrap(), tcp);
        }
    }
}

#[tokio::test]
async fn requests_that_ask_for_nothing_are_told_why() {
    let server = Server::start(Bed::new(&[ZONE]), LIMITS);
    let (client, address) = client(&server);
    let good = format!("{address}?dns={}", base64url(&octets(query("example.com. SOA"))));
    let post = || client.post(&address).header(CONTENT_TYPE, MESSAGE);
    let elsewhere = address.replace("dns-query", "resolve");
    for (request, status) in [
        (client.get(&elsewhere), 404),
        (client.get(&address), 400),
        (client.get(format!("{address}?dns=%20")), 400),
        (client.request(Method::PUT, &good), 405),
        (client.head(&good), 405),
        (client.post(&address).body("x"), 415),
        (client.post(&address).header(CONTENT_TYPE, "text/plain").body("x"), 415),
        (client.get(&good).header(ACCEPT, "application/dns-json"), 406),
        (client.get(&good).header(ACCEPT, "text/html, */*;q=0.1"), 200),
        (post().body(vec![0; 65_536]), 413),
        (post().body(vec![0; 65_535]), 200), // FORMERR, which is an answer
        (post().body("no message"), 400),
    ] {
        let shown = format!("{request:?}");
        let response = send(request).await;
        assert_eq!(response.status(), status, "{}", &shown[..shown.len().min(300)]);
        let allow = response.headers().get(ALLOW).map(|allow| allow.to_str().unwrap());
        assert_eq!(allow, (status == 405).then_some("GET, POST"));
    }
}

/// A connection whose HTTP/2 is in the test's hands, and the task that drives it.
async fn raw(
    server: &Server,
    builder: &h2::client::Builder,
) -> (SendRequest<bytes::Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(server.address(Protocol::Https)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(server.authority.client(b"h2")));
    let tls = connector.connect(NAME.try_into().unwrap(), stream).await.unwrap();
    let (client, connection) = builder.handshake(tls).await.unwrap();
    (client, tokio::spawn(connection))
}

fn request_for(question: &str) -> hyper::Request<()> {
    let query = base64url(&octets(query(question)));
    hyper::Request::get(format!("https://{NAME}/dns-query?dns={query}")).body(()).unwrap()
}

async fn serves(server: &Server) -> bool {
    let port = server.address(Protocol::Https).port();
    let query = octets(query("example.com. SOA"));
    clients::post(&server.https(), port, &query).await.is_ok()
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_let_go() {
    let server = Server::start(Bed::new(&[&large()]), Limits { idle: SOON, ..LIMITS });
    let mut builder = h2::client::Builder::new();
    let (client, connection) = raw(&server, builder.initial_window_size(0)).await;
    let mut client = client.ready().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        // It may be gone before all is asked.
        let Ok(()) = poll_fn(|cx| client.poll_ready(cx)).await else { break };
        waiting.push(client.send_request(request_for("text.example.com. TXT"), true));
    }
    assert!(serves(&server).await);
    let ended = timeout(PATIENCE, connection).await;
    assert!(ended.is_ok(), "the server ends it");
}

#[tokio::test]
async fn requests_taken_back_at_once_harm_nobody_else() {
    let server = Server::start(Bed::new(&[&large()]), LIMITS);
    let (mut client, connection) = raw(&server, &h2::client::Builder::new()).await;
    for _ in 0..5000 {
        let Ok(()) = poll_fn(|cx| client.poll_ready(cx)).await else { break };
        let Ok((_, mut stream)) = client.send_request(request_for("text.example.com. TXT"), true)
        else {
            break;
        };
        stream.send_reset(h2::Reason::CANCEL);
    }
    assert!(serves(&server).await);
    connection.abort();
}

#[tokio::test]
async fn only_http_2_is_spoken() {
    let server = Server::start(Bed::new(&[ZONE]), LIMITS);
    let address = server.address(Protocol::Https);
    assert!(clients::tls(address, server.authority.client(b"http/1.1")).await.is_err());
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = Server::start(Bed::new(&[ZONE]), Limits { idle: SOON, ..LIMITS });
    let (_client, connection) = raw(&server, &h2::client::Builder::new()).await;
    assert!(timeout(PATIENCE, connection).await.is_ok(), "without a request");
    let mut silent = clients::tls(server.address(Protocol::Https), server.authority.client(b"h2"))
        .await
        .unwrap();
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, silent.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "without HTTP");
}

#[tokio::test]
async fn a_stop_says_goodbye() {
    let server = Server::start(Bed::new(&[ZONE]), LIMITS);
    let (client, connection) = raw(&server, &h2::client::Builder::new()).await;
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(request_for("example.com. SOA"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    timeout(PATIENCE, server.running.stop()).await.expect("the server stops");
    let ended = timeout(PATIENCE, connection).await.expect("an end").unwrap();
    assert!(ended.is_ok(), "GOAWAY without an error: {ended:?}");
}
