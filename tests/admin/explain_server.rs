//! `meridian explain --server`: what a running server says of now, of a supposed failure, and of
//! an earlier time.

use std::time::SystemTime;

use serde_json::Value;

use crate::support::control::{http, http_address};
use crate::support::program::{CONFIG, Files, Output, SERVER, Serving, until};

const POLICIES: &str = r#"
[monitor.told]
kind = "push"
ttl  = "1h"

[pool.eu]
location = "aws:eu-west-1"
monitor  = "told"
members  = ["192.0.2.10"]
[pool.us]
location = "aws:us-east-1"
members  = ["198.51.100.10", "198.51.100.11"]
[pool.ap]
location = "aws:ap-northeast-1"
members  = ["203.0.113.10"]

[policy.www]
kind = "failover"
targets = ["eu", "inner"]
[policy.inner]
kind = "geo"
rules = [{ match = "country:JP", to = "ap" }]
default = "us"

[record."www.example.com"]
use = "www"
[record."last.example.com"]
use = "eu"
on_all_down = "last-known"
"#;

fn files() -> Files {
    let networks = "[geoip.networks]\n\"133.0.0.0/8\" = { country = \"JP\" }\n";
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\nsocket = \"../state/meridian.sock\"\n";
    Files::of(format!("{SERVER}{networks}{admin}"), POLICIES)
}

fn explain(files: &Files, client: &str, more: &[&str]) -> Output {
    files.run(&[&["explain", "www.example.com", "--client", client], more].concat())
}

fn facts(files: &Files, client: &str, more: &[&str]) -> Value {
    let output = explain(files, client, &[more, &["--json"]].concat());
    assert_eq!(output.code, 0, "{output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

fn done(files: &Files, line: &str) -> Value {
    let words: Vec<&str> = ["ctl", "--json"].into_iter().chain(line.split(' ')).collect();
    let output = files.run(&words);
    assert_eq!(output.code, 0, "ctl {line}: {output:?}");
    serde_json::from_str(output.stdout.lines().last().unwrap_or("null")).unwrap_or_default()
}

#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => panic!("{part:?} is not, or not in its place, in:\n{text}"),
        }
    }
}

/// The records of the answer, without owner, type and time to live.
fn data(facts: &Value) -> Vec<&str> {
    let records = facts["answer"]["records"].as_array().unwrap();
    records.iter().map(|text| text.as_str().unwrap().rsplit(' ').next().unwrap()).collect()
}

