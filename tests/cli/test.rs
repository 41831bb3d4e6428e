//! `meridian test`: policies are held to what their users expect of them.

use std::fs;
use std::path::Path;

use crate::support::program::{CONFIG, Files, Output, run_in};

const SERVER: &str = r#"
[geoip]
databases = []
[geoip.networks]
"20.0.0.0/8"  = { country = "US" }
"81.0.0.0/8"  = { country = "GB" }
"133.0.0.0/8" = { country = "JP" }
"#;

const ZONE: &str = "\
$TTL 300
@      SOA   ns1 hostmaster 1 7200 900 1209600 60
@      NS    ns1
ns1    A     192.0.2.53
shop   CNAME www
far    CNAME far.example.net.
";

const POLICIES: &str = r#"
[monitor.web]
kind = "http"

[pool.us]
monitor = "web"
members = ["192.0.2.10", "2001:db8:a::10"]
[pool.eu]
monitor = "web"
members = ["198.51.100.10", "198.51.100.11"]
answers = 1
[pool.ap]
members = ["203.0.113.10"]
[pool.cdn]
members = [{ cname = "cdn.example.net" }]

[policy.world]
kind = "geo"
rules = [
  { match = "continent:EU", to = ["eu", "us"] },
  { match = "continent:AS", to = "none" },
]
default = "us"
[policy.drawn]
kind = "weighted"
targets = [{ to = "us", weight = 3 }, "eu", { to = "ap", weight = 0 }]
[policy.loyal]
kind = "sticky"
targets = ["us", "eu", "ap"]

[record."www.example.com"]
use = "world"
[record."drawn.example.com"]
use = "drawn"
[record."loyal.example.com"]
use = "loyal"
[record."cdn.example.com"]
use = "cdn"
[record."desk.example.com"]
use = "ap"
on_all_down = ["203.0.113.99"]
"#;

fn files(cases: &str) -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/p.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
        .with("cases.toml", cases)
}

fn judged(cases: &str) -> Output {
    files(cases).run(&["test", "cases.toml"])
}

#[test]
fn cases_that_hold_are_counted_and_exit_with_0() {
    let output = judged(
        r#"
[case."Britain is served from Europe"]
name = "www.example.com"
client = "81.2.69.0/24"
expect = { pool = "eu", answers = ["198.51.100.11", "198.51.100.10"], scope = 8 }

[case."Britain goes to America when Europe is down"]
name = "www.example.com"
client = "81.2.69.160"
down = "eu"
expect = { pool = "us", rcode = "NOERROR" }

[case."one member of two is enough"]
name = "www.example.com"
client = "81.2.69.160"
down = ["198.51.100.10"]
expect = { answers = "198.51.100.11" }

[case."a drained region gets nobody new"]
name = "www.example.com"
client = "81.2.69.160"
drain = "eu"
expect = { pool = "us" }

[case."IPv6 of a region that has none"]
name = "www.example.com"
type = "AAAA"
client = "81.2.69.160"
expect = { nodata = true, scope = 8 }

[case."Asia is deliberately without an answer"]
name = "www.example.com"
client = "133.11.0.0/16"
expect = { nodata = true }

[case."an alias is followed"]
name = "shop.example.com"
client = "20.1.2.3"
expect = { pool = "us", answers = "192.0.2.10" }

[case."the draw knows both"]
name = "drawn.example.com"
client = "20.1.2.3"
expect = { pool = ["us", "eu"], answers = ["192.0.2.10", "198.51.100.10", "198.51.100.11"] }

[case."what has no weight is there when nothing else is"]
name = "drawn.example.com"
client = "20.1.2.3"
down = ["us", "eu"]
expect = { pool = "ap" }

[case."a name of another house"]
name = "cdn.example.com"
client = "20.1.2.3"
type = "CNAME"
expect = { pool = "cdn", answers = "cdn.example.net." }

[case."an alias to a name of another house"]
name = "cdn.example.com"
client = "20.1.2.3"
expect = { pool = "cdn", answers = "cdn.example.net" }

[case."an alias in the zone file likewise"]
name = "far.example.com"
client = "20.1.2.3"
expect = { answers = "far.example.net" }

[case."the last resort"]
name = "desk.example.com"
client = "20.1.2.3"
down = "ap"
expect = { answers = "203.0.113.99" }

[case."a static name"]
name = "ns1.example.com"
client = "20.1.2.3"
expect = { answers = "192.0.2.53", scope = 0, nodata = false }

[case."no such name"]
name = "nothing.example.com"
client = "20.1.2.3"
expect = { rcode = "NXDOMAIN" }

[case."another's name"]
name = "www.example.org"
client = "20.1.2.3"
expect = { rcode = "REFUSED" }
"#,
    );
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.starts_with("cases.toml\n  ok    Britain is served"), "{output:?}");
    assert!(output.stdout.ends_with("16 cases: 16 passed, 0 failed\n"), "{output:?}");
}

#[test]
fn a_sticky_client_is_expected_where_it_is_served() {
    let expect = |pool: &str| {
        judged(&format!(
            "[case.a]\nname = \"loyal.example.com\"\nclient = \"20.1.2.0/24\"\n\
             expect = {{ pool = \"{pool}\" }}\n"
        ))
    };
    let holds: Vec<&str> =
        ["us", "eu", "ap"].into_iter().filter(|pool| expect(pool).code == 0).collect();
    let [pool] = holds[..] else { panic!("one and no other: {holds:?}") };
    let explained = files("").run(&["explain", "loyal.example.com", "--client", "20.1.2.0/24"]);
    let member = [("us", "192.0.2.10"), ("eu", "198.51.100.1"), ("ap", "203.0.113.10")];
    let member = member.into_iter().find(|(name, _)| *name == pool).unwrap().1;
    let (_, answer) = explained.stdout.split_once("\nanswer ").unwrap();
    assert!(answer.contains(member), "{pool} and\n{answer}");
}

