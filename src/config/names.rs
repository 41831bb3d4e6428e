//! Names of monitors, pools, policies and records: what is defined, and what a reference means.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::wire::Name;

use super::diagnostic::Diagnostic;
use super::reader::{Reader, with_suggestion};
use super::source::{Located, Source, Span};
use super::spec::{MaintenanceSpec, MonitorSpec, PolicySpec, PoolSpec, RecordSpec, Spanned};

/// What a policy or record chooses: a pool or another policy, by its place in the
/// [`Config`](super::Config)'s lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Index into `pools`.
    Pool(usize),
    /// Index into `policies`.
    Policy(usize),
}

/// A target and where it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRef {
    /// What is meant.
    pub target: Target,
    /// The name in the file.
    pub span: Span,
}

/// A table with the name it is defined under. `spec` is `None` when it could not be read; its
/// name counts all the same, so that one mistake is not reported as two.
#[derive(Debug)]
pub(super) struct Definition<S> {
    pub(super) name: Located<String>,
    pub(super) spec: Option<S>,
}

/// All tables of all policy files, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) monitors: Vec<Definition<MonitorSpec>>,
    pub(super) pools: Vec<Definition<PoolSpec>>,
    pub(super) policies: Vec<Definition<PolicySpec>>,
    pub(super) records: Vec<Definition<RecordSpec>>,
    /// With the files that they stand in.
    pub(super) maintenance: Vec<(Arc<Source>, MaintenanceSpec)>,
    /// A file could not be read: names that are not found may be in it.
    pub(super) incomplete: bool,
}

/// Which names are defined.
#[derive(Debug)]
pub(super) struct Names {
    monitors: HashMap<String, usize>,
    targets: HashMap<String, Target>,
    incomplete: bool,
}

impl Names {
    /// Collects the names, reports and removes definitions of a name that is taken.
    pub(super) fn collect(defined: &mut Definitions, found: &mut Vec<Diagnostic>) -> Names {
        let mut monitors = HashMap::new();
        keep_first(&mut defined.monitors, "monitor", &mut monitors, found, check_name);
        let mut targets = HashMap::new();
        keep_first(&mut defined.pools, "pool", &mut targets, found, check_name);
        let mut names = Names {
            monitors: indices(&defined.monitors, |i| i),
            targets: indices(&defined.pools, Target::Pool),
            incomplete: defined.incomplete,
        };
        keep_first(&mut defined.policies, "policy", &mut targets, found, check_name);
        names.targets.extend(indices(&defined.policies, Target::Policy));
        keep_first(&mut defined.records, "record", &mut HashMap::new(), found, check_owner);
        names
    }

    /// What the name of a pool or policy means; reports one that is not defined.
    pub(super) fn target(
        &self,
        word: &Spanned<String>,
        reader: &mut Reader<'_>,
    ) -> Option<TargetRef> {
        if let Some(&target) = self.targets.get(&word.value) {
            return Some(TargetRef { target, span: reader.span(&word.range) });
        }
        let other = self.monitors.contains_key(&word.value).then_some("a monitor");
        self.unknown("pool or policy", word, other, self.targets.keys(), reader);
        None
    }

    /// Which monitor a name means; reports one that is not defined.
    pub(super) fn monitor(&self, word: &Spanned<String>, reader: &mut Reader<'_>) -> Option<usize> {
        if let Some(&index) = self.monitors.get(&word.value) {
            return Some(index);
        }
        let other = self.targets.contains_key(&word.value).then_some("a pool or policy");
        self.unknown("monitor", word, other, self.monitors.keys(), reader);
        None
    }

    fn unknown<'n>(
        &self,
        what: &str,
        word: &Spanned<String>,
        other: Option<&str>,
        known: impl Iterator<Item = &'n String>,
        reader: &mut Reader<'_>,
    ) {
        // A sorted list, so that the same mistake always gets the same suggestion.
        let mut known: Vec<&str> = known.map(String::as_str).collect();
        known.sort_unstable();
        // Something else is wrong already, and the name may stand in what could not be read.
        if self.incomplete {
            return;
        }
        let message = format!("there is no {what} named `{}`", word.value);
        let d = Diagnostic::error("unknown-name", message).at(&reader.span(&word.range), "");
        reader.found.push(match other {
            Some(other) => d.help(format!("`{}` is {other}", word.value)),
            None => with_suggestion(d, &word.value, known),
        });
    }
}

fn indices<S, I>(defined: &[Definition<S>], index: fn(usize) -> I) -> HashMap<String, I> {
    let names = defined.iter().map(|definition| definition.name.value.clone());
    names.enumerate().map(|(i, name)| (name, index(i))).collect()
}

/// Keeps the first definition of each name and reports the others, and names that are none.
fn keep_first<S, K: Eq + Hash>(
    definitions: &mut Vec<Definition<S>>,
    what: &str,
    taken: &mut HashMap<K, (String, Span)>,
    found: &mut Vec<Diagnostic>,
    key: fn(&str, &Span, &str) -> Result<K, Box<Diagnostic>>,
) {
    definitions.retain(|Definition { name: Located { value: name, span }, .. }| {
        match key(what, span, name) {
            Err(diagnostic) => found.push(*diagnostic),
            Ok(key) => match taken.get(&key) {
                None => {
                    taken.insert(key, (what.to_owned(), span.clone()));
                }
                Some((first_what, first)) => {
                    let message = format!("the name `{name}` is defined twice");
                    let mut d = Diagnostic::error("duplicate-name", message)
                        .at(span, format!("{what} here"))
                        .and(first, format!("{first_what} here"));
                    if what != first_what {
                        d = d.help("pools and policies share one name space");
                    }
                    found.push(d.help("rename or remove one of them"));
                    return false;
                }
            },
        }
        true
    });
}

/// The name of a monitor, pool or policy: letters, digits, `-`, `_` and `.`, up to 63 of them.
fn check_name(what: &str, span: &Span, name: &str) -> Result<String, Box<Diagnostic>> {
    let refuse = |why: &str| {
        let message = format!("`{name}` cannot be the name of a {what}");
        Err(Box::new(Diagnostic::error("invalid-name", message).at(span, "").help(why)))
    };
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 63 || !name.bytes().all(fine) {
        return refuse("use up to 63 letters, digits, `-`, `_` and `.`");
    }
    if name == "none" && what != "monitor" {
        return refuse("`to = \"none\"` stands for a deliberate empty answer");
    }
    Ok(name.to_owned())
}

/// The owner name of a record; equal names in another case are the same name.
fn check_owner(_: &str, span: &Span, name: &str) -> Result<Name, Box<Diagnostic>> {
    owner(name).map_err(|why| {
        let message = format!("`{name}` is not a domain name: {why}");
        let help = "write it like \"www.example.com\"; names beyond ASCII in their xn-- form";
        Box::new(Diagnostic::error("invalid-name", message).at(span, "").help(help))
    })
}

/// Reads an owner name; a missing last dot is taken as there.
pub(super) fn owner(text: &str) -> Result<Name, String> {
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("it holds {odd:?}"));
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    text.parse::<Name>().map_err(|error| error.to_string())
}
