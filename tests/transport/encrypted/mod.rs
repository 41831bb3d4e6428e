//! DNS over TLS, HTTPS, QUIC and HTTP/3, with a client for each: every answer is that of TCP.

mod files;
mod http3;
mod https;
mod limits;
mod quic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, ParsedRecord};
use domain::rdata::AllRecordData;
use meridian::engine::{Engine, Reply, Request, Scratch, Settings, Snapshot};
use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Encrypted, Identity, Protocol, Respond, Running};
use meridian::zone::{ZoneSource, Zones};

use crate::support::bed::{Bed, Made, Table, edns_query, query, subnet_query};
use crate::support::certificates::Authority;
use crate::support::clients;

/// An engine whose steered answers are made up.
pub(crate) struct Answers(Engine<Table>);

impl Respond for Answers {
    fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply {
        self.0.respond(request, scratch, out)
    }
}

pub(crate) const LIMITS: Limits = Limits {
    connections: 64,
    per_client: 64,
    idle: clients::PATIENCE,
    lifetime: Duration::from_secs(3600),
};

/// A server of every transport, and an authority that vouches for it.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) authority: Authority,
    /// What the server shows.
    pub(crate) identity: Identity,
}

impl Server {
    /// Must be called inside a tokio runtime.
    pub(crate) fn start(bed: Bed, limits: Limits) -> Server {
        let authority = Authority::new("ours");
        let (certificate, key) = authority.files(clients::NAME);
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let mut bound = Bound::bind(&[here], 1).unwrap();
        let lists = || vec![here];
        let (dot, doh, doq, doh3) = (lists(), lists(), lists(), lists());
        let encrypted = Encrypted { identity: identity.clone(), dot, doh, doq, doh3 };
        bound.bind_encrypted(&encrypted).unwrap();
        let engine = Arc::new(ArcSwap::from_pointee(Answers(bed.engine)));
        Server { running: bound.start(&engine, limits).unwrap(), authority, identity }
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    pub(crate) fn address(&self, wanted: Protocol) -> SocketAddr {
        let found = self.running.encrypted().iter().find(|(protocol, _)| *protocol == wanted);
        found.unwrap().1
    }

    pub(crate) async fn tls(&self) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let config = self.authority.client(b"dot");
        clients::tls(self.address(Protocol::Tls), config).await.unwrap()
    }

    pub(crate) fn https(&self) -> reqwest::Client {
        clients::https(self.address(Protocol::Https), self.authority.client(b"h2"))
    }

    pub(crate) async fn quic(&self) -> quinn::Connection {
        let config = self.authority.client(b"doq");
        clients::quic(self.address(Protocol::Quic), config).await.unwrap()
    }

    /// The replies of TLS, HTTPS and QUIC to a query whose ID is 0.
    async fn encrypted(&self, connections: &mut Connections, query: &[u8]) -> [Vec<u8>; 3] {
        let port = self.address(Protocol::Https).port();
        let quic = clients::ask_quic(&connections.quic, query).await.unwrap();
        let (len, quic) = quic.split_first_chunk().expect("a framed reply");
        assert_eq!(usize::from(u16::from_be_bytes(*len)), quic.len(), "one reply and no more");
        [
            clients::ask(&mut connections.tls, query).await.expect("a reply"),
            clients::post(&connections.https, port, query).await.unwrap(),
            quic.to_vec(),
        ]
    }

    async fn connect(&self) -> Connections {
        Connections { tls: self.tls().await, https: self.https(), quic: self.quic().await }
    }
}

struct Connections {
    tls: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
    https: reqwest::Client,
    quic: quinn::Connection,
}

/// A message without its compression: header, questions, sections of records with names in full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) header: Vec<u8>,
    pub(crate) questions: Vec<String>,
    pub(crate) records: Vec<Vec<Record>>,
}

/// Owner, type, class, TTL and data.
pub(crate) type Record = (String, u16, u16, u32, Vec<u8>);

