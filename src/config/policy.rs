//! Policies: how a target is chosen.

use std::collections::HashMap;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::files::Files;
use super::latency::LatencyTable;
use super::names::{Names, TargetRef};
use super::place::Match;
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::policy::{
    BiasedTargetSpec, GeoSpec, LatencySpec, LoadTargetSpec, NearestSpec, PolicySpec, RuleSpec,
    WeightedTargetSpec,
};
use super::spec::{Spanned, StringOr, Words};

pub use super::spec::policy::{OnDown, Prefer, Spread};

/// The greatest part of a latency policy's clients who explore, in percent.
const MOST_EXPLORERS: f64 = 10.0;
/// How much over the lowest estimate the cheapest target of a latency policy may be.
const DEFAULT_BAND: Duration = Duration::from_millis(15);

/// How a target is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name in the files.
    pub name: String,
    /// Where the name is defined.
    pub span: Span,
    /// The kind, and what belongs to it.
    pub kind: PolicyKind,
    /// So many of the best targets that are up stand in one answer: 1 to 16. More than 1 only for
    /// failover and nearest.
    pub take: usize,
}

/// The kinds of policies (steering.md); every list of targets has at least one, none twice.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyKind {
    /// The first that is up.
    Failover {
        /// The most wanted first.
        targets: Vec<TargetRef>,
    },
    /// All members of all that are up, rotated.
    RoundRobin {
        /// In the order of the file.
        targets: Vec<TargetRef>,
        /// At most so many addresses in one answer: 1 to 255.
        answers: usize,
    },
    /// One that is up, by weight.
    Weighted {
        /// At least one has a weight over 0.
        targets: Vec<WeightedTarget>,
        /// Who gets the same draw.
        spread: Spread,
    },
    /// `Weighted` with [`Spread::Client`].
    Sticky {
        /// At least one has a weight over 0.
        targets: Vec<WeightedTarget>,
    },
    /// The most specific rule that matches where the client is.
    Geo(Geo),
    /// The smallest distance from the client.
    Nearest {
        /// Each has a location.
        targets: Vec<BiasedTarget>,
    },
    /// The lowest estimated latency.
    Latency {
        /// Each has a location or rows in the table.
        targets: Vec<TargetRef>,
        /// What is known of the network's latency.
        table: Option<LatencyTable>,
        /// How much over the lowest estimate the cheapest target may be, where cost counts: 1 ms
        /// to 1 s. The place is that of `prefer`.
        within: Option<Located<Duration>>,
        /// The part of the clients, from above 0.0 to 0.1, who measure another target; `None`: nobody.
        explore: Option<Located<f64>>,
    },
    /// The least busy, in proportion to weight.
    Load {
        /// Weights from 1 on.
        targets: Vec<WeightedTarget>,
    },
}

/// A target and its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedTarget {
    /// The target.
    pub to: TargetRef,
    /// 0 to 1,000,000; 0 is used only when no other is up.
    pub weight: u32,
}

/// A target and how much nearer or farther it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiasedTarget {
    /// The target.
    pub to: TargetRef,
    /// Per cent by which its distances are shortened: -99 to 99.
    pub bias: i32,
}

/// What belongs to a geo policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Geo {
    /// At least one. No two hold equally specific places that one client can be in both of.
    pub rules: Vec<Rule>,
    /// For clients that no rule matches; `None`: NODATA.
    pub default: Option<Destination>,
    /// What is done when the matched target is down.
    pub on_down: OnDown,
}

/// One rule of a geo policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// At least one place.
    pub matches: Vec<Located<Match>>,
    /// Where clients there go.
    pub to: Destination,
    /// The whole rule.
    pub span: Span,
}

/// Where a geo rule sends its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `"none"`: a deliberate NODATA.
    None,
    /// The first of these that is up; at least one.
    Targets(Vec<TargetRef>),
}

impl Destination {
    /// The targets in order of preference; none for `"none"`.
    pub fn targets(&self) -> &[TargetRef] {
        match self {
            Destination::None => &[],
            Destination::Targets(targets) => targets,
        }
    }
}

