//! Batches over real sockets.

use super::*;

fn pair(server: &str, packet_information: bool) -> (UdpSocket, UdpSocket, Batch) {
    let server = UdpSocket::bind(server).unwrap();
    let address = server.local_addr().unwrap();
    if packet_information {
        want_packet_information(&server, address.ip()).unwrap();
    }
    let to: IpAddr = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let client = UdpSocket::bind((to, 0)).unwrap();
    client.connect((to, address.port())).unwrap();
    (server, client, Batch::new(address.ip()))
}

/// Receives until `count` datagrams came, echoing each.
fn echo(batch: &mut Batch, server: &UdpSocket, count: usize) -> usize {
    let (mut received, mut discarded) = (0, 0);
    while received < count {
        received += batch.receive(server).unwrap();
        let back = |datagram: Datagram<'_>, out: &mut [u8]| {
            let length = datagram.octets.len().min(REPLY);
            out[..length].copy_from_slice(&datagram.octets[..length]);
            Some(length)
        };
        batch.reply(back, || discarded += 1);
        assert_eq!(batch.send(server).refused, 0);
    }
    discarded
}

fn next(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2 * REPLY];
    let length = client.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn more_datagrams_than_a_batch_come_back_each_to_its_sender() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let wildcard = address.contains("0.0.0.0") || address.contains("[::]");
        let (server, client, mut batch) = pair(address, wildcard);
        let other = UdpSocket::bind((client.local_addr().unwrap().ip(), 0)).unwrap();
        other.connect(client.peer_addr().unwrap()).unwrap();
        for round in 0..3u8 {
            for number in 0..40 {
                client.send(&[round, number, 1]).unwrap();
                other.send(&[round, number, 2, 9]).unwrap();
            }
            assert_eq!(echo(&mut batch, &server, 80), 0);
            for number in 0..40 {
                assert_eq!(next(&client), [round, number, 1]);
                assert_eq!(next(&other), [round, number, 2, 9]);
            }
        }
    }
}

#[test]
fn datagrams_up_to_the_buffer_are_answered_and_longer_ones_discarded() {
    let (server, client, mut batch) = pair("127.0.0.1:0", false);
    for length in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, QUERY, QUERY + 1, 9000] {
        client.send(&vec![7; length]).unwrap();
        client.send(b"after").unwrap();
        let discarded = echo(&mut batch, &server, 2);
        assert_eq!(discarded, usize::from(length > LONGEST));
        if length <= LONGEST {
            assert_eq!(next(&client).len(), length.min(REPLY));
        }
        assert_eq!(next(&client), b"after");
    }
}

#[test]
fn datagrams_from_port_0_are_discarded() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (server, client, mut batch) = pair(address, false);
        client.send(b"before").unwrap();
        client.send(b"after").unwrap();
        let mut received = 0;
        while received < 1 {
            received = batch.receive(&server).unwrap();
        }
        // No socket sends from port 0, so the kernel's word is changed.
        batch.forget_first_port();
        let (mut asked, mut discarded) = (0, 0);
        let silence = |datagram: Datagram<'_>, _: &mut [u8]| {
            assert_eq!(datagram.octets, b"after");
            asked += 1;
            None
        };
        batch.reply(silence, || discarded += 1);
        assert_eq!((discarded, asked), (1, received - 1));
    }
}

#[test]
fn there_is_room_for_control_messages_behind_each_datagram_a_discarded_one_too() {
    for is_discarded in [false, true] {
        let (server, client, mut batch) = pair("0.0.0.0:0", true);
        let room = batch.first_control_room();
        client.send(b"x").unwrap();
        batch.receive(&server).unwrap();
        assert_ne!(batch.first_control_room(), room, "the kernel says what it used");
        if is_discarded {
            batch.forget_first_port();
        }
        let mut discarded = 0;
        batch.reply(|_, _| None, || discarded += 1);
        assert_eq!(discarded, usize::from(is_discarded));
        assert_eq!(batch.first_control_room(), room);
    }
}

#[test]
fn replies_are_compacted_when_some_datagrams_get_none() {
    let (server, client, mut batch) = pair("127.0.0.1:0", false);
    for number in 0..BATCH as u8 {
        client.send(&[number]).unwrap();
    }
    let mut received = 0;
    while received < BATCH {
        received += batch.receive(&server).unwrap();
        let answer = |datagram: Datagram<'_>, out: &mut [u8]| {
            out.fill(datagram.octets[0]);
            match datagram.octets[0] % 4 {
                0 => Some(REPLY),
                1 => Some(0),
                2 => Some(REPLY + 1), // says more than it may: no reply
                _ => None,
            }
        };
        batch.reply(answer, || panic!("all can be answered"));
        assert_eq!(batch.send(&server).refused, 0);
    }
    for number in (0..BATCH as u8).filter(|number| number % 4 < 2) {
        let expected = if number % 4 == 0 { vec![number; REPLY] } else { Vec::new() };
        assert_eq!(next(&client), expected);
    }
}

#[test]
fn a_reply_that_cannot_be_sent_does_not_hold_up_the_others() {
    let (server, client, mut batch) = pair("127.0.0.1:0", false);
    let (other, its_client, _) = pair("127.0.0.1:0", false);
    other.connect(its_client.local_addr().unwrap()).unwrap();
    // A socket that is shut for writing refuses every reply: the worst case.
    socket2::SockRef::from(&other).shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..3 {
        client.send(b"x").unwrap();
    }
    let mut received = 0;
    while received < 3 {
        let more = batch.receive(&server).unwrap();
        received += more;
        batch.reply(|_, _| Some(1), || panic!("all can be answered"));
        assert_eq!(batch.send(&other), Sent { taken: 0, refused: more });
        assert_eq!(batch.send(&other), Sent { taken: 0, refused: 0 });
    }
}

#[test]
fn the_local_address_is_the_one_that_was_asked() {
    for (bind, asked) in [("0.0.0.0:0", "127.0.0.7"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")]
    {
        let (server, _, mut batch) = pair(bind, true);
        let asked: IpAddr = asked.parse().unwrap();
        let client = UdpSocket::bind((asked, 0)).unwrap();
        // Connected: a reply from any other address would never arrive.
        client.connect((asked, server.local_addr().unwrap().port())).unwrap();
        client.send(b"where").unwrap();
        batch.receive(&server).unwrap();
        let answer = |datagram: Datagram<'_>, out: &mut [u8]| {
            assert_eq!(*datagram.local, Some(asked));
            out[0] = 1;
            Some(1)
        };
        batch.reply(answer, || panic!("all can be answered"));
        assert_eq!(batch.send(&server), Sent { taken: 1, refused: 0 });
        assert_eq!(next(&client), [1]);
    }
}
