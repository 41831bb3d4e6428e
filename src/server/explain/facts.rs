//! What there is to explain, gathered: the same facts for text and JSON.

use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::op::ResponseCode;
use serde::Serialize;

use super::ask::{self, Told};
use crate::admin::message::Course;
use crate::admin::{Overrides, Question};
use crate::engine::{Engine, Snapshot};
use crate::geo::address::truncate;
use crate::geo::provenance::Origin;
use crate::geo::{Database, Location, Network, Provenance, provenance};
use crate::health::{self, Check, CheckId, Kind};
use crate::server::hosts::Table;
use crate::steering::Client;
use crate::steering::answers::Outcome as Decided;
use crate::steering::control::{Control, Cut};
use crate::steering::evaluate::{Asker, Evaluation, evaluate};
use crate::steering::hints;
use crate::steering::model::{PoolId, PoolState};
use crate::steering::resolve::Resolved;
use crate::steering::standing::Resort;
use crate::steering::trace::{Fate, Trace};
use crate::wire::{LowerName, Name, Type};
use crate::zone::{Outcome, RecordId, Rrset};

/// Aliases that are followed, at most; the engine follows no more.
const MAX_CHAIN: usize = 16;

/// Everything `explain` says.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub rtype: String,
    /// Who asks.
    pub client: ClientFacts,
    /// Where the client is.
    pub location: LocationFacts,
    /// One for each name on the way: the name asked for, then targets of aliases.
    pub steps: Vec<Step>,
    /// What the engine answers.
    pub answer: AnswerFacts,
    /// Whether the name is served.
    #[serde(skip)]
    pub exists: bool,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct ClientFacts {
    /// The subnet as a resolver would send it.
    pub subnet: String,
    /// Whether it is taken from EDNS Client Subnet, or the packet's source decides.
    pub source: &'static str,
    /// The address that is looked up, without what wraps it.
    pub looked_up: String,
}

/// Where the client is.
#[derive(Debug, Serialize)]
pub struct LocationFacts {
    pub fields: Vec<Field>,
    pub is_anycast: bool,
}

/// One known thing about the client's place.
#[derive(Debug, Serialize)]
pub struct Field {
    pub field: &'static str,
    pub value: String,
    /// The database, network and build date, or the operator's network, that says so.
    pub from: String,
}

/// What stands at one name.
#[derive(Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub zone: Option<String>,
    /// What was found, in words.
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steered: Option<SteeredFacts>,
}

/// How a steered name was decided.
#[derive(Debug, Serialize)]
pub struct SteeredFacts {
    pub site: String,
    /// In seconds, now.
    pub ttl: u32,
    /// Why it is less than the record's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_cut: Option<String>,
    /// How the answer is made of what was chosen.
    pub outcome: String,
    /// What stands in the way of the usual order: a drained pool that is used all the same, or
    /// `on_all_down`.
    pub exception: Option<String>,
    pub decision: TargetFacts,
}

/// A pool or policy, as it was looked into.
#[derive(Debug, Serialize)]
pub struct TargetFacts {
    pub name: String,
    pub kind: &'static str,
    pub site: String,
    pub note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub considered: Vec<ConsideredFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberFacts>,
}

/// A target of a policy, and what became of it.
#[derive(Debug, Serialize)]
pub struct ConsideredFacts {
    pub by: String,
    pub fate: Fate,
    pub target: TargetFacts,
}

/// A member of a pool.
#[derive(Debug, Serialize)]
pub struct MemberFacts {
    pub name: String,
    pub rtype: String,
    /// The host name that it is an address of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostFacts>,
    pub state: &'static str,
    /// Who says so, and since when.
    pub by: String,
    /// Seconds since the last check.
    pub checked_seconds_ago: Option<u64>,
    /// What its checks say beyond up and down.
    #[serde(flatten)]
    pub course: Course,
    /// Whether it may stand in the answer to this question.
    pub is_offered: bool,
}

/// The host name that a member is an address of.
#[derive(Debug, Serialize)]
pub struct HostFacts {
    pub name: String,
    /// Seconds since its addresses were found.
    pub found_seconds_ago: Option<u64>,
}

/// The engine's own answer.
#[derive(Debug, Serialize)]
pub struct AnswerFacts {
    pub rcode: String,
    pub records: Vec<String>,
    pub authority: Vec<String>,
    /// The ECS scope prefix length; `null` when the reply carries no client subnet.
    pub scope: Option<u8>,
    /// The clients who share the answer, as a prefix.
    pub shared_by: Option<String>,
}

/// The state that is explained.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the engine answers from.
    pub snapshot: &'a Arc<Snapshot>,
    /// Verdicts, overrides and choices.
    pub control: &'a Control,
    /// The databases that say where clients are.
    pub databases: &'a [Database],
    /// The operator's own networks.
    pub networks: &'a [Network],
    /// What is checked, by [`CheckId`].
    pub checks: &'a [Check],
    /// What is known of each check.
    pub records: &'a [Option<health::Record>],
    /// What host names stand for.
    pub hosts: &'a Table,
    /// The operator's word.
    pub overrides: &'a Overrides,
    /// Pools that are supposed to be down.
    pub supposed_down: &'a [String],
    /// Now.
    pub now: SystemTime,
}

