//! HTTP checks against servers that fail in every way.

use std::sync::Arc;
use std::time::Duration;

use meridian::health::{
    Check, Exchange, Expect, Failure, Http2, Kind, Monitor, Pattern, Request, Stage, Target,
};

use crate::support::checks::{
    LONG, SHORT, check, exchange, expecting, failure, monitor, outcome, until,
};
use crate::support::hostile::{Behaviour, Refusing, Server};

fn http(server: &Server, exchange: Exchange) -> Check {
    check(server.address, monitor(Kind::Http(exchange)))
}

/// As `http`, for a check that is to time out.
fn impatient(server: &Server) -> Check {
    let monitor = Monitor { timeout: SHORT, ..monitor(Kind::Http(exchange())) };
    check(server.address, monitor)
}

fn late(stage: Stage) -> Failure {
    Failure::TimedOut { after: SHORT, stage }
}

#[tokio::test]
async fn a_good_answer_is_a_success_and_timed() {
    let server = Server::start(Behaviour::good()).await;
    let timing = outcome(http(&server, exchange())).await.unwrap();
    assert!(timing.first_byte.is_some() && timing.server <= timing.first_byte);
    assert!(timing.total >= timing.connect + timing.first_byte.unwrap());
}

#[tokio::test]
async fn a_port_nobody_listens_on_refuses() {
    let nobody = Refusing::new();
    let http = failure(check(nobody.address, monitor(Kind::Http(exchange())))).await;
    assert_eq!(http, Failure::Refused);
    let tcp = failure(check(nobody.address, monitor(Kind::Tcp))).await;
    assert_eq!(tcp, Failure::Refused);
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_times_out() {
    let server = Server::start(Behaviour::Hang).await;
    assert_eq!(failure(impatient(&server)).await, late(Stage::Head));
}

#[tokio::test]
async fn half_a_head_and_silence_times_out() {
    let server = Server::start(Behaviour::ReplyThenHang(b"HTTP/1.1 200 OK\r\nCont".into())).await;
    assert_eq!(failure(impatient(&server)).await, late(Stage::Head));
}

#[tokio::test]
async fn silence_after_the_head_times_out() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no";
    let server = Server::start(Behaviour::ReplyThenHang(head.into())).await;
    assert_eq!(failure(impatient(&server)).await, late(Stage::Body));
}

#[tokio::test]
async fn a_dripping_head_times_out() {
    let drip = Behaviour::ReplyThenRepeat(
        b"HTTP/1.1 200 OK\r\n".into(),
        b"X-A: b\r\n".into(),
        Duration::from_millis(10),
    );
    let server = Server::start(drip).await;
    assert_eq!(failure(impatient(&server)).await, late(Stage::Head));
}

#[tokio::test]
async fn a_dripping_body_times_out() {
    let drip = Behaviour::ReplyThenRepeat(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".into(),
        b"x".into(),
        Duration::from_millis(10),
    );
    let server = Server::start(drip).await;
    assert_eq!(failure(impatient(&server)).await, late(Stage::Body));
}

