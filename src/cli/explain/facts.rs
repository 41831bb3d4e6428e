//! What there is to explain, gathered: the same facts for text and JSON.

use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::op::ResponseCode;
use serde::Serialize;

use super::ask::{self, Told};
use crate::cli::arguments::Explain;
use crate::engine::Engine;
use crate::geo::address::truncate;
use crate::geo::provenance::Origin;
use crate::geo::{Provenance, provenance};
use crate::health::{self, CheckId, Kind};
use crate::server::Generation;
use crate::steering::Client;
use crate::steering::answers::Outcome as Decided;
use crate::steering::control::Control;
use crate::steering::evaluate::{Asker, Evaluation, evaluate};
use crate::steering::model::PoolState;
use crate::steering::resolve::Resolved;
use crate::steering::standing::Resort;
use crate::steering::trace::{Fate, Trace};
use crate::wire::{LowerName, Name, Type};
use crate::zone::{Outcome, RecordId, Rrset};

/// Aliases that are followed, at most; the engine follows no more.
const MAX_CHAIN: usize = 16;

/// Everything `explain` says.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) client: ClientFacts,
    pub(super) location: LocationFacts,
    /// One for each name on the way: the name asked for, then targets of aliases.
    pub(super) steps: Vec<Step>,
    pub(super) answer: AnswerFacts,
    #[serde(skip)]
    pub(super) exists: bool,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub(super) struct ClientFacts {
    /// The subnet as a resolver would send it.
    pub(super) subnet: String,
    /// Whether it is taken from EDNS Client Subnet, or the packet's source decides.
    pub(super) source: &'static str,
    /// The address that is looked up, without what wraps it.
    pub(super) looked_up: String,
}

/// Where the client is.
#[derive(Debug, Serialize)]
pub(super) struct LocationFacts {
    pub(super) fields: Vec<Field>,
    pub(super) is_anycast: bool,
}

/// One known thing about the client's place.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub(super) field: &'static str,
    pub(super) value: String,
    /// The database, network and build date, or the operator's network, that says so.
    pub(super) from: String,
}

/// What stands at one name.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) zone: Option<String>,
    /// What was found, in words.
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steered: Option<SteeredFacts>,
}

/// How a steered name was decided.
#[derive(Debug, Serialize)]
pub(super) struct SteeredFacts {
    pub(super) site: String,
    pub(super) ttl: u32,
    /// How the answer is made of what was chosen.
    pub(super) outcome: String,
    /// What stands in the way of the usual order: a drained pool that is used all the same, or
    /// `on_all_down`.
    pub(super) exception: Option<String>,
    pub(super) decision: TargetFacts,
}

/// A pool or policy, as it was looked into.
#[derive(Debug, Serialize)]
pub(super) struct TargetFacts {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) site: String,
    pub(super) note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) considered: Vec<ConsideredFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<MemberFacts>,
}

/// A target of a policy, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct ConsideredFacts {
    pub(super) by: String,
    pub(super) fate: Fate,
    pub(super) target: TargetFacts,
}

/// A member of a pool.
#[derive(Debug, Serialize)]
pub(super) struct MemberFacts {
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) state: &'static str,
    /// Who says so, and since when.
    pub(super) by: String,
    /// Seconds since the last check.
    pub(super) checked_seconds_ago: Option<u64>,
    /// What its checks say beyond up and down.
    #[serde(flatten)]
    pub(super) course: Course,
    /// Whether it may stand in the answer to this question.
    pub(super) is_offered: bool,
}

