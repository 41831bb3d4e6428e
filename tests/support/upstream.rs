//! A resolver on a loopback port that answers what a test tells it to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// What it knows.
    Willing,
    /// What it knows, but over TCP alone.
    Truncating,
    /// Not at all.
    Silent,
}

/// A resolver that runs as long as the test does; a clone is the same one.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    asked: usize,
    known: HashMap<Name, (u32, Vec<RData>)>,
}

impl Upstream {
    pub fn start() -> Upstream {
        // The same port for both: found for TCP first, which is rarer.
        let (listener, socket) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()) {
                break (listener, socket);
            }
        };
        let state = State { mood: Mood::Willing, asked: 0, known: HashMap::new() };
        let upstream =
            Upstream { address: socket.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let own = upstream.clone();
        thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut octets) {
                if let Some(reply) = own.reply(&octets[..length], true) {
                    // Who asked may have gone.
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        let own = upstream.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who asked may have gone.
                let _ = own.serve(stream);
            }
        });
        upstream
    }

    /// What a name stands for from now on.
    pub fn set(&self, name: &str, ttl: u32, addresses: &[&str]) {
        let data = addresses.iter().map(|text| match text.parse().unwrap() {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        });
        self.know(name, ttl, data.collect());
    }

    /// A name that is an alias from now on.
    pub fn alias(&self, name: &str, ttl: u32, to: &str) {
        self.know(name, ttl, vec![RData::CNAME(CNAME(Name::from_ascii(to).unwrap()))]);
    }

    fn know(&self, name: &str, ttl: u32, data: Vec<RData>) {
        let name = Name::from_ascii(name).unwrap();
        self.state.lock().unwrap().known.insert(name, (ttl, data));
    }

    pub fn turn(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// How many questions have come.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut octets)?;
        if let Some(reply) = self.reply(&octets, false) {
            stream.write_all(&(reply.len() as u16).to_be_bytes())?;
            stream.write_all(&reply)?;
        }
        Ok(())
    }

    fn reply(&self, octets: &[u8], is_udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_bytes(octets).unwrap();
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        if state.mood == Mood::Silent {
            return None;
        }
        let mut reply = Message::response(question.metadata.id, OpCode::Query);
        let query = question.queries[0].clone();
        reply.add_query(query.clone());
        if is_udp && state.mood == Mood::Truncating {
            reply.metadata.truncation = true;
            return Some(reply.to_vec().unwrap());
        }
        let mut name = query.name().clone();
        if !state.known.contains_key(&name) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        while let Some((ttl, data)) = state.known.get(&name) {
            let mut next = None;
            for data in data {
                let rtype = data.record_type();
                if rtype == query.query_type() || rtype == RecordType::CNAME {
                    reply.answers.push(Record::from_rdata(name.clone(), *ttl, data.clone()));
                }
                if let RData::CNAME(target) = data {
                    next = Some(target.0.clone());
                }
            }
            match next {
                Some(next) => name = next,
                None => break,
            }
        }
        Some(reply.to_vec().unwrap())
    }
}
