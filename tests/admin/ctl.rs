//! `meridian ctl` and the HTTP API against real servers.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::control::{ctl, done, http, http_address};
use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{Files, SERVER, Serving, until};
use crate::support::service::{EU, POLICIES, US, www};

fn files(admin: &str) -> Files {
    Files::of(format!("{SERVER}[admin]\n{admin}\n"), POLICIES)
}

#[test]
fn a_drain_holds_over_a_kill_and_everything_names_who_and_why() {
    let files = files("listen = \"\"");
    let mut serving = files.serve();
    assert_eq!(www(&serving), EU);
    done(&files, "drain eu-west --reason works");
    assert_eq!(www(&serving), US);
    for line in ["health", "explain www.example.com --client 192.0.2.1", "events", "status"] {
        let text = done(&files, line);
        assert!(text.contains("drain by ") && text.contains("uid "), "{line}: {text}");
        assert!(text.contains("works"), "{line}: {text}");
    }
    serving.process.signal("KILL");
    serving.process.wait();
    let serving = files.serve();
    assert_eq!(www(&serving), US);
    assert!(done(&files, "events").matches("answers").count() == 2);
    done(&files, "restore eu-west");
    assert_eq!(www(&serving), EU);
}

/// How many of 64 networks of clients are sent to `region`.
fn clients_of(region: &str, serving: &Serving) -> usize {
    let ask = |n: usize| {
        let told = Ask::new("www.example.com", "A").from(&format!("203.0.{n}.0/24"));
        told.udp(serving.address()).one()
    };
    (0..64).filter(|n| ask(*n) == region).count()
}

fn kill(serving: &mut Serving) {
    serving.process.signal("KILL");
    serving.process.wait();
}

fn words(files: &Files) -> Value {
    let status: Value = serde_json::from_str(&done(files, "status --json")).unwrap();
    status["overrides"].clone()
}

#[test]
fn a_drain_over_a_time_goes_on_after_a_kill_as_if_there_had_been_none() {
    let files = files("listen = \"\"");
    let mut serving = files.serve();
    let said = done(&files, "drain eu-west --over 1h --reason works");
    assert!(said.contains("put to drain over 1h by "), "{said}");
    let before = words(&files);
    assert_eq!(before[0]["over_seconds"], 3600);
    kill(&mut serving);
    let mut serving = files.serve();
    assert_eq!(words(&files), before);
    kill(&mut serving);

    // The server was away for half of it.
    let half = SystemTime::now() - Duration::from_secs(1800);
    let since = half.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut word = before[0].clone();
    word["since"] = json!(since);
    let kept = json!({"format": "meridian overrides 1", "overrides": [word]});
    files.write("state/overrides.json", kept.to_string());
    let mut serving = files.serve();
    let left = clients_of(EU, &serving);
    assert!((16..=48).contains(&left), "half of 64, by their hashes: {left}");
    assert!(done(&files, "health").contains("% of its clients"));

    // And all of it has gone by while it is away again.
    kill(&mut serving);
    let kept = kept.to_string().replace("\"over_seconds\":3600", "\"over_seconds\":1800");
    files.write("state/overrides.json", kept);
    let serving = files.serve();
    assert_eq!(clients_of(EU, &serving), 0);
    assert!(done(&files, "status").contains("1 drained"));
}

#[test]
fn a_drained_pool_gets_its_clients_back_little_by_little() {
    let files = files("listen = \"\"");
    let serving = files.serve();
    done(&files, "drain eu-west --over 2s");
    until("the pool is drained", || done(&files, "status").contains("1 drained"));
    assert_eq!(clients_of(EU, &serving), 0);
    let said = done(&files, "restore eu-west --over 4s");
    assert!(said.contains("0 % of its clients; given back over 4s by "), "{said}");
    let mut counts = Vec::new();
    until("everybody is back", || {
        counts.push(clients_of(EU, &serving));
        counts.last() == Some(&64)
    });
    assert!(counts.is_sorted(), "{counts:?}");
    until("nothing is left to be said", || words(&files) == json!([]));
    // Shares are looked at once a second.
    until("its end is told", || done(&files, "events").contains("restored: 100 %"));
    let events = done(&files, "events");
    for part in ["is being drained: 100 %", "is drained", "restored: 0 %"] {
        assert!(events.contains(part), "{part} is not in:\n{events}");
    }
}

#[test]
fn a_drain_over_a_time_that_expires_is_undone_over_a_time() {
    let files = files("listen = \"\"");
    let serving = files.serve();
    done(&files, "drain eu-west --over 1s --expires 2s");
    until("the drain has expired", || {
        done(&files, "events").contains("back to its checks over 1s")
    });
    until("everybody is back", || clients_of(EU, &serving) == 64);
}

