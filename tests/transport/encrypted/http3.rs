//! DNS over HTTP/3: what hickory-server does of it.

use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message};
use hickory_server::net::NetError;
use hickory_server::net::h3::H3ClientStream;
use hickory_server::net::xfer::{DnsRequestSender, FirstAnswer};
use meridian::transport::Protocol;
use tokio::time::timeout;

use super::{LIMITS, Server, ZONE, octets, plain};
use crate::support::bed::{Bed, Made, edns_query, query, subnet_query};
use crate::support::clients::{self, NAME, PATIENCE};

async fn connect(server: &Server) -> H3ClientStream {
    let client = H3ClientStream::builder().crypto_config(server.authority.client(b"h3"));
    let address = server.address(Protocol::Http3);
    let connect = client.build(address, NAME.into(), "/dns-query".into());
    timeout(PATIENCE, connect).await.expect("an end").unwrap()
}

/// The reply in octets; an error when the client cannot read it.
async fn ask(client: &mut H3ClientStream, query: &[u8]) -> Result<Vec<u8>, NetError> {
    let request = DnsRequest::new(Message::from_vec(query).unwrap(), DnsRequestOptions::default());
    let answer = client.send_message(request).first_answer();
    Ok(timeout(PATIENCE, answer).await.expect("an end")?.into_buffer())
}

/// Holds that the answers are those of TCP, and counts those that the client can read.
async fn hold_what_tcp_says(server: &Server, queries: impl IntoIterator<Item = Vec<u8>>) -> usize {
    let mut client = connect(server).await;
    let mut read = 0;
    for query in queries {
        let tcp = clients::tcp(server.plain(), &query).await;
        let Ok(reply) = ask(&mut client, &query).await else { continue };
        assert_eq!(plain(&reply), plain(&tcp), "{query:x?}");
        read += 1;
    }
    read
}

#[tokio::test]
async fn answers_are_those_of_tcp() {
    let made = Made::new("www.example.com.", 20, &["30 A 192.0.2.1", "30 A 192.0.2.2"]);
    let server = Server::start(Bed::steered(&[ZONE], vec![made]), LIMITS);
    let queries = [
        query("example.com. SOA"),
        query("eXaMpLe.CoM. MX"),
        query("www.example.com. A"),
        subnet_query("www.example.com. A", "203.0.113.0", 24),
        edns_query("nothing.example.com. A", 1232),
        query("x.old.example.com. A"),
        query("x.del.example.com. A"),
        query("elsewhere.example. A"),
    ];
    assert_eq!(hold_what_tcp_says(&server, queries.map(octets)).await, 8);
}

#[tokio::test]
async fn records_of_every_type_come_through_untouched() {
    for (server, questions) in [super::server_of_every_type(), super::server_of_pointing_names()] {
        let queries = questions.iter().map(|question| octets(query(question)));
        // This client refuses data of some types.
        let read = hold_what_tcp_says(&server, queries).await;
        assert!(read >= questions.len() * 4 / 5, "{read} of {}", questions.len());
    }
}

#[tokio::test]
async fn an_answer_that_grows_beyond_a_message_says_so() {
    let mut zone = ZONE.to_owned();
    for index in 0..4000 {
        zone += &format!("most A 10.1.{}.{}\n", index / 256, index % 256);
    }
    let server = Server::start(Bed::new(&[&zone]), LIMITS);
    let query = octets(query("most.example.com. A"));
    let tcp = plain(&clients::tcp(server.plain(), &query).await);
    let told = plain(&ask(&mut connect(&server).await, &query).await.unwrap());
    assert_eq!(told.header[2] & 0x02, 0x02, "TC");
    assert!(tcp.records[0].starts_with(&told.records[0]));
}
