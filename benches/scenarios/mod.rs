//! The scenarios that every measurement of the engine has in common: what is served, what is
//! asked, and what must come back.
//!
//! Everything is made as the server makes it, from configuration and zone files, with the
//! embedded GeoIP database. Names and clients are many and drawn from a fixed seed. The name table
//! hashes with a random seed, so a single name costs some instructions more or less from run to
//! run; over this many names that evens out.

pub(crate) mod message;

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use meridian::config::{self, Memory};
use meridian::engine::{Clock, Engine, Reply, Request, Scratch, Transport};
use meridian::health::{CheckId, Verdict};
use meridian::server::{Origin, build};
use meridian::steering::control::Control;
use meridian::wire::{Name, Type};

use message::{Opt, Random, query};

/// Queries of one scenario: a total of instructions over it is read with the point four digits
/// to the left.
pub(crate) const QUERIES: usize = 10_000;

/// Names of each sort.
const NAMES: u64 = 512;

/// Names in the zones of [`Scenario::ManyNames`]: an eighth of a million, since loading a million
/// under callgrind takes minutes. The table grows by doubling, so it is as full as that of a
/// million, and a lookup takes as many steps.
const MANY_ZONES: u64 = 125;
const MANY_NAMES: u64 = 1000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// An A record of the zone file.
    Static,
    /// A geo policy with failover; the client is who sent the packet.
    GeoBySource,
    /// A geo policy with failover; the client is in EDNS Client Subnet, as a /24.
    GeoBySubnet,
    /// The same with a client of IPv6, as a /56.
    GeoBySubnet6,
    /// A policy of three weights.
    Weighted,
    /// As [`Scenario::GeoBySubnet`], with one pool of three down.
    Failover,
    /// Random labels that do not exist.
    NxDomain,
    /// Random labels below a wildcard.
    Wildcard,
    /// Random labels below a zone cut with glue.
    Referral,
    /// As [`Scenario::Static`], among very many names in many zones.
    ManyNames,
}

/// An engine and the queries of one scenario.
pub(crate) struct Bed {
    engine: Arc<Engine>,
    queries: Vec<Query>,
    scratch: Scratch,
    out: Vec<u8>,
}

/// One query.
#[derive(Clone)]
pub(crate) struct Query {
    pub(crate) message: Vec<u8>,
    pub(crate) client: SocketAddr,
}

const POLICIES: &str = r#"
[monitor.web]
kind = "tcp"
port = 80

[pool.na]
monitor = "web"
members = ["192.0.2.10"]

[pool.eu]
monitor = "web"
members = ["198.51.100.10"]

[pool.ap]
monitor = "web"
members = ["203.0.113.10"]

[policy.world]
kind    = "geo"
default = "from-na"
rules   = [
  { match = ["continent:NA", "continent:SA"], to = "from-na" },
  { match = ["continent:EU", "continent:AF"], to = "from-eu" },
  { match = ["continent:AS", "continent:OC"], to = "from-ap" },
]

[policy.from-na]
kind    = "failover"
targets = ["na", "eu", "ap"]

[policy.from-eu]
kind    = "failover"
targets = ["eu", "na", "ap"]

[policy.from-ap]
kind    = "failover"
targets = ["ap", "na", "eu"]

[policy.shares]
kind    = "weighted"
targets = [
  { to = "na", weight = 50 },
  { to = "eu", weight = 30 },
  { to = "ap", weight = 20 },
]
"#;

const APEX: &str = "$TTL 300\n\
    @ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\n@ NS ns2\n\
    ns1 A 192.0.2.53\nns2 A 192.0.2.54\n";

impl Scenario {
    /// All of them, in the order of every table.
    #[allow(dead_code, reason = "who names each has no use for it")]
    pub(crate) const ALL: [Scenario; 10] = [
        Scenario::Static,
        Scenario::GeoBySource,
        Scenario::GeoBySubnet,
        Scenario::GeoBySubnet6,
        Scenario::Weighted,
        Scenario::Failover,
        Scenario::NxDomain,
        Scenario::Wildcard,
        Scenario::Referral,
        Scenario::ManyNames,
    ];

    /// Response code, answers and authority records of every reply.
    fn expected(self) -> (u8, u16, u16) {
        match self {
            Scenario::NxDomain => (3, 0, 1),
            Scenario::Referral => (0, 0, 2),
            _ => (0, 1, 0),
        }
    }

    fn queries(self) -> Vec<Query> {
        let mut random = Random::new();
        let from =
            |text: String| text.parse::<Name>().expect("a name made here").as_wire().to_vec();
        (0..QUERIES)
            .map(|_| {
                let (number, client) =
                    (random.next() % NAMES, Ipv4Addr::from(random.next() as u32));
                let name = match self {
                    Scenario::Static => from(format!("static{number}.example.com.")),
                    Scenario::GeoBySource
                    | Scenario::GeoBySubnet
                    | Scenario::GeoBySubnet6
                    | Scenario::Failover => from(format!("geo{number}.example.com.")),
                    Scenario::Weighted => from(format!("weighted{number}.example.com.")),
                    Scenario::NxDomain => random.child(&from("example.com.".to_owned())),
                    Scenario::Wildcard => random.child(&from(format!("wild{number}.example.com."))),
                    Scenario::Referral => random.child(&from(format!("cut{number}.example.com."))),
                    Scenario::ManyNames => {
                        let zone = random.next() % MANY_ZONES;
                        from(format!("h{}.zone{zone}.example.", random.next() % MANY_NAMES))
                    }
                };
                let subnet = match self {
                    Scenario::GeoBySubnet | Scenario::Failover => Some((IpAddr::V4(client), 24)),
                    Scenario::GeoBySubnet6 => Some((IpAddr::V6(in_use(random.next())), 56)),
                    _ => None,
                };
                let opt = Opt { dnssec: false, subnet };
                let source =
                    if self == Scenario::GeoBySource { client } else { Ipv4Addr::LOCALHOST };
                Query {
                    message: query(&name, Type::A, Some(opt)),
                    client: (IpAddr::V4(source), 5353).into(),
                }
            })
            .collect()
    }
}

