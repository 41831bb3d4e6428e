//! What the checker does beyond counting: damping, back-off, resuming, warnings, with real servers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::health::{
    Check, CheckId, Checker, Damping, Hold, Kind, Known, Monitor, Options, Record, Report, Rules,
    State, Store, Verdict, Warn,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::checks::{check, exchange, monitor, options, start, start_known, thresholds};
use crate::support::hostile::{Behaviour, Server};

/// A monitor that asks often and believes every result.
fn hasty(rules: Rules) -> Monitor {
    Monitor {
        interval: Duration::from_millis(20),
        thresholds: thresholds(1, 1),
        rules,
        ..monitor(Kind::Http(exchange()))
    }
}

fn sick() -> Behaviour {
    Behaviour::status(503, "")
}

/// The next report that is as wanted; what comes before is passed over.
async fn first(reports: &mut mpsc::Receiver<Report>, is_it: impl Fn(&Report) -> bool) -> Report {
    loop {
        let report = reports.recv().await.unwrap();
        if is_it(&report) {
            return report;
        }
    }
}

/// Verdicts of a target that fails whenever it was good and is good whenever it failed.
async fn verdicts_of_a_flapping_target(rules: Rules) -> Vec<Verdict> {
    let server = Server::start(Behaviour::good()).await;
    let (checker, mut reports) = start(vec![check(server.address, hasty(rules))]);
    let mut verdicts = Vec::new();
    for _ in 0..40 {
        let report = reports.recv().await.unwrap();
        server.now(if report.outcome.is_ok() { sick() } else { Behaviour::good() });
        verdicts.push(report.verdict);
    }
    checker.stop().await;
    verdicts.dedup();
    verdicts
}

#[tokio::test]
async fn a_target_failing_every_other_check_goes_down_once_with_damping_and_flaps_without() {
    let damping = Some(Damping::default());
    let damped = verdicts_of_a_flapping_target(Rules { damping, ..Rules::default() }).await;
    assert_eq!(damped, [Verdict::Up, Verdict::Down]);
    let plain = verdicts_of_a_flapping_target(Rules::default()).await;
    assert!(plain.len() > 10, "{plain:?}");
}

#[tokio::test]
async fn a_damped_target_that_stays_good_comes_back_when_its_score_has_faded() {
    let server = Server::start(Behaviour::good()).await;
    let half_life = Duration::from_millis(500);
    let damping = Damping { half_life, reuse: 0.5, max_hold: 4 * half_life, ..Damping::default() };
    let rules = Rules { damping: Some(damping), ..Rules::default() };
    let (checker, mut reports) = start(vec![check(server.address, hasty(rules))]);
    first(&mut reports, |report| report.verdict == Verdict::Up).await;
    server.now(sick());
    let down = first(&mut reports, |report| report.changed).await;
    let Some(Hold::Damped { score, until }) = down.hold else { panic!("{down:?}") };
    assert!(score <= 1.0 && until <= down.at + half_life, "{down:?}");
    server.now(Behaviour::good());
    let held = first(&mut reports, |report| report.outcome.is_ok()).await;
    assert_eq!((held.verdict, held.since), (Verdict::Down, down.since));
    let up = first(&mut reports, |report| report.changed).await;
    assert_eq!((up.verdict, up.hold), (Verdict::Up, None));
    assert!(up.score > 0.0 && up.score < damping.reuse, "{up:?}");
    // A millisecond is what rounding of times may take.
    assert!(up.at + Duration::from_millis(1) >= until, "{up:?}");
    checker.stop().await;
}

#[tokio::test]
async fn a_reload_and_a_restart_go_on_with_what_holds_a_target_down() {
    let server = Server::start(Behaviour::good()).await;
    let directory = TempDir::new().unwrap();
    let store = Arc::new(Store::new(directory.path()));
    let rules =
        Rules { damping: Some(Damping::default()), manual_resume: true, ..Rules::default() };
    let checks = || vec![check(server.address, hasty(rules))];
    let (sender, mut reports) = mpsc::channel(64);
    let options = Options { store: Some(Arc::clone(&store)), ..options() };
    let checker = Checker::start(checks(), &Known::default(), sender, options).unwrap();
    first(&mut reports, |report| report.verdict == Verdict::Up).await;
    server.now(sick());
    let down = first(&mut reports, |report| report.changed).await;
    assert_eq!(down.hold, Some(Hold::AwaitsResume));
    server.now(Behaviour::good());
    // A reload that changes the pace goes on with what is known.
    let slower = Monitor { interval: Duration::from_millis(30), ..hasty(rules) };
    let begun = checker.roster().begin(&[check(server.address, slower)]).unwrap()[0];
    checker.roster().keep(&[begun]);
    let held = first(&mut reports, |r| r.check == begun && r.outcome.is_ok()).await;
    assert_eq!((held.verdict, held.hold), (Verdict::Down, Some(Hold::AwaitsResume)));
    checker.stop().await;

    let known = store.load();
    let (checker, mut reports) = start_known(checks(), &known);
    assert_eq!(checker.first_round().await, 0);
    let held = first(&mut reports, |report| report.outcome.is_ok()).await;
    assert_eq!((held.verdict, held.hold), (Verdict::Down, Some(Hold::AwaitsResume)));
    let record = checker.records()[0];
    assert!(record.state.is_suppressed && record.state.score.value > 0.5, "{record:?}");
    checker.stop().await;
}