impl Policy {
    /// All targets it names, in the order of the file; in a geo policy one may be named often.
    pub fn targets(&self) -> Vec<&TargetRef> {
        match &self.kind {
            PolicyKind::Failover { targets }
            | PolicyKind::RoundRobin { targets, .. }
            | PolicyKind::Latency { targets, .. } => targets.iter().collect(),
            PolicyKind::Weighted { targets, .. }
            | PolicyKind::Sticky { targets }
            | PolicyKind::Load { targets } => targets.iter().map(|target| &target.to).collect(),
            PolicyKind::Nearest { targets } => targets.iter().map(|target| &target.to).collect(),
            PolicyKind::Geo(geo) => {
                let rules = geo.rules.iter().map(|rule| &rule.to);
                rules.chain(&geo.default).flat_map(Destination::targets).collect()
            }
        }
    }

    pub(super) fn resolve(
        name: &Located<String>,
        spec: PolicySpec,
        names: &Names,
        files: &dyn Files,
        reader: &mut Reader<'_>,
    ) -> Policy {
        let take = match &spec {
            PolicySpec::Failover(spec) => spec.take.as_ref(),
            PolicySpec::Nearest(spec) => spec.take.as_ref(),
            _ => None,
        };
        let take = usize::try_from(reader.integer("take", take, 1..=16, 1)).unwrap_or(1);
        let kind = match spec {
            PolicySpec::Failover(spec) => {
                PolicyKind::Failover { targets: plain_targets(&spec.targets, names, reader) }
            }
            PolicySpec::RoundRobin(spec) => {
                let answers = reader.integer("answers", spec.answers.as_ref(), 1..=255, 8);
                PolicyKind::RoundRobin {
                    targets: plain_targets(&spec.targets, names, reader),
                    answers: usize::try_from(answers).unwrap_or(8),
                }
            }
            PolicySpec::Weighted(spec) => PolicyKind::Weighted {
                targets: weighted_targets(&spec.targets, names, reader),
                spread: spec.spread.map(|spread| spread.value).unwrap_or_default(),
            },
            PolicySpec::Sticky(spec) => {
                PolicyKind::Sticky { targets: weighted_targets(&spec.targets, names, reader) }
            }
            PolicySpec::Geo(spec) => PolicyKind::Geo(Geo::resolve(spec, names, reader)),
            PolicySpec::Nearest(spec) => {
                PolicyKind::Nearest { targets: biased_targets(&spec, names, reader) }
            }
            PolicySpec::Latency(spec) => PolicyKind::Latency {
                targets: plain_targets(&spec.targets, names, reader),
                within: within(&spec, reader),
                explore: explore(spec.explore.as_ref(), reader),
                table: spec.table.and_then(|path| LatencyTable::read(&path, names, files, reader)),
            },
            PolicySpec::Load(spec) => {
                PolicyKind::Load { targets: load_targets(&spec.targets, names, reader) }
            }
        };
        Policy { name: name.value.clone(), span: name.span.clone(), kind, take }
    }
}

fn plain_targets(
    words: &Spanned<Vec<Spanned<String>>>,
    names: &Names,
    reader: &mut Reader<'_>,
) -> Vec<TargetRef> {
    refuse_empty(words, reader);
    let words = words.value.iter();
    let targets: Vec<TargetRef> = words.filter_map(|word| names.target(word, reader)).collect();
    refuse_repeated(&targets, |target| target, reader);
    targets
}

fn weighted_targets(
    specs: &Spanned<Vec<Spanned<StringOr<WeightedTargetSpec>>>>,
    names: &Names,
    reader: &mut Reader<'_>,
) -> Vec<WeightedTarget> {
    let targets = weighed(specs, 0, |spec| (&spec.to, spec.weight.as_ref()), names, reader);
    // An unknown name may have had the weight.
    let all_known = targets.len() == specs.value.len();
    if all_known && !targets.is_empty() && targets.iter().all(|target| target.weight == 0) {
        let d = Diagnostic::error("zero-weights", "all targets have weight 0");
        let d = d.at(&reader.span(&specs.range), "");
        reader.found.push(d.help("give at least one of them a weight of 1 or more"));
    }
    targets
}

