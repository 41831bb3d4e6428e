//! The state file: what a restart knows, and everything that may be wrong with it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::health::store::{FILE, MAX_AGE};
use meridian::health::{
    Check, Checker, Kind, Known, Options, Record, Score, State, Store, Target, Verdict,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::checks::{check, exchange, monitor, options, until};
use crate::support::hostile::{Behaviour, Refusing, Server};

fn member(last: u8) -> Check {
    let target = Target::new(&format!("192.0.2.{last}"), 80).unwrap();
    Check { target, monitor: Arc::new(monitor(Kind::Http(exchange()))) }
}

fn record(verdict: Verdict, at: SystemTime) -> Record {
    let since = at - Duration::from_secs(3600);
    let state = State { contrary: 1, ..State::settled(verdict, since) };
    let expiring = Some(since + Duration::from_secs(86_400));
    Record { state, at: Some(at), server_ms: Some(12.5), load: Some(0.75), expiring }
}

/// Now, as exactly as the file holds it.
fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_millis(since.as_millis() as u64)
}

fn saved(directory: &Path, known: &Known) -> Known {
    Store::new(directory).save(known).unwrap();
    Store::new(directory).load()
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let directory = TempDir::new().unwrap();
    let mut known = Known::default();
    known.insert(member(1).identity(), record(Verdict::Up, now()));
    known.insert(member(2).identity(), record(Verdict::Down, now()));
    assert_eq!(saved(directory.path(), &known), known);
    assert_eq!(known.len(), 2);
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "the temporary file is gone");
}

#[test]
fn what_is_older_than_ten_minutes_is_not_believed() {
    let directory = TempDir::new().unwrap();
    let now = now();
    let mut known = Known::default();
    known.insert(member(1).identity(), record(Verdict::Down, now - MAX_AGE));
    known.insert(
        member(2).identity(),
        record(Verdict::Down, now - MAX_AGE - Duration::from_secs(1)),
    );
    known.insert(member(3).identity(), record(Verdict::Down, now + Duration::from_secs(3600)));
    let loaded = saved(directory.path(), &known);
    assert!(loaded.of(&member(1), now).is_some());
    assert!(loaded.of(&member(2), now).is_none(), "too old");
    assert!(loaded.of(&member(3), now).is_none(), "from an hour ahead");
    assert!(loaded.of(&member(4), now).is_none(), "never seen");
}

#[test]
fn a_target_never_checked_is_not_kept() {
    let mut known = Known::default();
    known.insert(member(1).identity(), Record { at: None, ..record(Verdict::Up, now()) });
    known.insert(member(1).identity(), record(Verdict::Unknown, now()));
    assert!(known.is_empty());
}

#[test]
fn the_state_directory_is_made_when_it_is_missing() {
    let directory = TempDir::new().unwrap();
    let deep = directory.path().join("var/lib/state");
    assert!(Store::new(&deep).load().is_empty());
    let mut known = Known::default();
    known.insert(member(1).identity(), record(Verdict::Up, now()));
    assert_eq!(saved(&deep, &known), known);
}

#[test]
fn a_file_that_cannot_be_used_counts_as_empty() {
    let good = {
        let directory = TempDir::new().unwrap();
        let mut known = Known::default();
        known.insert(member(1).identity(), record(Verdict::Up, now()));
        Store::new(directory.path()).save(&known).unwrap();
        fs::read_to_string(directory.path().join(FILE)).unwrap()
    };
    let foreign = good.replace("meridian health 1", "meridian health 99");
    for text in ["", "{", "null", "[]", "{\"checks\": []}", "\u{0}\u{1}", &foreign, &good[..60]] {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join(FILE), text).unwrap();
        assert!(Store::new(directory.path()).load().is_empty(), "{text:?}");
    }
    // A directory in its place, and octets that are no text.
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join(FILE)).unwrap();
    assert!(Store::new(directory.path()).load().is_empty());
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), [0xff; 100]).unwrap();
    assert!(Store::new(directory.path()).load().is_empty());
}

