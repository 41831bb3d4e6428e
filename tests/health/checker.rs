//! The checker as the server uses it: rounds, changes, reports, reloads, its end.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use meridian::health::{
    Check, CheckId, Checker, Failure, Kind, Known, Monitor, Options, Report, Stage, Verdict,
};
use tokio::sync::mpsc;

use crate::support::checks::{
    SHORT, check, exchange, monitor, options, start, start_known, thresholds, until,
};
use crate::support::hostile::{Behaviour, Refusing, Server};

/// A monitor that asks often.
fn often(kind: Kind) -> Monitor {
    Monitor { interval: Duration::from_millis(20), ..monitor(kind) }
}

/// The reports up to and with the first that changes the verdict.
async fn until_change(reports: &mut mpsc::Receiver<Report>) -> Vec<Report> {
    let mut seen = Vec::new();
    loop {
        let report = reports.recv().await.unwrap();
        let changed = report.changed;
        seen.push(report);
        if changed {
            return seen;
        }
    }
}

fn outcomes(reports: &[Report]) -> Vec<bool> {
    reports.iter().map(|r| r.outcome.is_ok()).collect()
}

#[tokio::test]
async fn a_region_goes_down_after_fall_failures_and_up_after_rise_successes() {
    let server = Server::start(Behaviour::good()).await;
    let monitor = Monitor { thresholds: thresholds(3, 2), ..often(Kind::Http(exchange())) };
    let (checker, mut reports) = start(vec![check(server.address, monitor)]);
    let first = until_change(&mut reports).await;
    assert_eq!((outcomes(&first), first[0].verdict), (vec![true], Verdict::Up));

    server.now(Behaviour::status(503, ""));
    let fell = until_change(&mut reports).await;
    assert!(outcomes(&fell).ends_with(&[false, false, false]));
    assert_eq!(outcomes(&fell).iter().filter(|ok| !**ok).count(), 3);
    let down = fell.last().unwrap();
    assert_eq!((down.verdict, down.since), (Verdict::Down, down.at));
    assert!(fell[..fell.len() - 1].iter().all(|r| r.verdict == Verdict::Up));

    server.now(Behaviour::good());
    let rose = until_change(&mut reports).await;
    assert!(outcomes(&rose).ends_with(&[true, true]));
    assert_eq!(outcomes(&rose).iter().filter(|ok| **ok).count(), 2);
    assert_eq!(rose.last().unwrap().verdict, Verdict::Up);
    checker.stop().await;
}

#[tokio::test]
async fn the_first_round_finds_the_living_and_the_dead() {
    let server = Server::start(Behaviour::good()).await;
    let nobody = Refusing::new();
    let monitor = || monitor(Kind::Http(exchange()));
    let (checker, _reports) =
        start(vec![check(server.address, monitor()), check(nobody.address, monitor())]);
    assert_eq!(checker.first_round().await, 0);
    let records = checker.records();
    assert_eq!(records[0].state.verdict, Verdict::Up);
    assert_eq!(records[1].state.verdict, Verdict::Down);
    assert!(records[0].server_ms.is_some() && records[1].server_ms.is_none());
    checker.stop().await;
}

#[tokio::test]
async fn the_first_round_does_not_wait_for_ever() {
    let silent = Server::start(Behaviour::Hang).await;
    let (checker, _reports) = start(vec![check(silent.address, monitor(Kind::Http(exchange())))]);
    assert_eq!(checker.first_round().await, 1);
    assert_eq!(checker.records()[0].state.verdict, Verdict::Unknown);
    checker.stop().await;
}

#[tokio::test]
async fn a_checker_with_nothing_to_check_has_its_first_round_behind_it() {
    let (checker, _reports) = start(Vec::new());
    assert_eq!(checker.first_round().await, 0);
    checker.stop().await;
}

#[tokio::test]
async fn a_reload_goes_on_from_what_was_known() {
    let server = Server::start(Behaviour::good()).await;
    let monitor = Monitor { thresholds: thresholds(2, 2), ..often(Kind::Http(exchange())) };
    let checks = || vec![check(server.address, monitor.clone())];
    let (checker, mut reports) = start(checks());
    let since = reports.recv().await.unwrap().since;
    let known = checker.known();
    checker.stop().await;

    // One failure is not enough for a target that is known to be up.
    server.now(Behaviour::status(503, ""));
    let (checker, mut reports) = start_known(checks(), &known);
    assert_eq!(checker.records()[0].state.verdict, Verdict::Up);
    let report = reports.recv().await.unwrap();
    assert_eq!((report.verdict, report.since, report.changed), (Verdict::Up, since, false));
    let half = checker.known();
    checker.stop().await;

    // The failure before the reload counts with the one after it.
    let (checker, mut reports) = start_known(checks(), &half);
    let report = reports.recv().await.unwrap();
    assert_eq!((report.verdict, report.changed), (Verdict::Down, true));
    checker.stop().await;
}

#[tokio::test]
async fn another_monitor_of_the_same_name_knows_nothing_of_the_old_one() {
    let server = Server::start(Behaviour::good()).await;
    let (checker, _reports) = start(vec![check(server.address, monitor(Kind::Http(exchange())))]);
    checker.first_round().await;
    let known = checker.known();
    let now = SystemTime::now();
    assert!(known.of(&check(server.address, monitor(Kind::Http(exchange()))), now).is_some());
    assert!(known.of(&check(server.address, monitor(Kind::Tcp)), now).is_none());
    checker.stop().await;
}