fn load_targets(
    specs: &Spanned<Vec<Spanned<StringOr<LoadTargetSpec>>>>,
    names: &Names,
    reader: &mut Reader<'_>,
) -> Vec<WeightedTarget> {
    weighed(specs, 1, |spec| (&spec.to, spec.weight.as_ref()), names, reader)
}

/// Targets that have a weight, of `least` or more, or are a name alone.
fn weighed<S>(
    specs: &Spanned<Vec<Spanned<StringOr<S>>>>,
    least: i64,
    parts: impl Fn(&S) -> (&Spanned<String>, Option<&Spanned<i64>>),
    names: &Names,
    reader: &mut Reader<'_>,
) -> Vec<WeightedTarget> {
    refuse_empty(specs, reader);
    let mut targets = Vec::new();
    for Spanned { value, range } in &specs.value {
        let (to, weight) = match value {
            StringOr::String(name) => {
                let word = Spanned { value: name.clone(), range: range.clone() };
                (names.target(&word, reader), 1)
            }
            StringOr::Table(spec) => {
                let (to, weight) = parts(spec);
                let weight = reader.integer("weight", weight, least..=1_000_000, 1);
                (names.target(to, reader), weight)
            }
        };
        let weight = u32::try_from(weight).unwrap_or(1);
        targets.extend(to.map(|to| WeightedTarget { to, weight }));
    }
    refuse_repeated(&targets, |target| &target.to, reader);
    targets
}

/// The band of a latency policy.
fn within(spec: &LatencySpec, reader: &mut Reader<'_>) -> Option<Located<Duration>> {
    const LEAST: Duration = Duration::from_millis(1);
    const MOST: Duration = Duration::from_secs(1);
    let value = reader.duration("within", spec.within.as_ref(), LEAST..=MOST, DEFAULT_BAND);
    match (&spec.prefer, &spec.within) {
        (Some(prefer), _) => {
            let Prefer::Cheapest = prefer.value;
            Some(Located { value, span: reader.span(&prefer.range) })
        }
        (None, Some(within)) => {
            let help = "add `prefer = \"cheapest\"`, or remove `within`";
            reader.invalid(&within.range, "`within` has no meaning without `prefer`", help);
            None
        }
        (None, None) => None,
    }
}