/// What the checks of a member say beyond up and down.
#[derive(Debug, Default, Serialize)]
pub(super) struct Course {
    /// How busy it says it is, 0.0 to 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) load: Option<f32>,
    /// What holds it down although its checks may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hold: Option<String>,
    /// How often it went down lately, where damping is on: 0.0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
    /// What is left of its weight in percent, while it is up and warned of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weight_left: Option<u8>,
    /// What is worth a look although the check succeeds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

/// The engine's own answer.
#[derive(Debug, Serialize)]
pub(super) struct AnswerFacts {
    pub(super) rcode: String,
    pub(super) records: Vec<String>,
    pub(super) authority: Vec<String>,
    /// The ECS scope prefix length; `null` when the reply carries no client subnet.
    pub(super) scope: Option<u8>,
    /// The clients who share the answer, as a prefix.
    pub(super) shared_by: Option<String>,
}

/// Gathers the facts. `records` is what is known of each check.
pub(super) fn gather(
    generation: &Generation,
    control: &Control,
    records: &[Option<health::Record>],
    arguments: &Explain,
    now: SystemTime,
) -> anyhow::Result<Facts> {
    let engine =
        Engine { snapshot: generation.snapshot.clone(), live: Arc::new(control.live().clone()) };
    let has_ecs = generation.snapshot.settings.ecs_enabled && arguments.client.length > 0;
    let address = if has_ecs {
        truncate(arguments.client.address, arguments.client.length)
    } else {
        arguments.client.address
    };
    let client = Client::new(address);
    let told = ask::ask(&engine, &arguments.name, arguments.rtype, arguments.client)?;
    let case = Case { generation, control, records, arguments, client, now };
    let known = provenance(&generation.databases, &generation.networks, address);
    let (length, shown) = (arguments.client.length, truncate(address, arguments.client.length));
    Ok(Facts {
        name: arguments.name.to_string(),
        rtype: arguments.rtype.to_string(),
        client: ClientFacts {
            subnet: format!("{shown}/{length}"),
            source: if has_ecs { "EDNS Client Subnet" } else { "the packet's source" },
            looked_up: client.address.to_string(),
        },
        location: location(&known),
        steps: case.steps(),
        exists: !matches!(told.rcode, ResponseCode::NXDomain | ResponseCode::Refused),
        answer: answer(told, address),
    })
}

fn answer(told: Told, client: std::net::IpAddr) -> AnswerFacts {
    AnswerFacts {
        // NoError, NXDomain, ServFail: the names of RFC 9499 but for case.
        rcode: format!("{:?}", told.rcode).to_uppercase(),
        records: told.answers,
        authority: told.authorities,
        shared_by: told.scope.map(|scope| format!("{}/{scope}", truncate(client, scope))),
        scope: told.scope,
    }
}

fn location(known: &Provenance<'_>) -> LocationFacts {
    let at = &known.location;
    let fields = [
        ("country", at.country.map(|v| v.to_string()), known.country),
        ("continent", at.continent.map(|v| v.to_string()), known.continent),
        ("subdivision", at.subdivision.as_deref().map(str::to_owned), known.subdivision),
        ("city", at.city.as_deref().map(str::to_owned), known.city),
        ("asn", at.asn.map(|v| format!("AS{v}")), known.asn),
        (
            "coordinates",
            at.coordinates.map(|c| format!("{:.3}, {:.3}", c.latitude, c.longitude)),
            known.coordinates,
        ),
    ];
    let fields = fields.into_iter().filter_map(|(field, value, origin)| {
        Some(Field { field, value: value?, from: origin.map(from).unwrap_or_default() })
    });
    LocationFacts { fields: fields.collect(), is_anycast: known.anycast }
}

fn from(origin: Origin<'_>) -> String {
    match origin {
        Origin::Network(network) => format!("operator's network {}", network.prefix),
        Origin::Database { info, network } => {
            format!("{network} in {}, built {}", info.name, info.built_on())
        }
        Origin::CountryTable => "the country".to_owned(),
    }
}

/// One question, with everything needed to find its reasons.
struct Case<'a> {
    generation: &'a Generation,
    control: &'a Control,
    records: &'a [Option<health::Record>],
    arguments: &'a Explain,
    client: Client,
    now: SystemTime,
}

