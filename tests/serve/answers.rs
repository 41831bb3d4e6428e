//! `meridian serve` from files, asked over real sockets: who gets which answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::ResponseCode;
use serde_json::json;

use crate::support::dns::{Ask, socket, socket_from};
use crate::support::mmdb::Writer;
use crate::support::program::{CONFIG, Files, Serving};

const SERVER: &str = r#"
[server]
zones    = ["../zones/*.zone"]
policies = ["policies/*.toml"]
workers  = 2

[geoip]
databases = ["../geoip/small.mmdb"]
[geoip.networks]
"127.0.0.2/32" = { country = "GB" }
"127.0.0.3/32" = { country = "JP" }
"::1/128"      = { country = "JP" }
"#;

const ZONE: &str = "\
$TTL 300
@        SOA   ns1 hostmaster 1 7200 900 1209600 60
@        NS    ns1
@        MX    10 mail
@        TXT   \"an apex with data of its own\"
ns1      A     192.0.2.53
mail     A     192.0.2.25
         AAAA  2001:db8::25
shop     CNAME www
out      CNAME www.elsewhere.test.
chain    CNAME shop
other    CNAME www.second.test.
*.wild   TXT   \"a wildcard of the zone file\"
a.b.c    A     192.0.2.1
sub      NS    ns.sub
ns.sub   A     192.0.2.54
";

const SECOND: &str = "\
$ORIGIN second.test.
$TTL 300
@ SOA ns1.example.com. hostmaster.example.com. 1 7200 900 1209600 60
@ NS  ns1.example.com.
";

const POLICIES: &str = r#"
[pool.us]
members = ["192.0.2.10", "2001:db8:a::10", { rdata = 'HTTPS 1 us.example.net. alpn=h2' }]
[pool.eu]
members = ["198.51.100.10", "2001:db8:e::10", { rdata = 'HTTPS 1 eu.example.net. alpn=h2' }]
[pool.ap]
members = ["203.0.113.10", "2001:db8:f::10", { rdata = 'HTTPS 1 ap.example.net. alpn=h2' }]
[pool.cdn]
members = [{ cname = "cdn.provider.test" }]
[pool.alias]
members = [{ cname = "mail.example.com" }]

[policy.world]
kind    = "geo"
default = "us"
rules   = [
  { match = "continent:EU", to = "eu" },
  { match = "country:JP", to = "ap" },
  { match = "country:FR", to = "none" },
]

[policy.partly]
kind    = "geo"
default = "us"
rules   = [{ match = "country:GB", to = "cdn" }, { match = "country:JP", to = "alias" }]

[policy.first]
kind    = "failover"
targets = ["eu", "us"]

[record."www.example.com"]
use = "world"
ttl = 20
[record."example.com"]
use = "world"
[record."*.app.example.com"]
use = "world"
[record."www.second.test"]
use = "world"
ttl = 40
[record."partly.example.com"]
use = "partly"
[record."first.example.com"]
use = "first"
"#;

const US: &str = "192.0.2.10";
const EU: &str = "198.51.100.10";
const AP: &str = "203.0.113.10";

fn database() -> Vec<u8> {
    Writer::new(6, 28)
        .insert("20.0.0.0/8", json!({"country_code": "US"}))
        .insert("81.0.0.0/8", json!({"country_code": "GB"}))
        .insert("90.0.0.0/8", json!({"country_code": "FR"}))
        .insert("133.0.0.0/8", json!({"country_code": "JP"}))
        .insert("2a00::/16", json!({"country_code": "GB"}))
        .finish()
}

fn files() -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/services.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
        .with("zones/second.zone", SECOND)
        .with("geoip/small.mmdb", database())
}

/// Keeps the files as long as the server.
fn serve() -> (Files, Serving) {
    let files = files();
    let serving = files.serve();
    (files, serving)
}

