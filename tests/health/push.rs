//! What somebody else reports.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use Verdict::{Down, Unknown, Up};
use meridian::health::{
    Check, CheckId, Failure, Hold, Kind, Monitor, Options, Rules, Store, Target, Verdict,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::composite::{often, until_verdict, whole};
use crate::support::checks::{check, monitor, options, start, start_known, thresholds, until};
use crate::support::hostile::{Behaviour, Server};

const HOUR: Duration = Duration::from_secs(3600);
const CI: CheckId = CheckId(0);

/// Reports of it hold so long.
fn pushed(ttl: Duration, rules: Rules) -> Check {
    let monitor = Monitor {
        name: "ci".into(),
        interval: ttl,
        thresholds: thresholds(1, 1),
        rules,
        ..monitor(Kind::Push)
    };
    Check { target: Target::whole("127.0.0.1").unwrap(), monitor: Arc::new(monitor) }
}

fn broken(why: &str) -> Result<(), Failure> {
    Err(Failure::reported(why))
}

#[tokio::test]
async fn a_report_decides_at_once_and_says_why() {
    let (checker, mut reports) = start(vec![pushed(HOUR, Rules::default())]);
    assert_eq!(checker.first_round().await, 0, "nobody waits for a report");
    assert_eq!(checker.records()[0].state.verdict, Unknown);
    assert!(checker.roster().report(CI, broken("disk\nfull")));
    let down = reports.recv().await.unwrap();
    assert_eq!((down.verdict, down.changed), (Down, true));
    assert_eq!(down.outcome.unwrap_err().to_string(), "reported down: disk full");
    checker.roster().report(CI, Ok(()));
    let up = reports.recv().await.unwrap();
    assert_eq!((up.verdict, up.changed), (Up, true));
    checker.stop().await;
}

#[tokio::test]
async fn a_member_of_which_nobody_reports_any_more_is_down() {
    let ttl = Duration::from_millis(200);
    let (checker, mut reports) = start(vec![pushed(ttl, Rules::default())]);
    checker.roster().report(CI, Ok(()));
    assert_eq!(reports.recv().await.unwrap().verdict, Up);
    let silent = reports.recv().await.unwrap();
    assert_eq!((silent.verdict, silent.outcome), (Down, Err(Failure::NoReport(ttl))));
    assert_eq!(Failure::NoReport(ttl).to_string(), "no report for 200ms");
    checker.roster().report(CI, Ok(()));
    until_verdict(&mut reports, 0, Up).await;
    checker.stop().await;
}

#[tokio::test]
async fn only_monitors_that_are_reported_to_take_reports() {
    let server = Server::start(Behaviour::good()).await;
    let alive = check(server.address, often("alive", Kind::Tcp));
    let (checker, _reports) = start(vec![pushed(HOUR, Rules::default()), alive]);
    assert!(!checker.roster().report(CheckId(1), broken("no")));
    assert!(!checker.roster().report(CheckId(2), broken("no")));
    checker.stop().await;
}

#[tokio::test]
async fn a_report_is_a_part_like_any_other() {
    let server = Server::start(Behaviour::good()).await;
    let alive = check(server.address, often("alive", Kind::Tcp));
    let ci = pushed(HOUR, Rules::default());
    let both = whole("both", 2, &[&ci, &alive]);
    let (checker, mut reports) = start(vec![ci, alive, both]);
    checker.roster().report(CI, Ok(()));
    until_verdict(&mut reports, 2, Up).await;
    checker.roster().report(CI, broken("release 7 is broken"));
    let down = until_verdict(&mut reports, 2, Down).await;
    assert_eq!(
        down.outcome.unwrap_err().to_string(),
        "wanted 2 of 2 parts up, down: ci of 127.0.0.1 (reported down: release 7 is broken)"
    );
    checker.stop().await;
}

#[tokio::test]
async fn whoever_is_resumed_is_up_when_the_last_report_was_good() {
    let rules = Rules { manual_resume: true, ..Rules::default() };
    let (checker, mut reports) = start(vec![pushed(HOUR, rules)]);
    let roster = checker.roster();
    for found in [Ok(()), broken("no")] {
        roster.report(CI, found);
        reports.recv().await.unwrap();
    }
    // Nobody says that it is good, so it does not come up, and its silence is not asked for.
    assert_eq!(roster.resume(CI), Some(true));
    assert_eq!(checker.records()[0].state.verdict, Down);
    for found in [Ok(()), broken("no"), Ok(())] {
        roster.report(CI, found);
        let report = reports.recv().await.unwrap();
        assert!(!matches!(report.outcome, Err(Failure::NoReport(_))));
    }
    let held = checker.records()[0].state;
    assert_eq!(held.verdict, Down);
    assert_eq!(held.hold(&rules, SystemTime::now()), Some(Hold::AwaitsResume));
    assert_eq!(roster.resume(CI), Some(true));
    assert_eq!(reports.recv().await.unwrap().verdict, Up);
    checker.stop().await;
}

#[tokio::test]
async fn what_was_reported_is_believed_after_a_restart_for_as_long_as_it_holds() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(Store::new(directory.path()));
    let ci = pushed(HOUR, Rules::default());
    let (sender, mut reports) = mpsc::channel(64);
    let options = Options { store: Some(store.clone()), ..options() };
    let checker =
        meridian::health::Checker::start(vec![ci.clone()], &store.load(), sender, options).unwrap();
    checker.roster().report(CI, broken("no"));
    reports.recv().await.unwrap();
    checker.stop().await;

    let known = store.load();
    let after = |time: Duration| known.of(&ci, SystemTime::now() + time).is_some();
    assert!(after(HOUR / 2) && !after(HOUR * 2));
    // One that holds for moments is known as long as what was found by asking.
    let fleeting = pushed(Duration::from_millis(100), Rules::default());
    let after = |time: Duration| known.of(&fleeting, SystemTime::now() + time).is_some();
    assert!(after(HOUR / 12) && !after(HOUR / 2));

    let (checker, _reports) = start_known(vec![ci], &known);
    assert_eq!(checker.records()[0].state.verdict, Down);
    checker.stop().await;
}

#[tokio::test]
async fn after_a_reload_with_another_time_what_was_reported_holds_for_that() {
    let (checker, mut reports) = start(vec![pushed(HOUR, Rules::default())]);
    let roster = checker.roster();
    roster.report(CI, Ok(()));
    reports.recv().await.unwrap();
    let numbers = roster.begin(&[pushed(HOUR * 2, Rules::default())]).unwrap();
    assert_ne!(numbers, [CI]);
    // Until the reload is over it is a report of both.
    roster.report(CI, broken("no"));
    until(|| roster.record(numbers[0]).is_some_and(|record| record.state.verdict == Down)).await;
    assert_eq!(roster.record(CI).unwrap().state.verdict, Down);
    roster.keep(&numbers);
    assert!(!roster.report(CI, Ok(())));
    assert!(roster.report(numbers[0], Ok(())));
    until(|| roster.record(numbers[0]).is_some_and(|record| record.state.verdict == Up)).await;
    checker.stop().await;
}
