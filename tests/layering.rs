//! Imports point down: reads the paths of every source file and fails on one that points up
//! the layers, on `unsafe` outside its one file, and on `async` where nothing waits.
#![allow(clippy::unwrap_used)] // also outside #[test] functions everything here is a test

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The one file that may say `unsafe`.
const UNSAFE: &str = "transport/udp/mmsg.rs";

/// Layers that are plain functions over data.
const WITHOUT_ASYNC: [&str; 5] = ["wire", "zone", "geo", "steering", "engine"];

/// How high a layer stands; layers of one height do not know each other.
fn height(layer: &str) -> Option<u8> {
    Some(match layer {
        "cli" => 8,
        "server" => 7,
        "admin" | "transport" => 6,
        "engine" => 5,
        "zone" | "steering" => 4,
        "geo" | "health" => 3,
        "wire" => 2,
        "config" => 1,
        "numbers" | "state" => 0,
        _ => return None,
    })
}

/// Whether a file of `layer` may name `path`, a path behind `crate::`.
fn is_allowed(layer: &str, path: &[String]) -> bool {
    let Some(to) = path.first() else { return false };
    let second = path.get(1).map(String::as_str);
    match (layer, to.as_str()) {
        (layer, to) if layer == to => true,
        // Turned into runtime objects in one place, so known to no other layer.
        (_, "config") => matches!(layer, "cli" | "server"),
        ("config", "wire") => second == Some("Name"),
        ("config", _) => false,
        ("steering", "zone") => second == Some("RecordId"),
        (layer, to) => match (height(layer), height(to)) {
            (Some(from), Some(to)) => from > to,
            // An item of the crate root, or a layer this test does not know.
            _ => false,
        },
    }
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(layer) = source.layer() else { continue };
        assert!(height(layer).is_some(), "src/{}: where does `{layer}` stand?", source.name);
        for path in source.paths() {
            if !is_allowed(layer, &path) {
                wrong.push(format!("src/{}: crate::{}", source.name, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_one_file() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.name != UNSAFE)
        .filter(|source| source.words().any(|word| matches!(word, "unsafe" | "unsafe_code")))
        .map(|source| source.name)
        .collect();
    assert_eq!(wrong, [""; 0], "`unsafe` outside {UNSAFE}");
    assert!(sources().iter().any(|source| source.name == UNSAFE));
}

#[test]
fn what_never_waits_is_not_async() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.layer().is_some_and(|layer| WITHOUT_ASYNC.contains(&layer)))
        .filter(|source| source.words().any(|word| matches!(word, "async" | "await")))
        .map(|source| source.name)
        .collect();
    assert_eq!(wrong, [""; 0], "`async` in a layer that is plain functions");
}

/// A source file without its comments and literals.
struct Source {
    /// Relative to `src`, with slashes.
    name: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "these are not all sources");
    files
        .into_iter()
        .map(|file| Source {
            name: file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
            code: code_of(&fs::read_to_string(&file).unwrap()),
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}

impl Source {
    /// The layer it belongs to; none for `lib.rs` and `main.rs`.
    fn layer(&self) -> Option<&str> {
        match self.name.split_once('/') {
            Some((layer, _)) => Some(layer),
            None => self.name.strip_suffix(".rs").filter(|name| !["lib", "main"].contains(name)),
        }
    }

    /// How many modules deep it is: `zone/mod.rs` is 1, `zone/record.rs` is 2.
    fn depth(&self) -> usize {
        let folders = self.name.matches('/').count();
        if self.name.ends_with("/mod.rs") { folders } else { folders + 1 }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
    }

    /// Every path that starts at the crate root, without `crate` itself.
    fn paths(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        for rest in after(&self.code, "crate") {
            tree(&rest, &[], &mut paths);
        }
        // From the outermost module of a file or an inline module in it.
        let mut climbing = BTreeSet::new();
        for rest in after(&self.code, "super") {
            tree(&rest, &["super".to_owned()], &mut climbing);
        }
        for path in climbing {
            let supers = path.iter().take_while(|step| *step == "super").count();
            let is_layer = path.get(supers).is_some_and(|step| height(step).is_some());
            if supers >= self.depth() && is_layer {
                paths.insert(path[supers..].to_vec());
            }
        }
        paths
    }
}

/// What follows each `word::` that begins a path, without white space.
fn after(code: &str, word: &str) -> Vec<String> {
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let squeezed = squeezed.replace(" ::", "::").replace(":: ", "::");
    let opening = format!("{word}::");
    squeezed
        .match_indices(&opening)
        .filter(|(at, _)| {
            let before = squeezed[..*at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"_:".contains(c))
        })
        .map(|(at, _)| squeezed[at + opening.len()..].to_owned())
        .collect()
}

/// Reads one path or tree of paths from the front of `text`, and returns what is left.
fn tree<'a>(text: &'a str, stem: &[String], paths: &mut BTreeSet<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    let mut path = stem.to_vec();
    loop {
        if let Some(mut inside) = text.strip_prefix('{') {
            loop {
                inside = inside.trim_start().trim_start_matches(',').trim_start();
                match inside.chars().next() {
                    Some('}') => return &inside[1..],
                    None => return inside,
                    Some(_) => inside = tree(inside, &path, paths),
                }
            }
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (step, rest) = text.split_at(end);
        path.push(if step.is_empty() { "*".to_owned() } else { step.to_owned() });
        match rest.strip_prefix("::") {
            Some(next) if !next.starts_with('<') && !step.is_empty() => text = next,
            _ => {
                paths.insert(path);
                // To the next member of a group: over `as x`, or what else stands here.
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                return &rest[end..];
            }
        }
    }
}

/// The text with comments and the insides of strings and characters taken out.
fn code_of(text: &str) -> String {
    let octets = text.as_bytes();
    let mut code = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let rest = &octets[at..];
        let in_word = code.last().is_some_and(|c: &u8| c.is_ascii_alphanumeric() || *c == b'_');
        at += if rest.starts_with(b"//") {
            rest.iter().position(|c| *c == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !in_word) {
            length
        } else if rest[0] == b'"' {
            quoted(rest, b'"')
        } else if rest[0] == b'\'' && is_character(rest) {
            quoted(rest, b'\'')
        } else {
            code.push(rest[0]);
            at += 1;
            continue;
        };
        code.push(b' ');
    }
    String::from_utf8(code).unwrap()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut open, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (open, at) = (open + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (open, at) = (open - 1, at + 2);
            if open == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the raw string at the front, if one is there.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let body = rest.strip_prefix(b"br").or_else(|| rest.strip_prefix(b"r"))?;
    let hashes = body.iter().take_while(|c| **c == b'#').count();
    if body.get(hashes) != Some(&b'"') {
        return None;
    }
    let start = rest.len() - body.len() + hashes + 1;
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let found = rest[start..].windows(end.len()).position(|window| window == end);
    Some(found.map_or(rest.len(), |found| start + found + end.len()))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Whether an apostrophe opens a character and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(_) => {
            let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
            let valid = text.map_or_else(|e| e.valid_up_to(), str::len);
            let first = std::str::from_utf8(&rest[1..1 + valid]).unwrap().chars().next();
            first.is_some_and(|c| rest.get(1 + c.len_utf8()) == Some(&b'\''))
        }
        None => false,
    }
}

#[test]
fn the_reader_sees_paths_and_neither_comments_nor_literals() {
    let source = Source {
        name: "zone/lookup.rs".to_owned(),
        code: code_of(
            r####"
            //! [`crate::cli`]
            use crate::{geo::{self, ranges::RangeMap as Map}, wire::Name};
            use crate :: engine::*;
            /* crate::server /* nested */ crate::server */
            fn f<'a>(x: &'a str) -> char { "crate::admin \" unsafe"; r#"crate::"cli"#; b'"'; '\''; '"' }
            let x = crate::health::Verdict::Up; // unsafe
            use super::super::steering::Live;
            use super::record; use super::super::item;
            use other_crate::transport; mod tests { use super::super::super::config::X; }
            "####,
        ),
    };
    let paths: Vec<String> = source.paths().into_iter().map(|path| path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "config::X",
            "engine::*",
            "geo::ranges::RangeMap",
            "geo::self",
            "health::Verdict::Up",
            "steering::Live",
            "wire::Name",
        ]
    );
    assert!(!source.words().any(|word| word == "unsafe"));
}

#[test]
fn the_rules_are_those_of_the_architecture() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    for (layer, to) in [
        ("cli", "server::build"),
        ("server", "config::Config"),
        ("transport", "engine::Engine"),
        ("engine", "steering::Live"),
        ("steering", "zone::RecordId"),
        ("steering", "geo::Location"),
        ("config", "wire::Name"),
        ("wire", "wire::name"),
    ] {
        assert!(is_allowed(layer, &path(to)), "{layer} may import {to}");
    }
    for (layer, to) in [
        ("server", "cli::run"),
        ("engine", "transport::Respond"),
        ("zone", "steering::Live"),
        ("steering", "zone::Record"),
        ("geo", "health::Verdict"),
        ("health", "geo::Location"),
        ("steering", "config::Config"),
        ("config", "wire::Type"),
        ("wire", "config::Config"),
        ("transport", "admin::Metrics"),
    ] {
        assert!(!is_allowed(layer, &path(to)), "{layer} must not import {to}");
    }
}