#[test]
fn the_client_subnet_decides_and_the_scope_is_as_wide_as_the_answer_holds() {
    let (_files, serving) = serve();
    let ask = |subnet: &str| Ask::new("www.example.com", "A").from(subnet).udp(serving.address());
    for (subnet, address, scope) in [
        ("81.2.69.0/24", EU, 8),
        ("81.2.69.142/32", EU, 8),
        ("81.0.0.0/8", EU, 8),
        ("133.11.0.0/16", AP, 8),
        // 0 to 63 holds nothing but clients of the default; so do 64 to 79 and 128 to 131.
        ("20.1.2.0/24", US, 2),
        ("64.1.2.0/24", US, 4),
        ("128.1.2.0/24", US, 6),
        ("2a00:1:2::/48", EU, 16),
        // The IPv4 address inside, its scope counted from outside.
        ("2002:5102:4500::/40", EU, 24),
        ("64:ff9b::5102:4500/120", EU, 104),
    ] {
        let told = ask(subnet);
        assert_eq!((told.one(), told.scope()), (address.to_owned(), Some(scope)), "{subnet}");
        assert_eq!(told.ttl(), 20);
        let echoed = told.subnet().unwrap();
        let (sent, length) = subnet.split_once('/').unwrap();
        assert_eq!(echoed.source_prefix().to_string(), length);
        assert!(sent == echoed.addr().to_string(), "{subnet}: {}", echoed.addr());
    }
    // A deliberate "no data" holds for its clients and no others.
    let told = ask("90.1.2.0/24");
    assert_eq!((told.rcode(), told.records().len()), (ResponseCode::NoError, 0));
    assert_eq!(told.scope(), Some(8));
    assert_eq!(told.0.authorities[0].record_type().to_string(), "SOA");
}

#[test]
fn without_a_client_subnet_the_source_of_the_packet_decides() {
    let (_files, serving) = serve();
    let from = |client: &str, ask: Ask| {
        let client: IpAddr = client.parse().unwrap();
        ask.over(&socket_from(client, serving.address()))
    };
    let plain = || Ask::new("www.example.com", "A");
    for (client, address) in [("127.0.0.1", US), ("127.0.0.2", EU), ("127.0.0.3", AP)] {
        for told in [from(client, plain()), from(client, plain().size(1232))] {
            assert_eq!((told.one(), told.scope()), (address.to_owned(), None), "{client}");
        }
        // A resolver that must not say whom it asks for.
        let told = from(client, plain().from("0.0.0.0/0"));
        assert_eq!((told.one(), told.scope()), (address.to_owned(), Some(0)), "{client}");
        // The subnet is stronger than the source.
        let told = from(client, plain().from("133.1.0.0/16"));
        assert_eq!((told.one(), told.scope()), (AP.to_owned(), Some(8)), "{client}");
    }
}

#[test]
fn a_server_told_to_ignore_client_subnets_goes_by_the_source() {
    let files = files();
    files.write(CONFIG, format!("{SERVER}\n[ecs]\nenabled = false\n"));
    let serving = files.serve();
    let client = socket_from("127.0.0.2".parse().unwrap(), serving.address());
    let told = Ask::new("www.example.com", "A").from("133.1.0.0/16").over(&client);
    assert_eq!((told.one(), told.scope()), (EU.to_owned(), None));
}

#[test]
fn all_types_of_a_name_point_at_the_same_region() {
    let (_files, serving) = serve();
    for (subnet, region) in [("20.0.0.0/24", "us"), ("81.0.0.0/24", "eu"), ("133.0.0.0/24", "ap")] {
        let ask = |rtype| Ask::new("www.example.com", rtype).from(subnet).udp(serving.address());
        let (v4, v6, https) = match region {
            "us" => (US, "2001:db8:a::10", "us.example.net."),
            "eu" => (EU, "2001:db8:e::10", "eu.example.net."),
            _ => (AP, "2001:db8:f::10", "ap.example.net."),
        };
        let told = [ask("A"), ask("AAAA"), ask("HTTPS")];
        assert_eq!(told[0].one(), v4);
        assert_eq!(told[1].one(), v6);
        assert!(told[2].one().contains(https), "{}", told[2].one());
        let scopes: Vec<_> = told.iter().map(|told| told.scope()).collect();
        assert!(scopes.iter().all(|scope| scope == &scopes[0]), "{scopes:?}");
        let none = ask("TXT");
        assert_eq!((none.rcode(), none.records().len()), (ResponseCode::NoError, 0));
    }
}