#[test]
fn a_pool_is_not_drained_while_the_others_are_being_drained() {
    let files = files("listen = \"\"");
    let _serving = files.serve();
    done(&files, "drain eu-west --over 1h");
    let refused = ctl(&files, "drain us-east --over 1h");
    assert!(refused.code == 1 && refused.stderr.contains("www.example.com."), "{refused:?}");
    done(&files, "drain us-east --over 1h --force");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_awaits_a_person_comes_back_when_it_is_resumed() {
    let east = Server::start(Behaviour::good()).await;
    let monitor = "[monitor.web]\nkind = \"http\"\npath = \"/health\"\ninterval = \"1s\"\n\
                   timeout = \"500ms\"\nfall = 1\nrise = 1\nmanual_resume = true\n";
    let member = format!(
        "monitor = \"web\"\nmembers = [{{ address = \"{EU}\", check = \"{}\" }}]",
        east.address
    );
    let policies = POLICIES.replace(&format!("members = [\"{EU}\"]"), &member);
    let files = files("listen = \"\"")
        .with("config/policies/services.toml", format!("{monitor}{policies}"));
    let serving = files.serve();
    assert_eq!(www(&serving), EU);
    east.now(Behaviour::status(503, "no"));
    until("the member is down", || www(&serving) == US);
    east.now(Behaviour::good());
    until("it awaits a person", || done(&files, "health").contains("awaits resume"));
    assert_eq!(www(&serving), US);
    let unknown = ctl(&files, "resume eu-wst");
    assert!(unknown.stderr.contains("did you mean `eu-west`"), "{unknown:?}");
    let unchecked = ctl(&files, "resume us-east");
    assert!(unchecked.code == 1 && unchecked.stderr.contains("nothing checks"), "{unchecked:?}");
    assert!(done(&files, "resume eu-west/192.0.2.10 --reason fixed").contains("may come back"));
    until("the member is back", || www(&serving) == EU);
    assert!(done(&files, "resume eu-west").contains("was not held"));
    let events = done(&files, "events");
    for part in ["awaits resume", "may come back (monitor web), says ", ": fixed"] {
        assert!(events.contains(part), "{part} is not in:\n{events}");
    }
}

#[test]
fn an_override_ends_by_itself() {
    let files = files("listen = \"\"");
    let serving = files.serve();
    done(&files, "force eu-west down --expires 1s");
    until("the override is over", || www(&serving) == EU);
    assert!(done(&files, "events").contains("its expiry"));
}

#[test]
fn the_last_pool_is_not_drained_unless_it_is_meant() {
    let files = files("listen = \"\"");
    let serving = files.serve();
    done(&files, "drain eu-west");
    let refused = ctl(&files, "drain us-east");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("the last that is up for www.example.com."), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(ctl(&files, "force us-east down").code, 1);
    assert!(done(&files, "status").contains("1 up, 0 down, 1 drained"));
    done(&files, "drain us-east --force");
    // Only drained pools are up, so they answer.
    assert_eq!(www(&serving), EU);
    let unknown = ctl(&files, "drain eu-wst");
    assert!(unknown.code == 1 && unknown.stderr.contains("did you mean `eu-west`"), "{unknown:?}");
}

#[test]
fn a_reload_says_what_check_says_and_status_remembers() {
    let files = files("listen = \"\"");
    let serving = files.serve();
    files.write("config/policies/services.toml", POLICIES.replace("use = \"www\"", "use = \"w\""));
    let refused = ctl(&files, "reload");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("services.toml:10"), "{refused:?}");
    assert!(done(&files, "status").contains("refused"));
    assert_eq!(www(&serving), EU);
    files.write("config/policies/services.toml", POLICIES.replace(EU, "192.0.2.99"));
    assert!(done(&files, "reload --reason moved").contains("generation 2 is in force"));
    let who = serving.log(&["meridian::audit", "generation 2 is in force, reloaded by "]);
    assert!(who.ends_with(": moved"), "{who}");
    assert_eq!(www(&serving), "192.0.2.99");
}

