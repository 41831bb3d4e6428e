//! Loads that targets tell, and what is made of them.

use std::time::Duration;

use meridian::health::{
    Check, Kind, Load, LoadPage, Meter, Monitor, Report, Rules, Store, Verdict, Warn,
};
use tokio::sync::mpsc;

use crate::support::checks::{check, exchange, monitor, options, start, thresholds};
use crate::support::hostile::{Behaviour, Server};

fn json() -> Load {
    Load { page: None, meter: Meter::Json("/load".into()) }
}

fn often(server: &Server, load: Load) -> Check {
    let often = Monitor {
        interval: Duration::from_millis(10),
        load: Some(load),
        ..monitor(Kind::Http(exchange()))
    };
    check(server.address, often)
}

fn saying(load: &str) -> Behaviour {
    Behaviour::status(200, &format!("{{\"load\": {load}}}"))
}

/// Waits for a report like that.
async fn report(reports: &mut mpsc::Receiver<Report>, is_it: impl Fn(&Report) -> bool) -> Report {
    loop {
        let report = reports.recv().await.unwrap();
        if is_it(&report) {
            return report;
        }
    }
}

#[tokio::test]
async fn a_load_in_the_page_that_is_checked_is_reported_and_follows_what_is_said() {
    let server = Server::start(saying("0.2")).await;
    let (checker, mut reports) = start(vec![often(&server, json())]);
    assert_eq!(reports.recv().await.unwrap().load, Some(0.2));
    server.now(saying("0.8"));
    let next = report(&mut reports, |report| report.load != Some(0.2)).await;
    assert!((next.load.unwrap() - 0.38).abs() < 1e-6, "0.2 + 0.3 x 0.6: {next:?}");
    report(&mut reports, |report| report.load.unwrap() > 0.79).await;
    checker.stop().await;
    assert_eq!(server.requests().len(), server.accepted(), "one request for each check");
}

#[tokio::test]
async fn a_load_that_is_said_no_more_is_forgotten_and_the_target_stays_up() {
    let server = Server::start(saying("0.9")).await;
    let (checker, mut reports) = start(vec![often(&server, json())]);
    assert_eq!(reports.recv().await.unwrap().load, Some(0.9));
    server.now(saying("\"high\""));
    let unknown = report(&mut reports, |report| report.load.is_none()).await;
    assert_eq!((unknown.verdict, unknown.outcome.is_ok()), (Verdict::Up, true));
    // A percentage is refused, and not taken for far too much.
    server.now(saying("45.2"));
    for _ in 0..5 {
        assert_eq!(reports.recv().await.unwrap().load, None);
    }
    server.now(saying("1.3"));
    assert_eq!(report(&mut reports, |report| report.load.is_some()).await.load, Some(1.0));
    checker.stop().await;
}

#[tokio::test]
async fn a_busy_target_is_warned_of_after_fall_checks_and_no_more_after_rise_good_ones() {
    let server = Server::start(saying("0.9")).await;
    let Check { target, monitor } = often(&server, json());
    let warn = Warn { latency: None, load: Some(0.8), weight: 50 };
    let rules = Rules { warn: Some(warn), ..Rules::default() };
    let monitor = Monitor { rules, thresholds: thresholds(3, 2), ..(*monitor).clone() };
    let (checker, mut reports) = start(vec![Check { target, monitor: monitor.into() }]);
    for number in 1..=4 {
        let report = reports.recv().await.unwrap();
        assert_eq!((report.verdict, report.is_warned), (Verdict::Up, number >= 3), "{report:?}");
    }
    server.now(saying("0.2"));
    let good = report(&mut reports, |report| report.load.unwrap() <= 0.8).await;
    assert!(good.is_warned, "one good check is not enough");
    assert!(!reports.recv().await.unwrap().is_warned);
    // Who says no more how busy it is cannot be too busy.
    server.now(saying("0.9"));
    report(&mut reports, |report| report.is_warned).await;
    server.now(saying("null"));
    let unknown = report(&mut reports, |report| report.load.is_none()).await;
    assert!(unknown.is_warned);
    assert!(!reports.recv().await.unwrap().is_warned);
    checker.stop().await;
}

#[tokio::test]
async fn a_load_page_on_another_port_is_asked_after_the_check() {
    let server = Server::start(Behaviour::good()).await;
    let statistics = Server::start(Behaviour::status(200, "Active connections: 250 \n")).await;
    let port = Some(statistics.address.port());
    let page = LoadPage { path: "/stub_status".into(), port, is_clear: false };
    let load = Load { page: Some(page), meter: Meter::Nginx(1000) };
    let (checker, mut reports) = start(vec![often(&server, load)]);
    assert_eq!(reports.recv().await.unwrap().load, Some(0.25));
    assert!(statistics.requests()[0].starts_with("GET /stub_status HTTP/1.1\r\n"));
    // Neither a page that is missing nor one that hangs makes the target sick.
    statistics.now(Behaviour::status(404, "no"));
    let unknown = report(&mut reports, |report| report.load.is_none()).await;
    assert!(unknown.outcome.is_ok());
    // A target that is down is not asked how busy it is.
    server.now(Behaviour::status(503, "no"));
    report(&mut reports, |report| report.outcome.is_err()).await;
    let asked = statistics.requests().len();
    for _ in 0..5 {
        assert!(reports.recv().await.unwrap().outcome.is_err());
    }
    assert_eq!(statistics.requests().len(), asked);
    checker.stop().await;
}

#[tokio::test]
async fn a_load_page_that_hangs_takes_no_more_than_the_checks_time_and_none_of_its_success() {
    let server = Server::start(Behaviour::good()).await;
    let statistics = Server::start(Behaviour::Hang).await;
    let page =
        LoadPage { path: "/".into(), port: Some(statistics.address.port()), is_clear: false };
    let load = Load { page: Some(page), meter: Meter::Json("/load".into()) };
    let Check { target, monitor } = often(&server, load);
    let monitor = Monitor { timeout: Duration::from_secs(2), ..(*monitor).clone() };
    let (checker, mut reports) = start(vec![Check { target, monitor: monitor.into() }]);
    let report = reports.recv().await.unwrap();
    assert_eq!((report.outcome.is_ok(), report.load), (true, None));
    checker.stop().await;
}

#[tokio::test]
async fn a_load_survives_a_restart_and_another_place_to_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(saying("0.75")).await;
    let store = std::sync::Arc::new(Store::new(directory.path()));
    let (sender, mut reports) = mpsc::channel(64);
    let options = meridian::health::Options { store: Some(store.clone()), ..options() };
    let checks = vec![often(&server, json())];
    let known = store.load();
    let checker = meridian::health::Checker::start(checks, &known, sender, options).unwrap();
    assert_eq!(reports.recv().await.unwrap().load, Some(0.75));
    checker.stop().await;
    let elsewhere = Load { page: None, meter: Meter::Json("/other".into()) };
    let known = store.load().of(&often(&server, elsewhere), std::time::SystemTime::now());
    assert_eq!(known.unwrap().load, Some(0.75), "known of the same target and question");
}