impl Bed {
    /// Loads what the scenario asks of, asks everything once, and looks at each reply.
    pub(crate) fn new(scenario: Scenario) -> Bed {
        let mut bed = Bed {
            engine: Arc::new(engine(scenario)),
            queries: scenario.queries(),
            scratch: Scratch::new(1),
            out: vec![0; 1232],
        };
        let (rcode, answers, authority) = scenario.expected();
        for number in 0..bed.queries.len() {
            let length = bed.respond(number);
            let header = &bed.out[..length][..12];
            assert_eq!(
                (header[3] & 0x0f, count(header, 6), count(header, 8)),
                (rcode, answers, authority),
                "{scenario:?}, query {number}"
            );
        }
        bed
    }

    /// Another thread's: the same engine, the same questions.
    #[allow(dead_code, reason = "for those who measure more than one thread")]
    pub(crate) fn beside(&self) -> Bed {
        Bed {
            engine: self.engine.clone(),
            queries: self.queries.clone(),
            scratch: Scratch::new(2),
            out: vec![0; 1232],
        }
    }

    /// Answers every query once; returns the octets of all replies.
    pub(crate) fn respond_to_all(&mut self) -> usize {
        (0..self.queries.len()).map(|number| self.respond(number)).sum()
    }

    /// What answers.
    #[allow(dead_code, reason = "for those who measure more than the engine")]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What is asked.
    #[allow(dead_code, reason = "for those who measure more than the engine")]
    pub(crate) fn queries(&self) -> &[Query] {
        &self.queries
    }

    #[inline]
    fn respond(&mut self, number: usize) -> usize {
        let query = &self.queries[number];
        let request = Request {
            message: black_box(&query.message),
            client: &query.client,
            local: &None,
            transport: Transport::Udp,
            clock: &Clock::at(1),
        };
        match self.engine.respond(&request, &mut self.scratch, &mut self.out) {
            Reply::Message(length) => length,
            reply => panic!("{reply:?}"),
        }
    }
}

/// The engine as the server makes it, all members up but those of the pool that failed.
fn engine(scenario: Scenario) -> Engine {
    let (mut zone, mut policies) = (APEX.to_owned(), POLICIES.to_owned());
    let mut files = Vec::new();
    if scenario == Scenario::ManyNames {
        for number in 0..MANY_ZONES {
            let mut zone = APEX.to_owned();
            for name in 0..MANY_NAMES {
                let _ = writeln!(zone, "h{name} A 192.0.2.1");
            }
            files.push((format!("zone{number}.example.zone"), zone));
        }
    } else {
        for name in 0..NAMES {
            let _ = writeln!(
                zone,
                "static{name} A 192.0.2.1\n*.wild{name} A 192.0.2.2\n\
                 cut{name} NS ns1.cut{name}\ncut{name} NS ns2.cut{name}\n\
                 ns1.cut{name} A 192.0.2.3\nns2.cut{name} A 192.0.2.4"
            );
            let _ = writeln!(
                policies,
                "[record.\"geo{name}.example.com\"]\nuse = \"world\"\n\
                 [record.\"weighted{name}.example.com\"]\nuse = \"shares\""
            );
        }
        files.push(("example.com.zone".to_owned(), zone));
        files.push(("policies.toml".to_owned(), policies));
    }
    let list = |end: &str| {
        let names = files.iter().map(|(name, _)| name).filter(|name| name.ends_with(end));
        names.map(|name| format!("{name:?}, ")).collect::<String>()
    };
    let server = format!("[server]\nzones = [{}]\npolicies = [{}]\n", list(".zone"), list(".toml"));
    files.push(("meridian.toml".to_owned(), server));
    let files: Memory = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let loaded = config::read(&files, "meridian.toml".as_ref()).expect("the files above are right");
    let generation = build(loaded, Origin::Embedded(&files)).expect("the files above are right");
    let verdicts = (0..generation.checks.len() as u32).map(|check| {
        let failed = scenario == Scenario::Failover && check == 1;
        (CheckId(check), if failed { Verdict::Down } else { Verdict::Up })
    });
    let mut control = Control::new(generation.steering, verdicts);
    control.settle();
    Engine { snapshot: generation.snapshot, live: Arc::new(control.live().clone()) }
}

/// A client of IPv6, from where the registries assign addresses: all others are one large range.
fn in_use(random: u64) -> Ipv6Addr {
    const ASSIGNED: [u16; 5] = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00]; // a /12 each
    let registry = u64::from(ASSIGNED[(random % 5) as usize]) << 48;
    Ipv6Addr::from_bits(u128::from(registry | random >> 12) << 64)
}

/// A count of the header, which stands at `offset`.
fn count(header: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([header[offset], header[offset + 1]])
}
