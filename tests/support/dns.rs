//! A resolver's side: questions and answers on real sockets.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

/// How long an answer may take on a busy machine before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// One question.
#[derive(Debug, Clone)]
pub struct Ask {
    name: Name,
    rtype: RecordType,
    subnet: Option<ClientSubnet>,
    size: Option<u16>,
    nsid: bool,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Told(pub Message);

impl Ask {
    pub fn new(name: &str, rtype: &str) -> Ask {
        let mut name = Name::from_ascii(name).unwrap();
        name.set_fqdn(true);
        // hickory-proto leaves out the mnemonics of types whose data it does not read.
        let rtype = match rtype.strip_prefix("TYPE") {
            Some(number) => RecordType::from(number.parse::<u16>().unwrap()),
            None => RecordType::from_str(rtype).unwrap(),
        };
        Ask { name, rtype, subnet: None, size: None, nsid: false }
    }

    /// For a client in this network, as `dig +subnet` does: `81.2.69.0/24`.
    pub fn from(mut self, subnet: &str) -> Ask {
        let (address, length) = subnet.split_once('/').unwrap();
        let address: IpAddr = address.parse().unwrap();
        self.subnet = Some(ClientSubnet::new(address, length.parse().unwrap(), 0));
        self.size = self.size.or(Some(1232));
        self
    }

    /// With EDNS and room for answers of this size over UDP.
    pub fn size(mut self, size: u16) -> Ask {
        self.size = Some(size);
        self
    }

    /// With EDNS and the question who it is that answers (RFC 5001).
    pub fn nsid(mut self) -> Ask {
        self.nsid = true;
        self.size = self.size.or(Some(1232));
        self
    }

    pub fn message(&self, id: u16) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.id = id;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.rtype));
        message.edns = self.size.map(|size| {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            if self.nsid {
                edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::NSID.into(), Vec::new()));
            }
            if let Some(subnet) = self.subnet {
                edns.options_mut().insert(EdnsOption::Subnet(subnet));
            }
            edns
        });
        message.to_vec().unwrap()
    }

    /// Over UDP, from a new socket.
    pub fn udp(&self, server: SocketAddr) -> Told {
        self.over(&socket(server))
    }

    /// Over UDP, from a connected socket.
    pub fn over(&self, socket: &UdpSocket) -> Told {
        socket.send(&self.message(4711)).unwrap();
        let mut octets = vec![0; 65_535];
        let length = socket.recv(&mut octets).expect("an answer over UDP");
        self.check(&octets[..length])
    }

    /// Over TCP, on a new connection.
    pub fn tcp(&self, server: SocketAddr) -> Told {
        let mut stream = connect(server);
        send_framed(&mut stream, &self.message(4711));
        self.check(&receive_framed(&mut stream).expect("an answer over TCP"))
    }

    fn check(&self, octets: &[u8]) -> Told {
        let message = Message::from_bytes(octets).unwrap();
        assert_eq!(message.metadata.id, 4711);
        assert_eq!(message.queries[0].name(), &self.name);
        assert_eq!(message.edns.is_some(), self.size.is_some());
        Told(message)
    }
}

impl Told {
    pub fn rcode(&self) -> ResponseCode {
        self.0.metadata.response_code
    }

    /// The answer section in presentation form.
    pub fn records(&self) -> Vec<String> {
        self.0.answers.iter().map(|record| record.to_string()).collect()
    }

    /// The data of the answer section, in the order of the message.
    pub fn data(&self) -> Vec<String> {
        self.0.answers.iter().map(|record| record.data.to_string()).collect()
    }

    /// The data of the answer section, sorted.
    pub fn set(&self) -> Vec<String> {
        let mut data = self.data();
        data.sort();
        data
    }

    /// The data of the one record in the answer section.
    pub fn one(&self) -> String {
        let data = self.data();
        assert_eq!(data.len(), 1, "{}", self.0);
        data[0].clone()
    }

    /// The time to live of the first record.
    pub fn ttl(&self) -> u32 {
        self.0.answers[0].ttl
    }

    /// The ECS scope; none when the reply has no client subnet.
    pub fn scope(&self) -> Option<u8> {
        Some(self.subnet()?.scope_prefix())
    }

    /// The identifier of the server, as text.
    pub fn identifier(&self) -> Option<String> {
        match self.0.edns.as_ref()?.option(EdnsCode::NSID)? {
            EdnsOption::NSID(nsid) => String::from_utf8(nsid.as_ref().to_vec()).ok(),
            _ => None,
        }
    }

    /// The client subnet of the reply.
    pub fn subnet(&self) -> Option<ClientSubnet> {
        match self.0.edns.as_ref()?.option(EdnsCode::Subnet)? {
            EdnsOption::Subnet(subnet) => Some(*subnet),
            _ => None,
        }
    }
}

/// A socket with a free port that talks to `server`.
pub fn socket(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1" } else { "::1" };
    socket_from(any.parse().unwrap(), server)
}

/// A socket of a client with an address of its own in the loopback network.
pub fn socket_from(client: IpAddr, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket
}

pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

pub fn send_framed(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(&framed(message)).unwrap();
}

/// One message; none when the other end has closed.
pub fn receive_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}