#[test]
fn a_case_that_fails_says_where_it_stands_what_came_and_why() {
    let output = judged(
        r#"
[case.holds]
name = "www.example.com"
client = "20.1.2.3"
expect = { pool = "us" }

[case."Britain goes to Asia"]
name = "www.example.com"
client = "81.2.69.0/24"
down = "eu"
expect = { pool = "ap", answers = "203.0.113.10", scope = 24, rcode = "SERVFAIL" }
"#,
    );
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    for part in [
        "  ok    holds\n",
        "  FAIL  Britain goes to Asia (cases.toml:7)\n",
        "        rcode: expected SERVFAIL, got NOERROR\n",
        "        pool: expected ap, got us\n",
        "        answers: expected 203.0.113.10, got 192.0.2.10\n",
        "        scope: expected /24, got /8\n",
        "rule continent:EU (config/policies/p.toml:",
        "passed over: state \"down\" is in force",
        "2 cases: 1 passed, 1 failed\n",
    ] {
        assert!(output.stdout.contains(part), "{part:?} is not in:\n{}", output.stdout);
    }
    let empty = judged(
        "[case.a]\nname = \"www.example.com\"\nclient = \"20.1.2.3\"\nexpect = { nodata = true }\n",
    );
    let said = "nodata: expected no data, got an answer with data";
    assert!(empty.code == 1 && empty.stdout.contains(said), "{empty:?}");
}

#[test]
fn ci_reads_the_outcome_as_junit() {
    let case = |pool: &str| {
        format!(
            "[case.\"{pool} & <co>\"]\nname = \"www.example.com\"\nclient = \"20.1.2.3\"\n\
             expect = {{ pool = \"{pool}\" }}\n"
        )
    };
    let files = files(&case("us")).with("more.toml", case("eu"));
    let output = files.run(&["test", "cases.toml", "more.toml", "--junit", "out.xml"]);
    assert_eq!(output.code, 1);
    let document = fs::read_to_string(files.path("out.xml")).unwrap();
    for part in [
        "<testsuite name=\"cases.toml\" tests=\"1\" failures=\"0\" errors=\"0\"",
        "<testcase classname=\"cases.toml\" name=\"us &amp; &lt;co&gt;\"",
        "<testsuite name=\"more.toml\" tests=\"1\" failures=\"1\"",
        "<failure message=\"pool: expected eu, got us\">more.toml:1",
        "(config/policies/p.toml:",
        "</testsuites>",
    ] {
        assert!(document.contains(part), "{part:?} is not in:\n{document}");
    }
    let nowhere = files.run(&["test", "cases.toml", "--junit", "none/out.xml"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("none/out.xml"), "{nowhere:?}");
}

#[test]
fn mistakes_in_cases_are_shown_where_they_stand() {
    for (case, said, help) in [
        ("nmae = 1", "unknown key `nmae` in [case.\"a\"]", "did you mean `name`?"),
        ("expect = { pool = \"cdnn\" }", "there is no pool named `cdnn`", "did you mean `cdn`?"),
        ("expect = { pool = \"world\" }", "no pool named `world`", "name the pools under it"),
        ("expect = { pools = \"eu\" }", "unknown key `pools`", "did you mean `pool`?"),
        ("expect = {}", "nothing is expected", "pool, answers, scope, nodata or rcode"),
        ("expect = { scope = 129 }", "`scope` must be from 0 to 128", ""),
        ("expect = { rcode = \"NXDOMIAN\" }", "`NXDOMIAN` is not", "did you mean `NXDOMAIN`?"),
        ("expect = { pool = \"eu\", nodata = true }", "never without data", "remove one"),
        ("client = \"81.2.69\"", "`81.2.69` is not a client", "192.0.2.0/24"),
        ("type = \"AAAAA\"", "AAAAA", "write A, AAAA, HTTPS"),
        ("name = \"a b\"", "is not a domain name", "www.example.com"),
        ("down = \"203.0.113.10\"", "`203.0.113.10` is never down", "give it a `monitor`"),
        ("down = \"us2\"", "there is no pool named `us2`", "did you mean `us`?"),
    ] {
        let key = case.split(' ').next().unwrap();
        let whole = [
            ("name", "name = \"www.example.com\""),
            ("client", "client = \"20.1.2.3\""),
            ("expect", "expect = { pool = \"us\" }"),
        ];
        let mut lines = vec!["[case.a]"];
        lines.extend(whole.iter().filter(|(name, _)| *name != key).map(|(_, line)| *line));
        lines.push(case);
        let output = judged(&lines.join("\n"));
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{case}");
        for part in [said, help, "--> cases.toml:", "1 error, 0 lints"] {
            assert!(output.stderr.contains(part), "{part:?} is not in:\n{}", output.stderr);
        }
    }
    let other = judged("[cases.a]\n");
    assert!(other.code == 2 && other.stderr.contains("did you mean `case`?"), "{other:?}");
    let missing = files("").run(&["test", "none.toml"]);
    assert!(missing.code == 2 && missing.stderr.contains("none.toml"), "{missing:?}");
}

#[test]
fn the_cases_of_the_examples_hold() {
    let output = run_in(Path::new(env!("CARGO_MANIFEST_DIR")), &["test", "config/cases.toml"]);
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains(" 0 failed\n"));
}