impl Case<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut name = self.arguments.name.clone();
        while steps.len() < MAX_CHAIN {
            let (step, next) = self.step(&name);
            steps.push(step);
            match next {
                Some(next) => name = next,
                None => break,
            }
        }
        steps
    }

    /// What stands at a name, and the name to go on with.
    fn step(&self, name: &Name) -> (Step, Option<Name>) {
        let rtype = self.arguments.rtype;
        let step = |zone: Option<String>, found: String| Step {
            name: name.to_string(),
            zone,
            found,
            steered: None,
        };
        let Some(found) = self.generation.snapshot.zones.find(name, rtype) else {
            return (step(None, "in no zone that is served".to_owned()), None);
        };
        let zone = Some(found.zone.apex().to_string());
        match found.outcome {
            Outcome::Answer(_) => (step(zone, format!("{rtype} records of the zone file")), None),
            Outcome::Alias(set) => {
                let target = alias_target(set, found.zone.apex(), &[]);
                (step(zone, format!("an alias{} in the zone file", to(&target))), target)
            }
            Outcome::Substitution(set, suffix) => {
                let front = name.as_wire().len().saturating_sub(suffix);
                let front = &name.as_wire()[..front];
                let target = alias_target(set, found.zone.apex(), front);
                let text = format!("below a DNAME record, renamed{}", to(&target));
                (step(zone, text), target)
            }
            Outcome::Any => (step(zone, "ANY is answered with HINFO (RFC 8482)".to_owned()), None),
            Outcome::Delegation(..) => (step(zone, "delegated to other servers".to_owned()), None),
            Outcome::NoData => (step(zone, format!("has no {rtype} record")), None),
            Outcome::NxDomain => (step(zone, "does not exist".to_owned()), None),
            Outcome::Steered(id) => {
                let (steered, alias) = self.steered(id);
                let model = &self.generation.steering.model;
                let record = &model.records[id.0 as usize];
                let found = format!("steered by `{}`", model.target_name(record.target));
                let mut step = step(zone, found);
                step.steered = Some(steered);
                (step, alias)
            }
        }
    }

    fn steered(&self, id: RecordId) -> (SteeredFacts, Option<Name>) {
        let model = &self.generation.steering.model;
        let record = &model.records[id.0 as usize];
        let atlas = &self.generation.atlas;
        let location = atlas.location(atlas.locate(self.client.address));
        let asker = Asker { client: self.client, location, rtype: self.arguments.rtype };
        let evaluation = evaluate(self.control.view(), record, asker, None);
        let facts = SteeredFacts {
            site: record.site.clone(),
            ttl: record.ttl,
            outcome: outcome(&evaluation.outcome),
            exception: exception(&evaluation),
            decision: self.target(&evaluation.trace),
        };
        let alias = match &evaluation.outcome {
            Decided::Resolved(Resolved::Ring(ring)) if self.arguments.rtype != Type::CNAME => {
                ring.items.first().and_then(|item| item.alias(model)).cloned()
            }
            _ => None,
        };
        (facts, alias)
    }

    fn target(&self, trace: &Trace) -> TargetFacts {
        TargetFacts {
            name: trace.name.clone(),
            kind: trace.kind,
            site: trace.site.clone(),
            note: trace.note.clone(),
            considered: trace
                .considered
                .iter()
                .map(|considered| ConsideredFacts {
                    by: considered.by.clone(),
                    fate: considered.fate.clone(),
                    target: self.target(&considered.trace),
                })
                .collect(),
            members: trace
                .members
                .iter()
                .map(|member| {
                    let (state, by, age) = self.verdict(&trace.name, member.check);
                    let course = age.and(member.check).map(|check| self.course(check));
                    MemberFacts {
                        name: member.name.clone(),
                        rtype: member.rtype.clone(),
                        state,
                        by,
                        checked_seconds_ago: age,
                        course: course.unwrap_or_default(),
                        is_offered: member.is_offered,
                    }
                })
                .collect(),
        }
    }

    fn course(&self, check: CheckId) -> Course {
        let Some(record) = &self.records[check.0 as usize] else { return Course::default() };
        let monitor = &self.generation.checks[check.0 as usize].monitor;
        let rules = &monitor.rules;
        let state = &record.state;
        let is_warned = state.is_warned && state.verdict.is_usable() && rules.warn.is_some();
        let left = |at: SystemTime| at.duration_since(self.now).unwrap_or_default().as_secs();
        let expiring = record
            .expiring
            .map(|at| format!("certificate expires in {}", health::failure::span(left(at))));
        let is_unread = monitor.load.is_some() && record.load.is_none();
        let unread = is_unread.then(|| "load not known: the log says why".to_owned());
        Course {
            load: record.load,
            hold: state.hold(rules, self.now).map(|hold| hold.told(self.now)),
            score: rules.damping.map(|_| state.score(rules, self.now)),
            weight_left: is_warned.then(|| rules.left(true)),
            warnings: expiring.into_iter().chain(unread).collect(),
        }
    }

    /// A member's state, who says so, and how many seconds ago it was checked.
    fn verdict(&self, pool: &str, check: Option<CheckId>) -> (&'static str, String, Option<u64>) {
        if self.arguments.down.iter().any(|name| name == pool) {
            return ("down", "supposed by --down".to_owned(), None);
        }
        let pools = &self.generation.steering.model.pools;
        let state = pools.iter().find(|p| p.name == pool).map(|p| p.state).unwrap_or_default();
        match state {
            PoolState::Up => return ("up", "the pool's `state` in the file".to_owned(), None),
            PoolState::Down => return ("down", "the pool's `state` in the file".to_owned(), None),
            PoolState::Auto | PoolState::Drain => {}
        }
        let Some(id) = check else {
            return ("up", "no monitor".to_owned(), None);
        };
        let check = &self.generation.checks[id.0 as usize];
        let what = format!("monitor {} of {}", check.monitor.name, check.target);
        let Some(record) = &self.records[id.0 as usize] else {
            return ("unknown", format!("{what}: not checked yet, counts as up"), None);
        };
        let ago = |then: SystemTime| self.now.duration_since(then).unwrap_or_default().as_secs();
        let since = ago(record.state.since);
        let by = format!("{what}, for {since} s{}", self.parts(check));
        (record.state.verdict.as_str(), by, record.at.map(ago))
    }

    /// What a composite goes by, and how that is.
    fn parts(&self, check: &health::Check) -> String {
        let Kind::Composite(composite) = &check.monitor.kind else { return String::new() };
        let part = |part: &health::Identity| {
            let place = self.generation.checks.iter().position(|other| other.identity() == *part);
            let Some(place) = place else { return format!("{part} unknown") };
            let state = self.records[place].as_ref().map(|record| record.state);
            let verdict = state.map(|state| state.verdict).unwrap_or_default();
            let rules = &self.generation.checks[place].monitor.rules;
            match state.and_then(|state| state.hold(rules, self.now)) {
                Some(hold) => format!("{part} {verdict} ({})", hold.told(self.now)),
                None => format!("{part} {verdict}"),
            }
        };
        let parts: Vec<String> = composite.parts.iter().map(part).collect();
        format!("; {} of {} parts needed: {}", composite.needed, parts.len(), parts.join(", "))
    }
}

