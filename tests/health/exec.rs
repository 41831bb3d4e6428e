//! Programs that are run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meridian::health::{Check, Failure, Kind, Monitor, Program, Stage, Target};
use tempfile::TempDir;

use crate::support::checks::{LONG, SHORT, failure, monitor, outcome, start, until};

/// A script in a directory of its own.
struct Script {
    directory: TempDir,
}

impl Script {
    fn new(text: &str) -> Script {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("check-db");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Script { directory }
    }

    fn check(&self, timeout: Duration) -> Check {
        let target = Target::new("192.0.2.1", 5432).unwrap();
        self.check_of(target, timeout)
    }

    fn check_of(&self, target: Target, timeout: Duration) -> Check {
        let path = self.directory.path().join("check-db");
        let arguments = vec!["--role".into(), "a b".into()];
        let kind = Kind::Exec(Program { path, arguments });
        Check { target, monitor: Arc::new(Monitor { timeout, ..monitor(kind) }) }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }
}

/// Whether a process is there and not a zombie.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn exit_code_0_is_a_success_whatever_is_written() {
    outcome(Script::new("echo all is lost; echo really >&2").check(LONG)).await.unwrap();
}

#[tokio::test]
async fn another_exit_code_is_a_failure_and_the_first_line_is_the_reason() {
    let script = Script::new("echo; echo replica lags 300 s; echo more; exit 3");
    assert_eq!(
        failure(script.check(LONG)).await.to_string(),
        "`check-db` ended with exit code 3: replica lags 300 s"
    );
    let script = Script::new("echo no database >&2; exit 1");
    assert_eq!(
        failure(script.check(LONG)).await.to_string(),
        "`check-db` ended with exit code 1: no database"
    );
    assert_eq!(
        failure(Script::new("exit 1").check(LONG)).await.to_string(),
        "`check-db` ended with exit code 1"
    );
    assert_eq!(
        failure(Script::new("kill -9 $$").check(LONG)).await.to_string(),
        "`check-db` was ended by signal 9"
    );
}

#[tokio::test]
async fn the_target_is_in_the_environment_and_nothing_of_the_servers_own_is() {
    let script = Script::new(
        "cd \"$(dirname \"$0\")\"; echo \"$MERIDIAN_HOST $MERIDIAN_PORT $MERIDIAN_MONITOR $1 $2 $#\" > told; env > env",
    );
    outcome(script.check(LONG)).await.unwrap();
    assert_eq!(script.read("told"), "192.0.2.1 5432 web --role a b 2\n");
    assert!(!script.read("env").contains("CARGO"), "{}", script.read("env"));
    let whole = script.check_of(Target::whole("2001:db8::1").unwrap(), LONG);
    outcome(whole).await.unwrap();
    assert_eq!(script.read("told"), "2001:db8::1  web --role a b 2\n");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_with_all_it_has_started() {
    let script =
        Script::new("cd \"$(dirname \"$0\")\"; sleep 1000 & echo $! > child; echo $$ > self; wait");
    // Long enough for the script to have got that far on a busy machine.
    let patience = Duration::from_secs(5);
    assert_eq!(
        failure(script.check(patience)).await,
        Failure::TimedOut { after: patience, stage: Stage::Program }
    );
    for pid in [script.read("child"), script.read("self")] {
        assert!(!pid.is_empty());
        until(|| !is_alive(pid.trim())).await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it_and_does_not_hold_the_check_up() {
    let script = Script::new("cd \"$(dirname \"$0\")\"; sleep 1000 & echo $! > child; exit 0");
    let begin = Instant::now();
    outcome(script.check(Duration::from_secs(600))).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(500));
    let child = script.read("child");
    until(|| !is_alive(child.trim())).await;
}

#[tokio::test]
async fn a_program_ends_with_the_checker() {
    let script = Script::new("cd \"$(dirname \"$0\")\"; echo $$ > self; exec sleep 1000");
    let (checker, _reports) = start(vec![script.check(LONG)]);
    until(|| script.read("self").ends_with('\n')).await;
    checker.stop().await;
    let pid = script.read("self");
    until(|| !is_alive(pid.trim())).await;
}

#[tokio::test]
async fn a_program_that_writes_without_end_is_killed() {
    assert_eq!(
        failure(Script::new("exec yes ok").check(LONG)).await.to_string(),
        "`check-db` wrote more than 64 KiB: ok"
    );
    let script = Script::new("yes bad >&2");
    let found = failure(script.check(LONG)).await.to_string();
    assert_eq!(found, "`check-db` wrote more than 64 KiB: bad");
}

#[tokio::test]
async fn a_program_that_cannot_be_run_says_nothing_of_the_target() {
    let script = Script::new("exit 0");
    fs::remove_file(script.directory.path().join("check-db")).unwrap();
    let found = failure(script.check(SHORT)).await;
    assert!(found.is_local(), "{found:?}");
    assert!(found.to_string().contains("check-db: No such file"), "{found}");
}