#[test]
fn a_client_gets_the_same_over_udp_and_tcp_on_ipv4_and_ipv6() {
    let files = files();
    let serving = files.serve_on(&["127.0.0.1:0", "[::1]:0"]);
    for name in ["www", "shop", "chain", "x.app", "a.b.c", "b.c", "mail", "sub", "no.such", "out"] {
        let name = format!("{name}.example.com");
        for rtype in ["A", "AAAA", "MX"] {
            for subnet in ["20.1.2.0/24", "81.2.69.0/24", "2a00:1::/32"] {
                let ask = Ask::new(&name, rtype).from(subnet);
                let mut replies = Vec::new();
                for address in serving.addresses() {
                    replies.push(ask.udp(*address).0);
                    replies.push(ask.tcp(*address).0);
                }
                assert!(replies.iter().all(|reply| reply == &replies[0]), "{name}: {replies:?}");
            }
        }
    }
    // By source the families differ, since the sources do.
    let by_source = Ask::new("www.example.com", "A");
    let [v4, v6] = serving.addresses() else { panic!("two addresses") };
    assert_eq!((by_source.udp(*v4).one(), by_source.tcp(*v4).one()), (US.into(), US.into()));
    assert_eq!((by_source.udp(*v6).one(), by_source.tcp(*v6).one()), (AP.into(), AP.into()));
}

#[test]
fn a_server_on_the_wildcard_address_answers_from_the_address_it_was_asked_at() {
    let files = files();
    let serving = files.serve_on(&["0.0.0.0:0"]);
    let port = serving.address().port();
    for asked in ["127.0.0.1", "127.0.0.9"] {
        let at: SocketAddr = format!("{asked}:{port}").parse().unwrap();
        // A connected socket takes nothing from any other address.
        assert_eq!(Ask::new("www.example.com", "A").from("81.0.0.0/8").udp(at).one(), EU);
    }
}

#[test]
fn names_of_the_zone_file_answer_beside_steered_ones() {
    let (_files, serving) = serve();
    let ask = |name: &str, rtype| Ask::new(name, rtype).from("81.2.69.0/24").udp(serving.address());
    let mail = ask("mail.example.com", "A");
    assert_eq!((mail.one(), mail.ttl(), mail.scope()), ("192.0.2.25".into(), 300, Some(0)));
    assert_eq!(ask("MAIL.Example.COM", "AAAA").one(), "2001:db8::25");
    let mx = ask("example.com", "MX");
    assert_eq!(mx.one(), "10 mail.example.com.");
    let extra: Vec<String> = mx.0.additionals.iter().map(|record| record.to_string()).collect();
    assert!(extra.contains(&"mail.example.com. 300 IN A 192.0.2.25".into()), "{extra:?}");
    assert_eq!(ask("any.thing.wild.example.com", "TXT").data().len(), 1);
    let empty = ask("b.c.example.com", "A");
    assert_eq!((empty.rcode(), empty.data().len()), (ResponseCode::NoError, 0));
    let none = ask("nope.example.com", "A");
    assert_eq!((none.rcode(), none.scope()), (ResponseCode::NXDomain, Some(0)));
    assert_eq!((none.0.authorities[0].ttl, none.0.authorities.len()), (60, 1));
    let referral = ask("www.sub.example.com", "A");
    assert_eq!((referral.rcode(), referral.data().len()), (ResponseCode::NoError, 0));
    assert!(!referral.0.metadata.authoritative);
    assert_eq!(referral.0.additionals[0].to_string(), "ns.sub.example.com. 300 IN A 192.0.2.54");
    let stranger = ask("www.elsewhere.test", "A");
    assert_eq!(stranger.rcode(), ResponseCode::Refused);
}