#[test]
fn over_tcp_everybody_reads_and_the_token_changes() {
    let files =
        files("listen = \"127.0.0.1:0\"\ntoken_file = \"token\"").with("config/token", "sesame\n");
    let serving = files.serve();
    let address = http_address(&serving);
    for path in ["/v1/status", "/v1/health", "/v1/events", "/livez", "/readyz", "/metrics"] {
        assert_eq!(http(address, "GET", path, "", "").0, 200, "{path}");
    }
    let drain = |more: &str| http(address, "POST", "/v1/drain", more, r#"{"pool": "eu-west"}"#);
    assert_eq!(drain("").0, 403);
    assert_eq!(drain("Authorization: Bearer wrong\r\n").0, 403);
    assert_eq!(www(&serving), EU);
    assert_eq!(drain("Authorization: Bearer sesame\r\n").0, 200);
    assert_eq!(www(&serving), US);
    let line = format!("restore eu-west --server http://{address} --token-file config/token");
    done(&files, &line);
    assert!(done(&files, "events").contains("token from 127.0.0.1"));
    files.write("config/token", "night-watch sesame\n");
    files.write("config/own", "sesame");
    let line = format!("drain eu-west --server http://{address} --token-file config/own");
    done(&files, &line);
    serving.log(&["meridian::audit", "drain by night-watch (token, from 127.0.0.1)"]);
    assert!(done(&files, "events").contains("night-watch"));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told_of_and_lived_with() {
    let files = files("listen = \"\"\nsocket = \"../ctl.sock\"").with("state", "a file");
    let serving = files.serve();
    let output = ctl(&files, "drain eu-west");
    assert!(output.code == 0 && output.stderr.contains("not kept"), "{output:?}");
    assert_eq!(www(&serving), US);
    assert!(done(&files, "status").contains("warning"));
}

#[test]
fn without_a_server_the_exit_code_is_2() {
    let output = ctl(&files("listen = \"\""), "status");
    assert!(output.code == 2 && output.stderr.contains("no server is reached"), "{output:?}");
}

/// Two regions, of the first of which others report.
fn reported(ttl: &str, admin: &str) -> Files {
    files(admin).with("config/policies/services.toml", policies_reported(ttl))
}

fn policies_reported(ttl: &str) -> String {
    let monitors = format!(
        "[monitor.ci]\nkind = \"push\"\nttl = \"{ttl}\"\n\
         [monitor.web]\nkind = \"tcp\"\nport = 9\ninterval = \"1h\"\n\
         [pool.other]\nmonitor = \"web\"\nmembers = [\"127.0.0.1\"]\n"
    );
    let watched = POLICIES.replace("[pool.eu-west]", "[pool.eu-west]\nmonitor = \"ci\"");
    monitors + &watched
}

#[test]
fn a_job_moves_the_clients_with_its_reports_and_with_its_silence() {
    let files = reported("1h", "listen = \"\"");
    let mut serving = files.serve();
    assert_eq!(www(&serving), EU);

    let said = done(&files, "report ci 192.0.2.10 down --reason broken");
    assert_eq!(said, "192.0.2.10 (monitor ci) is down now\n");
    assert_eq!(www(&serving), US);
    assert!(done(&files, "health eu-west").contains("reported down: broken"));
    serving.log(&["meridian::audit", "192.0.2.10 is reported down (monitor ci) by ", ": broken"]);
    // The same again is no news.
    done(&files, "report ci eu-west/192.0.2.10 down --reason broken");
    let events = done(&files, "events");
    assert_eq!(events.matches("is reported down (monitor ci) by ").count(), 1, "{events}");

    // Stopped and started, it is as it was reported.
    serving.process.stop();
    let serving = files.serve();
    assert_eq!(www(&serving), US);
    assert!(done(&files, "report ci eu-west up").contains("is up now"));
    assert_eq!(www(&serving), EU);

    // A reload that lets reports hold for a second: then nobody has said anything.
    files.write("config/policies/services.toml", policies_reported("1s"));
    done(&files, "reload");
    until("silence has taken it down", || www(&serving) == US);
    let health = done(&files, "health eu-west");
    assert!(health.contains("no report for 1s"), "{health}");
}

#[test]
fn reports_over_tcp_need_the_token_and_a_monitor_that_takes_them() {
    let files = reported("1h", "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"")
        .with("config/token", "deploy sesame\n");
    let serving = files.serve();
    let address = http_address(&serving);
    let token = "Authorization: Bearer sesame\r\n";
    let tell =
        |token: &str, body: Value| http(address, "POST", "/v1/report", token, &body.to_string());
    let member = json!({"pool": "eu-west", "member": EU, "monitor": "ci", "verdict": "down"});
    assert_eq!(tell("", member.clone()).0, 403);
    assert_eq!(www(&serving), EU);
    let (status, said) = tell(token, member);
    assert_eq!(status, 200, "{said}");
    assert_eq!(www(&serving), US);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["targets"][0]["verdict"], "down");
    assert!(done(&files, "health").contains("reported down: no reason given"));
    let events = done(&files, "events");
    assert!(events.contains("by deploy (token, from 127.0.0.1)"), "{events}");

    let of = |monitor: &str, target: &str| json!({"monitor": monitor, "target": target, "verdict": "up"});
    let refused = |status: u16, body: Value, why: &str| {
        let (code, said) = tell(token, body);
        assert!(code == status && said.contains(why), "{code} {said}, wanted {status} {why}");
    };
    refused(404, of("cii", EU), "did you mean `ci`?");
    refused(404, of("ci", "eu-wst"), "did you mean `eu-west`?");
    refused(409, of("web", "other"), "finds out by itself");
    refused(409, of("ci", "us-east"), "does not watch");
    refused(400, json!({"monitor": "ci", "verdict": "up"}), "say what it is about");
    refused(400, json!({"monitor": "ci", "target": EU, "verdict": "fine"}), "fine");
    assert_eq!(tell(token, of("ci", EU)).0, 200);
    assert_eq!(www(&serving), EU);
}

#[test]
fn the_commands_of_the_page_work_as_they_stand() {
    let files = reported("1h", "listen = \"\"");
    let _serving = files.serve();
    let page = fs::read_to_string("docs/control.md").unwrap();
    let lines: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("meridian ctl ")).collect();
    assert!(lines.len() >= 11);
    for line in lines {
        done(&files, line);
    }
}
