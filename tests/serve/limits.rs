//! `meridian serve` with response rate limits, over real sockets.

use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;

use crate::support::dns::{Ask, Told, socket_from};
use crate::support::program::{CONFIG, Files, Serving};

/// One a second, and no answer dropped: those over the limit are truncated.
const SERVER: &str = r#"
[server]
zones   = ["../zones/*.zone"]
workers = 1

[geoip]
databases = []

[limits]
responses_per_second = 1
slip                 = 1
exempt               = ["127.0.9.0/25"]
"#;

const ZONE: &str = "\
$TTL 300
@     SOA ns1 hostmaster 1 7200 900 1209600 60
@     NS  ns1
ns1   A   192.0.2.53
www   A   192.0.2.80
sub   NS  ns.sub
ns.sub A  192.0.2.54
";

/// Many more than an address may have at once; enough that a slow machine sends faster than the
/// limit, too.
const MANY: usize = 10_000;

fn serve(files: &Files) -> Serving {
    files.write(CONFIG, SERVER);
    files.write("zones/example.com.zone", ZONE);
    files.serve()
}

/// A client with an address of its own.
struct Client<'s>(&'s str, &'s Serving);

impl Client<'_> {
    fn server(&self) -> SocketAddr {
        self.1.address()
    }

    /// Asks until an answer is truncated, which the first is not.
    fn limited(&self, ask: &Ask) -> Told {
        let socket = socket_from(self.0.parse().unwrap(), self.server());
        let first = ask.over(&socket);
        assert!(!first.0.metadata.truncation);
        (0..MANY)
            .map(|_| ask.over(&socket))
            .find(|told| told.0.metadata.truncation)
            .expect("a limit")
    }
}

#[test]
fn a_client_over_the_limit_is_sent_to_tcp_and_answered_there() {
    let files = Files::new();
    let serving = serve(&files);
    for (client, name, rtype, rcode) in [
        ("127.0.1.1", "www.example.com", "A", ResponseCode::NoError),
        ("127.0.2.1", "www.example.com", "TXT", ResponseCode::NoError),
        ("127.0.3.1", "x.sub.example.com", "A", ResponseCode::NoError),
        ("127.0.4.1", "nope.example.com", "A", ResponseCode::NXDomain),
    ] {
        let ask = Ask::new(name, rtype).size(1232);
        let limited = Client(client, &serving).limited(&ask);
        assert_eq!(limited.rcode(), rcode);
        assert!(limited.0.answers.is_empty() && limited.0.authorities.is_empty());
        assert!(limited.0.additionals.is_empty());
        for _ in 0..20 {
            let whole = ask.tcp(serving.address());
            assert_eq!(whole.rcode(), rcode);
            assert!(!whole.0.metadata.truncation);
            assert!(!whole.0.answers.is_empty() || !whole.0.authorities.is_empty());
        }
    }
}

#[test]
fn a_client_at_its_limit_takes_nothing_from_others_nor_from_its_other_answers() {
    let files = Files::new();
    let serving = serve(&files);
    let ask = Ask::new("www.example.com", "A");
    Client("127.0.5.1", &serving).limited(&ask);
    for (client, name, rtype, rcode) in [
        ("127.0.5.9", "nope.example.com", "A", ResponseCode::NXDomain),
        ("127.0.5.9", "elsewhere.test", "A", ResponseCode::Refused),
        ("127.0.6.1", "www.example.com", "A", ResponseCode::NoError),
    ] {
        let socket = socket_from(client.parse().unwrap(), serving.address());
        let told = Ask::new(name, rtype).over(&socket);
        assert_eq!((told.rcode(), told.0.metadata.truncation), (rcode, false), "{client} {name}");
    }
}

#[test]
fn errors_over_the_limit_stay_what_they_are() {
    let files = Files::new();
    let serving = serve(&files);
    let socket = socket_from("127.0.7.1".parse().unwrap(), serving.address());
    for _ in 0..100 {
        let told = Ask::new("elsewhere.test", "A").over(&socket);
        assert_eq!(told.rcode(), ResponseCode::Refused);
        assert!(!told.0.metadata.truncation);
    }
}

#[test]
fn exempt_clients_are_never_limited() {
    let files = Files::new();
    let serving = serve(&files);
    let ask = Ask::new("www.example.com", "A");
    let socket = socket_from("127.0.9.1".parse().unwrap(), serving.address());
    for _ in 0..500 {
        assert_eq!(ask.over(&socket).one(), "192.0.2.80");
    }
    Client("127.0.9.200", &serving).limited(&ask);
}
