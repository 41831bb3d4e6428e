//! Questions to name servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, rdata};
use hickory_proto::serialize::binary::BinDecodable;
use meridian::health::{Data, Failure, Kind, Monitor, Question, Stage};
use meridian::wire::types::Rcode;
use meridian::wire::{Name, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::support::checks::{SHORT, check, failure, monitor, outcome};
use crate::support::hostile::Refusing;

fn question(rtype: Type, answer: &[&[u8]]) -> Question {
    Question {
        name: "www.example.com".parse::<Name>().unwrap(),
        rtype,
        rcode: Rcode::NOERROR,
        answer: answer.iter().map(|data| Data::new(rtype, data).unwrap()).collect(),
    }
}

fn asking(question: Question) -> Monitor {
    monitor(Kind::Dns(Box::new(question)))
}

/// A name server on one port of UDP and TCP that answers as its script says: the query, and
/// whether it came over TCP.
struct NameServer {
    address: SocketAddr,
    over_tcp: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

type Script = fn(&Message, bool) -> Option<Vec<u8>>;

impl NameServer {
    async fn start(script: Script) -> NameServer {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            // Another may have the port of the same number over UDP.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = udp.local_addr().unwrap();
        let over_tcp = Arc::new(AtomicUsize::new(0));
        let count = over_tcp.clone();
        let udp = tokio::spawn(async move {
            let mut octets = [0; 1500];
            loop {
                let (length, from) = udp.recv_from(&mut octets).await.unwrap();
                let query = Message::from_bytes(&octets[..length]).unwrap();
                if let Some(reply) = script(&query, false) {
                    udp.send_to(&reply, from).await.unwrap();
                }
            }
        });
        let tcp = tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                count.fetch_add(1, SeqCst);
                let length = stream.read_u16().await.unwrap();
                let mut octets = vec![0; usize::from(length)];
                stream.read_exact(&mut octets).await.unwrap();
                let query = Message::from_bytes(&octets).unwrap();
                if let Some(reply) = script(&query, true) {
                    stream.write_u16(reply.len() as u16).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                }
            }
        });
        NameServer { address, over_tcp, tasks: vec![udp, tcp] }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn reply(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.queries = query.queries.clone();
    reply
}

fn with_addresses(query: &Message, addresses: &[[u8; 4]]) -> Message {
    let mut reply = reply(query);
    for [a, b, c, d] in addresses {
        let data = RData::A(rdata::A::new(*a, *b, *c, *d));
        reply.answers.push(Record::from_rdata(query.queries[0].name().clone(), 30, data));
    }
    reply
}

fn good(query: &Message, _: bool) -> Option<Vec<u8>> {
    Some(with_addresses(query, &[[192, 0, 2, 1], [192, 0, 2, 2]]).to_vec().unwrap())
}

#[tokio::test]
async fn an_answer_with_the_data_wanted_is_a_success() {
    let server = NameServer::start(good).await;
    for wanted in [&[][..], &[&[192, 0, 2, 2][..]], &[&[192, 0, 2, 2], &[192, 0, 2, 1]]] {
        let monitor = asking(question(Type::A, wanted));
        let timing = outcome(check(server.address, monitor)).await.unwrap();
        assert_eq!(timing.server, None, "a datagram does not tell the network's part");
    }
    assert_eq!(server.over_tcp.load(SeqCst), 0);
}

#[tokio::test]
async fn other_data_is_a_failure_that_shows_it() {
    let server = NameServer::start(good).await;
    let monitor = asking(question(Type::A, &[&[192, 0, 2, 9]]));
    assert_eq!(
        failure(check(server.address, monitor)).await.to_string(),
        "www.example.com. A: 192.0.2.1, 192.0.2.2, wanted 192.0.2.9"
    );
    let empty = NameServer::start(|query, _| Some(reply(query).to_vec().unwrap())).await;
    let monitor = asking(question(Type::A, &[&[192, 0, 2, 9]]));
    assert_eq!(
        failure(check(empty.address, monitor)).await.to_string(),
        "www.example.com. A: no data, wanted 192.0.2.9"
    );
}

#[tokio::test]
async fn names_in_data_are_compared_without_case_and_compression() {
    let server = NameServer::start(|query, _| {
        let mut reply = reply(query);
        let owner = query.queries[0].name().clone();
        let target = hickory_proto::rr::Name::from_ascii("MAIL.www.example.com.").unwrap();
        let data = RData::MX(rdata::MX::new(10, target));
        reply.answers.push(Record::from_rdata(owner, 30, data));
        Some(reply.to_vec().unwrap())
    })
    .await;
    let mx = b"\0\x0a\x04mail\x03www\x07example\x03com\0";
    outcome(check(server.address, asking(question(Type::MX, &[mx])))).await.unwrap();
}

#[tokio::test]
async fn another_code_than_wanted_is_a_failure() {
    let server = NameServer::start(|query, _| {
        let mut reply = reply(query);
        reply.metadata.response_code = ResponseCode::ServFail;
        Some(reply.to_vec().unwrap())
    })
    .await;
    assert_eq!(
        failure(check(server.address, asking(question(Type::A, &[])))).await.to_string(),
        "SERVFAIL for www.example.com. A, wanted NOERROR"
    );
    let wanted = Question { rcode: Rcode::SERVFAIL, ..question(Type::A, &[]) };
    outcome(check(server.address, asking(wanted))).await.unwrap();
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = NameServer::start(|query, is_tcp| {
        if is_tcp {
            return good(query, is_tcp);
        }
        let mut cut = reply(query);
        cut.metadata.truncation = true;
        Some(cut.to_vec().unwrap())
    })
    .await;
    let monitor = || asking(question(Type::A, &[&[192, 0, 2, 1]]));
    outcome(check(server.address, monitor())).await.unwrap();
    assert_eq!(server.over_tcp.load(SeqCst), 1);

    let no_tcp = NameServer::start(|query, is_tcp| {
        let mut cut = reply(query);
        cut.metadata.truncation = true;
        (!is_tcp).then(|| cut.to_vec().unwrap())
    })
    .await;
    assert_eq!(failure(check(no_tcp.address, monitor())).await, Failure::Closed(Stage::Answer));
}

#[tokio::test]
async fn garbage_is_a_failure_and_what_answers_another_query_is_not_looked_at() {
    let garbage = NameServer::start(|query, _| {
        let mut octets = reply(query).to_vec().unwrap();
        octets.truncate(12);
        octets.extend_from_slice(b"\xff\xff\xff");
        Some(octets)
    })
    .await;
    let found = failure(check(garbage.address, asking(question(Type::A, &[])))).await;
    assert!(matches!(found, Failure::Dns(_)), "{found:?}");

    let echo = NameServer::start(|query, _| Some(query.to_vec().unwrap())).await;
    let found = failure(check(echo.address, asking(question(Type::A, &[])))).await;
    assert_eq!(found.to_string(), "not proper DNS: not the answer to what was asked");

    let other = NameServer::start(|query, _| {
        let mut other = query.clone();
        let name = hickory_proto::rr::Name::from_ascii("elsewhere.example.com.").unwrap();
        other.queries[0].set_name(name);
        Some(with_addresses(&other, &[[192, 0, 2, 1]]).to_vec().unwrap())
    })
    .await;
    let found = failure(check(other.address, asking(question(Type::A, &[])))).await;
    assert_eq!(found.to_string(), "not proper DNS: the answer to another question");

    let forged = NameServer::start(|query, _| {
        let mut forged = with_addresses(query, &[[192, 0, 2, 1]]);
        forged.metadata.id ^= 1;
        Some(forged.to_vec().unwrap())
    })
    .await;
    let monitor = Monitor { timeout: SHORT, ..asking(question(Type::A, &[])) };
    assert_eq!(
        failure(check(forged.address, monitor)).await,
        Failure::TimedOut { after: SHORT, stage: Stage::Answer }
    );
}

#[tokio::test]
async fn silence_times_out_and_nobody_is_refused() {
    let silent = NameServer::start(|_, _| None).await;
    let monitor = Monitor { timeout: SHORT, ..asking(question(Type::A, &[])) };
    assert_eq!(
        failure(check(silent.address, monitor)).await,
        Failure::TimedOut { after: SHORT, stage: Stage::Answer }
    );
    // A port that TCP holds; over UDP nobody listens there.
    let nobody = Refusing::new();
    let found = failure(check(nobody.address, asking(question(Type::A, &[])))).await;
    assert_eq!(found, Failure::Refused);
}