#[tokio::test]
async fn a_probe_that_gave_up_leaves_no_connection_behind() {
    for behaviour in [
        Behaviour::Hang,
        Behaviour::ReplyThenHang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".into()),
    ] {
        let server = Server::start(behaviour).await;
        let (checker, mut reports) = crate::support::checks::start(vec![impatient(&server)]);
        reports.recv().await.unwrap();
        until(|| server.open() == 0).await;
        checker.stop().await;
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_a_bound_and_judged_by_that() {
    let flood = Behaviour::ReplyThenRepeat(
        b"HTTP/1.1 200 OK\r\n\r\nalive".into(),
        vec![b'x'; 65536],
        Duration::ZERO,
    );
    let server = Server::start(flood).await;
    assert!(outcome(http(&server, exchange())).await.is_ok());
    let alive = Expect { body: Some("alive".into()), ..Expect::default() };
    assert!(outcome(http(&server, expecting(alive))).await.is_ok());
    let dead = Expect { body: Some("dead".into()), ..Expect::default() };
    let failure = failure(http(&server, expecting(dead))).await;
    assert!(matches!(failure, Failure::Body { .. }), "{failure}");
    until(|| server.open() == 0).await;
}

#[tokio::test]
async fn an_endless_body_of_json_is_no_json() {
    let flood = Behaviour::ReplyThenRepeat(
        b"HTTP/1.1 200 OK\r\n\r\n[".into(),
        b"1,".repeat(32768),
        Duration::ZERO,
    );
    let server = Server::start(flood).await;
    let expect = Expect { json: vec![("/0".into(), 1.into())], ..Expect::default() };
    let failure = failure(http(&server, expecting(expect))).await;
    assert_eq!(failure.to_string(), "JSON at `/0`: a body over 256 KiB, wanted 1");
}

#[tokio::test]
async fn endless_headers_are_given_up() {
    let flood = Behaviour::ReplyThenRepeat(
        b"HTTP/1.1 200 OK\r\n".into(),
        b"X-A: b\r\n".repeat(4096),
        Duration::ZERO,
    );
    let server = Server::start(flood).await;
    let failure = failure(http(&server, exchange())).await;
    assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
}

#[tokio::test]
async fn a_reset_is_a_failure_at_whatever_stage() {
    let server = Server::start(Behaviour::ReplyThenReset(Vec::new())).await;
    assert_eq!(failure(http(&server, exchange())).await, Failure::Reset(Stage::Head));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx";
    server.now(Behaviour::ReplyThenReset(head.into()));
    // A reset overtakes what was sent before it.
    let failure = failure(http(&server, exchange())).await;
    assert!(matches!(failure, Failure::Reset(_)), "{failure}");
}

#[tokio::test]
async fn closing_without_an_answer_is_a_failure() {
    let server = Server::start(Behaviour::Reply(Vec::new())).await;
    assert_eq!(failure(http(&server, exchange())).await, Failure::Closed(Stage::Head));
}

#[tokio::test]
async fn closing_at_once_is_a_failure_for_http_and_none_for_tcp() {
    let server = Server::start(Behaviour::Close).await;
    let failure = failure(http(&server, exchange())).await;
    assert!(
        matches!(failure, Failure::Closed(Stage::Head) | Failure::Reset(Stage::Head)),
        "{failure}"
    );
    let timing = outcome(check(server.address, monitor(Kind::Tcp))).await.unwrap();
    assert_eq!((timing.first_byte, timing.server), (None, None));
}

#[tokio::test]
async fn a_truncated_body_is_a_failure_even_when_nobody_looks_at_it() {
    for truncated in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let server = Server::start(Behaviour::Reply(truncated.into())).await;
        assert_eq!(failure(http(&server, exchange())).await, Failure::Truncated);
    }
}

#[tokio::test]
async fn garbage_is_no_http() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"ok\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 9 What\r\n\r\n",
    ] {
        let server = Server::start(Behaviour::Reply(garbage.into())).await;
        let failure = failure(http(&server, exchange())).await;
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    }
    let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let server = Server::start(Behaviour::Reply(chunk.into())).await;
    let failure = failure(http(&server, exchange())).await;
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_no_http() {
    for garbage in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok."[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok.\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let server = Server::start(Behaviour::Reply(garbage.into())).await;
        let failure = failure(http(&server, exchange())).await;
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_however_its_end_is_told() {
    let alive = || Expect { body: Some("alive".into()), ..Expect::default() };
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
        3\r\nali\r\n2;why=not\r\nve\r\n0\r\nX-Trailer: a\r\n\r\n";
    let length = b"HTTP/1.1 200 OK\nContent-Length: 5, 5\n\nalive";
    for reply in [&chunks[..], length] {
        // The connection stays open: the end is told by the response alone.
        let server = Server::start(Behaviour::ReplyThenHang(reply.into())).await;
        assert!(outcome(http(&server, expecting(alive()))).await.is_ok());
    }
    let close = Behaviour::Reply(b"HTTP/1.0 200 OK\r\n\r\nalive".into());
    let server = Server::start(close).await;
    assert!(outcome(http(&server, expecting(alive()))).await.is_ok());
}

#[tokio::test]
async fn a_response_that_has_no_body_ends_with_its_head() {
    let none = b"HTTP/1.1 204 No Content\r\n\r\n";
    let server = Server::start(Behaviour::ReplyThenHang(none.into())).await;
    assert!(outcome(http(&server, exchange())).await.is_ok());
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    server.now(Behaviour::ReplyThenHang(head.into()));
    let request = Request::new("HEAD", "/health", None, []).unwrap();
    let asked = Exchange { request, expect: Expect::default() };
    assert!(outcome(http(&server, asked)).await.is_ok());
}

#[tokio::test]
async fn informational_responses_and_trailers_without_end_are_given_up() {
    let last = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for (begin, flood) in [(&b""[..], &b"HTTP/1.1 103 Early\r\n\r\n"[..]), (last, b"X-A: b\r\n")] {
        let flood = Behaviour::ReplyThenRepeat(begin.into(), flood.repeat(4096), Duration::ZERO);
        let server = Server::start(flood).await;
        let failure = failure(http(&server, exchange())).await;
        assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
    }
}

#[tokio::test]
async fn a_wrong_status_is_a_failure() {
    let server = Server::start(Behaviour::status(503, "no backend")).await;
    let failure = failure(http(&server, exchange())).await;
    assert_eq!(failure.to_string(), "503 for GET /health, wanted 200-299");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_a_failure() {
    let good = Server::start(Behaviour::good()).await;
    let location = format!("Location: http://{}/\r\n", good.address);
    let server = Server::start(Behaviour::with_headers(302, &location, "")).await;
    let failure = failure(http(&server, exchange())).await;
    let Failure::Redirected { status: 302, location, .. } = failure else {
        panic!("{failure}");
    };
    assert_eq!(location, format!("http://{}/", good.address));
    assert_eq!(good.accepted(), 0);
}

#[tokio::test]
async fn a_wrong_body_is_a_failure_that_shows_its_start() {
    let server = Server::start(Behaviour::status(200, "<h1>Maintenance</h1>")).await;
    let expect = Expect { body: Some("ready".into()), ..Expect::default() };
    let failure = failure(http(&server, expecting(expect))).await;
    assert_eq!(failure.to_string(), "body without `ready`; it begins `<h1>Maintenance</h1>`");
}

#[tokio::test]
async fn body_json_and_headers_that_are_as_wanted_are_a_success() {
    let server = Server::start(Behaviour::with_headers(
        200,
        "Content-Type: application/json\r\n",
        r#"{"status": "healthy", "load": 0.25}"#,
    ))
    .await;
    let expect = Expect {
        body: Some("healthy".into()),
        json: vec![("/status".into(), "healthy".into()), ("/load".into(), 0.25.into())],
        latency: Some(LONG),
        ..Expect::default()
    };
    let expect = expect.with_headers([("Content-Type", "application/json")]).unwrap();
    assert!(outcome(http(&server, expecting(expect))).await.is_ok());
}

#[tokio::test]
async fn an_answer_over_the_latency_bound_is_a_failure() {
    let server = Server::start(Behaviour::good()).await;
    let expect = Expect { latency: Some(Duration::from_nanos(1)), ..Expect::default() };
    let failure = failure(http(&server, expecting(expect))).await;
    assert!(matches!(failure, Failure::Slow { .. }), "{failure}");
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let reply = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let server = Server::start(Behaviour::Reply(reply.into())).await;
    assert!(outcome(http(&server, exchange())).await.is_ok());
}

#[tokio::test]
async fn the_server_sees_method_path_host_and_headers() {
    let server = Server::start(Behaviour::good()).await;
    let request = Request::new(
        "OPTIONS",
        "/health?full=1",
        Some("WWW.Example.com"),
        [("X-Probe", "meridian")],
    )
    .unwrap();
    let asked = Exchange { request, expect: Expect::default() };
    outcome(http(&server, asked)).await.unwrap();
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("OPTIONS /health?full=1 HTTP/1.1\r\n"), "{seen}");
    let host = format!("\r\nhost: www.example.com:{}\r\n", server.address.port());
    assert!(seen.contains(&host), "{seen}");
    assert!(seen.contains("\r\nx-probe: meridian\r\n"), "{seen}");
    assert!(seen.contains("\r\nuser-agent: meridian/"), "{seen}");
}

#[tokio::test]
async fn a_body_is_sent_with_its_length() {
    let server = Server::start(Behaviour::good()).await;
    let request = Request::new("POST", "/health", None, [("Content-Type", "application/json")]);
    let request = request.unwrap().with_body(r#"{"deep":true}"#);
    outcome(http(&server, Exchange { request, expect: Expect::default() })).await.unwrap();
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("POST /health HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\ncontent-length: 13\r\n"), "{seen}");
    assert!(seen.contains("\r\ncontent-type: application/json\r\n"), "{seen}");
}

#[tokio::test]
async fn http2_in_clear_text_is_spoken_with_prior_knowledge() {
    let new = Server::start(Behaviour::Http2).await;
    let wanting = |http2| {
        let Exchange { request, expect } = exchange();
        Exchange { request: request.with_http2(http2), expect }
    };
    outcome(http(&new, wanting(Http2::Always))).await.unwrap();
    assert_eq!(new.requests(), [format!("GET http://{}/health HTTP/2.0", new.address)]);
    let failure = failure(http(&new, wanting(Http2::Auto))).await;
    assert!(matches!(failure, Failure::Protocol(_) | Failure::Closed(_)), "{failure:?}");
    until(|| new.open() == 0).await;
}

#[tokio::test]
async fn a_body_without_a_match_is_a_failure_that_shows_its_start() {
    let server = Server::start(Behaviour::status(200, "up: 0 of 14")).await;
    let wanting = |text| {
        let body_regex = Some(Pattern::parse(text).unwrap());
        expecting(Expect { body_regex, ..Expect::default() })
    };
    assert!(outcome(http(&server, wanting("^up: [0-9]"))).await.is_ok());
    let failure = failure(http(&server, wanting("^up: [1-9]"))).await;
    assert_eq!(
        failure.to_string(),
        "body without a match of `^up: [1-9]`; it begins `up: 0 of 14`"
    );
}

#[tokio::test]
async fn without_a_host_the_server_sees_its_own_address() {
    let server = Server::start(Behaviour::good()).await;
    outcome(http(&server, exchange())).await.unwrap();
    let seen = server.requests().remove(0);
    assert!(seen.contains(&format!("\r\nhost: {}\r\n", server.address)), "{seen}");
}

#[tokio::test]
async fn a_host_that_is_an_address_goes_into_the_header_and_not_elsewhere() {
    let server = Server::start(Behaviour::good()).await;
    for (host, header) in [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "[2001:db8::7]")] {
        let request = Request::new("GET", "/", Some(host), []).unwrap();
        outcome(http(&server, Exchange { request, expect: Expect::default() })).await.unwrap();
        let seen = server.requests().pop().unwrap();
        assert!(seen.contains(&format!("\r\nhost: {header}\r\n")), "{seen}");
    }
}

