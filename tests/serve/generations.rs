//! Generations that are kept: a start on broken files, rollback, watched files.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;

use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

const POLICIES: &str = "config/policies/services.toml";
const ZONE: &str = "zones/example.com.zone";

fn zone(address: &str) -> String {
    format!(
        "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\n\
         ns1 A 192.0.2.53\nfixed A {address}\n$INCLUDE more.inc\n"
    )
}

fn policies(address: &str) -> String {
    format!(
        "[pool.a]\nmembers = [\"{address}\"]\n[pool.b]\nmembers = [\"198.51.100.1\"]\n\
         [policy.www]\nkind = \"failover\"\ntargets = [\"a\", \"b\"]\n\
         [record.\"www.example.com\"]\nuse = \"www\"\n"
    )
}

fn files() -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with(POLICIES, policies("192.0.2.1"))
        .with(ZONE, zone("192.0.2.1"))
        .with("zones/more.inc", "more A 192.0.2.1\n")
}

fn one(serving: &Serving, name: &str) -> String {
    Ask::new(&format!("{name}.example.com"), "A").udp(serving.address()).one()
}

fn done(files: &Files, line: &str) -> String {
    let output = ctl(files, line);
    assert_eq!(output.0, 0, "ctl {line}: {output:?}");
    output.1
}

/// Exit code and all output.
fn ctl(files: &Files, line: &str) -> (i32, String) {
    let arguments: Vec<&str> = ["ctl"].into_iter().chain(line.split(' ')).collect();
    let output = files.run(&arguments);
    (output.code, output.stdout + &output.stderr)
}

/// Waits until this generation is kept.
fn kept(files: &Files, number: u64) {
    let manifest = files.path(&format!("state/generations/{number}.json"));
    until("the generation is kept", || manifest.exists());
}

fn kill(serving: &mut Serving) {
    serving.process.signal("KILL");
    serving.process.wait();
}

#[test]
fn a_bad_edit_and_a_kill_together_take_nothing_off_the_net() {
    let files = files();
    let mut serving = files.serve();
    kept(&files, 1);
    done(&files, "drain a --reason works");
    let database = SERVER.replace("[]", "[\"../geoip/missing.mmdb\"]");
    let breakages = [
        (POLICIES, policies("192.0.2.999"), policies("192.0.2.1"), "services.toml:2:12"),
        (ZONE, zone("192.0.2.257"), zone("192.0.2.1"), "example.com.zone:5:9"),
        ("zones/more.inc", "more A\n".into(), "more A 192.0.2.1\n".into(), "more.inc:1"),
        (CONFIG, database, SERVER.into(), "missing.mmdb"),
        (CONFIG, format!("{SERVER}[["), SERVER.into(), "meridian.toml:"),
    ];
    for (path, broken, repaired, place) in breakages {
        kill(&mut serving);
        files.write(path, &broken);
        serving = files.serve();
        serving.log(&["ERROR", "serving generation 1 instead, kept since "]);
        let check = files.run(&["check"]);
        let said = serving.process.stderr.all();
        assert!(check.code == 2 && check.stderr.contains(place), "{place}: {check:?}");
        assert!(said.contains(check.stderr.trim_end()), "{said}\n{}", check.stderr);
        // All of it is as it was, with the operator's word.
        assert_eq!(one(&serving, "www"), "198.51.100.1");
        for name in ["fixed", "more"] {
            assert_eq!(one(&serving, name), "192.0.2.1");
        }
        let status = done(&files, "status");
        for part in ["generation  1", "kept        serving 1 as kept since", place, "works"] {
            assert!(status.contains(part), "{part} is not in:\n{status}");
        }
        assert_eq!(ctl(&files, "reload").0, 1);
        files.write(path, &repaired);
    }
    assert!(done(&files, "reload").contains("generation 2 is in force"));
    assert!(!done(&files, "status").contains("kept  "));
    assert!(
        done(&files, "events").contains("generation 1, as it was kept, is in force by the start")
    );
    assert_eq!(serving.process.stop(), Some(0));
}

fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn strict_does_not_start_on_broken_files_and_metrics_tell_of_the_other_start() {
    let config = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let files = files().with(CONFIG, config);
    let mut serving = files.serve();
    kept(&files, 1);
    kill(&mut serving);
    files.write(POLICIES, "[pool.a]\nmembers = [\"192.0.2.1\"\n");
    let strict = files.run(&["serve", "--strict", "--listen", "127.0.0.1:0"]);
    assert!(strict.code == 2 && strict.stderr.contains("services.toml:"), "{strict:?}");
    let serving = files.serve();
    let line = serving.log(&["metrics and control: http://"]);
    let (_, address) = line.rsplit_once("http://").unwrap();
    let metrics = metrics(address.trim_end_matches('/'));
    for metric in ["meridian_config_reload_failed 1", "meridian_config_fallback 1"] {
        assert!(metrics.lines().any(|line| line == metric), "{metric}:\n{metrics}");
    }
}

#[test]
fn a_restart_without_a_change_is_the_same_generation_and_one_with_a_change_the_next() {
    let files =
        files().with(CONFIG, SERVER.replace("workers", "nsid = \"x-{generation}\"\nworkers"));
    let nsid = |serving: &Serving| {
        let told = Ask::new("fixed.example.com", "A").nsid().udp(serving.address());
        told.identifier().unwrap()
    };
    let mut serving = files.serve();
    assert_eq!(nsid(&serving), "x-1");
    kept(&files, 1);
    kill(&mut serving);
    let mut serving = files.serve();
    assert_eq!(nsid(&serving), "x-1");
    kill(&mut serving);
    files.write(ZONE, zone("192.0.2.2"));
    let serving = files.serve();
    assert_eq!(nsid(&serving), "x-2");
    assert!(done(&files, "reload").contains("generation 3 is in force"));
    assert_eq!(nsid(&serving), "x-3");
}

#[test]
fn a_rollback_holds_until_the_files_are_read_again() {
    let files = files();
    let serving = files.serve();
    kept(&files, 1);
    let (code, said) = ctl(&files, "rollback");
    assert!(code == 1 && said.contains("nothing older than generation 1 is kept"), "{said}");
    files.write(POLICIES, policies("192.0.2.2"));
    done(&files, "reload");
    files.write(ZONE, zone("192.0.2.3"));
    done(&files, "reload");
    let (code, said) = ctl(&files, "rollback 9");
    assert!(code == 1 && said.contains("no generation 9 is kept; there are: 1, 2, 3"), "{said}");

    let said = done(&files, "rollback --reason slow");
    assert!(said.contains("generation 4 is in force: 2 as kept since "), "{said}");
    assert!(said.contains("example.com.zone") && !said.contains("services.toml"), "{said}");
    assert_eq!(
        (one(&serving, "www"), one(&serving, "fixed")),
        ("192.0.2.2".into(), "192.0.2.1".into())
    );
    let said = done(&files, "rollback");
    assert!(said.contains("generation 5 is in force: 1 as kept"), "{said}");
    assert_eq!(one(&serving, "www"), "192.0.2.1");
    let list = done(&files, "generations");
    assert!(list.lines().count() == 5 && list.contains("in force"), "{list}");
    assert!(done(&files, "status").contains("serving 1 as kept since"));
    let events = done(&files, "events");
    assert!(
        events.contains("generation 4 is in force by ") && events.contains(": slow"),
        "{events}"
    );

    assert!(done(&files, "reload").contains("generation 6 is in force"));
    assert_eq!(
        (one(&serving, "www"), one(&serving, "fixed")),
        ("192.0.2.2".into(), "192.0.2.3".into())
    );
    assert!(!done(&files, "status").contains("kept  "));
}

