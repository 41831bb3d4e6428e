//! The queries of a run: made before it, the same for every server.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use meridian::wire::{Name, Type};

use crate::message::{self, Opt, Random};

/// How many different queries there are when they hold something random.
const VARIETY: usize = 4096;

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
    let mut random = Random::new();
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
    let mut wire = name.as_wire().to_vec();
    if asked.random_label {
        wire = random.child(&wire);
        ensure!(wire.len() <= 255, "no room for a random label in front of {name}");
    }
    let opt = Opt { dnssec: asked.dnssec, subnet: client.map(IpAddr::V4).zip(asked.ecs) };
    Ok(message::query(&wire, qtype, (!asked.plain).then_some(opt)))
}