/// The target of a CNAME, or what a DNAME makes of `front`, the labels below its owner.
fn alias_target(set: Rrset<'_>, apex: &Name, front: &[u8]) -> Option<Name> {
    let mut target = LowerName::new();
    set.alias_target(apex.to_lower().as_wire(), &mut target).ok()?;
    let mut whole = LowerName::new();
    whole.join(front, target.as_wire()).ok()?;
    Name::from_wire(whole.as_wire()).ok()
}

fn to(target: &Option<Name>) -> String {
    target.as_ref().map_or(String::new(), |target| format!(" to {target}"))
}

/// How an answer comes out of what was decided.
fn outcome(decided: &Decided) -> String {
    let resolved = match decided {
        Decided::ServFail => return "SERVFAIL".to_owned(),
        Decided::Resolved(resolved) => resolved,
    };
    match resolved {
        Resolved::NoData => "no data".to_owned(),
        Resolved::Ring(ring) => match (ring.items.len(), ring.take.min(ring.items.len())) {
            (1, _) => "1 record".to_owned(),
            (all, take) if all == take => format!("{all} records, rotating with every query"),
            (all, take) => format!("{take} of {all} records, rotating with every query"),
        },
        Resolved::Draw(list) => {
            format!("one of {} alternatives, drawn anew for every query", list.len())
        }
        Resolved::Hash(list) => {
            format!("one of {} alternatives, fixed for the client's network", list.len())
        }
        Resolved::Split(list) => {
            format!("one of {} answers, by the shares that pools keep", list.len())
        }
    }
}

fn exception(evaluation: &Evaluation) -> Option<String> {
    let all_down = |word: &str| match (word, evaluation.resort) {
        ("last-known", _) => "nothing is up: on_all_down = \"last-known\"; the files do not hold \
                              what was last known, so as \"all\""
            .to_owned(),
        ("all", Resort::Everything) => "nothing is up: on_all_down = \"all\" answers as if every \
                                        member were up, even what the operator took out"
            .to_owned(),
        ("all", _) => {
            "nothing is up: on_all_down = \"all\" answers as if every member were up".to_owned()
        }
        ("addresses", _) => "nothing is up: on_all_down names these addresses".to_owned(),
        (word, _) => format!("nothing is up: on_all_down = \"{word}\""),
    };
    match (evaluation.all_down, evaluation.resort) {
        (Some(word), _) => Some(all_down(word)),
        (None, Resort::Whole) => {
            Some("what is up keeps a share of the clients only, but nothing else is up".to_owned())
        }
        (None, Resort::Drained) => Some("only drained pools are up, so they answer".to_owned()),
        (None, _) => None,
    }
}
