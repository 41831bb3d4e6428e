//! HTTPS checks: certificates, SNI, HTTP/2.

use std::sync::Arc;

use meridian::health::{
    Authorities, Check, Credentials, CredentialsError, Exchange, Expect, Expiry, Failure, Http2,
    Kind, Monitor, Request, Stage, Target, Trust,
};

use crate::support::certificates::{Authority, self_signed};
use crate::support::checks::{SHORT, check, exchange, failure, monitor, outcome};
use crate::support::hostile::{Behaviour, Server};

const NAME: &str = "www.example.com";

/// GET /health with this name in Host and SNI.
fn named(name: &str) -> Exchange {
    let request = Request::new("GET", "/health", Some(name), []).unwrap();
    Exchange { request, expect: Expect::default() }
}

fn https(server: &Server, exchange: Exchange, trust: Trust) -> Check {
    check(server.address, monitor(Kind::Https(exchange, trust)))
}

fn trusting(authority: &Authority) -> Trust {
    Trust::Authorities(Authorities::from_pem(authority.pem().as_bytes()).unwrap())
}

async fn certificate_failure(check: Check) -> String {
    match failure(check).await {
        Failure::Certificate(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_the_monitors_own_authority_is_good() {
    let authority = Authority::new("ours");
    let server = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let timing = outcome(https(&server, named(NAME), trusting(&authority))).await.unwrap();
    assert!(timing.server.is_some());
    let seen = server.requests().remove(0);
    let host = format!("\r\nhost: {NAME}:{}\r\n", server.address.port());
    assert!(seen.contains(&host), "{seen}");
    assert_eq!(server.names(), [Some(NAME.to_owned())]);
}

#[tokio::test]
async fn an_unknown_authority_is_a_failure() {
    let server = Server::start_tls(Behaviour::good(), Authority::new("ours").server(NAME)).await;
    for trust in [Trust::default(), trusting(&Authority::new("theirs"))] {
        let text = certificate_failure(https(&server, named(NAME), trust)).await;
        assert!(text.contains("not signed by an authority"), "{text}");
    }
    let impostor = trusting(&Authority::new("ours"));
    let text = certificate_failure(https(&server, named(NAME), impostor)).await;
    assert!(text.contains("not signed by the authority it names"), "{text}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_self_signed_certificate_is_a_failure() {
    let server = Server::start_tls(Behaviour::good(), self_signed(NAME)).await;
    let text = certificate_failure(https(&server, named(NAME), Trust::default())).await;
    assert!(text.contains("not signed by an authority"), "{text}");
}

#[tokio::test]
async fn an_expired_certificate_is_a_failure() {
    let authority = Authority::new("ours");
    let config = authority.server_valid(NAME, 2020, 2021);
    let server = Server::start_tls(Behaviour::good(), config).await;
    let text = certificate_failure(https(&server, named(NAME), trusting(&authority))).await;
    assert!(text.starts_with("expired ") && text.ends_with(" days ago"), "{text}");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_a_failure() {
    let authority = Authority::new("ours");
    let config = authority.server_valid(NAME, 2090, 2100);
    let server = Server::start_tls(Behaviour::good(), config).await;
    let text = certificate_failure(https(&server, named(NAME), trusting(&authority))).await;
    assert!(text.starts_with("not valid before another "), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_failure() {
    let authority = Authority::new("ours");
    let config = authority.server("other.example.com");
    let server = Server::start_tls(Behaviour::good(), config).await;
    let text = certificate_failure(https(&server, named(NAME), trusting(&authority))).await;
    assert!(
        text.contains(&format!("not valid for `{NAME}`")) && text.contains("other.example.com"),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_host_the_certificate_must_be_valid_for_the_address() {
    let authority = Authority::new("ours");
    let good = Server::start_tls(Behaviour::good(), authority.server("127.0.0.1")).await;
    assert!(outcome(https(&good, exchange(), trusting(&authority))).await.is_ok());
    assert_eq!(good.names(), [None], "an address is no server name");
    let bad = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let text = certificate_failure(https(&bad, exchange(), trusting(&authority))).await;
    assert!(text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn a_member_given_by_name_is_asked_and_verified_by_that_name() {
    let authority = Authority::new("ours");
    let server = Server::start_tls(Behaviour::good(), authority.server("localhost")).await;
    let target = Target::new("localhost", server.address.port()).unwrap();
    let kind = Kind::Https(exchange(), trusting(&authority));
    outcome(Check { target, monitor: Arc::new(monitor(kind)) }).await.unwrap();
    assert_eq!(server.names(), [Some("localhost".to_owned())]);
}

#[tokio::test]
async fn a_monitor_that_does_not_verify_takes_any_certificate() {
    for config in
        [self_signed("other.example.com"), Authority::new("ours").server_valid(NAME, 2020, 2021)]
    {
        let server = Server::start_tls(Behaviour::good(), config).await;
        assert!(outcome(https(&server, named(NAME), Trust::Anyone)).await.is_ok());
    }
}

#[tokio::test]
async fn http2_is_spoken_where_the_server_does() {
    let authority = Authority::new("ours");
    let mut config = authority.server(NAME);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Server::start_tls(Behaviour::good(), config).await;
    outcome(https(&server, named(NAME), trusting(&authority))).await.unwrap();
    let uri = format!("https://{NAME}:{}/health", server.address.port());
    assert_eq!(server.requests(), [format!("GET {uri} HTTP/2.0")]);
}

#[tokio::test]
async fn http2_may_be_forbidden_or_demanded() {
    let authority = Authority::new("ours");
    let mut config = authority.server(NAME);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let both = Server::start_tls(Behaviour::good(), config).await;
    let wanting = |http2| {
        let Exchange { request, expect } = named(NAME);
        Exchange { request: request.with_http2(http2), expect }
    };
    outcome(https(&both, wanting(Http2::Never), trusting(&authority))).await.unwrap();
    assert!(both.requests()[0].starts_with("GET /health HTTP/1.1\r\n"));
    outcome(https(&both, wanting(Http2::Always), trusting(&authority))).await.unwrap();
    assert!(both.requests()[1].ends_with("HTTP/2.0"));
    let old = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let failure = failure(https(&old, wanting(Http2::Always), trusting(&authority))).await;
    assert_eq!(
        failure.to_string(),
        "not proper HTTP: HTTP/2 wanted, which the target does not speak"
    );
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_target_that_asks_for_one() {
    let authority = Authority::new("ours");
    let config = authority.server_for_known_clients(NAME);
    let server = Server::start_tls(Behaviour::good(), config).await;
    let (certificate, key) = authority.files("meridian.example");
    let credentials = Credentials::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let Exchange { request, expect } = named(NAME);
    let known = Exchange { request: request.with_credentials(credentials), expect };
    outcome(https(&server, known, trusting(&authority))).await.unwrap();
    let nobody = failure(https(&server, named(NAME), trusting(&authority))).await;
    assert!(nobody.to_string().contains("CertificateRequired"), "{nobody}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new("ours");
    let ((certificate, _), (_, key)) = (authority.files("a.example"), authority.files("a.example"));
    let from = |certificate: &str, key: &str| {
        Credentials::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
    };
    assert_eq!(from(&certificate, &key), CredentialsError::Unlike);
    assert!(matches!(from("", &key), CredentialsError::Certificate(_)));
    assert!(matches!(from(&certificate, ""), CredentialsError::Key(_)));
}

#[tokio::test]
async fn a_certificate_that_expires_too_soon_is_told_or_a_failure() {
    let authority = Authority::new("ours");
    let config = authority.server_valid(NAME, 2020, 2100);
    let server = Server::start_tls(Behaviour::good(), config).await;
    // Longer than until 2100; the monitor's bound is what makes it soon.
    let check = |days, is_failure| {
        let Exchange { request, expect } = named(NAME);
        let expect = Expect { expiry: Some(Expiry { days, is_failure }), ..expect };
        https(&server, Exchange { request, expect }, trusting(&authority))
    };
    let (checker, mut reports) = crate::support::checks::start(vec![check(40_000, false)]);
    let report = reports.recv().await.unwrap();
    assert!(report.outcome.is_ok());
    let in_2100 = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_102_444_800);
    assert_eq!(report.expiring, Some(in_2100));
    assert_eq!(checker.records()[0].expiring, Some(in_2100));
    checker.stop().await;
    let text = failure(check(40_000, true)).await.to_string();
    assert!(text.starts_with("certificate expires in 2"), "{text}");
    assert!(text.ends_with(" days, wanted at least 40000 days"), "{text}");
    assert!(outcome(check(14, true)).await.is_ok());
}

#[tokio::test]
async fn every_check_sees_the_certificate_anew() {
    // A resumed session would show none, and one that has expired would stay unnoticed.
    let authority = Authority::new("ours");
    let server = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let often = Monitor {
        interval: std::time::Duration::from_millis(10),
        ..monitor(Kind::Https(named(NAME), trusting(&authority)))
    };
    let (checker, mut reports) = crate::support::checks::start(vec![check(server.address, often)]);
    for _ in 0..3 {
        assert!(reports.recv().await.unwrap().outcome.is_ok());
    }
    checker.stop().await;
    assert!(server.full_handshakes() >= 3);
    assert_eq!(server.full_handshakes(), server.names().len());
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let server = Server::start(Behaviour::Greet(b"220 ready for mail\r\n".into())).await;
    let failure = failure(https(&server, named(NAME), Trust::default())).await;
    assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_hangs_in_the_handshake_times_out() {
    let server = Server::start(Behaviour::Hang).await;
    let kind = Kind::Https(named(NAME), Trust::default());
    let monitor = Monitor { timeout: SHORT, ..monitor(kind) };
    assert_eq!(
        failure(check(server.address, monitor)).await,
        Failure::TimedOut { after: SHORT, stage: Stage::Handshake }
    );
}

#[tokio::test]
async fn a_server_that_closes_in_the_handshake_is_a_failure() {
    let server = Server::start(Behaviour::Close).await;
    let failure = failure(https(&server, named(NAME), Trust::default())).await;
    assert!(
        matches!(failure, Failure::Closed(Stage::Handshake) | Failure::Reset(Stage::Handshake)),
        "{failure:?}"
    );
}