#[tokio::test]
async fn a_person_resumes_a_target_and_it_is_checked_at_once() {
    let server = Server::start(Behaviour::good()).await;
    let rules =
        Rules { damping: Some(Damping::default()), manual_resume: true, ..Rules::default() };
    let (checker, mut reports) = start(vec![check(server.address, hasty(rules))]);
    let up = first(&mut reports, |report| report.verdict == Verdict::Up).await;
    assert_eq!(checker.roster().resume(up.check), Some(false));
    server.now(sick());
    first(&mut reports, |report| report.changed).await;
    server.now(Behaviour::good());
    // Good for long enough to be up but for the hold.
    first(&mut reports, |report| report.outcome.is_ok()).await;
    let held = first(&mut reports, |report| report.outcome.is_ok()).await;
    assert_eq!((held.verdict, held.hold), (Verdict::Down, Some(Hold::AwaitsResume)));
    assert_eq!(checker.roster().resume(held.check), Some(true));
    let up = first(&mut reports, |report| report.changed).await;
    assert_eq!((up.verdict, up.hold), (Verdict::Up, None));
    assert_eq!(checker.roster().resume(CheckId(99)), None);
    checker.stop().await;
}

#[tokio::test]
async fn resuming_does_not_wait_for_the_next_interval() {
    let server = Server::start(Behaviour::good()).await;
    let rules = Rules { manual_resume: true, ..Rules::default() };
    let hourly = Monitor { interval: Duration::from_secs(3600), ..hasty(rules) };
    let check = check(server.address, hourly);
    let now = SystemTime::now();
    let state = State { awaits_resume: true, ..State::settled(Verdict::Down, now) };
    let mut known = Known::default();
    known.insert(check.identity(), Record { state, at: Some(now), ..Record::unknown(now) });
    let (checker, mut reports) = start_known(vec![check], &known);
    let held = reports.recv().await.unwrap();
    assert_eq!((held.verdict, held.outcome.is_ok()), (Verdict::Down, true));
    assert_eq!(checker.roster().resume(held.check), Some(true));
    let up = reports.recv().await.unwrap();
    assert_eq!((up.verdict, up.changed), (Verdict::Up, true));
    checker.stop().await;
}

#[tokio::test]
async fn a_dead_target_is_asked_less_often_than_one_without_back_off_and_comes_back_as_fast() {
    let server = Server::start(Behaviour::good()).await;
    let patient = Rules { backoff: Some(Duration::from_secs(3600)), ..Rules::default() };
    let named = |name: &str, rules| Monitor { name: name.into(), ..hasty(rules) };
    let checks: Vec<Check> = vec![
        check(server.address, named("patient", patient)),
        check(server.address, named("eager", Rules::default())),
    ];
    let (checker, mut reports) = start(checks);
    assert_eq!(checker.first_round().await, 0);
    server.now(sick());
    let mut failures = [0, 0];
    while failures[1] < 200 {
        let report = reports.recv().await.unwrap();
        failures[report.check.0 as usize] += usize::from(report.outcome.is_err());
    }
    // 200 intervals hold no more than eight doublings.
    assert!(failures[0] <= 20, "{failures:?}");
    assert_eq!(checker.records()[0].state.misses as usize + 1, failures[0]);
    server.now(Behaviour::good());
    first(&mut reports, |r| r.check == CheckId(0) && r.outcome.is_ok()).await;
    assert_eq!(checker.records()[0].state.misses, 0);
    checker.stop().await;
}

#[tokio::test]
async fn a_slow_target_is_warned_of_and_stays_up() {
    let server = Server::start(Behaviour::good()).await;
    // Nobody answers in less than this: it stands for a target slower than its bound.
    let warn = Warn { latency: Some(Duration::from_nanos(1)), load: None, weight: 50 };
    let rules = Rules { warn: Some(warn), ..Rules::default() };
    let monitor = Monitor { thresholds: thresholds(3, 2), ..hasty(rules) };
    let (checker, mut reports) = start(vec![check(server.address, monitor.clone())]);
    for number in 1..=4 {
        let report = reports.recv().await.unwrap();
        assert_eq!((report.verdict, report.is_warned), (Verdict::Up, number >= 3), "{report:?}");
    }
    let known = checker.known();
    checker.stop().await;
    // The bound is raised: two good checks end the warning.
    let warn = Warn { latency: Some(Duration::from_secs(3600)), load: None, weight: 50 };
    let rules = Rules { warn: Some(warn), ..Rules::default() };
    let checks = vec![check(server.address, Monitor { rules, ..monitor })];
    let (checker, mut reports) = start_known(checks, &known);
    for number in 1..=3 {
        let report = reports.recv().await.unwrap();
        assert_eq!((report.verdict, report.is_warned), (Verdict::Up, number < 2), "{report:?}");
    }
    checker.stop().await;
}
