//! Gathering the facts: the engine's answer, and the reasons that
//! [`evaluate`](crate::steering::evaluate) has for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::op::ResponseCode;

use super::ask::{self, Told};
use super::facts::{
    AnswerFacts, ClientFacts, ConsideredFacts, Facts, Field, LocationFacts, StateFacts,
    SteeredFacts, Step, TargetFacts,
};
use super::{counted, words};
use crate::admin::{Overrides, Question};
use crate::engine::{Engine, Snapshot};
use crate::geo::address::truncate;
use crate::geo::provenance::Origin;
use crate::geo::{Database, Location, Network, Provenance, provenance};
use crate::health::{self, Check};
use crate::server::hosts::Table;
use crate::steering::Client;
use crate::steering::answers::Outcome as Decided;
use crate::steering::control::{Control, Cut};
use crate::steering::evaluate::{Asker, evaluate};
use crate::steering::model::{PoolId, Record};
use crate::steering::resolve::Resolved;
use crate::steering::spread;
use crate::steering::trace::{Fate, Trace};
use crate::wire::{LowerName, Name, Type};
use crate::zone::{Outcome, RecordId, Rrset};

/// Aliases that are followed, at most; the engine follows no more.
const MAX_CHAIN: usize = 16;

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
    /// What is checked, by [`CheckId`](crate::health::CheckId).
    pub checks: &'a [Check],
    /// What is known of each check.
    pub records: &'a [Option<health::Record>],
    /// Why the last of each check failed, where that is known.
    pub failures: &'a [Option<&'a str>],
    /// What host names stand for.
    pub hosts: &'a Table,
    /// The operator's word.
    pub overrides: &'a Overrides,
    /// Which state it is.
    pub state: &'a StateFacts,
    /// Whether to tell what is compiled at each step.
    pub is_traced: bool,
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
    let has_ecs = has_ecs(scene, question);
    let address = address(has_ecs, question);
    let client = Case::client(scene, question);
    let told = ask::ask(&engine, question)?;
    let known = provenance(scene.databases, scene.networks, client.address);
    let case = Case::new(scene, question, client, &known.location);
    let (length, shown) = (question.length, truncate(address, question.length));
    Ok(Facts {
        name: question.name.to_string(),
        rtype: question.rtype.to_string(),
        state: scene.state.clone(),
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

/// Whether the client is taken from EDNS Client Subnet.
fn has_ecs(scene: Scene<'_>, question: &Question) -> bool {
    scene.snapshot.settings.ecs_enabled && question.length > 0
}

fn address(has_ecs: bool, question: &Question) -> IpAddr {
    if has_ecs { truncate(question.address, question.length) } else { question.address }
}

fn answer(told: Told, client: IpAddr) -> AnswerFacts {
    AnswerFacts {
        // NoError, NXDomain, ServFail: the names of RFC 9499 but for case.
        rcode: format!("{:?}", told.rcode).to_uppercase(),
        records: told.answers,
        authority: told.authorities,
        shared_by: told.scope.map(|scope| format!("{}/{scope}", truncate(client, scope))),
        scope: told.scope,
    }
}

pub(super) fn location(known: &Provenance<'_>) -> LocationFacts {
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
pub(super) struct Case<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) question: &'a Question,
    pub(super) client: Client,
    location: &'a Location,
}

/// A steered record that the way leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) id: RecordId,
    pub(super) record: &'a Record,
    pub(super) last_known: Option<&'a Resolved>,
}

impl Bound<'_> {
    /// The hash seed of its name.
    pub(super) fn seed(self) -> u64 {
        spread::seed(self.record.owner.to_lower().as_wire())
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(
        scene: Scene<'a>,
        question: &'a Question,
        client: Client,
        location: &'a Location,
    ) -> Case<'a> {
        Case { scene, question, client, location }
    }

    /// Who asks.
    pub(super) fn client(scene: Scene<'_>, question: &Question) -> Client {
        Client::new(address(has_ecs(scene, question), question))
    }
}

