//! Checks that open a connection, and may talk over it.

use std::time::Duration;

use super::{Monitor, MonitorKind, Port, latency, port_number};
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::Spanned;
use crate::config::spec::monitor::TcpSpec;

/// A check that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Octets that are sent once it stands; may be none.
    pub send: Vec<u8>,
    /// Octets that must come back somewhere in what does; `None`: nothing is waited for.
    pub answer: Option<Vec<u8>>,
    /// Longest time until the connection stands and the answer is there: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

impl Tcp {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: TcpSpec,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        let expect = spec.expect.unwrap_or_default();
        if let Some(answer) = expect.answer.as_ref().filter(|answer| answer.value.is_empty()) {
            reader.invalid(&answer.range, "`answer` is empty: every answer matches", "remove it");
        }
        let tcp = Tcp {
            send: spec.send.as_ref().map(|send| octets(send, reader)).unwrap_or_default(),
            answer: expect.answer.as_ref().map(|answer| octets(answer, reader)),
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port_number(spec.port.as_ref(), reader).map_or(Port::Unsaid, Port::Written);
        rhythm.monitor(name, MonitorKind::Tcp(tcp), port)
    }
}

/// The octets of a text with escapes: `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH`. TOML has some of
/// them of its own, in double quotes; these are for all octets and for single quotes.
fn octets(text: &Spanned<String>, reader: &mut Reader<'_>) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.value.len());
    let mut rest = text.value.as_str();
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (octet, length) = match rest.bytes().next() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'0') => (0, 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => match rest.get(1..3).map(|digits| (digits, hexadecimal(digits))) {
                Some((_, Some(octet))) => (octet, 3),
                _ => {
                    unknown(rest.chars().take(3).collect(), text, reader);
                    return octets;
                }
            },
            _ => {
                unknown(rest.chars().take(1).collect(), text, reader);
                return octets;
            }
        };
        octets.push(octet);
        rest = &rest[length..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

/// The octet of two hexadecimal digits.
fn hexadecimal(digits: &str) -> Option<u8> {
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| all)
}

fn unknown(escape: String, text: &Spanned<String>, reader: &mut Reader<'_>) {
    let help = "the escapes are \\r, \\n, \\t, \\0, \\xHH with two hexadecimal digits, and \\\\ for \
                one backslash";
    reader.invalid(&text.range, format!("`\\{escape}` is not an escape"), help);
}
