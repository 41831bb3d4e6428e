//! `meridian import`: comes over from another system.
//!
//! Each importer reads the files of one system and fills a [`Draft`](draft::Draft): zones,
//! monitors, pools, policies and records, and a note on each thing it met. One writer turns the
//! draft into files and a report. Nothing is dropped in silence: what an importer does not read
//! ends up in the report.

mod bind;
mod cloudflare;
mod draft;
mod gdnsd;
mod geodns;
mod knot;
mod masterfile;
mod node;
mod octodns;
mod powerdns;
mod prove;
mod report;
mod route53;
mod settle;
mod terraform;
mod write;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use self::draft::{Draft, Fate, absolute};
use self::node::Node;
use self::terraform::Terraform;
use self::write::Surroundings;
use super::arguments::{Import, System};

/// Something was not taken over.
const SOME_LEFT: u8 = 1;
/// Something is different, and the report does not say so.
const UNLIKE: u8 = 3;

/// Why files could not be imported at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Not in the syntax that the system has.
    #[error("{path}{}: {why}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Syntax {
        /// The file.
        path: String,
        /// Where, from 1.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// Something else than what the system writes.
    #[error("{path}: {why}")]
    Foreign {
        /// The file.
        path: String,
        /// What it should be.
        why: &'static str,
    },
}

/// Files by path, with their text.
type Texts = [(String, String)];

pub(super) fn run(arguments: &Import) -> anyhow::Result<ExitCode> {
    let texts = texts(arguments.from, &arguments.files)?;
    let mut draft = Draft::default();
    for zone in &arguments.zone {
        draft.zone(zone);
    }
    fill(arguments.from, &texts, &given(&arguments.set)?, &mut draft)?;
    draft.settle();
    if draft.records.is_empty()
        && draft.policies.is_empty()
        && draft.zones.iter().all(|zone| zone.records.is_empty())
    {
        bail!("nothing in these files is a record; is it the right source?");
    }
    let name_servers: Vec<String> =
        arguments.name_server.iter().map(|name| absolute(name)).collect();
    if name_servers.is_empty() && draft.zones.iter().any(|zone| zone.text.is_none()) {
        let what = "name the servers that will answer (--name-server), or edit NS and the address \
                    of `ns1` in each zone file";
        draft.ask("", what);
    }
    if arguments.database.is_empty() {
        draft.ask("", "name a GeoIP database in `meridian.toml` (--database)");
    }
    let databases: Vec<String> = arguments
        .database
        .iter()
        .map(|path| fs::canonicalize(path).with_context(|| path.display().to_string()))
        .map(|path| path.map(|path| path.display().to_string()))
        .collect::<Result<_, _>>()?;
    let names: Vec<&str> = texts.iter().map(|(path, _)| path.as_str()).collect();
    let around = Surroundings {
        source: format!("{}: {}", arguments.from.title(), names.join(", ")),
        databases: &databases,
        name_servers: &name_servers,
    };
    write_files(&arguments.out, &files(&draft, &around))?;
    let report = arguments.out.join("report.md");
    writeln!(io::stdout(), "{}\nsee {}", report::summary(&draft), report.display())?;
    if let Some(clients) = arguments.prove {
        let sample = prove::Sample { clients: clients as usize, seed: arguments.seed };
        let written = arguments.out.join("meridian.toml");
        let given = given(&arguments.set)?;
        if !prove::run(arguments.from, &texts, &given, &draft, &written, &sample)? {
            return Ok(ExitCode::from(UNLIKE));
        }
    }
    let all_taken = report::count(&draft, Fate::Left) == 0;
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::from(SOME_LEFT) })
}

/// Reads what a system's files say.
fn fill(
    system: System,
    texts: &Texts,
    given: &BTreeMap<String, String>,
    draft: &mut Draft,
) -> Result<(), Failure> {
    match system {
        System::Terraform => {
            let terraform = Terraform::read(texts, given)?;
            route53::terraform(&terraform, draft);
            cloudflare::terraform(&terraform, draft);
            rest(&terraform, draft);
        }
        System::Route53 => route53::json(&json(texts)?, draft)?,
        System::Cloudflare => cloudflare::json(&json(texts)?, draft)?,
        System::Gdnsd => gdnsd::take_over(texts, draft)?,
        System::Powerdns => powerdns::take_over(texts, draft)?,
        System::Bind => bind::take_over(texts, draft)?,
        System::Knot => knot::take_over(texts, draft)?,
        System::Geodns => geodns::take_over(&json(texts)?, draft)?,
        System::Octodns => octodns::take_over(texts, draft)?,
    }
    Ok(())
}

/// Tells of blocks that belong to neither.
fn rest(terraform: &Terraform, draft: &mut Draft) {
    for resource in &terraform.resources {
        let ours = route53::KINDS.contains(&&*resource.kind)
            || cloudflare::KINDS.contains(&&*resource.kind);
        let looks_ours =
            ["aws_route53_", "cloudflare_"].iter().any(|p| resource.kind.starts_with(p));
        if !ours && looks_ours {
            draft.left(&resource.place(), "the resource", "has no counterpart here");
        }
    }
    for (what, place) in &terraform.others {
        let why = "is not followed; import its files too, or give its values with --set";
        draft.left(place, what, why);
    }
}

/// Every document of the files, with its path.
fn json(texts: &Texts) -> Result<Vec<Node>, Failure> {
    let read = |(path, text): &(String, String)| match serde_json::from_str(text) {
        Ok(json) => Ok(Node::of_json(&json, path)),
        Err(error) => Err(Failure::Syntax {
            path: path.clone(),
            line: Some(error.line()),
            why: error.to_string(),
        }),
    };
    texts.iter().map(read).collect()
}

/// Reads the files; of a directory, those that the system would read.
fn texts(system: System, paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut wanted = Vec::new();
    for path in paths {
        if !path.is_dir() {
            wanted.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
            let entry = entry.with_context(|| path.display().to_string())?.path();
            let extension = entry.extension().unwrap_or_default().to_string_lossy();
            let wanted = system.extensions();
            if entry.is_file() && (wanted.is_empty() || wanted.contains(&&*extension)) {
                inside.push(entry);
            }
        }
        inside.sort();
        wanted.extend(inside);
    }
    if wanted.is_empty() {
        bail!("no files to import");
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok((path.display().to_string(), text))
    };
    wanted.iter().map(read).collect()
}

fn given(pairs: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("--set {pair}: write REFERENCE=VALUE, such as aws_eip.us.public_ip=192.0.2.1");
        };
        given.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(given)
}

/// All files of an import, by their path in its directory.
fn files(draft: &Draft, around: &Surroundings<'_>) -> Vec<(PathBuf, String)> {
    let mut files = vec![
        (PathBuf::from("report.md"), report::document(draft, &around.source)),
        (PathBuf::from("meridian.toml"), write::server(around)),
        (PathBuf::from("policies/imported.toml"), write::policies(draft, around)),
    ];
    for zone in &draft.zones {
        let name = format!("zones/{}zone", zone.name);
        files.push((PathBuf::from(name), write::zone(zone, around)));
    }
    files
}

/// Writes them where nothing is yet.
fn write_files(directory: &Path, files: &[(PathBuf, String)]) -> anyhow::Result<()> {
    for (path, _) in files {
        let path = directory.join(path);
        if path.exists() {
            bail!("{} is there already; choose another --out, or remove it", path.display());
        }
    }
    for (path, text) in files {
        let path = directory.join(path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