#[test]
fn it_has_the_form_that_files_have_and_is_reached_in_three_ways() {
    let files = files();
    let serving = files.serve();
    for more in [&[][..], &["--trace"], &["--down", "us"]] {
        let mut of_files = facts(&files, "133.0.0.0/24", more);
        let socket = files.path("state/meridian.sock").display().to_string();
        let url = format!("http://{}", http_address(&serving));
        for at in [&["--server"][..], &["--server", &socket], &["--server", &url]] {
            let mut of_server = facts(&files, "133.0.0.0/24", &[more, at].concat());
            assert_eq!(of_server["state"]["of"], "server");
            assert_eq!(of_server["state"]["generation"], 1);
            let keys = |facts: &Value| {
                let keys = facts["state"].as_object().unwrap().keys();
                keys.cloned().collect::<Vec<_>>()
            };
            assert_eq!(keys(&of_server), keys(&of_files));
            of_server["state"] = Value::Null;
            // A server has begun the check, and nobody has reported yet.
            let without = |facts: &mut Value| {
                let considered = &mut facts["steps"][0]["steered"]["decision"]["considered"];
                considered[0]["target"]["members"] = Value::Null;
            };
            without(&mut of_server);
            let before = of_files["state"].take();
            without(&mut of_files);
            assert_eq!(of_server, of_files);
            of_files["state"] = before;
        }
    }
    let text = explain(&files, "133.0.0.0/24", &["--server"]).stdout;
    assert_in_order(&text, &["state     generation 1 of the running server", "answer    NOERROR"]);
    let nobody = explain(&files, "133.0.0.0/24", &["--server", "nowhere.sock"]);
    assert!(nobody.code == 2 && nobody.stderr.contains("no server is reached"), "{nobody:?}");
    let unknown = explain(&files, "133.0.0.0/24", &["--server", "--down", "ue"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("did you mean"), "{unknown:?}");
}

#[test]
fn live_verdicts_orders_and_the_answers_of_those_passed_over_are_said() {
    let files = files();
    let _serving = files.serve();
    done(&files, "report told eu down --reason burning");
    done(&files, "drain us --reason works");
    let text = explain(&files, "192.0.2.0/24", &["--server", "--trace"]).stdout;
    assert_in_order(
        &text,
        &[
            "x  [target 1] pool eu (",
            "passed over: 0 of 1 up",
            "were it up: 192.0.2.10 (1 record)",
            "192.0.2.10 down: monitor told of 192.0.2.10",
            "for ",
            "burning",
            "last checked ",
            "-> [target 2] geo inner",
            "put to drain by ",
            "works",
            "outcome   2 records",
            "compiled  table row ",
            "class ",
            "the first that is up of",
            "pool eu",
            "pool us",
            "the first choice is not up",
            "198.51.100.10, 198.51.100.11",
            "evaluated: 198.51.100.10, 198.51.100.11: the same",
        ],
    );
    let facts = facts(&files, "133.0.0.0/24", &["--server"]);
    let passed = &facts["steps"][0]["steered"]["decision"]["considered"][0];
    assert_eq!(passed["if_up"]["records"], serde_json::json!(["192.0.2.10"]));
    let member = &passed["target"]["members"][0];
    assert!(member["since_seconds_ago"].is_u64() && member["failure"].is_string(), "{member:#}");
}

#[test]
fn what_was_known_last_answers_and_is_said_to() {
    let files = files();
    let _serving = files.serve();
    done(&files, "report told eu up");
    done(&files, "report told eu down");
    let arguments = ["explain", "last.example.com", "--client", "192.0.2.1", "--server", "--trace"];
    let output = files.run(&arguments);
    assert_in_order(
        &output.stdout,
        &["gives the last answer", "the last known answer stands in", "192.0.2.10: the same"],
    );
}

/// Asks over HTTP, where times are milliseconds.
fn past(serving: &Serving, client: &str, at: u64) -> (u16, Value) {
    let path = format!("/v1/explain?name=www.example.com&client={client}&at={at}");
    let (status, body) = http(http_address(serving), "GET", &path, "", "");
    (status, serde_json::from_str(&body).unwrap())
}

/// When the last entry of a kind was made.
fn last(files: &Files, kind: &str) -> u64 {
    let output = files.run(&["ctl", "events", "--json"]);
    let mut entries =
        output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entry = entries.rfind(|entry| entry["kind"] == kind).unwrap();
    entry["at"].as_u64().unwrap()
}

#[test]
fn an_earlier_time_is_explained_as_it_was() {
    let files = files();
    let serving = files.serve();
    done(&files, "report told eu down");
    let eu_down = last(&files, "verdict");
    // What happens next has another time.
    let later = || {
        let then = SystemTime::now();
        until("another millisecond", || then.elapsed().is_ok_and(|past| past.as_millis() > 0));
    };
    later();
    done(&files, "drain us --reason works");
    let us_drained = last(&files, "override");
    later();
    done(&files, "report told eu up");
    done(&files, "restore us");
    let all_up = last(&files, "override");
    later();
    files.write("config/policies/services.toml", POLICIES.replace("\"eu\", \"inner\"", "\"ap\""));
    done(&files, "reload");
    let reloaded = last(&files, "reload");

    let records = |at: u64| {
        let (status, explained) = past(&serving, "133.0.0.1", at);
        assert_eq!(status, 200, "{explained}");
        let facts = explained["facts"].clone();
        assert_eq!((&facts["state"]["of"], &facts["state"]["at"]), (&"history".into(), &at.into()));
        let generation = facts["state"]["generation"].as_u64().unwrap();
        (generation, data(&facts).join(" "), explained["text"].as_str().unwrap().to_owned())
    };
    let (generation, answer, text) = records(eu_down);
    assert_eq!((generation, answer.as_str()), (1, "203.0.113.10"), "{text}");
    assert_in_order(&text, &["by the server's history", "x  [target 1] pool eu", "for 0 s"]);
    let (_, _, text) = records(us_drained);
    assert!(!text.contains("not kept"), "{text}");
    let (generation, answer, text) = records(all_up);
    assert_eq!((generation, answer.as_str()), (1, "192.0.2.10"), "{text}");
    assert_eq!(records(reloaded).0, 2);
    let us = past(&serving, "192.0.2.1", us_drained).1;
    assert!(us["text"].as_str().unwrap().contains("put to drain by "), "{us:#}");

    let now = explain(&files, "133.0.0.1", &["--server", "--at", "0s"]);
    assert_in_order(&now.stdout, &["generation 2 at ", "203.0.113.10"]);
    let early = explain(&files, "133.0.0.1", &["--server", "--at", "2001-01-01T00:00:00Z"]);
    assert!(early.code == 1 && early.stderr.contains("it begins at"), "{early:?}");
    let late = explain(&files, "133.0.0.1", &["--server", "--at", "2201-01-01T00:00:00Z"]);
    assert!(late.code == 1 && late.stderr.contains("yet to come"), "{late:?}");
    let alone = explain(&files, "133.0.0.1", &["--at", "10m"]);
    assert!(alone.code == 2 && alone.stderr.contains("--server"), "{alone:?}");
}

#[test]
fn a_generation_that_is_not_kept_is_said_to_be_missing() {
    let files = files();
    let server = SERVER.replace("workers  = 2", "generations = 0");
    files.write(CONFIG, format!("{server}[admin]\nlisten = \"127.0.0.1:0\"\n"));
    let serving = files.serve();
    done(&files, "reload");
    let first = last(&files, "reload");
    files.write("config/policies/services.toml", POLICIES.replace("\"eu\", \"inner\"", "\"ap\""));
    done(&files, "reload");
    let (status, explained) = past(&serving, "192.0.2.1", first);
    assert_eq!(status, 200, "{explained}");
    assert!(
        explained["text"]
            .as_str()
            .unwrap()
            .contains("generation 2 was in force, and it is not kept; this is with 3 instead"),
        "{explained:#}"
    );
}
