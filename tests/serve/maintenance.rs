//! Scheduled maintenance in the program: a pool is empty by the clock, and everything says so.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::control::done;
use crate::support::dns::Ask;
use crate::support::program::{Files, SERVER, Serving, until};
use crate::support::service::{EU, POLICIES, US, www};

/// So many seconds from now, as it is written in a file.
fn moment(offset: i64) -> String {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now + offset).unwrap().to_string()
}

/// The service, with answers that are kept for longer than by default.
fn policies(maintenance: &str) -> String {
    format!("{POLICIES}ttl = 300\n{maintenance}")
}

fn files(maintenance: &str) -> Files {
    Files::of(format!("{SERVER}[admin]\nlisten = \"\"\n"), policies(maintenance))
}

fn window(from: i64, more: &str) -> String {
    let from = moment(from);
    format!(
        "[[maintenance]]\npool = \"eu-west\"\nfrom = {from}\nreason = \"new kernels\"\n{more}\n"
    )
}

fn clients_of(region: &str, serving: &Serving) -> usize {
    let ask = |n: usize| {
        let told = Ask::new("www.example.com", "A").from(&format!("203.0.{n}.0/24"));
        told.udp(serving.address()).one()
    };
    (0..64).filter(|n| ask(*n) == region).count()
}

#[test]
fn a_pool_leaves_and_returns_by_the_clock_and_all_phases_are_told() {
    let files = files(&window(2, "for = \"1s\"\nover = \"1s\""));
    let serving = files.serve();
    assert_eq!(www(&serving), EU);
    until("it is away", || www(&serving) == US);
    serving.log(&["pool eu-west: away in maintenance: new kernels"]);
    until("it is back", || clients_of(EU, &serving) == 64);
    serving.log(&["pool eu-west: over in maintenance: new kernels"]);
    let events = done(&files, "events");
    for phase in ["leaving", "away", "returning", "over"] {
        let text = format!("pool eu-west: {phase} in maintenance: new kernels");
        assert!(events.contains(&text), "{text}: {events}");
    }
    assert!(!done(&files, "status").contains("maintenance"));
}

#[test]
fn what_is_under_way_is_shown_and_goes_on_after_a_kill() {
    let files = files(&window(-1800, "for = \"1s\"\nover = \"1h\""));
    let mut serving = files.serve();
    for _ in 0..2 {
        let left = clients_of(EU, &serving);
        assert!((16..=48).contains(&left), "{left} of 64");
        let status: Value = serde_json::from_str(&done(&files, "status --json")).unwrap();
        assert_eq!(status["maintenance"][0]["phase"], "returning");
        assert!(done(&files, "status").contains("maintenance eu-west: returning, away from "));
        for line in ["health", "explain www.example.com --client 192.0.2.1"] {
            let text = done(&files, line);
            assert!(text.contains("maintenance: new kernels"), "{line}: {text}");
        }
        serving.process.signal("KILL");
        serving.process.wait();
        serving = files.serve();
    }
    // A file without it gives the pool back.
    files.write("config/policies/services.toml", policies(""));
    done(&files, "reload");
    assert_eq!(clients_of(EU, &serving), 64);
}

#[test]
fn answers_are_kept_no_longer_than_clients_have_to_leave() {
    let files = files(&window(200, "for = \"1h\"\nover = \"1m\""));
    let serving = files.serve();
    let explained = || {
        let line = "explain www.example.com --client 192.0.2.1 --json";
        let facts: Value = serde_json::from_str(&done(&files, line)).unwrap();
        facts.to_string()
    };
    let begin = Instant::now();
    let text = explained();
    assert!(!text.contains("\"ttl\":300"), "{text}");
    let forced = done(&files, "force eu-west up");
    assert!(forced.contains("eu-west is up"), "{forced}");
    assert!(begin.elapsed() < Duration::from_secs(60) && www(&serving) == EU);
}

/// A weekly time so many minutes from now, to the minute before.
fn weekly(minutes: i64) -> String {
    let begin = Timestamp::now() + SignedDuration::from_mins(minutes);
    let every = begin.strftime("%a %H:%M").to_string().to_lowercase();
    format!(
        "[[maintenance]]\npool = \"eu-west\"\nevery = \"{every}\"\nfor = \"2h\"\n\
         over = \"0s\"\nreason = \"patch night\"\n"
    )
}

#[test]
fn what_comes_again_every_week_is_under_way_at_its_time_and_planned_before() {
    let files = files(&weekly(-60));
    let serving = files.serve();
    assert_eq!(www(&serving), US);
    serving.log(&["pool eu-west: away in maintenance: patch night"]);
    assert!(done(&files, "status").contains("maintenance eu-west: away, away from 20"));
    let explain = ["explain", "www.example.com", "--client", "192.0.2.1"];
    let explained = files.run(&explain).stdout;
    assert!(explained.contains("away in maintenance: patch night"), "{explained}");
    // Over since an hour ago: the next time is in a week, less an hour.
    files.write("config/policies/services.toml", policies(&weekly(-180)));
    done(&files, "reload");
    assert_eq!(www(&serving), EU);
    assert!(done(&files, "status").contains("maintenance eu-west: planned, away from 20"));
    let ttl = Ask::new("www.example.com", "A").udp(serving.address()).ttl();
    assert_eq!(ttl, 300);
    // In four minutes at most.
    files.write("config/policies/services.toml", policies(&weekly(4)));
    done(&files, "reload");
    let ttl = Ask::new("www.example.com", "A").udp(serving.address()).ttl();
    assert!((5..=240).contains(&ttl), "{ttl}");
}

#[test]
fn two_pools_of_one_record_away_together_are_remarked() {
    let other = window(3600, "for = \"1h\"").replace("eu-west", "us-east");
    let files = files(&(window(3700, "for = \"2h\"") + &other));
    let checked = files.run(&["check"]);
    assert!(checked.code == 1, "{checked:?}");
    assert!(checked.stderr.contains("lint[maintenance-of-all]"), "{checked:?}");
    let alone = window(3700, "for = \"2h\"");
    files.write("config/policies/services.toml", policies(&alone));
    assert!(!files.run(&["check"]).stderr.contains("maintenance-of-all"));
}
