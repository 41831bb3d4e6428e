//! `meridian simulate` and `meridian diff`: what they foresee is what is served.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::support::control::done;
use crate::support::dns::{self, Ask};
use crate::support::dnstap;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{CONFIG, Files, Output, until};

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n";

const POLICIES: &str = r#"
[pool.us]
location = "aws:us-east-1"
members = ["192.0.2.1"]
[pool.eu]
location = "aws:eu-west-1"
members = ["192.0.2.2"]
[pool.ap]
location = "aws:ap-northeast-1"
members = ["192.0.2.3"]

[policy.world]
kind = "geo"
rules = [
  { match = "continent:EU", to = "eu" },
  { match = "country:FR", to = "eu" },
  { match = "continent:AS", to = "ap" },
  { match = ["asn:64500", "net:198.51.100.0/24"], to = "us" },
]
default = "near"
[policy.near]
kind = "nearest"
targets = ["us", "eu", "ap"]
[policy.draw]
kind = "weighted"
targets = [{ to = "us", weight = 3 }, "eu"]

[record."www.example.com"]
use = "world"
[record."draw.example.com"]
use = "draw"
"#;

fn server() -> String {
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/dbip-region.mmdb");
    format!(
        "[server]\nzones = [\"../zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\
         state = \"../state\"\nworkers = 1\n[geoip]\ndatabases = [{database:?}]\n"
    )
}