#[tokio::test]
async fn each_check_opens_a_connection_of_its_own() {
    let keep_alive = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    let server = Server::start(Behaviour::ReplyThenHang(keep_alive.into())).await;
    let often = Monitor { interval: Duration::from_millis(10), ..monitor(Kind::Http(exchange())) };
    let (checker, mut reports) = crate::support::checks::start(vec![check(server.address, often)]);
    for _ in 0..5 {
        assert!(reports.recv().await.unwrap().outcome.is_ok());
    }
    assert!(server.accepted() >= 5);
    checker.stop().await;
    until(|| server.open() == 0).await;
}

#[tokio::test]
async fn a_member_given_by_name_is_resolved_by_the_system() {
    let server = Server::start(Behaviour::good()).await;
    let port = server.address.port();
    for kind in [Kind::Tcp, Kind::Http(exchange())] {
        let target = Target::new("localhost", port).unwrap();
        let check = Check { target, monitor: Arc::new(monitor(kind)) };
        assert!(outcome(check).await.is_ok());
    }
    let seen = server.requests().remove(0);
    assert!(seen.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{seen}");
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_that_names_it() {
    for kind in [Kind::Tcp, Kind::Http(exchange())] {
        let target = Target::new("no-such-host.invalid", 80).unwrap();
        let failure = failure(Check { target, monitor: Arc::new(monitor(kind)) }).await;
        assert!(
            matches!(&failure, Failure::Unresolved { name, .. } if name == "no-such-host.invalid"),
            "{failure:?}"
        );
    }
}