#[test]
fn the_apex_and_wildcards_are_steered() {
    let (_files, serving) = serve();
    let ask = |name: &str, rtype| Ask::new(name, rtype).from("81.2.69.0/24").udp(serving.address());
    let apex = ask("example.com", "A");
    assert_eq!((apex.one(), apex.ttl(), apex.scope()), (EU.into(), 30, Some(8)));
    assert_eq!(ask("example.com", "TXT").data().len(), 1);
    assert_eq!(ask("example.com", "NS").one(), "ns1.example.com.");
    for name in ["x.app.example.com", "deep.er.app.example.com"] {
        let told = ask(name, "A");
        assert_eq!(told.records(), [format!("{name}. 30 IN A {EU}")]);
        assert_eq!(told.scope(), Some(8));
    }
    // The wildcard's parent exists without data.
    let parent = ask("app.example.com", "A");
    assert_eq!((parent.rcode(), parent.data().len()), (ResponseCode::NoError, 0));
}

#[test]
fn aliases_lead_to_steered_names_and_steering_leads_to_aliases() {
    let (_files, serving) = serve();
    let ask = |name: &str, rtype, subnet| Ask::new(name, rtype).from(subnet).udp(serving.address());
    let shop = ask("shop.example.com", "A", "81.2.69.0/24");
    assert_eq!(shop.data(), ["www.example.com.", EU]);
    assert_eq!(shop.scope(), Some(8));
    let chain = ask("chain.example.com", "AAAA", "133.0.0.0/16");
    assert_eq!(chain.data(), ["shop.example.com.", "www.example.com.", "2001:db8:f::10"]);
    // Across zones of this server, with the TTL of each.
    let other = ask("other.example.com", "A", "133.0.0.0/16");
    assert_eq!(
        other.records(),
        [
            "other.example.com. 300 IN CNAME www.second.test.".to_owned(),
            format!("www.second.test. 40 IN A {AP}")
        ]
    );
    let out = ask("out.example.com", "A", "81.2.69.0/24");
    assert_eq!((out.rcode(), out.one()), (ResponseCode::NoError, "www.elsewhere.test.".into()));
    assert_eq!(out.scope(), Some(0));
    // Pools of aliases beside a pool of addresses.
    let partly = |rtype, subnet| ask("partly.example.com", rtype, subnet);
    assert_eq!(partly("A", "81.2.69.0/24").data(), ["cdn.provider.test."]);
    assert_eq!(partly("CNAME", "81.2.69.0/24").data(), ["cdn.provider.test."]);
    assert_eq!(partly("A", "133.2.69.0/24").data(), ["mail.example.com.", "192.0.2.25"]);
    assert_eq!(partly("MX", "133.2.69.0/24").data(), ["mail.example.com."]);
    assert_eq!(partly("A", "20.2.69.0/24").data(), [US]);
}

#[test]
fn a_policy_that_does_not_look_at_the_client_has_scope_zero() {
    let (_files, serving) = serve();
    let told = Ask::new("first.example.com", "A").from("20.2.69.0/24").udp(serving.address());
    assert_eq!((told.one(), told.scope()), (EU.into(), Some(0)));
}

#[test]
fn an_answer_too_large_for_a_datagram_is_had_over_tcp() {
    let files = files();
    let texts: String = (0..40).map(|n| format!("big TXT \"{n} {}\"\n", "x".repeat(60))).collect();
    files.write("zones/example.com.zone", format!("{ZONE}{texts}"));
    let serving = files.serve();
    for ask in [
        Ask::new("big.example.com", "TXT"),
        Ask::new("big.example.com", "TXT").size(1232),
        // More than the server sends, whatever the client takes.
        Ask::new("big.example.com", "TXT").size(4096),
    ] {
        let cut = ask.udp(serving.address());
        assert!(cut.0.metadata.truncation && cut.data().len() < 40);
        let whole = ask.tcp(serving.address());
        assert!(!whole.0.metadata.truncation);
        assert_eq!(whole.data().len(), 40);
    }
}

