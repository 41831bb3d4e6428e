//! A transfer over a stream to a client that is in no hurry.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use meridian::engine::{Engine, Reply, Request, Scratch, Transport};
use meridian::transport::Respond;
use meridian::transport::stream::{self, Ends, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::client::records;
use super::{ZONE, bed, neighbours};
use crate::support::bed::{Table, query};

/// The engine of a bed, as a transport sees it.
struct Served(Engine<Table>);

impl Respond for Served {
    fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply {
        self.0.respond(request, scratch, out)
    }
}

#[tokio::test]
async fn a_client_that_takes_an_octet_at_a_time_gets_one_version_of_the_zone() {
    let zone = |last: u8| {
        let hosts = (0..2000).map(|index| format!("host{index} 60 A 192.0.2.{last}\n"));
        format!("{ZONE}{}", hosts.collect::<String>())
    };
    let old = bed(&zone(1), &[neighbours()]);
    let ends = Ends { client: old.client, local: None, transport: Transport::Tcp };
    let engine = Arc::new(ArcSwap::from_pointee(Served(old.engine)));
    // Room for both questions, and for so little of the answers that the rest waits unmade.
    let (mut client, mut server) = tokio::io::duplex(128);
    let (_stop, stopped) = watch::channel(false);
    let serving = {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let patience = Duration::from_secs(60);
            let limits =
                Limits { connections: 1, per_client: 1, idle: patience, lifetime: patience };
            stream::serve(&mut server, ends, &engine, &limits, stopped, || {}).await
        })
    };
    for question in ["example.com. AXFR", "mail.example.com. A"] {
        let message = query(question).to_vec().unwrap();
        client.write_u16(message.len() as u16).await.unwrap();
        client.write_all(&message).await.unwrap();
    }
    let mut messages = Vec::new();
    loop {
        let mut message = vec![0; usize::from(client.read_u16().await.unwrap())];
        for octet in &mut message {
            *octet = client.read_u8().await.unwrap();
        }
        messages.push(message);
        if messages.len() == 1 {
            // A reload in the middle.
            let new = bed(&zone(2), &[neighbours()]);
            engine.store(Arc::new(Served(new.engine)));
        }
        let all = records(&messages);
        if all.len() > 1 && all.first() == all.last() {
            assert!(messages.len() > 2);
            assert_eq!(all.len(), 14 + 2000);
            assert_eq!(all.iter().filter(|record| record.ends_with(" A 192.0.2.1")).count(), 2001);
            break;
        }
    }
    // What was asked behind it is answered behind it.
    let mut message = vec![0; usize::from(client.read_u16().await.unwrap())];
    client.read_exact(&mut message).await.unwrap();
    assert_eq!(records(&[message]).len(), 2);
    drop(client);
    serving.await.unwrap().unwrap();
}
