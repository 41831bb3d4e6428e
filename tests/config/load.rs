//! What a configuration means once it is read: defaults, references, paths, places in the files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meridian::config::{
    self, Balance, Config, Destination, Diagnostic, Loaded, Location, Match, MemberData, Memory,
    MonitorKind, OnAllDown, OnDown, PolicyKind, PoolState, Port, Severity, Source, Span, Spread,
    Target,
};

const SERVER: &str = "[server]\nzones = []\n";

fn read(files: &[(&str, &str)]) -> Result<Loaded, Vec<Diagnostic>> {
    let own = [("config/meridian.toml", SERVER)];
    let files: Memory = own.iter().chain(files).copied().collect();
    config::read(&files, "config/meridian.toml".as_ref())
}

fn load(policies: &str) -> Config {
    match read(&[("config/policies/test.toml", policies)]) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{}", config::render(&errors, false)),
    }
}

#[test]
fn an_empty_file_has_every_default() {
    let files: Memory = [("etc/meridian.toml", "")].into_iter().collect();
    let loaded = config::read(&files, "etc/meridian.toml".as_ref()).unwrap();
    let config = loaded.config;
    let listen: Vec<String> = config.server.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:5300", "[::1]:5300"]);
    assert_eq!(config.server.workers, 0);
    assert_eq!(config.server.state, Path::new("etc/state"));
    assert_eq!(config.geoip.databases.len(), 1);
    assert_eq!(config.geoip.databases[0].path, Path::new("etc/../geoip/dbip-region.mmdb"));
    assert!(config.ecs_enabled);
    assert_eq!(config.limits.tcp_connections, 1024);
    assert_eq!(config.limits.tcp_per_client, 64);
    assert_eq!(config.limits.tcp_idle, Duration::from_secs(10));
    assert_eq!(config.limits.tcp_lifetime, Duration::from_secs(3600));
    assert_eq!(config.limits.edns_udp_size, 1232);
    assert_eq!(config.limits.responses_per_second, 0);
    assert_eq!(config.limits.nxdomains_per_second, 0);
    assert_eq!(config.limits.errors_per_second, 0);
    assert_eq!(config.limits.slip, 2);
    assert_eq!(config.limits.exempt, []);
    assert_eq!(config.limits.require_cookies_over, 0);
    // A server without zones is worth a remark.
    assert_eq!(loaded.lints.len(), 1);
    assert_eq!(loaded.lints[0].code, "no-files");
}

#[test]
fn the_rates_of_nxdomain_and_errors_follow_that_of_answers_unless_written() {
    let limits = |text: &str| {
        let text = format!("[limits]\n{text}");
        let files: Memory = [("meridian.toml", text.as_str())].into_iter().collect();
        let limits = config::read(&files, "meridian.toml".as_ref()).unwrap().config.limits;
        (limits.responses_per_second, limits.nxdomains_per_second, limits.errors_per_second)
    };
    assert_eq!(limits("responses_per_second = 200"), (200, 200, 200));
    assert_eq!(limits("responses_per_second = 200\nerrors_per_second = 0"), (200, 200, 0));
    assert_eq!(limits("nxdomains_per_second = 20\nerrors_per_second = 5"), (0, 20, 5));
}

#[test]
fn the_short_forms_have_the_documented_defaults() {
    let config = load(
        r#"
        [monitor.web]
        kind = "http"
        [monitor.secure]
        kind = "https"
        [pool.a]
        members = ["192.0.2.1"]
        [policy.draw]
        kind = "weighted"
        targets = ["a"]
        [policy.place]
        kind = "geo"
        rules = [{ match = "country:GB", to = "a" }]
        [record."www.example.com"]
        use = "draw"
        "#,
    );
    let [web, secure] = &config.monitors[..] else { panic!("two monitors") };
    assert_eq!((web.port, secure.port), (Port::Usual(80), Port::Usual(443)));
    assert_eq!((web.interval, web.timeout), (Duration::from_secs(10), Duration::from_secs(2)));
    assert_eq!((web.fall, web.rise), (3, 2));
    assert_eq!(web.detection(), Duration::from_secs(32));
    let MonitorKind::Http(http) = &web.kind else { panic!("an HTTP monitor") };
    assert_eq!((http.path.as_str(), http.method.as_str()), ("/", "GET"));
    assert_eq!((&http.host, &http.tls), (&None, &None));
    assert_eq!(http.expect.status, [200..=299]);
    let MonitorKind::Http(https) = &secure.kind else { panic!("an HTTPS monitor") };
    assert!(https.tls.as_ref().unwrap().verify);

    let pool = &config.pools[0];
    assert_eq!((pool.monitor, pool.answers, pool.min_healthy), (None, 8, 1));
    assert_eq!((pool.balance, pool.state), (Balance::RoundRobin, PoolState::Auto));
    assert_eq!(pool.members[0].weight, 1);
    let PolicyKind::Weighted { targets, spread } = &config.policies[0].kind else { panic!() };
    assert_eq!((targets[0].weight, *spread), (1, Spread::Query));
    let PolicyKind::Geo(geo) = &config.policies[1].kind else { panic!() };
    assert_eq!((&geo.default, geo.on_down), (&None, OnDown::Climb));
    let record = &config.records[0];
    assert_eq!((record.ttl, &record.on_all_down), (30, &OnAllDown::All));
    assert_eq!(record.name, "www.example.com".parse().unwrap());
}