#[test]
fn a_database_that_goes_is_told_of_and_the_old_one_answers() {
    let files = files().with(CONFIG, SERVER.replace("[]", "[\"../geoip/a.mmdb\"]"));
    fs::create_dir_all(files.path("geoip")).unwrap();
    fs::copy("geoip/dbip-region.mmdb", files.path("geoip/a.mmdb")).unwrap();
    let mut serving = files.serve();
    kept(&files, 1);
    fs::remove_file(files.path("geoip/a.mmdb")).unwrap();
    let (code, said) = ctl(&files, "reload");
    assert!(code == 1 && said.contains("a.mmdb") && said.contains("meridian.toml:"), "{said}");
    assert_eq!(one(&serving, "www"), "192.0.2.1");
    assert!(done(&files, "status").contains("a.mmdb"));
    kill(&mut serving);
    let serving = files.serve();
    serving.log(&["ERROR", "serving generation 1 instead"]);
    assert_eq!(one(&serving, "www"), "192.0.2.1");
    let status: serde_json::Value = serde_json::from_str(&done(&files, "status --json")).unwrap();
    assert!(status["databases"][0]["name"].as_str().unwrap().contains("a.mmdb"), "{status}");
}

#[test]
fn what_cannot_be_kept_is_told_of_and_lived_with() {
    let files = files().with("state/generations", "a file");
    let serving = files.serve();
    serving.log(&["WARN", "generation 1 is not kept: "]);
    files.write(POLICIES, policies("192.0.2.2"));
    assert!(done(&files, "reload").contains("generation 2 is in force"));
    assert_eq!(one(&serving, "www"), "192.0.2.2");
    let status = done(&files, "status");
    assert!(status.contains("warning     generation 2 is not kept: "), "{status}");
    assert!(done(&files, "generations").contains("no generation is kept"));
    // The way is free again.
    fs::remove_file(files.path("state/generations")).unwrap();
    assert!(done(&files, "reload").contains("generation 3 is in force"));
    assert!(!done(&files, "status").contains("warning"));
    kept(&files, 3);
}

#[test]
fn a_full_disk_holds_up_neither_answers_nor_orders_nor_reloads() {
    let files = files();
    let mut serving = files.serve_on_full_disk();
    serving.log(&["WARN", "generation 1 is not kept: ", "File too large"]);
    assert_eq!(one(&serving, "www"), "192.0.2.1");

    let said = done(&files, "drain a");
    assert!(said.contains("overrides are not kept, a restart forgets them: "), "{said}");
    until("the order is in force", || one(&serving, "www") == "198.51.100.1");

    files.write(POLICIES, policies("192.0.2.2"));
    assert!(done(&files, "reload").contains("generation 2 is in force"));
    done(&files, "restore a");
    until("the reload is in force", || one(&serving, "www") == "192.0.2.2");

    let status = done(&files, "status");
    for lost in ["generation 2 is not kept: ", "overrides are not kept", "events are not kept: "] {
        assert!(status.contains(&format!("warning     {lost}")), "{lost}: {status}");
    }
    assert_eq!(serving.process.stop(), Some(0));

    // With room again it starts as ever.
    let serving = files.serve();
    assert_eq!(one(&serving, "www"), "192.0.2.2");
    kept(&files, 1);
    assert!(!done(&files, "status").contains("warning"));
}