pub(crate) fn plain(message: &[u8]) -> Plain {
    let parsed = Message::from_octets(message).unwrap();
    let record = |record: Result<ParsedRecord<'_, &[u8]>, _>| {
        let record = record.unwrap();
        // OPT reads back as it is; all else goes through the other implementation's types.
        let data = record.to_any_record::<AllRecordData<_, _>>().unwrap();
        let mut octets = Vec::new();
        data.data().compose_rdata(&mut octets).unwrap();
        let numbers = (record.rtype().to_int(), record.class().to_int(), record.ttl().as_secs());
        (format!("{:?}", record.owner().to_string()), numbers.0, numbers.1, numbers.2, octets)
    };
    let questions = parsed.question().map(|question| question.unwrap().to_string()).collect();
    let (_, answer, authority, additional) = parsed.sections().unwrap();
    let records = [answer, authority, additional]
        .into_iter()
        .map(|section| section.map(record).collect())
        .collect();
    Plain { header: message[..12].to_vec(), questions, records }
}

/// The octets of a query with the ID 0.
fn octets(mut query: hickory_proto::op::Message) -> Vec<u8> {
    query.metadata.id = 0;
    query.to_vec().unwrap()
}

/// Asks over every stream, and holds that all say what TCP says; returns that.
async fn same_over_all(server: &Server, connections: &mut Connections, query: &[u8]) -> Plain {
    let tcp = plain(&clients::tcp(server.plain(), query).await);
    let encrypted = server.encrypted(connections, query).await;
    for (reply, transport) in encrypted.iter().zip(["TLS", "HTTPS", "QUIC"]) {
        assert_eq!(plain(reply), tcp, "{transport} to {query:x?}");
    }
    tcp
}

pub(crate) const ZONE: &str = "$ORIGIN example.com.
$TTL 300
@ SOA ns1 hostmaster 1 7200 1800 777600 60
@ NS ns1
@ NS ns2.example.net.
@ MX 10 Mail
ns1 A 192.0.2.53
mail A 192.0.2.25
Mail AAAA 2001:db8::25
del NS ns.del
ns.del A 192.0.2.54
alias CNAME mail
*.wild TXT \"wild\"
old DNAME example.net.
";

#[tokio::test]
async fn a_question_has_one_answer_over_every_transport() {
    let made = Made::new("www.example.com.", 20, &["30 A 192.0.2.1", "30 A 192.0.2.2"]);
    let server = Server::start(Bed::steered(&[ZONE], vec![made]), LIMITS);
    let mut connections = server.connect().await;
    let mut badvers = edns_query("example.com. A", 1232);
    badvers.edns.as_mut().unwrap().set_version(1);
    let mut update = query("example.com. SOA");
    update.metadata.op_code = hickory_proto::op::OpCode::Update;
    let mut two = query("example.com. A");
    two.add_query(two.queries[0].clone());
    let mut dnssec = edns_query("example.com. NS", 1232);
    dnssec.edns.as_mut().unwrap().set_dnssec_ok(true);
    for query in [
        query("example.com. SOA"),
        query("eXaMpLe.CoM. MX"),
        query("example.com. ANY"),
        query("www.example.com. A"),
        subnet_query("www.example.com. A", "203.0.113.0", 24),
        subnet_query("www.example.com. AAAA", "2001:db8::", 48),
        subnet_query("mail.example.com. A", "203.0.113.0", 24),
        query("x.del.example.com. A"),
        edns_query("alias.example.com. AAAA", 4096),
        query("a.b.wild.example.com. TXT"),
        query("x.old.example.com. A"),
        edns_query("nothing.example.com. A", 1232),
        query("mail.example.com. TXT"),
        query("elsewhere.example. A"),
        badvers,
        update,
        two,
        dnssec,
    ] {
        let query = octets(query);
        let stream = same_over_all(&server, &mut connections, &query).await;
        let udp = clients::udp(server.plain(), &query).await;
        assert_eq!(plain(&udp), stream, "UDP to {query:x?}");
    }
    // The scope of the answer is among what was compared.
    let query = octets(subnet_query("www.example.com. A", "203.0.113.0", 24));
    let told = same_over_all(&server, &mut connections, &query).await;
    let subnet = &told.records[2][0].4;
    assert_eq!(subnet[..], [0, 8, 0, 7, 0, 1, 24, 20, 203, 0, 113]);
}

