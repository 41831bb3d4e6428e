//! Writes MaxMind DB files of any shape, for tests.
//!
//! Numbers without a fraction are written as 32-bit integers, others as doubles;
//! `{"float": 1.5}` is a 32-bit float.
//!
//! Format: <https://maxmind.github.io/MaxMind-DB/>. Every record is written once for each network,
//! nothing is shared.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// A database under construction.
pub(crate) struct Writer {
    ip_version: u16,
    record_size: usize,
    /// Left and right record of each node.
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

impl Writer {
    /// `ip_version` is 4 or 6, `record_size` 24, 28 or 32 bits.
    pub(crate) fn new(ip_version: u16, record_size: usize) -> Writer {
        let nodes = vec![[Record::Empty; 2]];
        Writer { ip_version, record_size, nodes, data: Vec::new() }
    }

    /// Maps a network to a record. Longer networks go in after those around them.
    pub(crate) fn insert(mut self, network: &str, record: Value) -> Writer {
        let network: IpNet = network.parse().unwrap();
        let (bits, length) = match network {
            IpNet::V4(v4) if self.ip_version == 4 => {
                (u128::from(v4.network().to_bits()) << 96, v4.prefix_len())
            }
            IpNet::V4(v4) => (u128::from(v4.network().to_bits()), v4.prefix_len() + 96),
            IpNet::V6(v6) => (v6.network().to_bits(), v6.prefix_len()),
        };
        let leaf = Record::Data(self.data.len());
        write_value(&mut self.data, &record);
        self.place(bits, length, leaf);
        self
    }

    /// Makes an IPv6 prefix lead to where the IPv4 tree begins.
    pub(crate) fn alias(mut self, prefix: &str) -> Writer {
        let mut root = 0;
        for _ in 0..96 {
            root = self.child(root, 0);
        }
        let prefix: ipnet::Ipv6Net = prefix.parse().unwrap();
        self.place(prefix.network().to_bits(), prefix.prefix_len(), Record::Node(root));
        self
    }

    fn place(&mut self, bits: u128, length: u8, record: Record) {
        let mut node = 0;
        for depth in 0..length - 1 {
            node = self.child(node, bit(bits, depth));
        }
        self.nodes[node][bit(bits, length - 1)] = record;
    }

    /// The node below, made by splitting a leaf if need be.
    fn child(&mut self, node: usize, side: usize) -> usize {
        if let Record::Node(child) = self.nodes[node][side] {
            return child;
        }
        let child = self.nodes.len();
        self.nodes.push([self.nodes[node][side]; 2]);
        self.nodes[node][side] = Record::Node(child);
        child
    }

    /// The octets of the file.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut file = Vec::new();
        for node in &self.nodes {
            let [left, right] = node.map(|record| match record {
                Record::Empty => self.nodes.len(),
                Record::Node(node) => node,
                Record::Data(offset) => self.nodes.len() + 16 + offset,
            });
            let octets =
                |number: usize, count: usize| (number as u64).to_be_bytes()[8 - count..].to_vec();
            match self.record_size {
                28 => {
                    file.extend(octets(left & 0xff_ffff, 3));
                    file.push(((left >> 24) << 4 | right >> 24) as u8);
                    file.extend(octets(right & 0xff_ffff, 3));
                }
                bits => {
                    file.extend(octets(left, bits / 8));
                    file.extend(octets(right, bits / 8));
                }
            }
        }
        file.extend([0; 16]);
        file.extend(&self.data);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        let metadata = json!({
            "binary_format_major_version": 2, "binary_format_minor_version": 0,
            "build_epoch": 1_780_666_922u64, "database_type": "Test", "languages": [],
            "description": {"en": "made by a test"}, "ip_version": self.ip_version,
            "node_count": self.nodes.len(), "record_size": self.record_size,
        });
        write_metadata(&mut file, &metadata);
        file
    }
}

fn bit(bits: u128, depth: u8) -> usize {
    (bits >> (127 - depth) & 1) as usize
}

/// Metadata numbers have types of their own.
fn write_metadata(out: &mut Vec<u8>, metadata: &Value) {
    let metadata = metadata.as_object().unwrap();
    write_header(out, 7, metadata.len());
    for (key, value) in metadata {
        write_value(out, &json!(key));
        match (key.as_str(), value.as_u64()) {
            ("build_epoch", Some(number)) => write_number(out, 9, number),
            ("node_count", Some(number)) => write_number(out, 6, number),
            (_, Some(number)) => write_number(out, 5, number),
            _ => write_value(out, value),
        }
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => panic!("the format has no null"),
        Value::Bool(truth) => write_header(out, 14, usize::from(*truth)),
        Value::Number(number) => match number.as_u64() {
            Some(number) => write_number(out, 6, number),
            None => {
                write_header(out, 3, 8);
                out.extend(number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::String(text) => {
            write_header(out, 2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            write_header(out, 11, items.len());
            items.iter().for_each(|item| write_value(out, item));
        }
        // What JSON cannot say: a 32-bit float.
        Value::Object(entries) if entries.contains_key("float") => {
            write_header(out, 15, 4);
            out.extend((entries["float"].as_f64().unwrap() as f32).to_be_bytes());
        }
        Value::Object(entries) => write_map(out, entries),
    }
}

fn write_map(out: &mut Vec<u8>, entries: &Map<String, Value>) {
    write_header(out, 7, entries.len());
    for (key, value) in entries {
        write_header(out, 2, key.len());
        out.extend(key.as_bytes());
        write_value(out, value);
    }
}

fn write_number(out: &mut Vec<u8>, kind: u8, number: u64) {
    let octets = number.to_be_bytes();
    let octets = &octets[(number.leading_zeros() / 8) as usize..];
    write_header(out, kind, octets.len());
    out.extend(octets);
}

fn write_header(out: &mut Vec<u8>, kind: u8, size: usize) {
    assert!(size < 285);
    let short = size.min(29) as u8;
    match kind {
        8.. => out.extend([short, kind - 7]),
        _ => out.push(kind << 5 | short),
    }
    if size >= 29 {
        out.push((size - 29) as u8);
    }
}