#[test]
fn every_kind_of_policy_is_resolved() {
    let table = "country:GB,a,12.5\n\"city:Washington, D.C.\",b,3\n";
    let policies = r#"
        [pool.a]
        location = "aws:us-east-1"
        members = ["192.0.2.1"]
        [pool.b]
        location = { country = "gb" }
        members = ["192.0.2.2"]
        [policy.fail]
        kind = "failover"
        targets = ["b", "a"]
        [policy.all]
        kind = "round-robin"
        targets = ["a", "b"]
        answers = 3
        [policy.draw]
        kind = "weighted"
        targets = [{ to = "a", weight = 9 }, { to = "fail" }, { to = "b", weight = 0 }]
        spread = "client"
        [policy.stick]
        kind = "sticky"
        targets = ["a", { to = "b", weight = 2 }]
        [policy.place]
        kind = "geo"
        rules = [
            { match = ["net:10.0.0.0/8", "city:DE/Berlin"], to = ["a", "draw"] },
            { match = "asn:64500", to = "none" },
        ]
        default = ["b", "a"]
        on_down = "fence"
        [policy.near]
        kind = "nearest"
        targets = [{ to = "a", bias = -99 }, "b"]
        [policy.fast]
        kind = "latency"
        targets = ["a", "b"]
        table = "../latency.csv"
    "#;
    let files = [("config/policies/test.toml", policies), ("config/latency.csv", table)];
    let loaded = read(&files).unwrap();
    let config = loaded.config;
    let names: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["fail", "all", "draw", "stick", "place", "near", "fast"]);
    let (a, b) = (Target::Pool(0), Target::Pool(1));
    assert_eq!(config.target_name(b), "b");
    assert_eq!(config.target_name(Target::Policy(2)), "draw");

    let targets = |index: usize| -> Vec<Target> {
        config.policies[index].targets().iter().map(|to| to.target).collect()
    };
    assert_eq!(targets(0), [b, a]);
    assert_eq!(targets(2), [a, Target::Policy(0), b]);
    assert_eq!(targets(4), [a, Target::Policy(2), b, a]);
    let PolicyKind::Geo(geo) = &config.policies[4].kind else { panic!("geo") };
    let places: Vec<String> =
        geo.rules[0].matches.iter().map(|place| place.value.to_string()).collect();
    assert_eq!(places, ["net:10.0.0.0/8", "city:DE/Berlin"]);
    assert_eq!(geo.rules[1].to, Destination::None);
    assert_eq!(geo.rules[1].matches[0].value, Match::Asn(64500));
    let PolicyKind::Nearest { targets } = &config.policies[5].kind else { panic!("nearest") };
    assert_eq!((targets[0].bias, targets[1].bias), (-99, 0));
    let PolicyKind::Latency { table: Some(table), .. } = &config.policies[6].kind else {
        panic!("latency")
    };
    assert_eq!(table.source.path(), Path::new("config/policies/../latency.csv"));
    assert_eq!(loaded.sources.last(), Some(&table.source));
    assert_eq!((table.rows[0].pool, table.rows[0].milliseconds), (0, 12.5));
    assert_eq!(table.rows[1].place.value.to_string(), "city:Washington, D.C.");
    assert_eq!(table.rows[1].place.span.site().to_string(), "config/policies/../latency.csv:2:2");

    let location = |index: usize| &config.pools[index].location.as_ref().unwrap().value;
    let region = Location::Region { provider: "aws".into(), code: "us-east-1".into() };
    assert_eq!((location(0), location(1)), (&region, &Location::Country("GB".into())));
}

