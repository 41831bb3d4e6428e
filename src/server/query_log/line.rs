//! A query as a line of text or as JSON; and back again, as far as `simulate` asks.
//!
//! Text is twelve words: when, transport, sender, the server's address, name, class, type, response
//! code, octets of the reply, flags, the client's subnet with the answer's scope, addresses of the
//! answer. What there is none of is `-`.

use std::io::Write;
use std::net::IpAddr;

use serde::Serialize;

use super::Format;
use super::facts::Facts;
use crate::admin::message::utc;
use crate::engine::Transport;
use crate::wire::Class;

/// Words of a line of text.
const WORDS: usize = 12;

/// Appends a query, with the end of its line.
pub(super) fn write(facts: &Facts<'_>, format: Format, out: &mut Vec<u8>) {
    // Writing to memory does not fail, and neither does what `Entry` is made of.
    let _ = match format {
        Format::Text => text(facts, out),
        Format::Json => serde_json::to_writer(&mut *out, &Entry::of(facts)).map_err(Into::into),
    };
    out.push(b'\n');
}

fn text(facts: &Facts<'_>, out: &mut Vec<u8>) -> std::io::Result<()> {
    let exchange = facts.exchange;
    let (client, transport) = (exchange.client, exchange.transport.as_str());
    let local = exchange.local.map(|local| local.to_string());
    write!(out, "{} {transport} {}#{} ", when(exchange.at), client.ip(), client.port())?;
    write!(out, "{} ", or_dash(local.unwrap_or_default()))?;
    match &facts.question {
        Some((name, class, rtype)) => write!(out, "{name} {} {rtype} ", word(*class))?,
        None => out.extend_from_slice(b"- - - "),
    }
    let (rcode, size) = (rcode(facts), exchange.reply.len());
    write!(out, "{rcode} {size} {} ", or_dash(facts.flags.join(",")))?;
    let subnet = facts.subnet.map(|(subnet, scope)| {
        let scope = scope.map_or("-".to_owned(), |scope| scope.to_string());
        format!("{}/{}/{scope}", subnet.address, subnet.source)
    });
    let addresses: Vec<String> = facts.addresses.iter().map(IpAddr::to_string).collect();
    write!(out, "{} {}", or_dash(subnet.unwrap_or_default()), or_dash(addresses.join(",")))
}

/// A query in JSON.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    time: String,
    transport: &'a str,
    client: IpAddr,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    rtype: Option<String>,
    rcode: String,
    size: usize,
    flags: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u8>,
    addresses: &'a [IpAddr],
}

impl<'a> Entry<'a> {
    fn of(facts: &'a Facts<'a>) -> Entry<'a> {
        let (exchange, question) = (facts.exchange, facts.question.as_ref());
        Entry {
            time: when(exchange.at),
            transport: exchange.transport.as_str(),
            client: exchange.client.ip(),
            port: exchange.client.port(),
            server: exchange.local,
            name: question.map(|(name, ..)| name.to_string()),
            class: question.map(|(_, class, _)| word(*class)),
            rtype: question.map(|(.., rtype)| rtype.to_string()),
            rcode: rcode(facts),
            size: exchange.reply.len(),
            flags: &facts.flags,
            subnet: facts.subnet.map(|(subnet, _)| format!("{}/{}", subnet.address, subnet.source)),
            scope: facts.subnet.and_then(|(_, scope)| scope),
            addresses: &facts.addresses,
        }
    }
}

