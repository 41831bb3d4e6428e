//! The octets of a question, from its line.

use ipnet::IpNet;
use meridian::wire::{Name, Type};

/// What a line behind `>` asks.
#[derive(Debug, Default)]
pub(crate) struct Query {
    words: Vec<String>,
}

/// Flags of the header that a line may set.
const FLAGS: [(&str, u16); 8] = [
    ("qr", 0x8000),
    ("aa", 0x0400),
    ("tc", 0x0200),
    ("rd", 0x0100),
    ("ra", 0x0080),
    ("z", 0x0040),
    ("ad", 0x0020),
    ("cd", 0x0010),
];

impl Query {
    pub(crate) fn read(line: &str) -> Query {
        let query = Query { words: line.split_whitespace().map(str::to_owned).collect() };
        let known = ["do", "noedns", "transfer"].map(str::to_owned);
        for word in query.words.iter().skip(if query.is_raw() { usize::MAX } else { 2 }) {
            let is_flag = FLAGS.iter().any(|(flag, _)| flag == word);
            assert!(is_flag || known.contains(word) || word.contains('='), "`{word}` in {line}");
        }
        query
    }

    /// Whether it is asked over this transport.
    pub(crate) fn is_for(&self, transport: &str) -> bool {
        self.option("over").is_none_or(|over| over.split(',').any(|word| word == transport))
    }

    /// Whether the answer is as many messages as it takes.
    pub(crate) fn is_transfer(&self) -> bool {
        self.has("transfer")
    }

    /// Whether the line is the message in octets.
    pub(crate) fn is_raw(&self) -> bool {
        self.words[0] == "message"
    }

    /// Whether it has an OPT record.
    pub(crate) fn has_opt(&self) -> bool {
        !self.is_raw() && !self.has("noedns")
    }

    /// The largest answer that it takes over UDP, in octets.
    pub(crate) fn size(&self) -> usize {
        if self.is_raw() {
            return 1232;
        }
        if self.has_opt() { usize::from(self.number("size", 1232).max(512)) } else { 512 }
    }

    /// The codes of its options.
    pub(crate) fn options(&self) -> Vec<u16> {
        let subnet = self.option("subnet").map(|_| 8);
        self.given("opt").map(|option| option.0).chain(subnet).collect()
    }

    /// The message; its ID is 0, as QUIC demands.
    pub(crate) fn octets(&self) -> Vec<u8> {
        if self.is_raw() {
            return raw(&self.words[1..]);
        }
        let mut flags = (self.number("opcode", 0) << 11) | self.number("rcode", 0);
        for (flag, bit) in FLAGS {
            flags |= if self.has(flag) { bit } else { 0 };
        }
        let mut query = vec![0, 0];
        query.extend(flags.to_be_bytes());
        query.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.has_opt())]);
        query.extend(name(&self.words[0]));
        query.extend(self.words[1].parse::<Type>().unwrap().0.to_be_bytes());
        query.extend(self.number("class", 1).to_be_bytes());
        if !self.has_opt() {
            return query;
        }
        let mut options = self.option("subnet").map(subnet).unwrap_or_default();
        for (code, data) in self.given("opt") {
            options.extend(code.to_be_bytes());
            options.extend((data.len() as u16).to_be_bytes());
            options.extend(data);
        }
        query.extend([0, 0, 41]);
        query.extend(self.number("size", 1232).to_be_bytes());
        query.extend([0, self.number("version", 0) as u8]);
        let dnssec_ok = if self.has("do") { 0x8000 } else { 0 };
        query.extend((self.number("flags", 0) | dnssec_ok).to_be_bytes());
        query.extend((options.len() as u16).to_be_bytes());
        query.extend(options);
        query
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn option(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str, default: u16) -> u16 {
        self.option(key).map_or(default, |text| text.parse().unwrap())
    }

    /// Options as `CODE:HEX`.
    fn given(&self, key: &str) -> impl Iterator<Item = (u16, Vec<u8>)> {
        let values =
            self.words.iter().filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='));
        values.map(|value| {
            let (code, data) = value.split_once(':').unwrap_or((value, ""));
            (code.parse().unwrap(), hex(data))
        })
    }
}

/// Octets from words: names end with a dot, the rest is hexadecimal. Words with `=` and `transfer` say how it is
/// asked.
fn raw(words: &[String]) -> Vec<u8> {
    let parts = words.iter().filter(|word| !word.contains('=') && *word != "transfer");
    parts.flat_map(|word| if word.ends_with('.') { name(word) } else { hex(word) }).collect()
}

pub(crate) fn name(text: &str) -> Vec<u8> {
    Name::parse(text.as_bytes(), &Name::root()).unwrap().as_wire().to_vec()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The option of a client's subnet (RFC 7871 section 6).
fn subnet(text: &str) -> Vec<u8> {
    let net: IpNet = text.parse().unwrap();
    let (family, address) = match net {
        IpNet::V4(net) => (1, net.network().octets().to_vec()),
        IpNet::V6(net) => (2, net.network().octets().to_vec()),
    };
    let octets = usize::from(net.prefix_len()).div_ceil(8);
    let mut option = vec![0, 8, 0, 4 + octets as u8, 0, family, net.prefix_len(), 0];
    option.extend(&address[..octets]);
    option
}
