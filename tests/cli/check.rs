//! `meridian check`: what it finds, where, and how it ends.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::program::{CONFIG, Files, Output, run_in};

const ZONE: &str = "\
$TTL 300
@     SOA   ns1 hostmaster 1 7200 900 1209600 60
@     NS    ns1
ns1   A     192.0.2.53
www   TXT   \"beside a steered address\"
alias CNAME www
taken A     192.0.2.1
sub   NS    ns.elsewhere.test.
";

const POLICIES: &str = "\
[pool.us]
members = [\"192.0.2.10\"]

[pool.cdn]
members = [{ cname = \"cdn.provider.test\" }]

[record.\"www.example.com\"]
use = \"us\"

[record.\"img.example.com\"]
use = \"cdn\"
";

fn files() -> Files {
    Files::new()
        .with(CONFIG, "[geoip]\ndatabases = []\n")
        .with("config/policies/web.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
}

fn check(files: &Files) -> Output {
    files.run(&["check"])
}

/// That a check of `files` with this policy file ends with 2 and says all of this.
#[track_caller]
fn assert_errors(files: &Files, parts: &[&str]) {
    let output = check(files);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{}", output.stderr);
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

/// As [`assert_errors`], with this policy file beside the good ones: each `(code, line, text)` is
/// an error of that code at that line of it, with that text somewhere.
#[track_caller]
fn assert_mistakes(policies: &str, mistakes: &[(&str, usize, &str)]) {
    let files = files();
    files.write("config/policies/x.toml", policies);
    let errors = match mistakes.len() {
        1 => "1 error, ".to_owned(),
        count => format!("{count} errors, "),
    };
    let mut parts = vec![errors];
    for (code, line, text) in mistakes {
        parts.push(format!("error[{code}]: "));
        parts.push(format!("config/policies/x.toml:{line}:"));
        parts.push((*text).to_owned());
    }
    assert_errors(&files, &parts.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn what_is_clean_is_counted_and_exits_with_0() {
    let output = check(&files());
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(
        output.stdout,
        "config/meridian.toml: 1 zone, 7 names, 2 steered records, 2 pools, 0 policies, 0 checks\n"
    );
}

#[test]
fn lints_exit_with_1_and_are_shown_with_their_place() {
    let files = files();
    files.write("config/policies/spare.toml", "[pool.spare]\nmembers = [\"192.0.2.99\"]\n");
    let output = check(&files);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("lint[unused]: pool `spare` is not used"), "{}", output.stderr);
    assert!(output.stderr.contains("config/policies/spare.toml:1:7"), "{}", output.stderr);
    assert!(output.stderr.ends_with("0 errors, 1 lint\n"), "{}", output.stderr);
    assert!(output.stdout.contains("3 pools"));
}

#[test]
fn a_rule_that_no_client_of_the_world_matches_is_a_lint() {
    let files = files();
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/dbip-region.mmdb");
    files.write(CONFIG, format!("[geoip]\ndatabases = [{database:?}]\n"));
    files.write(
        "config/policies/geo.toml",
        "[policy.geo]\nkind = \"geo\"\ndefault = \"us\"\nrules = [\n  { match = \"asn:64500\", to = \"cdn\" },\n]\n[record.\"geo.example.com\"]\nuse = \"geo\"\n",
    );
    let output = check(&files);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("lint[unreachable-rule]"), "{}", output.stderr);
    assert!(output.stderr.contains("config/policies/geo.toml:5:"), "{}", output.stderr);
}

#[test]
fn errors_of_several_files_are_shown_in_one_run() {
    let files = files();
    files.write("config/policies/a.toml", "[pool.a]\nmembers = []\n");
    files.write("config/policies/b.toml", "[pool.us]\nmembers = [\"192.0.2.99\"]\n");
    files.write("config/policies/c.toml", "[record.\"c.example.com\"]\nuse = \"uss\"\nttl = -1\n");
    files.write("config/policies/d.toml", "[policy.d]\nkind = \"weigthed\"\n");
    assert_errors(
        &files,
        &[
            "error[empty-pool]",
            "config/policies/a.toml:2:11",
            "error[duplicate-name]",
            "config/policies/b.toml:1:7",
            "config/policies/web.toml:1:7",
            "config/policies/c.toml:2:7",
            "did you mean `us`?",
            "config/policies/c.toml:3:7",
            "config/policies/d.toml:2:8",
            "did you mean `weighted`?",
        ],
    );
}

#[test]
fn errors_in_zones_records_pools_and_databases_are_shown_in_one_run() {
    let files = files();
    files.write(CONFIG, "[geoip]\ndatabases = [\n  \"none.mmdb\",\n  \"policies/web.toml\",\n]\n");
    files.write(
        "zones/broken.test.zone",
        "$TTL 300\n@ SOA . . 1 1 1 1 1\n@ NS ns.test.\nbad A 192.0.2.256\n",
    );
    files.write("zones/naked.test.zone", "$TTL 300\n@ SOA . . 1 1 1 1 1\nwww A 192.0.2.1\n");
    files.write("config/policies/x.toml", "[pool.x]\nlocation = \"aws:us-eest-1\"\nmembers = [\"192.0.2.5\", { rdata = 'HTTPS x' }]\n");
    assert_errors(
        &files,
        &[
            "config/meridian.toml:3:3",
            "none.mmdb",
            "config/meridian.toml:4:3",
            "zones/broken.test.zone:4:7",
            "4 | bad A 192.0.2.256",
            "naked.test.zone",
            "error[unknown-region]",
            "config/policies/x.toml:2:12",
            "did you mean `aws:us-east-1`?",
            "error[bad-rdata]",
            "config/policies/x.toml:3:",
        ],
    );
}

#[test]
fn a_record_outside_any_zone_is_an_error() {
    assert_mistakes(
        "[record.\"www.example.org\"]\nuse = \"us\"\n",
        &[("record-outside-zones", 1, "www.example.org. is within no zone that is served")],
    );
}

#[test]
fn a_type_defined_twice_is_an_error_that_shows_both_places() {
    assert_mistakes(
        "\n[record.\"taken.example.com\"]\nuse = \"us\"\n",
        &[("type-twice", 2, "example.com.zone:7:1")],
    );
}

#[test]
fn a_record_beside_an_alias_is_an_error_and_so_is_an_alias_beside_data() {
    assert_mistakes(
        "[record.\"alias.example.com\"]\nuse = \"us\"\n[record.\"taken.example.com\"]\nuse = \"cdn\"\n",
        &[
            ("record-beside-cname", 1, "example.com.zone:6:1"),
            ("record-beside-cname", 3, "example.com.zone:7:1"),
        ],
    );
}

#[test]
fn an_alias_at_the_apex_is_an_error() {
    assert_mistakes(
        "[record.\"example.com\"]\nuse = \"cdn\"\n",
        &[("cname-at-apex", 1, "which cannot be a CNAME")],
    );
}

#[test]
fn a_record_below_a_delegation_is_an_error() {
    assert_mistakes(
        "[record.\"www.sub.example.com\"]\nuse = \"us\"\n",
        &[("record-delegated", 1, "sub.example.com., which the zone delegates")],
    );
}

#[test]
fn an_unknown_cloud_region_suggests_a_near_one() {
    assert_mistakes(
        "[pool.x]\nmembers = [\"192.0.2.9\"]\nlocation = \"gcp:europe-wst1\"\n",
        &[("unknown-region", 3, "did you mean `gcp:europe-west1`?")],
    );
    assert_mistakes(
        "[pool.x]\nmembers = [\"192.0.2.9\"]\nlocation = \"elsewhere:moon\"\n",
        &[("unknown-region", 3, "latitude = 39.0")],
    );
}

#[test]
fn data_of_a_member_that_is_no_record_data_is_an_error() {
    for (data, why) in [
        ("HTTPS 1", "HTTPS"),
        ("HTTPS 99999 .", "99999"),
        ("NOSUCH 1 2", "NOSUCH"),
        ("MX 10", "MX"),
        ("NS ns.example.com.", "cannot be steered"),
        ("SOA a. b. 1 2 3 4 5", "cannot be steered"),
    ] {
        let policies =
            format!("[pool.x]\nmembers = [\n  \"192.0.2.9\",\n  {{ rdata = '{data}' }},\n]\n");
        assert_mistakes(&policies, &[("bad-rdata", 4, why)]);
    }
}

#[test]
fn names_and_addresses_in_one_round_robin_are_an_error() {
    let files = files();
    files.write(
        "config/policies/x.toml",
        "[policy.mixed]\nkind = \"round-robin\"\ntargets = [\"us\", \"cdn\"]\n",
    );
    assert_errors(&files, &["one answer", "config/policies/x.toml:3:"]);
}

#[test]
fn a_missing_authority_of_a_monitor_is_an_error() {
    assert_mistakes(
        "[monitor.x]\nkind = \"https\"\nca = \"none.pem\"\n[pool.x]\nmonitor = \"x\"\nmembers = [\"192.0.2.9\"]\n",
        &[("unreadable", 3, "none.pem")],
    );
}

#[test]
fn a_zone_file_is_shown_at_every_mistake_with_line_and_column() {
    let files = files();
    files.write(
        "zones/example.com.zone",
        "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600\n@ NS ns1\nns1 A 192.0.2\n\
         text TXT \"open\nwww AAAA 192.0.2.1\n$INCLUDE none.inc\nmx MX mail\n",
    );
    let output = check(&files);
    assert_eq!(output.code, 2);
    for place in [":2:", ":4:", ":5:", ":7:", ":8:"] {
        let place = format!("zones/example.com.zone{place}");
        assert!(output.stderr.contains(&place), "{place:?} is not in:\n{}", output.stderr);
    }
}

#[test]
fn what_must_hold_in_a_zone_is_checked() {
    for (zone, text) in [
        ("@ NS ns1\nns1 A 192.0.2.1\n", "SOA"),
        ("@ SOA . . 1 1 1 1 1\nns1 A 192.0.2.1\n", "NS"),
        ("@ SOA . . 1 1 1 1 1\n@ NS ns.test.\na CNAME b\na A 192.0.2.1\n", "CNAME"),
        ("@ SOA . . 1 1 1 1 1\n@ NS ns.test.\nwww.example.org. A 192.0.2.1\n", "www.example.org."),
        ("@ SOA . . 1 1 1 1 1\n@ NS ns1\n", "ns1.example.com."),
    ] {
        let files = files();
        files.write("config/policies/web.toml", "");
        files.write("zones/example.com.zone", format!("$TTL 300\n{zone}"));
        assert_errors(&files, &["example.com.zone", text]);
    }
}

#[test]
fn two_files_for_one_zone_are_an_error() {
    let files = files();
    files.write("zones/again.zone", format!("$ORIGIN example.com.\n{ZONE}"));
    assert_errors(&files, &["error[zone-twice]", "example.com."]);
}

#[test]
fn files_that_are_not_text_are_errors_and_not_panics() {
    let octets: Vec<u8> = (0..=u8::MAX).collect();
    let files = files();
    files.write("config/policies/noise.toml", &octets);
    assert_errors(&files, &["config/policies/noise.toml"]);
    let files = self::files();
    files.write("zones/noise.test.zone", &octets);
    assert_errors(&files, &["zones/noise.test.zone"]);
    let files = self::files();
    files.write("geoip/noise.mmdb", &octets);
    files.write(CONFIG, "[geoip]\ndatabases = [\"../geoip/noise.mmdb\"]\n");
    assert_errors(&files, &["config/meridian.toml:2:14", "noise.mmdb"]);
}

#[test]
fn the_examples_of_the_repository_are_clean() {
    let output = run_in(Path::new(env!("CARGO_MANIFEST_DIR")), &["check"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.contains("2 zones"), "{}", output.stdout);
}

#[test]
fn the_configuration_may_stand_anywhere() {
    let files = Files::new()
        .with(
            "etc/own.toml",
            "[server]\nzones = [\"my/*.zone\"]\npolicies = []\n[geoip]\ndatabases = []\n",
        )
        .with("etc/my/example.com.zone", ZONE);
    let path = files.path("etc/own.toml");
    let output = run_in(Path::new("/"), &["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let files = files();
    files.write("config/policies/a.toml", "[pool.a]\nmembers = []\n");
    let broken = files.path(CONFIG);
    let clean = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIG);
    for (config, code) in [(broken, 2), (clean, 0)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_meridian"))
            .args(["check", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}
