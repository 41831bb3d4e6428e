//! From root to another user: what the server is afterwards, what belongs to whom, and what still
//! works. Only root can try most of this; others hear that it was skipped.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::unistd::{User, geteuid};

use crate::support::dns::Ask;
use crate::support::program::{CONFIG, Files, SERVER, ZONE, until};

/// A user that every system has.
const NOBODY: &str = "nobody";

fn files(user: &str) -> Files {
    let config = SERVER.replace("[geoip]", &format!("user = \"{user}\"\n[geoip]"));
    let files = Files::new().with(CONFIG, config).with("zones/example.com.zone", ZONE);
    // Others than its owner must get to the files.
    fs::set_permissions(files.path("."), Permissions::from_mode(0o755)).unwrap();
    files
}

/// Nobody's numbers, when this test is run by root.
fn nobody() -> Option<User> {
    let nobody = User::from_name(NOBODY).unwrap();
    if !geteuid().is_root() || nobody.is_none() {
        eprintln!("skipped: only root can become `{NOBODY}`");
        return None;
    }
    nobody
}

/// A line of `/proc/PID/status`, such as `Uid:`.
fn status(id: u32, key: &str) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn root_is_given_up_for_good_and_the_state_is_the_users() {
    let Some(nobody) = nobody() else { return };
    let files = files(NOBODY);
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let mut serving = files.serve();
    serving.log(&["going on as the user nobody"]);
    let id = serving.process.id();
    assert_eq!(status(id, "Uid:"), [uid; 4]);
    assert_eq!(status(id, "Gid:"), [gid; 4]);
    assert!(!status(id, "Groups:").contains(&0), "no group of root's is left");
    let capabilities = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    for set in ["CapPrm", "CapEff"] {
        assert!(capabilities.contains(&format!("{set}:\t0000000000000000")), "{capabilities}");
    }
    for path in ["state", "config/state/meridian.sock", "state/events.jsonl"] {
        until(path, || files.path(path).exists());
        let metadata = fs::metadata(files.path(path)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (uid, gid), "{path}");
    }
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
    // Root still reaches it, and a reload reads what the user can.
    files.write("zones/example.com.zone", ZONE.replace("192.0.2.53", "192.0.2.54"));
    let reload = files.run(&["ctl", "reload"]);
    assert_eq!(reload.code, 0, "{reload:?}");
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.54");
    assert_eq!(serving.process.stop(), Some(0));
    assert!(!files.path("config/state/meridian.sock").exists(), "it may take its socket away");
}

#[test]
fn a_file_that_only_root_can_read_is_named_at_the_start() {
    if nobody().is_none() {
        return;
    }
    let files = files(NOBODY);
    let zone = files.path("zones/example.com.zone");
    fs::set_permissions(&zone, Permissions::from_mode(0o600)).unwrap();
    let serving = files.serve();
    serving.log(&["the user nobody cannot read", "example.com.zone", "a reload will fail"]);
    // What was read as root is served; a reload says why it cannot be.
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
    let reload = files.run(&["ctl", "reload"]);
    assert_eq!(reload.code, 1, "{reload:?}");
    assert!(reload.stderr.contains("Permission denied"), "{reload:?}");
    fs::set_permissions(&zone, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(files.run(&["ctl", "reload"]).code, 0);
}

#[test]
fn a_state_directory_of_somebody_else_is_left_to_him_and_told() {
    if nobody().is_none() {
        return;
    }
    let files = files(NOBODY).with("state/precious", "text");
    let serving = files.serve();
    serving.log(&["the user nobody cannot write in", "chown -R nobody"]);
    assert_eq!(fs::metadata(files.path("state/precious")).unwrap().uid(), 0);
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
}

#[test]
fn a_user_that_is_not_there_is_refused_before_anything_listens() {
    let output = files("no-such-user-here").run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("has no user `no-such-user-here`"), "{}", output.stderr);
    assert!(output.stderr.contains("useradd --system"), "{}", output.stderr);
    assert!(!output.stderr.contains("answering"), "{}", output.stderr);
}

#[test]
fn whoever_is_not_root_can_become_nobody_else() {
    if geteuid().is_root() {
        eprintln!("skipped: root can become anybody");
        return;
    }
    let output = files("root").run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("only root can become `root`"), "{}", output.stderr);
}

#[test]
fn a_user_that_it_already_is_changes_nothing() {
    let own = User::from_uid(geteuid()).unwrap().unwrap().name;
    let files = files(&own);
    let serving = files.serve();
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
}