#[test]
fn files_that_change_are_in_force_however_they_are_replaced() {
    let config = SERVER.replace("workers", "watch = true\nworkers");
    let files = files().with(CONFIG, &config);
    let serving = files.serve();
    let stderr = &serving.process.stderr;
    // In place.
    files.write(POLICIES, policies("192.0.2.2"));
    until("it is in force", || one(&serving, "www") == "192.0.2.2");
    // As editors do.
    files.write("config/policies/new~", policies("192.0.2.3"));
    fs::rename(files.path("config/policies/new~"), files.path(POLICIES)).unwrap();
    until("it is in force", || one(&serving, "www") == "192.0.2.3");
    // A file that is included, and a zone that is new.
    files.write("zones/more.inc", "more A 192.0.2.9\n");
    until("it is in force", || one(&serving, "more") == "192.0.2.9");
    files.write("zones/example.net.zone", zone("192.0.2.4"));
    serving.log(&["zones: 1 added (example.net.)"]);
    // A mistake is said once, and nothing happens.
    let before = stderr.count();
    files.write(POLICIES, policies("192.0.2.999"));
    stderr.wait_after(before, "a mistake", |line| line.contains("services.toml:2:12"));
    stderr.wait_after(before, "a refusal", |line| line.contains("not reloaded"));
    assert_eq!(one(&serving, "www"), "192.0.2.3");
    // To touch is no change, and what comes after is one.
    let before = stderr.count();
    files.write(ZONE, zone("192.0.2.1"));
    files.write(POLICIES, policies("192.0.2.5"));
    until("it is in force", || one(&serving, "www") == "192.0.2.5");
    // Answers come first, the log after them.
    stderr.wait_after(before, "a reload", |line| line.contains("is in force"));
    let said = stderr.all();
    let reloads = said.lines().skip(before).filter(|line| line.contains("is in force"));
    assert_eq!(reloads.count(), 1, "{said}");
    // A rollback stays although files are watched.
    done(&files, "rollback");
    assert_eq!(one(&serving, "www"), "192.0.2.3");
    let before = stderr.count();
    files.write("zones/note.txt", "nothing of interest");
    stderr.wait_after(before, "a look", |line| line.contains("nothing has changed"));
    assert_eq!(one(&serving, "www"), "192.0.2.3");
}

#[test]
fn a_mounted_config_map_is_followed_when_its_link_moves() {
    let config = SERVER.replace("workers", "watch = true\nworkers");
    let files = files().with(CONFIG, config);
    let mount = files.path("config/policies");
    fs::remove_file(files.path(POLICIES)).unwrap();
    files.write("config/policies/..1/services.toml", policies("192.0.2.1"));
    symlink("..1", mount.join("..data")).unwrap();
    symlink("..data/services.toml", mount.join("services.toml")).unwrap();
    let serving = files.serve();
    assert_eq!(one(&serving, "www"), "192.0.2.1");
    files.write("config/policies/..2/services.toml", policies("192.0.2.2"));
    symlink("..2", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join("..1")).unwrap();
    until("it is in force", || one(&serving, "www") == "192.0.2.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_overrides_and_health_are_back() {
    let region = Server::start(Behaviour::status(503, "")).await;
    let sick = format!(
        "[monitor.web]\nkind = \"http\"\npath = \"/\"\ninterval = \"1h\"\ntimeout = \"2s\"\n\
         fall = 2\nrise = 2\n[pool.sick]\nmonitor = \"web\"\n\
         members = [{{ address = \"192.0.2.77\", check = \"{}\" }}]\n\
         [policy.pair]\nkind = \"failover\"\ntargets = [\"sick\", \"b\"]\n\
         [record.\"pair.example.com\"]\nuse = \"pair\"\n",
        region.address
    );
    let files = files().with("config/policies/sick.toml", sick);
    let mut serving = files.serve();
    assert_eq!(one(&serving, "pair"), "198.51.100.1");
    done(&files, "drain a --reason works");
    let health = files.path("state/health.json");
    until("health is written", || fs::read_to_string(&health).is_ok_and(|t| t.contains("down")));
    kill(&mut serving);
    // One good check is not enough for a region that was known to be down.
    region.now(Behaviour::good());
    let serving = files.serve();
    assert_eq!(one(&serving, "pair"), "198.51.100.1");
    assert_eq!(one(&serving, "www"), "198.51.100.1");
    assert!(done(&files, "status").contains("works"));
}
