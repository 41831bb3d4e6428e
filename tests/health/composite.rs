//! Composites: what follows from checks that each run at their own interval.

use std::sync::Arc;
use std::time::Duration;

use Verdict::{Down, Unknown, Up};
use meridian::health::{
    Check, CheckId, Checker, Composite, Exchange, Hold, Kind, Known, Load, Meter, Monitor, Options,
    Report, Request, Rules, Store, Target, Verdict, Warn,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::checks::{
    check, exchange, monitor, options, start, start_known, thresholds, until,
};
use crate::support::hostile::{Behaviour, Refusing, Server};

/// A monitor by name that asks often.
pub(crate) fn often(name: &str, kind: Kind) -> Monitor {
    let interval = Duration::from_millis(20);
    Monitor { name: name.into(), interval, thresholds: thresholds(2, 2), ..monitor(kind) }
}

pub(crate) fn whole(name: &str, needed: usize, parts: &[&Check]) -> Check {
    let identities = parts.iter().map(|part| part.identity()).collect();
    let kind = Kind::Composite(Composite { needed, parts: Vec::new() });
    let monitor = Monitor { name: name.into(), ..monitor(kind) };
    let monitor = monitor.with_parts(identities, parts.iter().map(|part| &*part.monitor));
    Check { target: Target::whole("127.0.0.1").unwrap(), monitor: Arc::new(monitor) }
}

/// The next report about this check, of those numbered from 0.
async fn next(reports: &mut mpsc::Receiver<Report>, check: u32) -> Report {
    loop {
        let report = reports.recv().await.unwrap();
        if report.check.0 == check {
            return report;
        }
    }
}

pub(crate) async fn until_verdict(
    reports: &mut mpsc::Receiver<Report>,
    check: u32,
    verdict: Verdict,
) -> Report {
    loop {
        let report = next(reports, check).await;
        if report.verdict == verdict {
            return report;
        }
    }
}

#[tokio::test]
async fn a_pool_is_down_when_its_deep_check_is_and_the_shallow_one_goes_on_at_its_own_pace() {
    let server = Server::start(Behaviour::good()).await;
    let shallow = check(server.address, often("shallow", Kind::Tcp));
    let deep = check(
        server.address,
        Monitor { interval: Duration::from_millis(60), ..often("deep", Kind::Http(exchange())) },
    );
    let both = whole("both", 2, &[&shallow, &deep]);
    let (checker, mut reports) = start(vec![shallow, deep, both]);
    assert!(until_verdict(&mut reports, 2, Up).await.outcome.is_ok());

    server.now(Behaviour::status(503, ""));
    let down = until_verdict(&mut reports, 2, Down).await;
    assert!(down.changed);
    assert_eq!(
        down.outcome.unwrap_err().to_string(),
        format!(
            "wanted 2 of 2 parts up, down: deep of {} (503 for GET /health, wanted 200-299)",
            server.address
        )
    );
    // The shallow one has not been told.
    assert_eq!(next(&mut reports, 0).await.verdict, Up);

    server.now(Behaviour::good());
    assert!(until_verdict(&mut reports, 2, Up).await.changed);
    checker.stop().await;
}

#[tokio::test]
async fn any_part_or_some_of_them_are_enough_where_the_file_says_so() {
    let (one, two) = (Server::start(Behaviour::good()).await, Refusing::new());
    let alive = check(one.address, often("alive", Kind::Tcp));
    let dead = check(two.address, often("dead", Kind::Tcp));
    let other = check(two.address, often("other", Kind::Http(exchange())));
    let any = whole("any", 1, &[&alive, &dead]);
    let two_of_three = whole("two", 2, &[&alive, &dead, &other]);
    // A composite of composites.
    let all = whole("all", 2, &[&any, &two_of_three]);
    let (checker, _reports) = start(vec![alive, dead, other, any, two_of_three, all]);
    assert_eq!(checker.first_round().await, 0);
    let verdicts: Vec<Verdict> =
        checker.records().iter().map(|record| record.state.verdict).collect();
    assert_eq!(verdicts, [Up, Down, Down, Up, Down, Down]);
    checker.stop().await;
}

/// Asks for a page that tells this.
fn page(path: &str) -> Kind {
    let request = Request::new("GET", path, None, []).unwrap();
    Kind::Http(Exchange { request, ..exchange() })
}

#[tokio::test]
async fn a_pool_is_asked_shallowly_often_and_deeply_seldom_each_at_its_own_interval() {
    let server = Server::start(Behaviour::good()).await;
    let at = |name: &str, kind, interval| {
        check(server.address, Monitor { interval, ..often(name, kind) })
    };
    let alive = at("alive", Kind::Tcp, Duration::from_millis(10));
    let ping = at("ping", page("/ping"), Duration::from_millis(40));
    let deep = at("deep", page("/deep"), Duration::from_secs(60));
    let layers = whole("layers", 3, &[&alive, &ping, &deep]);
    let (checker, mut reports) = start(vec![alive, ping, deep, layers]);
    until_verdict(&mut reports, 3, Up).await;
    let pings = || server.requests().iter().filter(|r| r.starts_with("GET /ping")).count();
    let shallow = async {
        while pings() < 5 {
            reports.recv().await.unwrap();
        }
    };
    shallow.await;
    let requests = server.requests();
    assert_eq!(requests.iter().filter(|r| r.starts_with("GET /deep")).count(), 1);
    assert!(server.accepted() > requests.len(), "the shallowest asks nothing, and often");
    checker.stop().await;
}

#[tokio::test]
async fn a_composite_is_warned_of_when_it_needs_a_part_that_is() {
    let server = Server::start(Behaviour::good()).await;
    let warn = Some(Warn { latency: Some(Duration::ZERO), load: None, weight: 30 });
    let rules = Rules { warn, ..Rules::default() };
    let slow = check(server.address, Monitor { rules, ..often("slow", Kind::Tcp) });
    let fine = check(server.address, often("fine", Kind::Tcp));
    let all = whole("all", 2, &[&slow, &fine]);
    let any = whole("any", 1, &[&slow, &fine]);
    assert_eq!(all.monitor.rules.left(true), 30);
    let (checker, mut reports) = start(vec![slow, fine, all, any]);
    while !next(&mut reports, 2).await.is_warned {}
    let records = checker.records();
    assert_eq!((records[2].state.verdict, records[2].state.is_warned), (Up, true));
    assert_eq!((records[3].state.verdict, records[3].state.is_warned), (Up, false));
    checker.stop().await;
}

#[tokio::test]
async fn a_composite_is_as_busy_as_its_first_part_that_says_so() {
    let server = Server::start(Behaviour::status(200, "{\"load\": 0.4}")).await;
    let alive = check(server.address, often("alive", Kind::Tcp));
    let load = Some(Load { page: None, meter: Meter::Json("/load".into()) });
    let busy = check(server.address, Monitor { load, ..often("busy", Kind::Http(exchange())) });
    let both = whole("both", 2, &[&alive, &busy]);
    let (checker, mut reports) = start(vec![alive, busy, both]);
    until_verdict(&mut reports, 2, Up).await;
    assert_eq!(checker.records()[2].load, Some(0.4));
    checker.stop().await;
}

#[tokio::test]
async fn a_part_that_awaits_a_person_holds_the_composite_down_and_is_resumed_with_it() {
    let server = Server::start(Behaviour::good()).await;
    let rules = Rules { manual_resume: true, ..Rules::default() };
    let held = check(server.address, Monitor { rules, ..often("held", Kind::Http(exchange())) });
    let alive = check(server.address, often("alive", Kind::Tcp));
    let both = whole("both", 2, &[&held, &alive]);
    let (checker, mut reports) = start(vec![held, alive, both]);
    until_verdict(&mut reports, 2, Up).await;
    server.now(Behaviour::status(503, ""));
    until_verdict(&mut reports, 2, Down).await;
    server.now(Behaviour::good());
    loop {
        let part = next(&mut reports, 0).await;
        assert_eq!(part.verdict, Down);
        if part.hold == Some(Hold::AwaitsResume) && part.outcome.is_ok() {
            break;
        }
    }
    assert_eq!(checker.records()[2].state.verdict, Down);
    assert_eq!(checker.roster().resume(CheckId(2)), Some(true));
    until_verdict(&mut reports, 2, Up).await;
    assert_eq!(checker.roster().resume(CheckId(2)), Some(false));
    checker.stop().await;
}

#[tokio::test]
async fn a_composite_of_composites_says_which_part_is_at_fault() {
    let nobody = Refusing::new();
    let dead = check(nobody.address, often("tcp", Kind::Tcp));
    let inner = whole("inner", 1, &[&dead]);
    let outer = whole("outer", 1, &[&inner]);
    let (checker, mut reports) = start(vec![dead, inner, outer]);
    let report = until_verdict(&mut reports, 2, Down).await;
    assert_eq!(
        report.outcome.unwrap_err().to_string(),
        format!(
            "wanted 1 of 1 parts up, down: inner of 127.0.0.1 (wanted 1 of 1 parts up, down: tcp \
             of {} (refused))",
            nobody.address
        )
    );
    checker.stop().await;
}

#[tokio::test]
async fn a_part_without_a_result_leaves_the_composite_unknown() {
    let server = Server::start(Behaviour::good()).await;
    let silent = Server::start(Behaviour::Hang).await;
    let alive = check(server.address, often("alive", Kind::Tcp));
    let waiting = check(silent.address, often("waiting", Kind::Http(exchange())));
    let both = whole("both", 2, &[&alive, &waiting]);
    let any = whole("any", 1, &[&alive, &waiting]);
    let (checker, mut reports) = start(vec![alive, waiting, both, any]);
    assert_eq!(until_verdict(&mut reports, 3, Up).await.verdict, Up);
    assert_eq!(checker.records()[2].state.verdict, Unknown);
    checker.stop().await;
}

#[tokio::test]
async fn two_composites_share_a_part_as_one_check() {
    let server = Server::start(Behaviour::good()).await;
    let once = Monitor { name: "once".into(), ..monitor(Kind::Http(exchange())) };
    let part = check(server.address, once);
    let first = whole("first", 1, &[&part]);
    let second = whole("second", 1, &[&part]);
    let (checker, _reports) = start(vec![part, first, second]);
    checker.first_round().await;
    assert!(checker.records().iter().all(|record| record.state.verdict == Up));
    assert_eq!(server.requests().len(), 1);
    checker.stop().await;
}

#[tokio::test]
async fn after_a_reload_a_composite_goes_by_the_parts_it_has_then() {
    let server = Server::start(Behaviour::good()).await;
    let nobody = Refusing::new();
    let alive = check(server.address, often("alive", Kind::Tcp));
    let dead = check(nobody.address, often("dead", Kind::Tcp));
    let one = whole("web", 1, &[&alive]);
    let (checker, mut reports) = start(vec![alive.clone(), one.clone()]);
    until_verdict(&mut reports, 1, Up).await;
    let roster = checker.roster();

    // Nothing changed: all go on.
    let numbers = roster.begin(&[alive.clone(), one.clone()]).unwrap();
    assert_eq!(numbers.iter().map(|n| n.0).collect::<Vec<_>>(), [0, 1]);

    // Another part: another composite, at once with what is known.
    let two = whole("web", 2, &[&alive, &dead]);
    let numbers = roster.begin(&[alive.clone(), dead, two]).unwrap();
    assert_eq!(numbers.iter().map(|n| n.0).collect::<Vec<_>>(), [0, 2, 3]);
    roster.keep(&numbers);
    let report = until_verdict(&mut reports, 3, Down).await;
    assert!(report.outcome.unwrap_err().to_string().contains("dead of"));
    assert_eq!(roster.record(meridian::health::CheckId(1)), None);

    // A part at another pace begins anew, and what goes by it too.
    let slow = check(
        server.address,
        Monitor { interval: Duration::from_secs(60), ..often("alive", Kind::Tcp) },
    );
    let numbers = roster.begin(&[slow, one]).unwrap();
    roster.keep(&numbers);
    assert_eq!(numbers.iter().map(|n| n.0).collect::<Vec<_>>(), [4, 5]);
    until(|| roster.record(numbers[1]).is_some_and(|record| record.state.verdict == Up)).await;
    checker.stop().await;
}

#[tokio::test]
async fn a_composite_without_its_parts_is_not_begun() {
    let part = check("127.0.0.1:1".parse().unwrap(), often("part", Kind::Tcp));
    let whole = whole("whole", 1, &[&part]);
    let (sender, _receiver) = mpsc::channel(8);
    let error = Checker::start(vec![whole], &Known::default(), sender, options()).unwrap_err();
    assert!(error.to_string().contains("its part part of 127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn what_is_known_of_the_parts_decides_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(Store::new(directory.path()));
    let nobody = Refusing::new();
    let part = check(
        nobody.address,
        Monitor { interval: Duration::from_secs(60), ..often("part", Kind::Tcp) },
    );
    let whole = whole("whole", 1, &[&part]);
    let (sender, _receiver) = mpsc::channel(64);
    let options = Options { store: Some(store.clone()), ..options() };
    let checks = vec![part.clone(), whole.clone()];
    let checker = Checker::start(checks.clone(), &Known::default(), sender, options).unwrap();
    checker.first_round().await;
    checker.stop().await;

    let known = store.load();
    assert_eq!(known.len(), 2);
    let (checker, _reports) = start_known(checks, &known);
    assert_eq!(checker.records()[1].state.verdict, Down);
    checker.stop().await;
}
