//! Query logs of several makes: our own, dnstap, BIND, Route 53, and plain lists of addresses.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::report;
use crate::server::query_log::dnstap::Message;
use crate::server::query_log::frames::Frames;
use crate::server::query_log::{client, client_in};

/// The clients in logs, in order, and how many queries came from each.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<(IpAddr, f64)>> {
    let mut counts = Counts::default();
    for path in paths {
        let octets = fs::read(path).with_context(|| path.display().to_string())?;
        match Frames::of_file(&octets) {
            Some(frames) => counts.dnstap(path, frames),
            None => counts.lines(&String::from_utf8_lossy(&octets)),
        }
    }
    if counts.unread > 0 {
        report::say(&format!("{} lines of the logs without a client passed over", counts.unread));
    }
    if counts.queries.is_empty() {
        bail!("no query in the logs");
    }
    let mut queries: Vec<_> = counts.queries.into_iter().collect();
    queries.sort_by_key(|(address, _)| *address);
    Ok(queries)
}

#[derive(Debug, Default)]
struct Counts {
    queries: HashMap<IpAddr, f64>,
    /// Lines and frames without a client.
    unread: usize,
}

impl Counts {
    fn lines(&mut self, text: &str) {
        for line in text.lines() {
            match client_of(line) {
                Some((client, count)) => *self.queries.entry(client).or_default() += count,
                None if line.trim().is_empty() || line.starts_with('#') => {}
                None => self.unread += 1,
            }
        }
    }

    /// Counts the queries of a file of dnstap; its responses where it has no queries, since most
    /// servers can be told to write either. What a resolver asked others is passed over.
    fn dnstap(&mut self, path: &Path, frames: Frames<'_>) {
        let (mut queries, mut responses) = (Vec::new(), Vec::new());
        for frame in frames {
            let message = match frame {
                Ok(frame) => Message::read(frame),
                Err(error) => {
                    report::say(&format!("{}: {error}; read as far as that", path.display()));
                    break;
                }
            };
            let Some(message) = message else {
                self.unread += 1;
                continue;
            };
            let client = || client(message.query, message.response, message.sender);
            match message {
                _ if message.is_query() => queries.push(client()),
                _ if message.is_response() => responses.push(client()),
                _ => {}
            }
        }
        let counted = if queries.is_empty() { responses } else { queries };
        for client in counted {
            match client {
                Some(client) => *self.queries.entry(client).or_default() += 1.0,
                None => self.unread += 1,
            }
        }
    }
}

/// The client of a line of a query log and how many queries it stands for.
///
/// A line of our own; `ADDRESS[/LENGTH][,COUNT]`; BIND's `… client @0x… ADDRESS#PORT (…): query: …`,
/// with its `[ECS ADDRESS/LENGTH/SCOPE]`; Route 53's twelve fields, the resolver's address before
/// the client's subnet or `-`.
fn client_of(line: &str) -> Option<(IpAddr, f64)> {
    if let Some(client) = client_in(line) {
        return Some((client, 1.0));
    }
    let address = |text: &str| text.split('/').next().and_then(|text| text.parse().ok());
    if let Some((_, rest)) = line.split_once("[ECS ") {
        return Some((address(rest.split(']').next()?)?, 1.0));
    }
    if let Some((_, rest)) = line.split_once("client ") {
        let client = rest.split_whitespace().find(|word| word.contains('#'))?;
        return Some((address(client.split('#').next()?)?, 1.0));
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [.., resolver, subnet] = words[..]
        && words.len() >= 10
    {
        return Some((address(subnet).or_else(|| address(resolver))?, 1.0));
    }
    let mut fields = line.split(',').map(str::trim);
    let client = address(fields.next()?)?;
    let count = match fields.next() {
        Some(count) => {
            count.parse().ok().filter(|count: &f64| *count > 0.0 && count.is_finite())?
        }
        None => 1.0,
    };
    Some((client, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_read_from_logs_of_several_makes() {
        let client =
            |line: &str| client_of(line).map(|(address, count)| (address.to_string(), count));
        let read = |address: &str, count| Some((address.to_owned(), count));
        assert_eq!(client("192.0.2.1"), read("192.0.2.1", 1.0));
        assert_eq!(client("2001:db8::/56, 12"), read("2001:db8::", 12.0));
        assert_eq!(
            client(
                "25-Nov-2026 10:00:00.000 queries: info: client @0x7f 192.0.2.7#5353 \
                 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)"
            ),
            read("192.0.2.7", 1.0)
        );
        assert_eq!(
            client(
                "client @0x7f 192.0.2.7#53 (a.example): query: a.example IN A +E(0) (192.0.2.53) \
                 [ECS 198.51.100.0/24/0]"
            ),
            read("198.51.100.0", 1.0)
        );
        let route53 = "1.0 2026-11-25T08:15:44.865Z Z123412341234 example.com A NOERROR UDP \
                       IAD12 192.168.3.1";
        let with = |subnet: &str| client(&format!("{route53} {subnet}"));
        assert_eq!(with("192.168.222.0/24"), read("192.168.222.0", 1.0));
        assert_eq!(with("-"), read("192.168.3.1", 1.0));
        for wrong in ["", "hello", "192.0.2.1,-3", "192.0.2.1,many"] {
            assert_eq!(client(wrong), None, "{wrong}");
        }
    }
}
