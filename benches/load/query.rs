//! The queries of a run: made before it, the same for every server.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use meridian::wire::{Name, Type};

/// How many different queries there are when they hold something random.
const VARIETY: usize = 4096;

/// Seed of everything random, so that each server gets the same.
const SEED: u64 = 0x006d_6572_6964_6961;

#[derive(clap::Args)]
pub(crate) struct Questions {
    /// A name to ask for; may be given several times.
    #[arg(long = "name")]
    names: Vec<Name>,
    /// A file with a name to ask for in each line, and a type behind it if not `--type`.
    #[arg(long)]
    names_file: Option<PathBuf>,
    /// The type to ask for.
    #[arg(long = "type", default_value = "A")]
    qtype: Type,
    /// Put a random label in front of each name.
    #[arg(long)]
    random_label: bool,
    /// Send EDNS Client Subnet with a random IPv4 prefix of this length.
    #[arg(long, value_name = "LENGTH", value_parser = clap::value_parser!(u8).range(1..=32))]
    ecs: Option<u8>,
    /// A file with an IPv4 address in each line: the clients of `--ecs`, instead of random ones.
    #[arg(long, requires = "ecs")]
    clients: Option<PathBuf>,
    /// Send EDNS with the DO bit.
    #[arg(long)]
    dnssec: bool,
    /// Send no EDNS at all.
    #[arg(long, conflicts_with_all = ["ecs", "dnssec"])]
    plain: bool,
}

/// Messages with id 0, asked one after another and again from the front.
pub(crate) fn queries(asked: &Questions) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut questions: Vec<(Name, Type)> =
        asked.names.iter().map(|name| (name.clone(), asked.qtype)).collect();
    if let Some(file) = &asked.names_file {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_ascii_whitespace();
            let name = words.next().unwrap_or_default().parse().with_context(|| line.to_owned())?;
            let qtype = words.next().map_or(Ok(asked.qtype), str::parse)?;
            questions.push((name, qtype));
        }
    }
    ensure!(!questions.is_empty(), "nothing to ask for: give --name or --names-file");
    let mut random = Random(SEED);
    let clients: Vec<Ipv4Addr> = match (&asked.clients, asked.ecs) {
        (Some(file), _) => addresses(file)?,
        (None, Some(_)) => (0..VARIETY).map(|_| (random.next() as u32).into()).collect(),
        (None, None) => Vec::new(),
    };
    let variety = if asked.random_label { VARIETY } else { 1 };
    let count = questions.len().max(clients.len()).max(variety);
    let clients = clients.iter().map(Some).cycle();
    questions
        .iter()
        .cycle()
        .zip(clients.chain(std::iter::repeat(None)))
        .take(count)
        .map(|((name, qtype), client)| query(name, *qtype, client.copied(), asked, &mut random))
        .collect()
}

fn addresses(file: &Path) -> anyhow::Result<Vec<Ipv4Addr>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = lines.map(|line| line.trim().parse().with_context(|| line.to_owned()));
    let addresses = read.collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!addresses.is_empty(), "no address in {}", file.display());
    Ok(addresses)
}

fn query(
    name: &Name,
    qtype: Type,
    client: Option<Ipv4Addr>,
    asked: &Questions,
    random: &mut Random,
) -> anyhow::Result<Vec<u8>> {
    let mut message = vec![0; 12];
    message[5] = 1; // one question
    if asked.random_label {
        let label = format!("{:012x}", random.next() >> 16);
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
        Name::parse(label.as_bytes(), name).context("no room for a random label")?;
    }
    message.extend_from_slice(name.as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if asked.plain {
        return Ok(message);
    }
    message[11] = 1; // OPT, size 1232 (RFC 6891 section 6.1.2)
    let do_bit = if asked.dnssec { 0x80 } else { 0 };
    message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, do_bit, 0]);
    match asked.ecs.zip(client) {
        None => message.extend_from_slice(&[0, 0]),
        Some((length, client)) => {
            // RFC 7871 section 6: only the octets the length needs, host bits cleared.
            let address = client.to_bits() & (u32::MAX << (32 - u32::from(length)));
            let octets = &address.to_be_bytes()[..usize::from(length.div_ceil(8))];
            let size = 4 + octets.len() as u8;
            message.extend_from_slice(&[0, size + 4, 0, 8, 0, size, 0, 1, length, 0]);
            message.extend_from_slice(octets);
        }
    }
    Ok(message)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