#[test]
fn draws_of_a_weighted_policy_come_within_two_points_of_their_shares() {
    const DRAWS: usize = 10_000;
    let files = files();
    files.write(
        "config/policies/services.toml",
        r#"
        [pool.a]
        members = ["192.0.2.1"]
        [pool.b]
        members = ["192.0.2.2"]
        [pool.c]
        members = ["192.0.2.3"]
        [pool.never]
        members = ["192.0.2.4"]
        [policy.shares]
        kind = "weighted"
        targets = [
            { to = "a", weight = 50 }, { to = "b", weight = 30 }, { to = "c", weight = 20 },
            { to = "never", weight = 0 },
        ]
        [record."shares.example.com"]
        use = "shares"
        "#,
    );
    files.write(
        "zones/second.zone",
        "$ORIGIN second.test.\n@ 60 SOA . . 1 1 1 1 1\n@ 60 NS ns.test.\n",
    );
    let serving = files.serve();
    let ask = Ask::new("shares.example.com", "A");
    let sockets: Vec<_> = (0..8).map(|_| socket(serving.address())).collect();
    let mut drawn: BTreeMap<String, usize> = BTreeMap::new();
    for draw in 0..DRAWS {
        *drawn.entry(ask.over(&sockets[draw % sockets.len()]).one()).or_default() += 1;
    }
    for (address, percent) in [("192.0.2.1", 50.0), ("192.0.2.2", 30.0), ("192.0.2.3", 20.0)] {
        let share = drawn[address] as f64 * 100.0 / DRAWS as f64;
        assert!((share - percent).abs() < 2.0, "{drawn:?}");
    }
    assert!(!drawn.contains_key("192.0.2.4"), "{drawn:?}");
}

#[test]
fn round_robin_is_even_over_any_window_to_within_the_number_of_workers() {
    const WORKERS: usize = 2;
    let files = files();
    let mut policies = String::new();
    for members in [2, 3, 4] {
        let list: Vec<String> = (1..=members)
            .flat_map(|n| [format!("\"192.0.2.{n}\""), format!("\"2001:db8::{n}\"")])
            .collect();
        policies += &format!(
            "[pool.p{members}]\nmembers = [{}]\n[record.\"p{members}.example.com\"]\nuse = \"p{members}\"\n",
            list.join(", ")
        );
    }
    files.write("config/policies/services.toml", policies);
    files.write(
        "zones/second.zone",
        "$ORIGIN second.test.\n@ 60 SOA . . 1 1 1 1 1\n@ 60 NS ns.test.\n",
    );
    let serving = files.serve();
    // Many ports, so that both workers are asked; and both types in alternation, as browsers do.
    let sockets: Vec<_> = (0..16).map(|_| socket(serving.address())).collect();
    for members in [2, 3, 4] {
        let name = format!("p{members}.example.com");
        let mut firsts = [Vec::new(), Vec::new()];
        for turn in 0..240 {
            // A resolver asks for both from one port.
            let socket = &sockets[turn % sockets.len()];
            for (firsts, rtype) in firsts.iter_mut().zip(["A", "AAAA"]) {
                let told = Ask::new(&name, rtype).over(socket);
                assert_eq!(told.data().len(), members);
                firsts.push(told.data()[0].clone());
            }
        }
        for firsts in &firsts {
            assert_even(firsts, members, WORKERS);
        }
    }
}

/// That in every window each is first equally often, give or take.
fn assert_even(firsts: &[String], members: usize, give: usize) {
    let all: Vec<&String> =
        firsts.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    assert_eq!(all.len(), members, "{firsts:?}");
    for begin in 0..firsts.len() {
        let mut counts = vec![0_usize; members];
        for (offset, first) in firsts[begin..].iter().enumerate() {
            counts[all.binary_search(&first).unwrap()] += 1;
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= give, "{counts:?} in {begin}..={}", begin + offset);
        }
    }
}