#[test]
fn members_know_where_they_are_checked() {
    let config = load(
        r#"
        [monitor.web]
        kind = "http"
        port = 8080
        [monitor.tcp]
        kind = "tcp"
        [pool.a]
        monitor = "web"
        members = [
            "192.0.2.1",
            { address = "2001:db8::1", port = 81, weight = 0 },
            { rdata = 'HTTPS 1 . alpn=h2' },
        ]
        min_healthy = "51%"
        [pool.b]
        monitor = "tcp"
        members = [{ cname = "lb.example.net", port = 443 }]
        [pool.c]
        members = ["192.0.2.2"]
        "#,
    );
    let ports: Vec<Option<u16>> = config.pools[0].members.iter().map(|m| m.check_port).collect();
    assert_eq!(ports, [Some(8080), Some(81), None]);
    // The HTTPS record is never checked and so does not count.
    assert_eq!(config.pools[0].counted().count(), 2);
    assert_eq!(config.pools[0].min_healthy, 2);
    assert_eq!(config.pools[1].members[0].check_port, Some(443));
    let name = MemberData::Cname("lb.example.net".parse().unwrap());
    assert_eq!(config.pools[1].members[0].data, name);
    assert!(config.pools[1].is_alias());
    assert_eq!(config.pools[2].members[0].check_port, None);
}