impl Case<'_> {
    pub(super) fn steps(&self) -> Vec<Step> {
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
        let (record, control) = (&model.records[id.0 as usize], self.scene.control);
        let last_known = control.last_known(id, self.question.rtype, self.client.address);
        let bound = Bound { id, record, last_known };
        let evaluation = evaluate(control.view(), record, self.asker(), last_known);
        let (ttl, cut) = control.ttl(id);
        let facts = SteeredFacts {
            site: record.site.clone(),
            ttl,
            ttl_cut: cut.map(|cut| self.cut(record.ttl, &cut)),
            outcome: words::outcome(&evaluation.outcome),
            counted: counted::ways(model, record, self.key(), &evaluation),
            exception: words::exception(&evaluation),
            decision: self.target(bound, &evaluation.trace),
            compiled: self.scene.is_traced.then(|| self.compiled(bound, &evaluation.outcome)),
        };
        let alias = match &evaluation.outcome {
            Decided::Resolved(Resolved::Ring(ring)) if self.question.rtype != Type::CNAME => {
                ring.items.first().and_then(|item| item.alias(model)).cloned()
            }
            _ => None,
        };
        (facts, alias)
    }

    /// Who asks.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker { client: self.client, location: self.location, rtype: self.question.rtype }
    }

    /// What hashes tell the client apart by.
    pub(super) fn key(&self) -> u64 {
        spread::client_key(self.client.address)
    }

    fn target(&self, bound: Bound<'_>, trace: &Trace) -> TargetFacts {
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
                    if_up: match considered.fate {
                        Fate::PassedOver(_) => self.if_up(bound, &considered.trace),
                        _ => None,
                    },
                    target: self.target(bound, &considered.trace),
                })
                .collect(),
            members: trace.members.iter().map(|member| self.member(&trace.name, member)).collect(),
        }
    }

    /// Why a TTL is less than that of the record.
    fn cut(&self, written: u32, cut: &Cut) -> String {
        match cut {
            Cut::Check(check) => {
                let target = &self.scene.checks[check.0 as usize].target;
                format!("not {written}: the verdict of {target} may change soon")
            }
            Cut::Maintenance(pool) => {
                let pool = &self.scene.control.steering().model.pool(*pool).name;
                format!("not {written}: pool {pool} is emptied for maintenance soon")
            }
            Cut::Host(name) => format!("not {written}: {name} is to be looked up again"),
        }
    }

    /// The remark on a target, with the operator's word on it.
    fn note(&self, trace: &Trace) -> String {
        if trace.kind != "pool" {
            return trace.note.clone();
        }
        let said = self.scene.overrides.of(&trace.name).map(ToString::to_string);
        let planned = self.planned(&trace.name);
        let notes = [Some(trace.note.clone()), said, planned, self.held(&trace.name)];
        let notes = notes.into_iter().flatten().filter(|note| !note.is_empty());
        notes.collect::<Vec<_>>().join("; ")
    }

    /// The maintenance that takes clients from a pool.
    fn planned(&self, pool: &str) -> Option<String> {
        let (window, phase) = self.scene.control.maintenance(self.pool(pool)?)?;
        Some(format!("{} in {window}", phase.as_str()))
    }

    /// The safety rule that leaves a pool clients which it would have lost.
    fn held(&self, pool: &str) -> Option<String> {
        self.scene.control.held(self.pool(pool)?).map(ToString::to_string)
    }

    /// What became of a target, with the operator's word and the maintenance that may be why.
    fn fate(&self, fate: &Fate, trace: &Trace) -> Fate {
        match fate {
            Fate::PassedOver(why) if trace.kind == "pool" => {
                let said = self.scene.overrides.of(&trace.name).map(ToString::to_string);
                let why = [Some(why.clone()), said, self.planned(&trace.name)];
                Fate::PassedOver(why.into_iter().flatten().collect::<Vec<_>>().join("; "))
            }
            _ => fate.clone(),
        }
    }

    /// A pool by its name, which traces have.
    pub(super) fn pool(&self, name: &str) -> Option<PoolId> {
        let pools = &self.scene.control.steering().model.pools;
        let index = pools.iter().position(|pool| pool.name == name)?;
        Some(PoolId(index as u32))
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