fn files() -> Files {
    Files::new()
        .with(CONFIG, server())
        .with("config/policies/p.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
}

/// With the same configuration a second time, under `new/`, and something replaced in it.
fn changed(from: &str, to: &str) -> Files {
    assert!(POLICIES.contains(from));
    files()
        .with("new/config/meridian.toml", server())
        .with("new/config/policies/p.toml", POLICIES.replace(from, to))
        .with("new/zones/example.com.zone", ZONE)
}

const NEW: &str = "new/config/meridian.toml";

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn share_of(facts: &Value, outlet: &str) -> f64 {
    let outlets = facts["outlets"].as_array().unwrap();
    let found = outlets.iter().find(|facts| facts["outlet"] == outlet);
    found.map_or(0.0, |facts| facts["share"].as_f64().unwrap())
}

/// Addresses spread over all of IPv4, the same in every run.
fn addresses(count: u32) -> impl Iterator<Item = Ipv4Addr> {
    (0..count).map(|number| Ipv4Addr::from(number.wrapping_mul(0x9e37_79b9) ^ 0x5bd1))
}

#[test]
fn simulated_shares_are_what_the_server_answers() {
    let log: String = addresses(3_000).map(|address| format!("{address}\n")).collect();
    let files = files().with("clients.log", log);
    let output = files.run(&["simulate", "www.example.com", "--queries", "clients.log", "--json"]);
    let facts = &json(&output)["targets"][0];

    let server = files.serve();
    let socket = dns::socket(server.address());
    let mut served: BTreeMap<String, u32> = BTreeMap::new();
    for address in addresses(3_000) {
        let ask = Ask::new("www.example.com", "A").from(&format!("{address}/32"));
        *served.entry(ask.over(&socket).data().join(" ")).or_default() += 1;
    }
    let pools = [("us", "192.0.2.1"), ("eu", "192.0.2.2"), ("ap", "192.0.2.3")];
    for (pool, member) in pools {
        let answered = f64::from(served[member]) / 3_000.0;
        assert!((share_of(facts, pool) - answered).abs() < 1e-9, "{pool}: {served:?} {facts:#}");
    }
}

/// What a server with this log answers to clients all over the world, by member.
fn asked_with_log(files: &Files, log: &str) -> BTreeMap<String, u32> {
    files.write(CONFIG, format!("{}[log]\n{log}\n", server()));
    let serving = files.serve();
    let socket = dns::socket(serving.address());
    let mut served = BTreeMap::new();
    for address in addresses(500) {
        let ask = Ask::new("www.example.com", "A").from(&format!("{address}/32"));
        *served.entry(ask.over(&socket).data().join(" ")).or_default() += 1;
    }
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
    served
}

/// That a simulation by this log says what was answered.
fn foresees(files: &Files, log: &str, served: &BTreeMap<String, u32>) {
    let output = files.run(&["simulate", "www.example.com", "--queries", log, "--json"]);
    let facts = &json(&output)["targets"][0];
    assert_eq!(facts["clients"], 500.0, "{output:?}");
    for (pool, member) in [("us", "192.0.2.1"), ("eu", "192.0.2.2"), ("ap", "192.0.2.3")] {
        let answered = f64::from(served[member]) / 500.0;
        assert!((share_of(facts, pool) - answered).abs() < 1e-9, "{log}: {pool}: {facts:#}");
    }
}

#[test]
fn a_query_log_of_the_server_in_text_foresees_what_it_answered() {
    let files = files();
    let served = asked_with_log(&files, "queries = \"../q.log\"");
    foresees(&files, "q.log", &served);
}

#[test]
fn a_query_log_of_the_server_in_json_foresees_what_it_answered() {
    let files = files();
    let log = "queries = \"../q.json\"\nqueries_format = \"json\"";
    let served = asked_with_log(&files, log);
    foresees(&files, "q.json", &served);
}

#[test]
fn dnstap_of_the_server_foresees_what_it_answered() {
    let files = files();
    let listener = UnixListener::bind(files.path("tap.sock")).unwrap();
    let frames = thread::spawn(move || dnstap::Reader::accept(&listener).finish());
    let served = asked_with_log(&files, "dnstap = \"../tap.sock\"");
    let frames = frames.join().unwrap();
    assert_eq!(frames.len(), 1000);
    // Queries and responses; either alone does as well.
    let of = |first: usize| frames.iter().skip(first).step_by(2).cloned().collect::<Vec<_>>();
    files.write("both.dnstap", dnstap::file(&frames));
    files.write("queries.dnstap", dnstap::file(&of(0)));
    files.write("responses.dnstap", dnstap::file(&of(1)));
    for log in ["both.dnstap", "queries.dnstap", "responses.dnstap"] {
        foresees(&files, log, &served);
    }
    let whole = dnstap::file(&frames);
    files.write("cut.dnstap", &whole[..whole.len() - 20]);
    let cut = files.run(&["simulate", "www.example.com", "--queries", "cut.dnstap"]);
    assert!(
        cut.code == 0 && cut.stderr.contains("cut.dnstap: the frames are cut short"),
        "{cut:?}"
    );
}

#[test]
fn the_worlds_people_go_where_the_policy_says() {
    let output = files().run(&["simulate", "--json", "--countries", "--every-failure", "2"]);
    let facts = json(&output);
    let targets = facts["targets"].as_array().unwrap();
    let of = |name: &str| targets.iter().find(|target| target["names"][0] == name).unwrap();
    let draw = of("draw.example.com.");
    assert!((share_of(draw, "us") - 0.75).abs() < 1e-9);
    let world = of("www.example.com.");
    let clients = world["clients"].as_f64().unwrap();
    assert!(clients > 7e9, "{clients}");
    // More than half of all people live in Asia.
    assert!((0.5..0.7).contains(&share_of(world, "ap")), "{world:#}");
    let countries = world["countries"].as_array().unwrap();
    let germany = countries.iter().find(|place| place["place"] == "DE Germany").unwrap();
    assert_eq!(germany["shares"][0][0], "eu");
    assert!(germany["clients"].as_f64().unwrap() > 7e7);
    // Three pools: three single failures and three double ones; nobody is lost by one of two.
    let failures = world["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 6);
    let of_ap = failures.iter().find(|failure| failure["down"] == serde_json::json!(["ap"]));
    assert!((of_ap.unwrap()["moved"].as_f64().unwrap() - share_of(world, "ap")).abs() < 1e-9);

    let without = files().run(&["simulate", "www.example.com", "--down", "ap", "--json"]);
    let without = &json(&without)["targets"][0];
    assert_eq!(share_of(without, "ap"), 0.0);
    let map = files().run(&["simulate", "www.example.com", "--map"]);
    assert!(map.code == 0 && map.stdout.contains("A ap\n"), "{map:?}");
}

#[test]
fn a_configuration_does_not_differ_from_itself() {
    let same = files().run(&["diff", CONFIG, CONFIG]);
    assert_eq!((same.code, same.stdout.as_str()), (0, "no difference\n"), "{same:?}");
    let json = json(&files().run(&["diff", CONFIG, CONFIG, "--json"]));
    assert_eq!(json["names"], serde_json::json!([]));
}

#[test]
fn a_change_of_one_country_names_exactly_that_country() {
    let files = changed(
        "{ match = \"country:FR\", to = \"eu\" }",
        "{ match = \"country:FR\", to = \"us\" }",
    );
    let output = files.run(&["diff", CONFIG, NEW, "--json"]);
    assert_eq!(output.code, 1, "{output:?}");
    let facts = json(&output);
    let [name] = facts["names"].as_array().unwrap().as_slice() else { panic!("{facts:#}") };
    assert_eq!(name["names"], serde_json::json!(["www.example.com."]));
    let [country] = name["countries"].as_array().unwrap().as_slice() else { panic!("{name:#}") };
    assert_eq!(country[0], "FR France");
    assert_eq!(country[1], 1.0);
    let [way] = name["ways"].as_array().unwrap().as_slice() else { panic!("{name:#}") };
    assert_eq!((&way[0], &way[1], &way[2]), (&"eu".into(), &"us".into(), &name["moved"]));
    assert_eq!(facts["files"], serde_json::json!(["policies: 1 changed (world)"]));

    let may = files.run(&["diff", CONFIG, NEW, "--max-moved", "5%"]);
    assert!(may.code == 0 && may.stdout.contains("of FR France"), "{may:?}");
    let may_not = files.run(&["diff", CONFIG, NEW, "--max-moved", "0.1%"]);
    assert_eq!(may_not.code, 1, "{may_not:?}");
}

#[test]
fn a_network_of_a_few_addresses_is_not_overlooked() {
    let files = changed("\"net:198.51.100.0/24\"", "\"net:198.51.100.0/25\"");
    let log = files.with("clients.log", "198.51.100.1\n198.51.100.200,3\n");
    let output = log.run(&["diff", CONFIG, NEW, "--queries", "clients.log", "--json"]);
    let facts = json(&output);
    // It is in no country: by distance it goes to the first target, which is where it was.
    assert_eq!(facts["names"], serde_json::json!([]), "{facts:#}");
    let files =
        changed("\"net:198.51.100.0/24\"], to = \"us\"", "\"net:198.51.100.0/24\"], to = \"ap\"");
    let log = files.with("clients.log", "198.51.100.1\n198.51.100.200,3\n203.0.113.1,4\n");
    let output = log.run(&["diff", CONFIG, NEW, "--queries", "clients.log", "--json"]);
    assert_eq!(json(&output)["names"][0]["moved"], 0.5);
}

#[test]
fn a_revision_of_a_repository_is_one_side() {
    let files = changed("\"country:FR\"", "\"country:BR\"");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
        let done = git.args(arguments).current_dir(files.path("")).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let same = files.run(&["diff", "HEAD:config/meridian.toml", CONFIG]);
    assert_eq!((same.code, same.stdout.as_str()), (0, "no difference\n"), "{same:?}");
    files.write("config/policies/p.toml", POLICIES.replace("weight = 3", "weight = 1"));
    let moved = files.run(&["diff", "HEAD:config/meridian.toml", CONFIG]);
    assert!(moved.code == 1 && moved.stdout.contains("25.0 %  from us to eu"), "{moved:?}");
    for wrong in ["HEAD:none.toml", "nowhere:config/meridian.toml"] {
        let output = files.run(&["diff", wrong, CONFIG]);
        assert!(output.code == 2 && !output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn names_pools_and_logs_that_are_not_there_are_named() {
    let files = files().with("empty.log", "# nothing\n");
    for (arguments, said) in [
        (&["simulate", "none.example.com"][..], "no policy steers `none.example.com.`"),
        (&["simulate", "--down", "eo"], "did you mean `eu`?"),
        (&["simulate", "--queries", "empty.log"], "no query in the logs"),
        (&["simulate", "--queries", "none.log"], "none.log"),
        (&["diff", CONFIG, "none.toml"], "none.toml"),
        (&["diff", CONFIG, CONFIG, "--max-moved", "much"], "write a share such as 5%"),
    ] {
        let output = files.run(arguments);
        assert!(output.code == 2 && output.stderr.contains(said), "{arguments:?}: {output:?}");
    }
}

/// With capacities, and members that said how busy they are.
fn with_capacities() -> Files {
    let policies = POLICIES
        .replace("[pool.us]\n", "[pool.us]\ncapacity = 40_000\n")
        .replace("[pool.eu]\n", "[pool.eu]\ncapacity = 60_000\n");
    files().with("config/policies/p.toml", policies)
}

#[test]
fn expected_load_is_held_against_capacity() {
    let files = with_capacities();
    let of = |more: &[&str]| {
        let arguments = ["simulate", "draw.example.com", "--total", "48000qps"];
        files.run(&[&arguments, more].concat())
    };
    let facts = json(&of(&["--every-failure", "--json"]));
    assert_eq!(facts["total"], 48_000.0);
    let target = &facts["targets"][0];
    let outlets = target["outlets"].as_array().unwrap();
    let burden = |pool: &str| {
        let outlet = outlets.iter().find(|outlet| outlet["outlet"] == pool).unwrap();
        outlet["burden"].clone()
    };
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-6;
    assert!(near(&burden("us")["expected"], 36_000.0) && near(&burden("us")["load"], 0.9));
    assert!(near(&burden("eu")["load"], 0.2));
    // Without eu all come to us, which is too small; that is the worst.
    let worst = &target["failures"][0];
    assert_eq!(worst["down"], serde_json::json!(["eu"]));
    assert_eq!(worst["overloaded"][0][0], "us");
    assert!(near(&worst["overloaded"][0][1], 1.2));
    let text = of(&["--every-failure"]).stdout;
    assert!(text.contains("36.0 k of 40.0 k, 90.0 %"), "{text}");
    assert!(text.contains("us OVER its capacity: 120.0 %"), "{text}");
    let down = of(&["--down", "eu"]).stdout;
    assert!(down.contains("48.0 k of 40.0 k, 120.0 %: OVER"), "{down}");

    let all = files.run(&["simulate", "--total", "50000"]);
    assert!(all.code == 2 && all.stderr.contains("name one"), "{all:?}");
    let wrong = files.run(&["simulate", "draw.example.com", "--total", "much"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("50000qps"), "{wrong:?}");
}

/// What the regions of `draw` say to the checks of a server, 0 to 1; `None` is nothing.
async fn region(load: &str) -> Server {
    Server::start(Behaviour::status(200, &format!("{{\"load\": {load}}}"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_total_it_is_the_present_load_that_members_told_a_server() {
    let (us, eu) = (region("0.3").await, region("0.4").await);
    let check = |address: &str, at: &Server| {
        format!(
            "monitor = \"load\"\nmembers = [{{ address = \"{address}\", check = \"{}\" }}]",
            at.address
        )
    };
    let policies = POLICIES
        .replace("members = [\"192.0.2.1\"]", &check("192.0.2.1", &us))
        .replace("members = [\"192.0.2.2\"]", &check("192.0.2.2", &eu))
        .replace("[pool.us]\n", "[pool.us]\ncapacity = 40_000\n")
        .replace("[pool.eu]\n", "[pool.eu]\ncapacity = 60_000\n");
    let monitor =
        "[monitor.load]\nkind = \"http\"\ninterval = \"1s\"\nload = { json = \"/load\" }\n";
    let files = files().with("config/policies/p.toml", format!("{monitor}{policies}"));
    let simulated = |name: &str| json(&files.run(&["simulate", name, "--json"]));
    // Nobody has told anything yet.
    assert_eq!(simulated("draw.example.com")["total"], Value::Null);

    let mut serving = files.serve();
    let is_near = |value: &Value, wanted: f64| {
        value.as_f64().is_some_and(|v| (v / wanted - 1.0).abs() < 1e-3)
    };
    // 0.3 of 40,000 and 0.4 of 60,000.
    until("the loads are known", || is_near(&simulated("draw.example.com")["total"], 36_000.0));
    let facts = simulated("draw.example.com");
    let outlets = facts["targets"][0]["outlets"].as_array().unwrap();
    let us_gets = outlets.iter().find(|outlet| outlet["outlet"] == "us").unwrap();
    assert!(is_near(&us_gets["burden"]["expected"], 27_000.0), "{facts:#}");
    assert!(is_near(&us_gets["burden"]["load"], 0.675), "{facts:#}");
    // What somebody says counts more; and a name with a pool that tells nothing has no total.
    let said = files.run(&["simulate", "draw.example.com", "--total", "48000", "--json"]);
    assert_eq!(json(&said)["total"], 48_000.0);
    assert_eq!(simulated("www.example.com")["total"], Value::Null);

    // It follows the regions, and is still known when the server has ended.
    us.now(Behaviour::status(200, "{\"load\": 0.9}"));
    until("the server knows better", || {
        let health: Value = serde_json::from_str(&done(&files, "health --json")).unwrap();
        health["pools"][0]["load"].as_f64().is_some_and(|load| load > 0.5)
    });
    assert_eq!(serving.process.stop(), Some(0));
    let total = simulated("draw.example.com")["total"].as_f64().unwrap();
    assert!((44_000.0..60_100.0).contains(&total), "{total}");
}

#[test]
fn the_map_is_an_image_with_every_country_in_the_colour_of_its_pool() {
    let files = files();
    let output = files.run(&["simulate", "www.example.com", "--svg", "world.svg"]);
    assert_eq!(output.code, 0, "{output:?}");
    let image = std::fs::read_to_string(files.path("world.svg")).unwrap();
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>\n"));
    let line = |of: &str| image.lines().find(|line| line.contains(of)).unwrap().to_owned();
    assert!(line("<title>DE: eu 100.0 %").starts_with("<path d=\"M"));
    let colour = |line: String| line.split("fill=\"").nth(1).unwrap()[..7].to_owned();
    assert_eq!(colour(line("<title>FR: eu 100.0 %")), colour(line("<title>eu</title>")));
    assert_ne!(colour(line("<title>JP: ap")), colour(line("<title>eu</title>")));
    assert!(line("<text").contains(">ap "), "the largest share comes first");
    assert!(image.matches("<path").count() > 150);
}