#[tokio::test]
async fn the_server_part_of_the_latency_is_a_moving_average() {
    let server = Server::start(Behaviour::good()).await;
    let (checker, mut reports) = start(vec![check(server.address, often(Kind::Http(exchange())))]);
    let mut average = None;
    for _ in 0..5 {
        let report = reports.recv().await.unwrap();
        let newest = report.outcome.unwrap().server.unwrap().as_secs_f32() * 1000.0;
        let expected = average.map_or(newest, |average| 0.9 * average + 0.1 * newest);
        let seen = report.server_ms.unwrap();
        assert!((seen - expected).abs() < 0.001, "{seen} for {expected}");
        average = Some(seen);
    }
    checker.stop().await;
}

#[tokio::test]
async fn stopping_ends_the_reports_and_closes_the_connections() {
    let silent = Server::start(Behaviour::Hang).await;
    let check = || check(silent.address, monitor(Kind::Http(exchange())));
    let (checker, mut reports) = start(vec![check(), check(), check()]);
    until(|| silent.open() == 3).await;
    checker.stop().await;
    assert_eq!(reports.recv().await, None);
    until(|| silent.open() == 0).await;
}

#[tokio::test]
async fn a_dropped_checker_ends_its_checks() {
    let silent = Server::start(Behaviour::Hang).await;
    let (checker, mut reports) = start(vec![check(silent.address, monitor(Kind::Tcp))]);
    assert!(reports.recv().await.is_some());
    drop(checker);
    assert_eq!(reports.recv().await, None);
}

#[tokio::test]
async fn a_checker_nobody_listens_to_ends() {
    let server = Server::start(Behaviour::good()).await;
    let (checker, reports) = start(vec![check(server.address, often(Kind::Http(exchange())))]);
    checker.first_round().await;
    drop(reports);
    until(|| server.open() == 0).await;
    checker.stop().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_listener_that_has_stopped_listening() {
    let server = Server::start(Behaviour::good()).await;
    let (sender, _reports) = mpsc::channel(1);
    let often = often(Kind::Http(exchange()));
    let checks = vec![check(server.address, often.clone()), check(server.address, often)];
    let checker = Checker::start(checks, &Known::default(), sender, options()).unwrap();
    until(|| server.accepted() >= 2).await;
    checker.stop().await;
}

#[tokio::test]
async fn no_more_checks_are_in_flight_than_allowed() {
    let silent = Server::start(Behaviour::Hang).await;
    let monitor = Monitor { timeout: SHORT, ..monitor(Kind::Http(exchange())) };
    let checks = vec![check(silent.address, monitor); 12];
    let (sender, mut reports) = mpsc::channel(1);
    let options = Options { in_flight: 4, ..options() };
    let checker = Checker::start(checks, &Known::default(), sender, options).unwrap();
    for received in 1..=12 {
        let report = reports.recv().await.unwrap();
        let late = Failure::TimedOut { after: SHORT, stage: Stage::Head };
        assert_eq!(report.outcome, Err(late));
        // One more may have ended and be in the channel, and one waiting for room in it.
        assert!(silent.accepted() <= received + 2 + 4);
    }
    checker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_checks_keep_their_rhythm_beside_servers_that_hang() {
    const HANGING: usize = 50;
    const ROUNDS: usize = 4;
    let good = Server::start(Behaviour::good()).await;
    let silent = Server::start(Behaviour::Hang).await;
    let every_second = |timeout| Monitor {
        interval: Duration::from_secs(1),
        timeout,
        ..monitor(Kind::Http(exchange()))
    };
    let mut checks: Vec<Check> =
        vec![check(silent.address, every_second(Duration::from_secs(3))); HANGING];
    checks.resize(1000, check(good.address, every_second(crate::support::checks::LONG)));
    let (checker, mut reports) = start(checks);
    let mut rounds: HashMap<CheckId, usize> = HashMap::new();
    // Intervals that a check has used: one for each round, and all those that the probe itself
    // took longer. On a busy machine a probe takes seconds, for a connection that the server's
    // queue had no room for is asked for again by TCP only after one second, then after two.
    let mut used: HashMap<CheckId, u64> = HashMap::new();
    let mut behind = 1000 - HANGING;
    while behind > 0 {
        let report = reports.recv().await.unwrap();
        if report.check.0 < HANGING as u32 {
            assert!(report.outcome.is_err());
            continue;
        }
        let took = report.outcome.unwrap().total;
        *used.entry(report.check).or_default() += took.as_secs() + 1;
        let count = rounds.entry(report.check).or_default();
        *count += 1;
        behind -= usize::from(*count == ROUNDS);
    }
    // None came to its turn late while another ran away: time was the same for all.
    let (least, most) = (used.values().min().unwrap(), used.values().max().unwrap());
    assert!(*most <= 2 * least + 1, "one check used {most} intervals and another {least}");
    assert!(silent.most_open() <= 2 * HANGING, "{} at once", silent.most_open());
    checker.stop().await;
}
