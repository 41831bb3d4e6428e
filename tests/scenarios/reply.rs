//! A reply as text that can be compared.

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) rcode: String,
    /// Those that are set among `aa tc rd ra ad cd do`.
    pub(crate) flags: Vec<String>,
    pub(crate) scope: Option<u8>,
    /// Answer, authority, additional; each sorted.
    pub(crate) sections: [Vec<String>; 3],
}

impl Told {
    /// Reads a reply to `query`, whose question must have come back octet for octet.
    pub(crate) fn read(query: &[u8], reply: &[u8]) -> Told {
        assert_eq!((reply[..2].to_vec(), reply[2] & 0x80), (query[..2].to_vec(), 0x80));
        let question = 12..query[12..].iter().position(|octet| *octet == 0).unwrap() + 12 + 5;
        assert_eq!(reply[question.clone()], query[question]);
        let message = Message::from_vec(reply).unwrap();
        let edns = message.edns.as_ref();
        let dnssec_ok = edns.is_some_and(|edns| edns.flags().dnssec_ok);
        let low = |bit: u8| reply[3] & bit != 0;
        let high = |bit: u8| reply[2] & bit != 0;
        let flags = [
            ("aa", high(4)),
            ("tc", high(2)),
            ("rd", high(1)),
            ("ra", low(0x80)),
            ("ad", low(0x20)),
            ("cd", low(0x10)),
            ("do", dnssec_ok),
        ];
        let rcode =
            u16::from(reply[3] & 0x0f) | edns.map_or(0, |edns| u16::from(edns.rcode_high()) << 4);
        let scope = edns.and_then(|edns| match edns.option(EdnsCode::Subnet) {
            Some(EdnsOption::Subnet(subnet)) => Some(subnet.scope_prefix()),
            _ => None,
        });
        Told {
            rcode: name_of(rcode),
            flags: flags.iter().filter(|flag| flag.1).map(|flag| flag.0.to_owned()).collect(),
            scope,
            sections: [&message.answers, &message.authorities, &message.additionals]
                .map(|records| texts(records)),
        }
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> =
        records.iter().map(|record| record.to_string().trim_end().to_owned()).collect();
    texts.sort();
    texts
}

fn name_of(rcode: u16) -> String {
    let name = match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        16 => "BADVERS",
        other => return other.to_string(),
    };
    name.to_owned()
}