/// Gathers the facts.
///
/// # Errors
///
/// When the name or the answer cannot be written as a message.
pub fn gather(scene: Scene<'_>, question: &Question) -> anyhow::Result<Facts> {
    let engine =
        Engine { snapshot: scene.snapshot.clone(), live: Arc::new(scene.control.live().clone()) };
    let has_ecs = scene.snapshot.settings.ecs_enabled && question.length > 0;
    let address =
        if has_ecs { truncate(question.address, question.length) } else { question.address };
    let client = Client::new(address);
    let told = ask::ask(&engine, question)?;
    let known = provenance(scene.databases, scene.networks, client.address);
    let case = Case { scene, question, client, location: &known.location };
    let (length, shown) = (question.length, truncate(address, question.length));
    Ok(Facts {
        name: question.name.to_string(),
        rtype: question.rtype.to_string(),
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
    scene: Scene<'a>,
    question: &'a Question,
    client: Client,
    location: &'a Location,
}

impl Case<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut name = self.question.name.clone();
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
        let rtype = self.question.rtype;
        let step = |zone: Option<String>, found: String| Step {
            name: name.to_string(),
            zone,
            found,
            steered: None,
        };
        let Some(found) = self.scene.snapshot.zones.find(name, rtype) else {
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
                let model = &self.scene.control.steering().model;
                let record = &model.records[id.0 as usize];
                let found = format!("steered by `{}`", model.target_name(record.target));
                let mut step = step(zone, found);
                step.steered = Some(steered);
                (step, alias)
            }
        }
    }

    fn steered(&self, id: RecordId) -> (SteeredFacts, Option<Name>) {
        let model = &self.scene.control.steering().model;
        let record = &model.records[id.0 as usize];
        let (client, location) = (self.client, self.location);
        let asker = Asker { client, location, rtype: self.question.rtype };
        let evaluation = evaluate(self.scene.control.view(), record, asker, None);
        let (ttl, cut) = self.scene.control.ttl(id);
        let facts = SteeredFacts {
            site: record.site.clone(),
            ttl,
            ttl_cut: cut.map(|cut| self.cut(record.ttl, &cut)),
            outcome: outcome(&evaluation.outcome),
            exception: exception(&evaluation),
            decision: self.target(&evaluation.trace),
        };
        let alias = match &evaluation.outcome {
            Decided::Resolved(Resolved::Ring(ring)) if self.question.rtype != Type::CNAME => {
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
            note: self.note(trace),
            considered: trace
                .considered
                .iter()
                .map(|considered| ConsideredFacts {
                    by: considered.by.clone(),
                    fate: self.fate(&considered.fate, &considered.trace),
                    target: self.target(&considered.trace),
                })
                .collect(),
            members: trace
                .members
                .iter()
                .map(|member| {
                    let (state, by, age) = self.verdict(&trace.name, member.check);
                    let course = age.and(member.check).map(|check| self.course(check));
                    let mut course = course.unwrap_or_default();
                    course.warnings.extend(self.hints_down(&trace.name, &member.name));
                    MemberFacts {
                        name: member.name.clone(),
                        rtype: member.rtype.clone(),
                        host: self.host(&trace.name, &member.name),
                        state,
                        by,
                        checked_seconds_ago: age,
                        course,
                        is_offered: member.is_offered,
                    }
                })
                .collect(),
        }
    }

    /// Why a TTL is less than that of the record.
    fn cut(&self, written: u32, cut: &Cut) -> String {
        match cut {
            Cut::Check(check) => {
                let target = &self.scene.checks[check.0 as usize].target;
                format!("not {written}: the verdict of {target} may change soon")
            }
            Cut::Host(name) => format!("not {written}: {name} is to be looked up again"),
        }
    }

    /// The host name of a pool's member.
    fn host(&self, pool: &str, member: &str) -> Option<HostFacts> {
        let pools = &self.scene.control.steering().model.pools;
        let pool = pools.iter().find(|other| other.name == pool)?;
        let host = pool.hosts_of(member.parse().ok()?).next()?;
        let ago =
            |then: SystemTime| self.scene.now.duration_since(then).unwrap_or_default().as_secs();
        let found_seconds_ago = self.scene.hosts.of.get(&host.name).map(|known| ago(known.at));
        Some(HostFacts { name: host.name.to_string(), found_seconds_ago })
    }

    /// The hints of a pool's member that are left out.
    fn hints_down(&self, pool: &str, member: &str) -> Vec<String> {
        let pools = &self.scene.control.steering().model.pools;
        let Some(index) = pools.iter().position(|other| other.name == pool) else {
            return Vec::new();
        };
        let (pool, standing) = (&pools[index], self.scene.control.standing(PoolId(index as u32)));
        let member = pool.members.iter().find(|other| other.name == member);
        let down = member.map(|member| hints::down(pool, standing, member)).unwrap_or_default();
        down.iter().map(|address| format!("without the hint {address}, which is down")).collect()
    }

    /// The remark on a target, with the operator's word on it.
    fn note(&self, trace: &Trace) -> String {
        let said = match self.scene.overrides.of(&trace.name) {
            Some(said) if trace.kind == "pool" => said,
            _ => return trace.note.clone(),
        };
        if trace.note.is_empty() { said.to_string() } else { format!("{}; {said}", trace.note) }
    }

    /// What became of a target, with the operator's word when that is why.
    fn fate(&self, fate: &Fate, trace: &Trace) -> Fate {
        match (fate, self.scene.overrides.of(&trace.name)) {
            (Fate::PassedOver(why), Some(said)) if trace.kind == "pool" => {
                Fate::PassedOver(format!("{why}; {said}"))
            }
            _ => fate.clone(),
        }
    }

    fn course(&self, check: CheckId) -> Course {
        match &self.scene.records[check.0 as usize] {
            Some(record) => course(record, &self.scene.checks[check.0 as usize], self.scene.now),
            None => Course::default(),
        }
    }

    /// The state of all members of a pool, when a person's word is stronger than the checks.
    fn word(&self, pool: &str) -> Option<(&'static str, String, Option<u64>)> {
        let pools = &self.scene.control.steering().model.pools;
        let id = PoolId(pools.iter().position(|known| known.name == pool)? as u32);
        let state = match self.scene.control.standing(id).state {
            PoolState::Up => "up",
            PoolState::Down => "down",
            // A drained pool has the state that its checks give it.
            PoolState::Auto | PoolState::Drain => return None,
        };
        let by = match self.scene.overrides.of(pool) {
            Some(said) if said.state.as_str() == state => said.to_string(),
            _ => "the pool's `state` in the file".to_owned(),
        };
        Some((state, by, None))
    }

    /// A member's state, who says so, and how many seconds ago it was checked.
    fn verdict(&self, pool: &str, check: Option<CheckId>) -> (&'static str, String, Option<u64>) {
        if self.scene.supposed_down.iter().any(|name| name == pool) {
            return ("down", "supposed by --down".to_owned(), None);
        }
        if let Some(word) = self.word(pool) {
            return word;
        }
        let Some(id) = check else {
            return ("up", "no monitor".to_owned(), None);
        };
        let check = &self.scene.checks[id.0 as usize];
        let what = format!("monitor {} of {}", check.monitor.name, check.target);
        let Some(record) = &self.scene.records[id.0 as usize] else {
            return ("unknown", format!("{what}: not checked yet, counts as up"), None);
        };
        let ago =
            |then: SystemTime| self.scene.now.duration_since(then).unwrap_or_default().as_secs();
        let since = ago(record.state.since);
        let by = format!("{what}, for {since} s{}", self.parts(check));
        (record.state.verdict.as_str(), by, record.at.map(ago))
    }

    /// What a composite goes by, and how that is.
    fn parts(&self, check: &Check) -> String {
        let Kind::Composite(composite) = &check.monitor.kind else { return String::new() };
        let part = |part: &health::Identity| {
            let place = self.scene.checks.iter().position(|other| other.identity() == *part);
            let Some(place) = place else { return format!("{part} unknown") };
            let state = self.scene.records[place].as_ref().map(|record| record.state);
            let verdict = state.map(|state| state.verdict).unwrap_or_default();
            let rules = &self.scene.checks[place].monitor.rules;
            match state.and_then(|state| state.hold(rules, self.scene.now)) {
                Some(hold) => format!("{part} {verdict} ({})", hold.told(self.scene.now)),
                None => format!("{part} {verdict}"),
            }
        };
        let parts: Vec<String> = composite.parts.iter().map(part).collect();
        format!("; {} of {} parts needed: {}", composite.needed, parts.len(), parts.join(", "))
    }
}

/// What a check says of its target beyond up and down.
pub fn course(record: &health::Record, check: &Check, now: SystemTime) -> Course {
    let monitor = &check.monitor;
    let rules = &monitor.rules;
    let state = &record.state;
    let is_warned = state.is_warned && state.verdict.is_usable() && rules.warn.is_some();
    let left = |at: SystemTime| at.duration_since(now).unwrap_or_default().as_secs();
    let expiring = record
        .expiring
        .map(|at| format!("certificate expires in {}", health::failure::span(left(at))));
    let is_unread = monitor.load.is_some() && record.load.is_none();
    let unread = is_unread.then(|| "load not known: the log says why".to_owned());
    Course {
        load: record.load,
        hold: state.hold(rules, now).map(|hold| hold.told(now)),
        score: rules.damping.map(|_| state.score(rules, now)),
        weight_left: is_warned.then(|| rules.left(true)),
        warnings: expiring.into_iter().chain(unread).collect(),
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
