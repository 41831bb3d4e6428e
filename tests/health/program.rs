//! The program itself with every kind of monitor.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::grpc::{Answer, Health};
use crate::support::certificates::Authority;
use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{Files, Output, SERVER, ZONE, until};

fn files(server: &str, policies: &str) -> Files {
    Files::of(format!("{SERVER}{server}"), policies)
}

fn script(files: &Files, path: &str, text: &str) {
    files.write(path, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(files.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A region that fails over to another without a monitor.
fn service(kind: &str, number: u8, check: std::net::SocketAddr) -> String {
    format!(
        "[pool.{kind}]\nmonitor = \"{kind}\"\n\
         members = [{{ address = \"192.0.2.{number}\", check = \"{check}\" }}]\n\
         [policy.{kind}-or-else]\nkind = \"failover\"\ntargets = [\"{kind}\", \"else\"]\n\
         [record.\"{kind}.example.com\"]\nuse = \"{kind}-or-else\"\nttl = 1\n"
    )
}

const PACE: &str = "interval = \"200ms\"\ntimeout = \"200ms\"\nfall = 2\nrise = 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_monitor_takes_a_region_out_and_brings_it_back() {
    let authority = Authority::new("ours");
    let tls = Server::start_tls(Behaviour::good(), authority.server("tls.example.com")).await;
    let cache = Server::start(Behaviour::ReplyThenHang(b"+PONG\r\n".into())).await;
    let web = Server::start(Behaviour::good()).await;
    let api = Health::start(Answer::status(1)).await;
    // A name server to be checked: this very program.
    let name_server =
        files("", "").with("zones/up.example.zone", ZONE.replace("192.0.2.53", "192.0.2.7"));
    let name_server = name_server.serve();

    let policies = format!(
        "[monitor.cache]\nkind = \"tcp\"\nsend = 'PING\\r\\n\\r\\n'\nexpect = {{ answer = \"+PONG\" }}\n{PACE}\
         [monitor.tls]\nkind = \"tls\"\nhost = \"tls.example.com\"\nca = \"../ca.pem\"\n{PACE}\
         [monitor.names]\nkind = \"dns\"\nquery = \"ns1.up.example\"\nexpect = {{ answer = [\"192.0.2.7\"] }}\n{PACE}\
         [monitor.api]\nkind = \"grpc\"\nservice = \"web\"\n{PACE}\
         [monitor.script]\nkind = \"exec\"\ncommand = [\"../check\", \"down\"]\n\
         interval = \"1s\"\ntimeout = \"1s\"\nfall = 2\nrise = 1\n\
         [monitor.shallow]\nkind = \"tcp\"\n{PACE}\
         [monitor.page]\nkind = \"http\"\n{PACE}\
         [monitor.deep]\nkind = \"all\"\nmonitors = [\"shallow\", \"page\"]\n\
         {}{}{}{}{}{}\
         [pool.else]\nmembers = [\"198.51.100.1\"]\n",
        service("cache", 1, cache.address),
        service("tls", 2, tls.address),
        service("names", 3, name_server.address()),
        service("script", 4, web.address),
        service("deep", 5, web.address),
        service("api", 6, api.address),
    );
    let files = files("[health]\nexec = true\n", &policies).with("config/ca.pem", authority.pem());
    script(
        &files,
        "config/check",
        "test ! -e \"$(dirname \"$0\")/$1\" && exit 0; echo \"lost $MERIDIAN_HOST\"; exit 1",
    );
    let serving = files.serve();
    let answer =
        |kind: &str| Ask::new(&format!("{kind}.example.com"), "A").udp(serving.address()).one();
    for (kind, number) in
        [("cache", 1), ("tls", 2), ("names", 3), ("script", 4), ("deep", 5), ("api", 6)]
    {
        assert_eq!(
            answer(kind),
            format!("192.0.2.{number}"),
            "{kind}: {}",
            serving.process.stderr.all()
        );
    }

    let down = |kind: &str, why: &str| {
        until(&format!("{kind} is down"), || answer(kind) == "198.51.100.1");
        serving.log(&["WARN", "is down", why]);
    };
    cache.now(Behaviour::Reply(b"-ERR\r\n".into()));
    down("cache", "(monitor cache): another answer; it begins `-ERR  `, wanted `+PONG`");
    tls.now(Behaviour::Close);
    down("tls", "(monitor tls): connection ");
    drop(name_server);
    down("names", "(monitor names): ");
    api.now(Answer::status(2));
    down("api", "(monitor api): NOT_SERVING for service `web`, wanted SERVING");
    files.write("config/down", "");
    down("script", "(monitor script): `check` ended with exit code 1: lost 127.0.0.1");
    web.now(Behaviour::status(500, ""));
    let at = web.address;
    down(
        "deep",
        &format!("(monitor deep): wanted 2 of 2 parts up, down: page of {at} (500 for GET /"),
    );

    cache.now(Behaviour::ReplyThenHang(b"+PONG\r\n".into()));
    tls.now(Behaviour::good());
    fs::remove_file(files.path("config/down")).unwrap();
    web.now(Behaviour::good());
    api.now(Answer::status(1));
    for (kind, number) in [("cache", 1), ("tls", 2), ("script", 4), ("deep", 5), ("api", 6)] {
        let address = format!("192.0.2.{number}");
        until(&format!("{kind} is back"), || answer(kind) == address);
    }
    let told = files.run(&["explain", "deep.example.com", "A", "--client", "192.0.2.0/24"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("2 of 2 parts needed: shallow of"), "{}", told.stdout);
}

/// What `check` says of a policy file beside nothing else.
fn check(server: &str, policies: &str) -> Output {
    files(server, policies).run(&["check"])
}

#[track_caller]
fn assert_refused(server: &str, policies: &str, parts: &[&str]) {
    let output = check(server, policies);
    assert_eq!(output.code, 2, "{}", output.stderr);
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{}", output.stderr);
    }
}

#[test]
fn programs_are_not_run_unless_the_servers_file_says_so() {
    let policies = "[monitor.x]\nkind = \"exec\"\ncommand = \"check\"\n";
    assert_refused("", policies, &["exec-not-allowed", "exec = true", "services.toml:3:"]);
    assert_refused("[health]\nexec = false\n", policies, &["exec-not-allowed"]);
    assert_refused("[health]\nexec = true\n", policies, &["policies/check", "services.toml:3:"]);
    let files = files("[health]\nexec = true\n", policies);
    files.write("config/policies/check", "no program");
    let output = files.run(&["check"]);
    assert!(output.stderr.contains("is not a program"), "{}", output.stderr);
}

#[test]
fn questions_that_cannot_be_asked_are_found_before_they_are() {
    let dns = |rest: &str| format!("[monitor.x]\nkind = \"dns\"\nquery = \"a.example\"\n{rest}\n");
    assert_refused("", &dns("type = \"AAAAA\""), &["AAAAA", "services.toml:4:"]);
    assert_refused("", &dns("type = \"AXFR\""), &["AXFR is not asked for in a check"]);
    assert_refused("", &dns("expect = { rcode = \"NXDOMIAN\" }"), &["did you mean `NXDOMAIN`?"]);
    assert_refused(
        "",
        &dns("expect = { answer = [\"192.0.2\"] }"),
        &["`192.0.2`", "services.toml:4:"],
    );
    assert_refused(
        "",
        &dns("expect = { rcode = \"NXDOMAIN\", answer = [\"192.0.2.1\"] }"),
        &["NXDOMAIN comes without an answer"],
    );
}

#[test]
fn a_part_keeps_its_own_port_and_two_pools_share_one_check_of_it() {
    let policies = "\
[monitor.tcp]
kind = \"tcp\"
port = 443
[monitor.page]
kind = \"http\"
[monitor.both]
kind = \"all\"
monitors = [\"tcp\", \"page\"]
[pool.a]
monitor = \"both\"
members = [{ address = \"192.0.2.1\", port = 8080 }]
[pool.b]
monitor = \"tcp\"
members = [\"192.0.2.1\"]
[policy.p]
kind = \"failover\"
targets = [\"a\", \"b\"]
[record.\"www.example.com\"]
use = \"p\"
ttl = 30
";
    let files = files("", policies);
    let output = files.run(&["check"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("3 checks"), "{}", output.stdout);
    let told = files.run(&["explain", "www.example.com", "A", "--client", "192.0.2.0/24"]);
    assert!(told.stdout.contains("monitor both of 192.0.2.1"), "{}", told.stdout);
}
