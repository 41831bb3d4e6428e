//! `meridian import`: what other systems say is said again, is a configuration without errors, and
//! answers clients as the source does; what cannot be is told.

use std::fs;
use std::path::Path;

use crate::support::import::{
    CALIFORNIA, Expected, GB, JP, OFFICE, US, data, files, holds, import, read, report_has, serves,
};
use crate::support::program::Files;

#[test]
fn terraform_geolocation_records_answer_by_continent() {
    let files = files(&["terraform/geolocation.tf"]);
    let output = import(&files, "terraform", &[]);
    assert_eq!(output.code, 0, "nothing is left: {output:?}");
    report_has(
        &files,
        &["source/geolocation.tf:1 aws_route53_record.www_us", "geolocation routing"],
    );
    let at: [Expected<'_>; 4] = [
        (US, &["192.168.1.10"]),
        (GB, &["192.168.2.10"]),
        (JP, &["192.168.3.10"]),
        // Route 53 has no answer where no record and no default matches.
        ("198.18.0.0/24", &[]),
    ];
    serves(&files, "www.example.com", &at);
}

#[test]
fn terraform_latency_records_want_the_addresses_that_only_terraform_knows() {
    let files = files(&["terraform/latency.tf"]);
    assert_eq!(import(&files, "terraform", &[]).code, 1, "two values are left");
    report_has(
        &files,
        &[
            "the value of `aws_eip.us_east.public_ip`",
            "Give it with --set aws_eip.us_east.public_ip=VALUE",
            "latency routing: Amazon's measurements are not public",
        ],
    );
    // Names that are sure not to exist stand in.
    serves(&files, "www.example.com", &[(US, &["aws-eip.us-east.public-ip.invalid."])]);

    fs::remove_dir_all(files.path("config")).unwrap();
    let given = ["aws_eip.us_east.public_ip=192.0.2.1", "aws_eip.eu_west.public_ip=192.0.2.2"];
    let output = import(&files, "terraform", &["--set", given[0], "--set", given[1]]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(read(&files, "policies/imported.toml").contains("location = \"aws:eu-west-1\""));
    serves(&files, "www.example.com", &[(US, &["192.0.2.1"]), (GB, &["192.0.2.2"])]);
}

#[test]
fn terraform_failover_records_fail_over() {
    let files = files(&["terraform/failover.tf"]);
    assert_eq!(import(&files, "terraform", &[]).code, 0);
    let policies = read(&files, "policies/imported.toml");
    for part in
        ["kind = \"http\"", "path = \"/health\"", "interval = \"30s\"", "fall = 3", "ttl = 60"]
    {
        assert!(policies.contains(part), "{part} is not in:\n{policies}");
    }
    holds(
        &files,
        r#"
[case.usually]
name = "www.example.com"
client = "20.1.2.3"
expect = { answers = "192.168.1.10", scope = 0 }
[case."the primary is down"]
name = "www.example.com"
client = "20.1.2.3"
down = "192.168.1.10"
expect = { answers = "192.168.2.10" }
"#,
    );
    serves(&files, "www.example.com", &[(US, &["192.168.1.10"]), (JP, &["192.168.1.10"])]);
}

#[test]
fn terraform_aliases_to_load_balancers_answer_by_continent_with_a_default() {
    let files = files(&["terraform/gslb.tf"]);
    let given = [
        "aws_lb.us_east.dns_name=us.elb.example.net",
        "aws_lb.eu_west.dns_name=eu.elb.example.net",
    ];
    import(&files, "terraform", &["--set", given[0], "--set", given[1]]);
    report_has(&files, &["an alias answers with addresses there, with a CNAME here"]);
    let at: [Expected<'_>; 3] = [
        (US, &["us.elb.example.net."]),
        (GB, &["eu.elb.example.net."]),
        (JP, &["us.elb.example.net."]),
    ];
    holds(
        &files,
        r#"
[case."Europe is down"]
name = "www.example.com"
client = "81.2.69.1"
down = "eu.elb.example.net"
expect = { pool = "www-default" }
"#,
    );
    serves(&files, "www.example.com", &at);
}

#[test]
fn terraform_cloudflare_load_balancers_steer_by_region_and_fall_back() {
    let files = files(&["terraform/cloudflare.tf"]);
    assert_eq!(import(&files, "terraform", &[]).code, 1, "session affinity is left");
    report_has(
        &files,
        &[
            "session affinity by cookie",
            "`check_regions = [\"WNAM\", \"ENAM\"]`",
            "regions of Cloudflare",
            "fallback pool `us-east-pool`",
        ],
    );
    holds(
        &files,
        r#"
[case."Europe keeps to its region, and then to the fallback pool whatever its state"]
name = "www.example.com"
client = "81.2.69.1"
down = ["us-east-pool", "eu-west-pool"]
expect = { answers = ["192.168.1.10", "192.168.1.11"] }
[case."one origin of two is enough"]
name = "www.example.com"
client = "20.1.2.3"
down = "192.168.1.10"
expect = { answers = "192.168.1.11" }
"#,
    );
    let (us, eu): (&[&str], &[&str]) = (&["192.168.1.10", "192.168.1.11"], &["192.168.2.10"]);
    serves(&files, "www.example.com", &[(US, us), (CALIFORNIA, us), (GB, eu), (JP, us)]);
}

#[test]
fn terraform_files_are_followed_through_variables_zones_and_other_resources() {
    let files = files(&[])
        .with(
            "source/main.tf",
            r#"
variable "domain" { default = "example.net" }
resource "aws_route53_zone" "main" { name = var.domain }
resource "aws_route53_record" "apex" {
  zone_id = aws_route53_zone.main.zone_id
  name    = ""
  type    = "TXT"
  ttl     = 300
  records = ["v=spf1 -all"]
}
resource "aws_route53_record" "two" {
  count   = 2
  zone_id = aws_route53_zone.main.zone_id
  name    = "two"
}
resource "aws_route53_record" "weighted" {
  zone_id        = aws_route53_zone.main.zone_id
  name           = "app.${var.domain}"
  type           = "A"
  ttl            = 60
  set_identifier = "one"
  weighted_routing_policy { weight = 0 }
  records        = ["192.0.2.1"]
  made_up        = 7
}
resource "aws_route53_query_log" "log" {}
module "more" { source = "./more" }
"#,
        )
        .with("source/values.tfvars", "domain = \"example.org\"\n");
    assert_eq!(import(&files, "terraform", &["--name-server", "ns1.example.net"]).code, 1);
    let zone = read(&files, "zones/example.org.zone");
    for part in ["@ NS ns1.example.net.", "@ 300 TXT \"v=spf1 -all\"", "$ORIGIN example.org."] {
        assert!(zone.contains(part), "{part} is not in:\n{zone}");
    }
    report_has(
        &files,
        &[
            "source/main.tf:11 aws_route53_record.two: a record repeated by `2`",
            "`made_up = 7`: has no counterpart here",
            "aws_route53_query_log.log: the resource: has no counterpart",
            "module \"more\": is not followed",
        ],
    );
    serves(&files, "app.example.org", &[(US, &["192.0.2.1"])]);
}

#[test]
fn what_is_no_terraform_is_shown_with_its_line() {
    let files = Files::new().with("source/main.tf", "resource \"a\" \"b\" {\n  x = \n}\n");
    let broken = files.run(&["import", "terraform", "source", "--out", "out"]);
    assert!(broken.code == 2 && broken.stderr.contains("source/main.tf:2"), "{broken:?}");
    files.write("source/main.tf", "resource \"a\" \"b\" {}\n");
    let foreign = files.run(&["import", "terraform", "source", "--out", "out"]);
    assert!(foreign.code == 2 && foreign.stderr.contains("nothing in these files"), "{foreign:?}");
    files.write("source/main.tf", fs::read(data("terraform/geolocation.tf")).unwrap());
    assert_eq!(files.run(&["import", "terraform", "source", "--out", "out"]).code, 0);
    let again = files.run(&["import", "terraform", "source", "--out", "out"]);
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{again:?}");
}

#[test]
fn route_53_record_sets_become_trees_of_policies() {
    let files = files(&[
        "route53/record-sets.json",
        "route53/health-checks.json",
        "route53/cidr-blocks.json",
        "route53/traffic-policy.json",
        "route53/instances.json",
    ]);
    assert_eq!(import(&files, "route53", &["--name-server", "ns1.example.net"]).code, 1);
    report_has(
        &files,
        &[
            "a health check of type CALCULATED",
            "`example.com.` NS: they are Amazon's servers",
            "latency routing: Amazon's measurements are not public",
            "alias to `d111111abcdef8.cloudfront.net.`",
            "`world.example.com.`: the traffic policy world",
        ],
    );
    let zone = read(&files, "zones/example.com.zone");
    assert!(zone.contains("@ SOA ns1.example.net. awsdns-hostmaster.amazon.com. 1 7200"), "{zone}");
    assert!(zone.contains("@ 3600 MX 10 mail.example.com."), "{zone}");
    holds(
        &files,
        r#"
[case."both of the stable set, and the next one"]
name = "canary.example.com"
client = "20.1.2.3"
expect = { pool = ["canary-stable", "canary-next"], answers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"] }
[case."IPv6 is where IPv4 is"]
name = "geo.example.com"
type = "AAAA"
client = "81.2.69.1"
expect = { answers = "2001:db8:e::1" }
[case."a set that is down gives way to the larger place"]
name = "geo.example.com"
client = "81.2.69.1"
down = "198.51.100.1"
expect = { answers = "192.0.2.10" }
[case."an alias leads to a failover"]
name = "tree.example.com"
client = "20.1.2.3"
down = "192.0.2.21"
expect = { answers = "192.0.2.22" }
[case."a wildcard"]
name = "any.app.example.com"
type = "CNAME"
client = "20.1.2.3"
expect = { answers = "lb.example.net" }
"#,
    );
    let names: [(&str, &[Expected<'_>]); 6] = [
        (
            "geo.example.com",
            &[
                (GB, &["198.51.100.1"]),
                (CALIFORNIA, &["192.0.2.11"]),
                (US, &["192.0.2.10"]),
                (JP, &["192.0.2.10"]),
            ],
        ),
        ("tree.example.com", &[(US, &["192.0.2.21"]), (GB, &["198.51.100.21"])]),
        ("near.example.com", &[(US, &["192.0.2.41"]), (GB, &["198.51.100.41"])]),
        ("many.example.com", &[(US, &["192.0.2.51", "192.0.2.52"])]),
        ("net.example.com", &[(OFFICE, &["192.0.2.61"]), (US, &["192.0.2.62"])]),
        ("world.example.com", &[(GB, &["198.51.100.71"]), (US, &["192.0.2.71"])]),
    ];
    for (name, expected) in names {
        serves(&files, name, expected);
    }
}

#[test]
fn cloudflare_load_balancers_of_the_api_are_those_of_terraform() {
    let files = files(&[
        "cloudflare/monitors.json",
        "cloudflare/pools.json",
        "cloudflare/load-balancers.json",
        "cloudflare/dns-records.json",
    ]);
    assert_eq!(import(&files, "cloudflare", &[]).code, 1);
    report_has(
        &files,
        &[
            "`follow_redirects`: a redirect is a failure here",
            "origin `app-server-1`: `header = { Host = [\"example.com\"] }`",
            "`pop_pools = {",
            "session affinity by cookie",
            "`old.example.com.`: the load balancer is switched off",
            "the origin `app-server-3` is switched off",
            "`example.com.` A: proxied",
        ],
    );
    holds(
        &files,
        r#"
[case."a pool needs two of its origins"]
name = "www.example.com"
client = "81.2.69.1"
down = "192.0.2.11"
expect = { pool = "us-dc" }
[case."the fallback pool has a name"]
name = "random.example.com"
client = "20.1.2.3"
down = ["primary-dc-1", "us-dc"]
expect = { answers = "page.example.net" }
[case."nearest by coordinates"]
name = "near.example.com"
client = "81.2.69.1"
expect = { pool = "primary-dc-1" }
"#,
    );
    serves(&files, "near.example.com", &[(US, &["198.51.100.11"])]);
    serves(
        &files,
        "www.example.com",
        &[(US, &["198.51.100.11"]), (CALIFORNIA, &["198.51.100.11"])],
    );
    serves(&files, "mail.example.com", &[(US, &["192.0.2.25"])]);
}

#[test]
fn documents_of_something_else_are_refused() {
    for system in ["route53", "cloudflare"] {
        let files = Files::new().with("source/a.json", "{\"some\": \"thing\"}");
        let foreign = files.run(&["import", system, "source", "--out", "out"]);
        assert!(
            foreign.code == 2 && foreign.stderr.contains("source/a.json: this is "),
            "{foreign:?}"
        );
        files.write("source/a.json", "{\n \"some\": }");
        let broken = files.run(&["import", system, "source", "--out", "out"]);
        assert!(broken.code == 2 && broken.stderr.contains("source/a.json:2"), "{broken:?}");
        assert!(!files.path("out").exists(), "nothing is written");
    }
}

#[test]
fn the_commands_of_the_page_on_migration_run() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrate.md");
    let page = fs::read_to_string(page).unwrap();
    let commands: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("$ meridian import ")).collect();
    assert_eq!(commands.len(), 9, "one for each source: {commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let files = files(&[]);
        // The examples of each section are the files of its folder.
        for entry in fs::read_dir(data(words[0])).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // One file of Terraform, since all define the same name.
            if words[0] != "terraform" || name == "geolocation.tf" {
                files.write(
                    &format!("{}/{name}", words[1].trim_end_matches('/')),
                    fs::read(path).unwrap(),
                );
            }
        }
        let mut arguments = vec!["import"];
        arguments.extend(&words);
        arguments.push("--prove=50");
        let output = files.run(&arguments);
        assert!(output.code < 2, "{command}: {output:?}");
        assert!(output.stdout.contains("proved: "), "{command}: {output:?}");
        let check = files.run(&["check", "--config", "new/meridian.toml"]);
        assert!(check.code < 2, "{command}: {}", check.stderr);
    }
}