#[test]
fn an_entry_that_cannot_be_used_is_left_out_and_the_others_stay() {
    let directory = TempDir::new().unwrap();
    let mut known = Known::default();
    known.insert(member(1).identity(), record(Verdict::Up, now()));
    known.insert(member(2).identity(), record(Verdict::Down, now()));
    Store::new(directory.path()).save(&known).unwrap();
    let file = directory.path().join(FILE);
    let text = fs::read_to_string(&file).unwrap().replace("\"down\"", "\"sideways\"");
    fs::write(&file, text).unwrap();
    assert_eq!(Store::new(directory.path()).load().len(), 1);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_an_error_with_its_name() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::new(&file).save(&Known::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
}

/// Starts one check with the state file of a directory.
fn start(check: Check, directory: &Path) -> (Checker, mpsc::Receiver<meridian::health::Report>) {
    let store = Arc::new(Store::new(directory));
    let known = store.load();
    let (sender, reports) = mpsc::channel(64);
    let options = Options { store: Some(store), ..options() };
    (Checker::start(vec![check], &known, sender, options).unwrap(), reports)
}

#[tokio::test]
async fn a_restart_knows_what_the_last_run_found() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(Behaviour::good()).await;
    let web = || check(server.address, monitor(Kind::Http(exchange())));
    let (checker, _reports) = start(web(), directory.path());
    checker.first_round().await;
    checker.stop().await;

    // With a failure now, a check that knew nothing would say down.
    server.now(Behaviour::status(503, ""));
    let (checker, mut reports) = start(web(), directory.path());
    assert_eq!(checker.records()[0].state.verdict, Verdict::Up);
    let report = reports.recv().await.unwrap();
    assert!(report.outcome.is_err());
    assert_eq!(report.verdict, Verdict::Up);
    checker.stop().await;
}

#[tokio::test]
async fn a_change_is_written_without_waiting_for_the_end() {
    let directory = TempDir::new().unwrap();
    let nobody = Refusing::new();
    let web = check(nobody.address, monitor(Kind::Tcp));
    let (_checker, _reports) = start(web.clone(), directory.path());
    until(|| {
        let known = Store::new(directory.path()).load();
        known.of(&web, now()).is_some_and(|record| record.state.verdict == Verdict::Down)
    })
    .await;
}

#[tokio::test]
async fn checks_go_on_when_the_state_cannot_be_written() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let server = Server::start(Behaviour::good()).await;
    let (checker, mut reports) =
        start(check(server.address, monitor(Kind::Http(exchange()))), &file);
    assert!(reports.recv().await.unwrap().outcome.is_ok());
    checker.stop().await;
}

/// A record with nothing at its default.
fn eventful(at: SystemTime) -> Record {
    let plain = record(Verdict::Down, at);
    let state = State {
        found: Verdict::Up,
        misses: 3,
        score: Score { value: 1.25, at },
        is_suppressed: true,
        awaits_resume: true,
        is_warned: true,
        unlike: 1,
        ..plain.state
    };
    Record { state, ..plain }
}

#[test]
fn scores_holds_and_warnings_are_kept() {
    let directory = TempDir::new().unwrap();
    let mut known = Known::default();
    known.insert(member(1).identity(), eventful(now()));
    assert_eq!(saved(directory.path(), &known), known);
}

#[test]
fn a_file_of_an_older_version_is_read() {
    let directory = TempDir::new().unwrap();
    let (check, at) = (member(1), now());
    let millis = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let text = format!(
        r#"{{ "format": "meridian health 1", "checks": [ {{ "target": "192.0.2.1:80",
        "monitor": "web", "fingerprint": "{:016x}", "verdict": "down", "since": {},
        "at": {millis}, "contrary": 1, "server_ms": 12.5 }} ] }}"#,
        check.monitor.fingerprint(),
        millis - 3_600_000,
    );
    fs::write(directory.path().join(FILE), text).unwrap();
    let read = Store::new(directory.path()).load().of(&check, at).unwrap();
    let expected = record(Verdict::Down, at);
    let state = State { score: Score::zero(SystemTime::UNIX_EPOCH), ..expected.state };
    assert_eq!(read, Record { state, load: None, expiring: None, ..expected });
}

#[test]
fn a_score_that_no_program_writes_is_left_out_with_its_entry() {
    let directory = TempDir::new().unwrap();
    let mut known = Known::default();
    known.insert(member(1).identity(), eventful(now()));
    Store::new(directory.path()).save(&known).unwrap();
    let file = directory.path().join(FILE);
    let text = fs::read_to_string(&file).unwrap().replace("1.25", "-1.25");
    fs::write(&file, text).unwrap();
    assert!(Store::new(directory.path()).load().is_empty());
}

#[test]
fn that_a_person_is_awaited_is_believed_however_old_it_is() {
    let directory = TempDir::new().unwrap();
    let long_ago = now() - 100 * MAX_AGE;
    let mut known = Known::default();
    known.insert(member(1).identity(), eventful(long_ago));
    let read = saved(directory.path(), &known).of(&member(1), now()).unwrap();
    assert!(read.state.awaits_resume);
    assert_eq!((read.state.verdict, read.state.found), (Verdict::Down, Verdict::Unknown));
    assert!(!read.state.is_suppressed && !read.state.is_warned && read.server_ms.is_none());
}