/// A server of every type that has a text form, and a question for each.
pub(crate) fn server_of_every_type() -> (Server, Vec<String>) {
    // What may stand only once at a name stands once.
    let text = include_str!("../../zones/types.zone");
    let read = meridian::zone::master::parse_text(
        text.as_bytes(),
        "types.zone".as_ref(),
        "types.example.".parse().unwrap(),
    )
    .unwrap();
    let mut seen = std::collections::HashSet::new();
    let records: Vec<_> = read
        .records
        .into_iter()
        .filter(|record| seen.insert((record.owner.clone(), record.rtype)))
        .collect();
    let questions: Vec<String> =
        records.iter().map(|record| format!("{} {}", record.owner, record.rtype)).collect();
    let source = ZoneSource::new(read.apex, &records);
    let zones = Zones::build(vec![source], Vec::new()).unwrap();
    let snapshot = Snapshot { zones, settings: Settings::default(), ..Snapshot::default() };
    let bed = Bed::with(snapshot, Vec::new());
    assert!(questions.len() > 60);
    (Server::start(bed, LIMITS), questions)
}

#[tokio::test]
async fn records_of_every_type_come_through_untouched() {
    let (server, questions) = server_of_every_type();
    let mut connections = server.connect().await;
    for question in &questions {
        let query = octets(query(question));
        let told = same_over_all(&server, &mut connections, &query).await;
        assert!(!told.records[0].is_empty(), "{question}: {told:?}");
    }
}

/// A server whose data is names of which the second of each points at the first, and a question
/// for each.
pub(crate) fn server_of_pointing_names() -> (Server, Vec<String>) {
    let names = [&b"\x05first\x03far\x07example\x00"[..], &b"\x06second\x03far\x07example\x00"[..]];
    let octets_of = |name: &[u8]| -> String {
        let hex: String = name.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("\\# {} {hex}", name.len())
    };
    let mut zone = "$ORIGIN example.com.\n$TTL 300\n\
                    @ SOA first.far.example. second.far.example. 1 7200 1800 777600 60\n\
                    minfo MINFO first.far.example. second.far.example.\n"
        .to_owned();
    for (owner, rtype) in [("@", "NS"), ("ptr", "PTR"), ("mb", "MB"), ("mg", "MG"), ("mr", "MR")] {
        zone += &format!("{owner} {rtype} first.far.example.\n");
        zone += &format!("{owner} {rtype} second.far.example.\n");
    }
    zone += "mx MX 10 first.far.example.\nmx MX 20 second.far.example.\n";
    for name in names {
        zone += &format!("md TYPE3 {}\nmf TYPE4 {}\n", octets_of(name), octets_of(name));
    }
    let types = ["MINFO", "PTR", "MB", "MG", "MR", "MX", "MD", "MF"];
    let mut questions: Vec<String> =
        types.iter().map(|rtype| format!("{rtype}.example.com. {rtype}")).collect();
    questions.extend(["SOA", "NS"].map(|rtype| format!("example.com. {rtype}")));
    (Server::start(Bed::new(&[&zone]), LIMITS), questions)
}

#[tokio::test]
async fn names_that_point_at_each_other_come_through() {
    let (server, questions) = server_of_pointing_names();
    let mut connections = server.connect().await;
    for question in &questions {
        let told = same_over_all(&server, &mut connections, &octets(query(question))).await;
        let is_one = question.ends_with("MINFO") || question.ends_with("SOA");
        assert_eq!(told.records[0].len(), if is_one { 1 } else { 2 });
    }
}

#[tokio::test]
async fn long_answers_and_long_names_come_through_whole() {
    let label = "x".repeat(63);
    let long = format!("{label}.{label}.{label}.{}", "y".repeat(49));
    let mut zone = ZONE.to_owned();
    for index in 0..4000 {
        zone += &format!("many A 10.0.{}.{}\n", index / 256, index % 256);
    }
    for index in 0..230 {
        zone += &format!("text TXT {index} \"{}\"\n", "t".repeat(250));
        zone += &format!("mails MX {index} m{index}.Mail\n");
    }
    zone += &format!("{long} MX 1 {long}\n");
    let server = Server::start(Bed::new(&[&zone]), LIMITS);
    let mut connections = server.connect().await;
    let long = format!("{long}.example.com. MX");
    for (question, count) in [
        ("many.example.com. A", 4000),
        ("text.example.com. TXT", 230),
        ("mails.example.com. MX", 230),
        (&long, 1),
    ] {
        let query = octets(edns_query(question, 1232));
        let told = same_over_all(&server, &mut connections, &query).await;
        assert_eq!(told.records[0].len(), count, "{question}");
    }
}
