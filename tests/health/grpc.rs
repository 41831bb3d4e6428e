//! Calls of the gRPC health service, answered by hand over HTTP/2.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, HeaderValue, Response};
use meridian::health::{Authorities, Call, Called, Failure, Kind, Monitor, Security, Stage, Trust};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::certificates::Authority;
use crate::support::checks::{SHORT, check, failure, monitor, outcome};
use crate::support::hostile::{Behaviour, Refusing, Server};

const NAME: &str = "grpc.example.com";

fn calling(service: &str, trust: Option<Trust>) -> Monitor {
    let called = Called::new(trust.is_some().then_some(NAME)).unwrap();
    let security = trust.map(|trust| Security { trust, ..Security::default() });
    monitor(Kind::Grpc(Call { called, security, service: service.into() }))
}

/// What the server answers.
#[derive(Clone)]
pub(crate) struct Answer {
    http: u16,
    /// Among the headers, when there is nothing else to say.
    at_once: Option<(&'static str, &'static str)>,
    message: Vec<u8>,
    trailers: Option<&'static str>,
    then_resets: bool,
}

impl Answer {
    /// A `HealthCheckResponse` with this status.
    pub(crate) fn status(status: u8) -> Answer {
        Answer::message(vec![0, 0, 0, 0, 2, 8, status])
    }

    fn message(message: Vec<u8>) -> Answer {
        let trailers = Some("0");
        Answer { http: 200, at_once: None, message, trailers, then_resets: false }
    }

    fn fails(status: &'static str, message: &'static str) -> Answer {
        Answer { at_once: Some((status, message)), ..Answer::message(Vec::new()) }
    }
}

/// Method and address of each call, and what it said.
type Calls = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A gRPC server of one answer; it notes the calls.
pub(crate) struct Health {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    calls: Calls,
    task: tokio::task::JoinHandle<()>,
}

impl Health {
    pub(crate) async fn start(answer: Answer) -> Health {
        Health::serve(answer, None).await
    }

    async fn serve(answer: Answer, tls: Option<TlsAcceptor>) -> Health {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Calls::default();
        let noted = calls.clone();
        let answer = Arc::new(Mutex::new(answer));
        let answers = answer.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, noted) = (answers.lock().unwrap().clone(), noted.clone());
                // What goes wrong here is the client's to see.
                let _ = match &tls {
                    None => connection(stream, answer, &noted).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => connection(stream, answer, &noted).await,
                        Err(_) => Ok(()),
                    },
                };
            }
        });
        Health { address, answer, calls, task }
    }

    /// Answers otherwise from the next connection on.
    pub(crate) fn now(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    calls: &Calls,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let head = format!("{} {}", request.method(), request.uri());
        assert_eq!(request.headers()["content-type"], "application/grpc");
        assert_eq!(request.headers()["te"], "trailers");
        let mut body = request.into_body();
        // The body comes while the connection is looked after.
        let read = async {
            let mut message = Vec::new();
            while let Some(data) = body.data().await {
                message.extend_from_slice(&data?);
            }
            Ok::<Vec<u8>, h2::Error>(message)
        };
        tokio::pin!(read);
        let message = tokio::select! {
            message = &mut read => message?,
            // The client has gone.
            _ = connection.accept() => return Ok(()),
        };
        calls.lock().unwrap().push((head, message));
        let mut head =
            Response::builder().status(answer.http).header("content-type", "application/grpc");
        if let Some((status, message)) = answer.at_once {
            head = head.header("grpc-status", status).header("grpc-message", message);
        }
        let mut sender = respond.send_response(head.body(()).unwrap(), answer.at_once.is_some())?;
        if answer.at_once.is_some() {
            continue;
        }
        if answer.then_resets {
            sender.send_reset(h2::Reason::INTERNAL_ERROR);
            continue;
        }
        sender.send_data(answer.message.clone().into(), answer.trailers.is_none())?;
        if let Some(status) = answer.trailers {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(status));
            sender.send_trailers(trailers)?;
        }
    }
    Ok(())
}

async fn words(answer: Answer, service: &str) -> String {
    let server = Health::start(answer).await;
    failure(check(server.address, calling(service, None))).await.to_string()
}

