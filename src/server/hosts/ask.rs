//! Asking resolvers: UDP first, TCP for what does not fit (RFC 7766), one server after another.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use tokio::time::timeout;

use super::answer::{Answer, Family, NoAnswer, Question};
use super::table::Found;
use crate::health::dialogue;
use crate::wire::Name;

/// How long one server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often each server is asked.
const ROUNDS: usize = 2;

/// Where the system names its resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The system's resolvers: those of /etc/resolv.conf, else one on this machine, as the system's
/// own library has it (resolv.conf(5)).
pub fn system_servers() -> Vec<SocketAddr> {
    let found = servers_in(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
    if found.is_empty() { vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))] } else { found }
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        // A link-local address may have a zone, which names an interface.
        let address: IpAddr = address.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(address, 53))
    };
    text.lines().filter_map(server).collect()
}

/// Looks up the addresses of a name; the reason why where a family was not answered for.
pub async fn look_up(name: &Name, servers: &[SocketAddr]) -> (Found, Option<String>) {
    let (v4, v6) = tokio::join!(one(name, Family::V4, servers), one(name, Family::V6, servers));
    let reason = v4.as_ref().err().or(v6.as_ref().err()).cloned();
    (Found { v4: v4.ok(), v6: v6.ok() }, reason)
}

/// Asks one server after another until one answers.
async fn one(name: &Name, family: Family, servers: &[SocketAddr]) -> Result<Answer, String> {
    let mut last = "no resolver is known".to_owned();
    for server in servers.iter().cycle().take(servers.len() * ROUNDS) {
        let Some(question) = Question::new(name, family, id()?) else {
            return Err("the name cannot be asked for".to_owned());
        };
        last = match timeout(PATIENCE, ask(&question, *server)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => format!("{server}: {error}"),
            Err(_) => format!("{server}: no answer within {} s", PATIENCE.as_secs()),
        };
    }
    Err(last)
}

async fn ask(question: &Question, server: SocketAddr) -> Result<Answer, AskError> {
    let message = question.message();
    let read = |octets: &[u8]| match question.read(octets) {
        Err(NoAnswer::Unrelated) => None,
        answer => Some(answer),
    };
    match dialogue::over_udp(server, &message, read).await? {
        Err(NoAnswer::Truncated) => {
            let octets = dialogue::over_tcp(server, &message).await?;
            Ok(question.read(&octets)?)
        }
        answer => Ok(answer?),
    }
}

/// One server did not answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Answer(#[from] NoAnswer),
}

/// An ID that is not to be guessed from outside.
fn id() -> Result<u16, String> {
    let mut octets = [0; 2];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut octets).map_err(|_| "no random number could be drawn".to_owned())?;
    Ok(u16::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_from_the_systems_file() {
        let text = "# made by hand\nsearch example.net\nnameserver 192.0.2.53\n\
                    nameserver  2001:db8::53\nnameserver fe80::1%eth0\nnameserver none\n";
        let servers = servers_in(text);
        let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.53:53", "[2001:db8::53]:53", "[fe80::1]:53"]);
    }
}
