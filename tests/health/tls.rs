//! Handshakes.

use meridian::health::{
    Authorities, Called, Credentials, Expiry, Failure, Handshake, Kind, Monitor, Security, Stage,
    Trust,
};

use crate::support::certificates::{Authority, self_signed};
use crate::support::checks::{SHORT, check, failure, monitor, outcome, start, until};
use crate::support::hostile::{Behaviour, Refusing, Server};

const NAME: &str = "www.example.com";

fn handshake(host: Option<&str>, trust: Trust) -> Monitor {
    secured(host, Security { trust, ..Security::default() })
}

fn secured(host: Option<&str>, security: Security) -> Monitor {
    monitor(Kind::Tls(Handshake { called: Called::new(host).unwrap(), security }))
}

fn trusting(authority: &Authority) -> Trust {
    Trust::Authorities(Authorities::from_pem(authority.pem().as_bytes()).unwrap())
}

#[tokio::test]
async fn a_good_certificate_is_a_success_without_a_request() {
    let authority = Authority::new("ours");
    let server = Server::start_tls(Behaviour::Hang, authority.server(NAME)).await;
    server.now(Behaviour::good());
    let timing =
        outcome(check(server.address, handshake(Some(NAME), trusting(&authority)))).await.unwrap();
    assert_eq!(timing.first_byte, None);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn without_a_host_the_certificate_must_be_for_the_address() {
    let authority = Authority::new("ours");
    let good = Server::start_tls(Behaviour::good(), authority.server("127.0.0.1")).await;
    outcome(check(good.address, handshake(None, trusting(&authority)))).await.unwrap();
    let bad = Server::start_tls(Behaviour::good(), authority.server(NAME)).await;
    let failure = failure(check(bad.address, handshake(None, trusting(&authority)))).await;
    assert!(failure.to_string().contains("not valid for `127.0.0.1`"), "{failure}");
}

#[tokio::test]
async fn a_bad_certificate_is_a_failure_unless_nobody_looks() {
    let authority = Authority::new("ours");
    let cases = [
        (self_signed(NAME), "not signed by an authority"),
        (authority.server_valid(NAME, 2020, 2021), "expired "),
        (authority.server("other.example.com"), "only for DnsName(\"other.example.com\")"),
    ];
    for (config, wanted) in cases {
        let server = Server::start_tls(Behaviour::good(), config).await;
        let strict = handshake(Some(NAME), trusting(&authority));
        let failure = failure(check(server.address, strict)).await;
        assert!(matches!(failure, Failure::Certificate(_)), "{failure:?}");
        assert!(failure.to_string().contains(wanted.split('(').next().unwrap()), "{failure}");
        let lax = handshake(Some(NAME), Trust::Anyone);
        outcome(check(server.address, lax)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_tls_is_a_failure() {
    let silent = Server::start(Behaviour::Hang).await;
    let monitor = Monitor { timeout: SHORT, ..handshake(Some(NAME), Trust::Anyone) };
    assert_eq!(
        failure(check(silent.address, monitor)).await,
        Failure::TimedOut { after: SHORT, stage: Stage::Handshake }
    );
    let garbage = Server::start(Behaviour::Greet(b"220 ready for mail\r\n".into())).await;
    let found = failure(check(garbage.address, handshake(Some(NAME), Trust::Anyone))).await;
    assert!(matches!(found, Failure::Tls(_)), "{found:?}");
    let closing = Server::start(Behaviour::Close).await;
    let found = failure(check(closing.address, handshake(Some(NAME), Trust::Anyone))).await;
    assert!(
        matches!(found, Failure::Closed(Stage::Handshake) | Failure::Reset(Stage::Handshake)),
        "{found:?}"
    );
    let nobody = Refusing::new();
    let found = failure(check(nobody.address, handshake(Some(NAME), Trust::Anyone))).await;
    assert_eq!(found, Failure::Refused);
}

#[tokio::test]
async fn a_certificate_that_expires_too_soon_is_told_or_a_failure() {
    let authority = Authority::new("ours");
    let config = authority.server_valid(NAME, 2020, 2100);
    let server = Server::start_tls(Behaviour::good(), config).await;
    // Longer than until 2100; the monitor's bound is what makes it soon.
    let check = |days, is_failure| {
        let expiry = Some(Expiry { days, is_failure });
        let security = Security { trust: trusting(&authority), expiry, credentials: None };
        check(server.address, secured(Some(NAME), security))
    };
    let (checker, mut reports) = start(vec![check(40_000, false)]);
    let report = reports.recv().await.unwrap();
    assert!(report.outcome.is_ok());
    assert!(report.expiring.is_some());
    checker.stop().await;
    let text = failure(check(40_000, true)).await.to_string();
    assert!(text.ends_with(" days, wanted at least 40000 days"), "{text}");
    outcome(check(14, true)).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_target_that_asks_for_one() {
    let authority = Authority::new("ours");
    let config = authority.server_for_known_clients(NAME);
    let server = Server::start_tls(Behaviour::good(), config).await;
    let (certificate, key) = authority.files("meridian.example");
    let credentials = Credentials::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let known =
        Security { trust: trusting(&authority), expiry: None, credentials: Some(credentials) };
    outcome(check(server.address, secured(Some(NAME), known))).await.unwrap();
    until(|| server.full_handshakes() == 1).await;
}
