//! The configurations that are measured, written to a directory.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// What stands in a directory of zones, for telling the server's memory from the data's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Owner names, the apexes and their name servers not counted.
    pub(crate) names: usize,
    /// Octets of the owner names in wire form and of all their records' data.
    pub(crate) octets: usize,
}

/// The configuration file in `directory`.
pub(crate) fn configuration(directory: &Path) -> PathBuf {
    directory.join("meridian.toml")
}

/// So many names in so many zones: of twenty names, fourteen have an IPv4 address, three have one
/// of each family, and the others are an alias, a mail domain and a text.
pub(crate) fn zones(directory: &Path, names: usize, zones: usize) -> anyhow::Result<Size> {
    let mut size = Size::default();
    fs::create_dir_all(directory.join("zones"))?;
    for zone in 0..zones {
        let apex = format!("zone{zone}.example");
        let mut text = format!(
            "$ORIGIN {apex}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n\
             @ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n"
        );
        for name in (zone..names).step_by(zones) {
            let owner = format!("host-{name}");
            let [_, high, mid, low] = (name as u32).to_be_bytes();
            let v4 = format!("10.{high}.{mid}.{low}");
            let data = match name % 20 {
                0..=13 => {
                    writeln!(text, "{owner} A {v4}")?;
                    4
                }
                14..=16 => {
                    writeln!(
                        text,
                        "{owner} A {v4}\n{owner} AAAA 2001:db8::{high:x}:{mid:x}:{low:x}"
                    )?;
                    4 + 16
                }
                17 => {
                    writeln!(text, "{owner} CNAME host-0")?;
                    "host-0".len() + 1 + apex.len() + 2
                }
                18 => {
                    writeln!(text, "{owner} MX 10 ns1\n{owner} A {v4}")?;
                    2 + "ns1".len() + 1 + apex.len() + 2 + 4
                }
                _ => {
                    writeln!(text, "{owner} TXT \"v=spf1 include:{apex} -all\"")?;
                    1 + "v=spf1 include: -all".len() + apex.len()
                }
            };
            size.names += 1;
            size.octets += owner.len() + 1 + apex.len() + 2 + data;
        }
        fs::write(directory.join(format!("zones/{apex}.zone")), text)?;
    }
    let text = "[server]\nzones = [\"zones/*.zone\"]\npolicies = []\n[geoip]\ndatabases = []\n";
    fs::write(configuration(directory), text)?;
    Ok(size)
}

/// So many steered records over so many pools of two members, in a file for every ten pools, with
/// a geo policy for each pool: it sends its neighbours' clients where they are nearest. Every pool
/// is checked; nothing is there to answer.
pub(crate) fn steering(
    directory: &Path,
    records: usize,
    pools: usize,
    database: &Path,
) -> anyhow::Result<()> {
    const REGIONS: [&str; 5] =
        ["aws:us-east-1", "aws:eu-west-1", "aws:ap-southeast-1", "aws:sa-east-1", "aws:af-south-1"];
    fs::create_dir_all(directory.join("policies"))?;
    for (file, first) in (0..pools).step_by(10).enumerate() {
        let group = first..pools.min(first + 10);
        let mut text = format!("[monitor.web{file}]\nkind = \"tcp\"\nport = 80\n");
        for pool in group.clone() {
            let region = REGIONS[pool % REGIONS.len()];
            let [_, high, mid, low] = (pool as u32).to_be_bytes();
            write!(
                text,
                "[pool.p{pool}]\nmonitor = \"web{file}\"\nlocation = \"{region}\"\n\
                 members = [\"127.{high}.{mid}.{low}\", \"2001:db8::{pool:x}\"]\n"
            )?;
            let other = |step| first + (pool + step) % group.len();
            write!(
                text,
                "[policy.w{pool}]\nkind = \"geo\"\non_down = \"nearest\"\ndefault = \"p{pool}\"\n\
                 rules = [\n  {{ match = [\"continent:NA\", \"continent:SA\"], to = \"p{}\" }},\n  \
                 {{ match = [\"continent:EU\", \"continent:AF\"], to = \"p{}\" }},\n  \
                 {{ match = [\"country:JP\", \"country:SG\"], to = \"p{}\" }},\n]\n",
                other(1),
                other(2),
                other(3),
            )?;
        }
        for record in (0..records).filter(|record| group.contains(&(record % pools))) {
            write!(
                text,
                "[record.\"s{record}.zone{}.example\"]\nuse = \"w{}\"\n",
                record % 100,
                record % pools
            )?;
        }
        fs::write(directory.join(format!("policies/service{file}.toml")), text)?;
    }
    zones(directory, 0, 100)?;
    let text = format!(
        "[server]\nzones = [\"zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\
         [geoip]\ndatabases = [{:?}]\n",
        absolute(database)?
    );
    Ok(fs::write(configuration(directory), text)?)
}

/// One record over pools of ten members, which are these targets, checked every `interval` as
/// `monitor` says.
pub(crate) fn checks(
    directory: &Path,
    targets: &[SocketAddr],
    monitor: &str,
    interval: u64,
) -> anyhow::Result<()> {
    let mut text = format!("[monitor.web]\n{monitor}\ninterval = \"{interval}s\"\n");
    let mut pools = Vec::new();
    for (pool, members) in targets.chunks(10).enumerate() {
        let member =
            |at: &SocketAddr| format!("{{ address = \"{}\", port = {} }}", at.ip(), at.port());
        let members: Vec<String> = members.iter().map(member).collect();
        write!(text, "[pool.p{pool}]\nmonitor = \"web\"\nmembers = [{}]\n", members.join(", "))?;
        pools.push(format!("\"p{pool}\""));
    }
    write!(
        text,
        "[policy.all]\nkind = \"failover\"\ntargets = [{}]\n\
         [record.\"www.zone0.example\"]\nuse = \"all\"\n",
        pools.join(", ")
    )?;
    zones(directory, 0, 1)?;
    fs::write(directory.join("policies.toml"), text)?;
    let text = "[server]\nzones = [\"zones/*.zone\"]\npolicies = [\"policies.toml\"]\n\
                [geoip]\ndatabases = []\n[admin]\nlisten = \"\"\n";
    Ok(fs::write(configuration(directory), text)?)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| path.display().to_string())
}