/// The share of a latency policy's clients who explore; none when it is 0.
fn explore(text: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> Option<Located<f64>> {
    let Spanned { value, range } = text?;
    let percent = value.strip_suffix('%').and_then(|percent| percent.parse::<f64>().ok());
    match percent.filter(|percent| (0.0..=MOST_EXPLORERS).contains(percent)) {
        Some(0.0) => None,
        Some(percent) => Some(Located { value: percent / 100.0, span: reader.span(range) }),
        None => {
            let help = format!("write a share from \"0%\" to \"{MOST_EXPLORERS}%\"");
            reader.invalid(range, format!("`explore` cannot be `{value}`"), &help);
            None
        }
    }
}

fn biased_targets(spec: &NearestSpec, names: &Names, reader: &mut Reader<'_>) -> Vec<BiasedTarget> {
    refuse_empty(&spec.targets, reader);
    let mut targets = Vec::new();
    for Spanned { value, range } in &spec.targets.value {
        let (to, bias) = match value {
            StringOr::String(name) => {
                let word = Spanned { value: name.clone(), range: range.clone() };
                (names.target(&word, reader), 0)
            }
            StringOr::Table(BiasedTargetSpec { to, bias }) => {
                let bias = reader.integer("bias", bias.as_ref(), -99..=99, 0);
                (names.target(to, reader), bias)
            }
        };
        let bias = i32::try_from(bias).unwrap_or(0);
        targets.extend(to.map(|to| BiasedTarget { to, bias }));
    }
    refuse_repeated(&targets, |target| &target.to, reader);
    targets
}

fn refuse_empty<T>(list: &Spanned<Vec<T>>, reader: &mut Reader<'_>) {
    if list.value.is_empty() {
        let d = Diagnostic::error("empty-targets", "a policy needs at least one target");
        let d = d.at(&reader.span(&list.range), "empty");
        reader.found.push(d.help("write the names of pools or policies"));
    }
}

fn refuse_repeated<T>(targets: &[T], to: fn(&T) -> &TargetRef, reader: &mut Reader<'_>) {
    for (i, again) in targets.iter().map(to).enumerate() {
        if let Some(first) = targets[..i].iter().map(to).find(|t| t.target == again.target) {
            let d = Diagnostic::error("duplicate-value", "a target is listed twice")
                .at(&again.span, "again here")
                .and(&first.span, "first here");
            reader.found.push(d.help("remove one of them; a larger share is a weight"));
        }
    }
}

impl Geo {
    fn resolve(spec: GeoSpec, names: &Names, reader: &mut Reader<'_>) -> Geo {
        if spec.rules.value.is_empty() {
            let d = Diagnostic::error("empty-rules", "a geo policy needs at least one rule");
            reader.found.push(d.at(&reader.span(&spec.rules.range), "empty"));
        }
        let mut rules = Vec::new();
        for Spanned { value: rule, range } in &spec.rules.value {
            rules.push(Rule {
                matches: matches(rule, reader),
                to: destination(&rule.to, names, reader),
                span: reader.span(range),
            });
        }
        refuse_ties(&rules, reader);
        Geo {
            rules,
            default: spec.default.map(|words| destination(&words, names, reader)),
            on_down: spec.on_down.map(|on_down| on_down.value).unwrap_or_default(),
        }
    }
}

fn matches(rule: &RuleSpec, reader: &mut Reader<'_>) -> Vec<Located<Match>> {
    if rule.matches.words.is_empty() {
        reader.invalid(&rule.matches.range, "the rule matches nobody", "write at least one place");
    }
    let mut matches = Vec::new();
    for word in &rule.matches.words {
        let place = reader.place(&word.range, Match::parse(&word.value));
        matches.extend(place.map(|value| Located { value, span: reader.span(&word.range) }));
    }
    matches
}

fn destination(words: &Words, names: &Names, reader: &mut Reader<'_>) -> Destination {
    if let [word] = &words.words[..]
        && word.value == "none"
    {
        return Destination::None;
    }
    if words.words.is_empty() {
        let help = "write the name of a pool or policy, or \"none\" for a deliberate empty answer";
        reader.invalid(&words.range, "no target", help);
    }
    let mut targets = Vec::new();
    for word in &words.words {
        if word.value == "none" {
            let message = "`none` cannot stand beside targets";
            reader.invalid(&word.range, message, "remove it, or write \"none\" alone");
            continue;
        }
        targets.extend(names.target(word, reader));
    }
    refuse_repeated(&targets, |target| target, reader);
    Destination::Targets(targets)
}

fn refuse_ties(rules: &[Rule], reader: &mut Reader<'_>) {
    let mut of_place: HashMap<Match, Vec<&Located<Match>>> = HashMap::new();
    for again in rules.iter().flat_map(|rule| &rule.matches) {
        let known = of_place.entry(again.value.broad()).or_default();
        if let Some(first) = known.iter().find(|first| first.value.ties_with(&again.value)) {
            let message = format!("`{}` and `{}` are equally specific", first.value, again.value);
            let message = match first.value == again.value {
                true => format!("`{}` is matched twice", again.value),
                false => message,
            };
            let d = Diagnostic::error("ambiguous-rule", message)
                .at(&again.span, "a client here matches both")
                .and(&first.span, "first here");
            reader.found.push(d.help("the order of rules does not decide; remove one of them"));
        }
        known.push(again);
    }
}