/// `2026-11-29T03:20:11.123Z`
fn when(at: u64) -> String {
    let text = utc(at).replace(' ', "T");
    format!("{}.{:03}Z", text.trim_end_matches('Z'), at % 1000)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn word(class: Class) -> String {
    match class {
        Class::IN => "IN".to_owned(),
        Class::CH => "CH".to_owned(),
        Class::NONE => "NONE".to_owned(),
        Class::ANY => "ANY".to_owned(),
        Class(other) => format!("CLASS{other}"),
    }
}

fn rcode(facts: &Facts<'_>) -> String {
    facts.rcode.mnemonic().map_or_else(|| facts.rcode.to_string(), str::to_owned)
}

/// Whom the query of a line came for, the client's subnet or the sender: `None` when this is no
/// line of this log.
pub fn client_in(line: &str) -> Option<IpAddr> {
    if line.starts_with('{') {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| entry.get(key)?.as_str();
        // Each of our lines has it, and hardly any other's.
        text("transport")?;
        let client = text("subnet").and_then(|subnet| subnet.split('/').next());
        return client.or_else(|| text("client"))?.parse().ok();
    }
    let words: Vec<&str> = line.split(' ').collect();
    let [time, transport, sender, .., subnet, _] = words[..] else { return None };
    let is_transport =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic]
            .iter()
            .any(|known| known.as_str() == transport);
    if words.len() != WORDS || !time.ends_with('Z') || !is_transport {
        return None;
    }
    let client = match subnet {
        "-" => sender.rsplit_once('#')?.0,
        subnet => subnet.split('/').next()?,
    };
    client.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tap::Exchange;
    use crate::wire::Rcode;

    const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x03wWw\x02ex\0\0\x01\0\x01\
        \0\0\x29\x04\xd0\0\0\x80\0\0\x0b\0\x08\0\x07\0\x01\x18\0\x51\x02\x45";
    const REPLY: &[u8] = b"\0\x07\x85\0\0\x01\0\x02\0\0\0\x01\x03wWw\x02ex\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x02\
        \0\0\x29\x04\xd0\0\0\x80\0\0\x0b\0\x08\0\x07\0\x01\x18\x11\x51\x02\x45";

    fn exchange<'a>(query: &'a [u8], reply: &'a [u8]) -> Exchange<'a> {
        Exchange {
            at: 1_764_386_411_007,
            client: "198.51.100.9:5353".parse().unwrap(),
            local: Some("192.0.2.53".parse().unwrap()),
            transport: Transport::Udp,
            rcode: Rcode::NOERROR,
            query,
            reply,
        }
    }

    fn line(exchange: &Exchange<'_>, format: Format) -> String {
        let mut out = Vec::new();
        write(&Facts::of(exchange), format, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_query_is_a_line_of_twelve_words() {
        let exchange = exchange(QUERY, REPLY);
        let line = line(&exchange, Format::Text);
        assert_eq!(
            line,
            "2025-11-29T03:20:11.007Z udp 198.51.100.9#5353 192.0.2.53 www.ex. IN A NOERROR 78 \
             rd,do,aa 81.2.69.0/24/17 192.0.2.1,192.0.2.2\n"
        );
        assert_eq!(client_in(line.trim_end()), Some("81.2.69.0".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_read_is_a_line_all_the_same() {
        let mut exchange = exchange(&QUERY[..15], b"\0\x07\x80\x01\0\0\0\0\0\0\0\0");
        exchange.rcode = Rcode::FORMERR;
        exchange.local = None;
        let text = line(&exchange, Format::Text);
        let wanted = "udp 198.51.100.9#5353 - - - - FORMERR 12 rd - -\n";
        assert_eq!(text.split_once(' ').unwrap().1, wanted);
        for line in [text, line(&exchange, Format::Json)] {
            assert_eq!(client_in(line.trim_end()), Some("198.51.100.9".parse().unwrap()));
        }
    }

    #[test]
    fn json_says_the_same() {
        let exchange = exchange(QUERY, REPLY);
        let line = line(&exchange, Format::Json);
        assert_eq!(
            line,
            "{\"time\":\"2025-11-29T03:20:11.007Z\",\"transport\":\"udp\",\
             \"client\":\"198.51.100.9\",\"port\":5353,\"server\":\"192.0.2.53\",\
             \"name\":\"www.ex.\",\"class\":\"IN\",\"type\":\"A\",\"rcode\":\"NOERROR\",\
             \"size\":78,\"flags\":[\"rd\",\"do\",\"aa\"],\"subnet\":\"81.2.69.0/24\",\
             \"scope\":17,\"addresses\":[\"192.0.2.1\",\"192.0.2.2\"]}\n"
        );
        assert_eq!(client_in(line.trim_end()), Some("81.2.69.0".parse().unwrap()));
    }

    #[test]
    fn a_name_of_any_octets_is_one_word() {
        let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x05a \n\"\xff\0\0\x01\0\x01";
        let exchange = exchange(query, b"");
        assert!(line(&exchange, Format::Text).contains(" a\\032\\010\\\"\\255. IN A "));
        let json: serde_json::Value = serde_json::from_str(&line(&exchange, Format::Json)).unwrap();
        assert_eq!(json["name"], "a\\032\\010\\\"\\255.");
    }

    #[test]
    fn other_logs_are_none_of_ours() {
        for other in [
            "",
            "{}",
            "{\"client\":\"192.0.2.1\"}",
            "192.0.2.1",
            "1.0 2026-11-25T08:15:44.865Z Z1 example.com A NOERROR UDP IAD12 192.168.3.1 -",
        ] {
            assert_eq!(client_in(other), None, "{other}");
        }
    }
}