#[tokio::test]
async fn serving_is_a_success_and_the_call_is_as_the_protocol_has_it() {
    let server = Health::start(Answer::status(1)).await;
    let timing = outcome(check(server.address, calling("web", None))).await.unwrap();
    assert!(timing.server.is_some());
    let (head, message) = server.calls.lock().unwrap().remove(0);
    let uri = format!("http://{}/grpc.health.v1.Health/Check", server.address);
    assert_eq!(head, format!("POST {uri}"));
    assert_eq!(message, b"\0\0\0\0\x05\x0a\x03web");
}

#[tokio::test]
async fn anything_but_serving_is_a_failure_in_the_words_of_the_protocol() {
    assert_eq!(
        words(Answer::status(2), "web").await,
        "NOT_SERVING for service `web`, wanted SERVING"
    );
    assert_eq!(
        words(Answer::message(vec![0; 5]), "").await,
        "UNKNOWN for the server as a whole, wanted SERVING"
    );
    assert_eq!(
        words(Answer::fails("5", "unknown service web"), "web").await,
        "gRPC status 5 (NOT_FOUND) for service `web`: unknown service web"
    );
    let late = Answer { trailers: Some("14"), ..Answer::status(1) };
    assert_eq!(
        words(late, "web").await,
        "gRPC status 14 (UNAVAILABLE) for service `web`: no message"
    );
    let proxy = Answer { http: 502, ..Answer::status(1) };
    assert_eq!(words(proxy, "web").await, "502 for POST /grpc.health.v1.Health/Check, wanted 200");
}

#[tokio::test]
async fn garbage_is_a_failure() {
    let junk = words(Answer::message(b"<html>".to_vec()), "web").await;
    assert_eq!(junk, "not proper HTTP: `<html>` is not a HealthCheckResponse");
    let endless = words(Answer::message(vec![0; 10_000]), "web").await;
    assert_eq!(endless, "not proper HTTP: an answer over 4 KiB");
    let web = Answer { trailers: None, ..Answer::status(1) };
    assert_eq!(words(web, "web").await, "not proper HTTP: no grpc-status: not a gRPC server");
    let reset = words(Answer { then_resets: true, ..Answer::status(1) }, "web").await;
    assert!(reset.contains("INTERNAL_ERROR") || reset.contains("internal error"), "{reset}");
    let mail = Server::start(Behaviour::Greet(b"220 ready for mail\r\n".into())).await;
    let found = failure(check(mail.address, calling("web", None))).await;
    assert!(matches!(found, Failure::Protocol(_)), "{found:?}");
}

#[tokio::test]
async fn silence_times_out_and_an_early_end_is_a_failure() {
    let silent = Server::start(Behaviour::Hang).await;
    let monitor = Monitor { timeout: SHORT, ..calling("web", None) };
    assert_eq!(
        failure(check(silent.address, monitor)).await,
        Failure::TimedOut { after: SHORT, stage: Stage::Head }
    );
    let closing = Server::start(Behaviour::Close).await;
    let found = failure(check(closing.address, calling("web", None))).await;
    assert!(
        matches!(found, Failure::Closed(_) | Failure::Reset(_) | Failure::Protocol(_)),
        "{found:?}"
    );
    let nobody = Refusing::new();
    assert_eq!(failure(check(nobody.address, calling("web", None))).await, Failure::Refused);
}

#[tokio::test]
async fn over_tls_the_certificate_counts() {
    let authority = Authority::new("ours");
    let mut config = authority.server(NAME);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = Health::serve(Answer::status(1), Some(Arc::new(config).into())).await;
    let ours = Trust::Authorities(Authorities::from_pem(authority.pem().as_bytes()).unwrap());
    outcome(check(server.address, calling("web", Some(ours.clone())))).await.unwrap();
    let (head, _) = server.calls.lock().unwrap().remove(0);
    assert!(head.starts_with(&format!("POST https://{NAME}:")), "{head}");
    let found = failure(check(server.address, calling("web", Some(Trust::default())))).await;
    assert!(matches!(found, Failure::Certificate(_)), "{found:?}");

    let old = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let found = failure(check(old.address, calling("web", Some(ours)))).await;
    assert_eq!(found.to_string(), "TLS: HTTP/2 not agreed upon (ALPN)");
}