#[test]
fn records_take_every_form_of_on_all_down() {
    let forms = [
        (r#""all""#, OnAllDown::All),
        (r#""last-known""#, OnAllDown::LastKnown),
        (r#""nodata""#, OnAllDown::NoData),
        (r#""servfail""#, OnAllDown::ServFail),
        (
            r#"["192.0.2.9", "2001:db8::9"]"#,
            OnAllDown::Addresses(["192.0.2.9", "2001:db8::9"].map(|a| a.parse().unwrap()).into()),
        ),
    ];
    for (written, meant) in forms {
        let text = format!(
            "[pool.a]\nmembers = ['192.0.2.1']\n[record.'*.example.com']\nuse = 'a'\n\
             on_all_down = {written}\n"
        );
        let config = load(&text);
        assert_eq!(config.records[0].on_all_down, meant);
        assert!(config.records[0].name.is_wildcard());
    }
}

#[test]
fn networks_of_the_operator_are_resolved() {
    let server = r#"
        [server]
        zones = []
        [geoip]
        databases = ["a.mmdb", "/var/b.mmdb"]
        [geoip.networks]
        "10.1.0.0/16" = { subdivision = "de-he", asn = 64500 }
        "2001:db8::/32" = { country = "GB", latitude = 51, longitude = -0.1, city = "London" }
    "#;
    let files: Memory = [("etc/m.toml", server)].into_iter().collect();
    let geoip = config::read(&files, "etc/m.toml".as_ref()).unwrap().config.geoip;
    let paths: Vec<&Path> = geoip.databases.iter().map(|file| file.path.as_path()).collect();
    assert_eq!(paths, [Path::new("etc/a.mmdb"), Path::new("/var/b.mmdb")]);
    let [first, second] = &geoip.networks[..] else { panic!("two networks") };
    assert_eq!(first.country.as_deref(), Some("DE"));
    assert_eq!(first.subdivision.as_deref(), Some("DE-HE"));
    assert_eq!((first.asn, first.coordinates), (Some(64500), None));
    assert_eq!(second.coordinates, Some((51.0, -0.1)));
    assert_eq!(second.span.site().line, 8);
}

#[test]
fn things_know_where_they_are_written() {
    let config = load("[pool.a]\nmembers = [\n  '192.0.2.1',\n]\n\n[record.'x.test']\nuse = 'a'\n");
    let site = |span: &Span| span.site().to_string();
    assert_eq!(site(&config.pools[0].span), "config/policies/test.toml:1:7");
    assert_eq!(site(&config.pools[0].members[0].span), "config/policies/test.toml:3:3");
    assert_eq!(site(&config.records[0].span), "config/policies/test.toml:6:9");
    assert_eq!(site(&config.records[0].target.span), "config/policies/test.toml:7:7");
}

#[test]
fn files_are_one_set_in_the_order_of_their_paths() {
    let config = read(&[
        ("config/policies/b.toml", "[pool.b]\nmembers = ['192.0.2.2']\n"),
        ("config/policies/a.toml", "[policy.p]\nkind = 'failover'\ntargets = ['z', 'b']\n"),
        ("config/policies/.swap.toml", "not toml"),
        ("config/policies/c.toml", "[pool.z]\nmembers = ['192.0.2.3']\n"),
    ])
    .unwrap()
    .config;
    let pools: Vec<&str> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(pools, ["b", "z"]);
    let targets: Vec<Target> = config.policies[0].targets().iter().map(|to| to.target).collect();
    assert_eq!(targets, [Target::Pool(1), Target::Pool(0)]);
}

#[test]
fn a_configuration_on_disk_is_read_by_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["policies", "zones"] {
        std::fs::create_dir(at(path)).unwrap();
    }
    std::fs::write(at("meridian.toml"), "[server]\nzones = ['zones/*.zone']\n").unwrap();
    std::fs::write(at("zones/b.zone"), "").unwrap();
    std::fs::write(at("zones/a.zone"), "").unwrap();
    std::fs::write(at("policies/p.toml"), "[pool.a]\nmembers = ['192.0.2.1']\n").unwrap();
    let loaded = config::load(&at("meridian.toml")).unwrap();
    let zones: Vec<PathBuf> = loaded.config.server.zones.into_iter().map(|z| z.path).collect();
    assert_eq!(zones, [at("zones/a.zone"), at("zones/b.zone")]);
    let read: Vec<&Path> = loaded.sources.iter().map(|source| source.path()).collect();
    assert_eq!(read, [at("meridian.toml"), at("policies/p.toml")]);
    assert_eq!(loaded.lints.len(), 1, "the pool is not used");
}

#[test]
fn a_missing_or_odd_file_is_a_diagnostic() {
    let errors = config::load("no/such/file.toml".as_ref()).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message.contains("no/such/file.toml"));
    assert_eq!(errors[0].primary, None);
    assert!(!errors[0].help.is_empty());

    let own = ("config/meridian.toml", b"# caf\xe9\n".to_vec());
    let files: Memory = [own].into_iter().collect();
    let errors = config::read(&files, "config/meridian.toml".as_ref()).unwrap_err();
    let expected = "\
error[not-utf8]: config/meridian.toml is not UTF-8
 --> config/meridian.toml:1:6
  |
1 | # caf\u{fffd}
  |      ^ not a character
  |
  = help: save the file as UTF-8";
    assert_eq!(errors[0].to_string(), expected);
}

#[test]
fn a_diagnostic_can_be_made_by_other_layers() {
    let zone = Source::new("zones/x.zone", "$ORIGIN x.\n\twww A 1.2.3\n");
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let diagnostic = Diagnostic::error("zone", format!("not an address like {address}"))
        .at(&zone.at(2, 8), "here")
        .help("write four numbers");
    assert_eq!(diagnostic.severity, Severity::Error);
    let text = diagnostic.to_string();
    assert!(text.contains("zones/x.zone:2:8"), "{text}");
    assert!(text.contains("^^^^^ here"), "{text}");
    assert!(diagnostic.render(true).contains("\u{1b}["));
    assert!(!diagnostic.render(false).contains('\u{1b}'));
}

#[test]
fn a_monitor_damps_backs_off_and_warns_only_when_told_to() {
    let config = load(
        r#"
        [monitor.plain]
        kind = "http"
        [monitor.off]
        kind = "http"
        damping = false
        manual_resume = false
        [monitor.on]
        kind = "tcp"
        port = 80
        backoff = "1m"
        damping = true
        manual_resume = true
        warn = { latency = "300ms" }
        [monitor.own]
        kind = "http"
        damping = { half_life = "1m", suppress = 2, reuse = 0.5, max_hold = "10m" }
        warn = { load = 0.85, weight = "0%" }
        "#,
    );
    let [plain, off, on, own] = &config.monitors[..] else { panic!("{:?}", config.monitors) };
    for monitor in [plain, off] {
        assert_eq!((&monitor.backoff, &monitor.damping, &monitor.warn), (&None, &None, &None));
        assert!(!monitor.manual_resume);
    }
    assert_eq!(on.backoff.as_ref().unwrap().value, Duration::from_secs(60));
    assert!(on.manual_resume);
    let damping = on.damping.as_ref().unwrap();
    assert_eq!((damping.suppress, damping.reuse), (1.0, 0.4));
    let times = (damping.half_life, damping.max_hold);
    assert_eq!(times, (Duration::from_secs(300), Duration::from_secs(1200)));
    let warn = on.warn.as_ref().unwrap();
    let bound = warn.latency.as_ref().map(|latency| latency.value);
    assert_eq!((bound, &warn.load, warn.weight), (Some(Duration::from_millis(300)), &None, 50));
    let damping = own.damping.as_ref().unwrap();
    assert_eq!((damping.suppress, damping.reuse), (2.0, 0.5));
    let warn = own.warn.as_ref().unwrap();
    let bound = warn.load.as_ref().map(|load| load.value);
    assert_eq!((&warn.latency, bound, warn.weight), (&None, Some(0.85), 0));
}
