//! The compiled side of a decision, beside the evaluated one: the row of the prefix table, the
//! order of preference, and what is ready for the client.

use std::net::IpAddr;

use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::{Name as HickoryName, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

use super::facts::{CellFacts, CompiledFacts, PlanFacts, RowFacts};
use super::gather::{Bound, Case};
use crate::steering::Panic;
use crate::steering::answers::{Look, Outcome, Row};
use crate::steering::model::{MemberData, Spread};
use crate::steering::plan::{Paths, Plan, PlanId};
use crate::wire::Type;

/// Octets of a DNS message before its question.
const HEADER: usize = 12;
/// Octets of a finished record before its data.
const RECORD_HEAD: usize = 12;

impl Case<'_> {
    /// What is compiled for the client, and whether it is what was evaluated: `outcome`.
    pub(super) fn compiled(&self, bound: Bound<'_>, outcome: &Outcome) -> CompiledFacts {
        let control = self.scene.control;
        let (class, plan) = control.class_of(bound.id, self.client.address);
        let look = control.live().look(bound.id, self.question.rtype, self.client);
        CompiledFacts {
            row: look.row.map(|row| self.row(row)),
            class,
            order: self.plan(plan, None),
            cell: CellFacts {
                number: look.cell,
                is_first_choice_up: look.is_first,
                is_hashed: look.is_hashed,
                stands_in: look.panic.map(|panic| match panic {
                    Panic::LastKnown => "the last known answer",
                    Panic::Substitute => "what on_all_down says",
                }),
                answer: match look.is_failure {
                    true => vec!["SERVFAIL".to_owned()],
                    false => self.shown(bound, &look.records),
                },
                scope: look.scope,
            },
            evaluated: match outcome {
                Outcome::ServFail => vec!["SERVFAIL".to_owned()],
                outcome => self.said(bound, outcome),
            },
            agrees: self.agrees(bound, &look, outcome),
        }
    }

    fn row(&self, row: Row) -> RowFacts {
        let Row { first, last, class_scope, group_scope, .. } = row;
        let offset = self.client.offset;
        RowFacts {
            first: first.to_string(),
            last: last.to_string(),
            class_scope: class_scope + offset,
            first_choice_scope: group_scope + offset,
        }
    }

    /// An order of preference. `by` is what stands before it in the order above.
    fn plan(&self, id: PlanId, by: Option<String>) -> PlanFacts {
        let view = self.scene.control.view();
        let model = view.model;
        let leaf = |what: String| PlanFacts { by: by.clone(), what, of: Vec::new() };
        match view.plans.plan(id) {
            Plan::Pool(pool) => leaf(format!("pool {}", model.pool(*pool).name)),
            Plan::Nothing => leaf("a deliberate NODATA".to_owned()),
            Plan::First(list) => PlanFacts {
                what: "the first that is up of".to_owned(),
                of: list.iter().map(|plan| self.plan(*plan, None)).collect(),
                by,
            },
            Plan::Merge { policy, take, targets } => PlanFacts {
                what: match *take {
                    usize::MAX => {
                        format!("all that are up, joined by {}", model.policy(*policy).name)
                    }
                    take => {
                        format!("the first {take} up, joined by {}", model.policy(*policy).name)
                    }
                },
                of: targets.iter().map(|(plan, _)| self.plan(*plan, None)).collect(),
                by,
            },
            Plan::Share { spread, targets } => PlanFacts {
                what: match spread {
                    Spread::Query => "drawn by weight of",
                    Spread::Client => "hashed by weight of",
                }
                .to_owned(),
                of: targets
                    .iter()
                    .map(|(plan, weight, _)| self.plan(*plan, Some(format!("weight {weight}"))))
                    .collect(),
                by,
            },
            Plan::Best { policy, candidates, .. } => {
                let first = view.choices.get(&id).map_or(0, |choice| choice.first());
                let candidate = |(index, (plan, paths)): (usize, &(PlanId, _))| {
                    self.plan(*plan, candidate_by(paths, index == first))
                };
                PlanFacts {
                    what: format!("the choice of {} among", model.policy(*policy).name),
                    of: candidates.iter().enumerate().map(candidate).collect(),
                    by,
                }
            }
        }
    }

    /// Finished records as text.
    fn shown(&self, bound: Bound<'_>, records: &[&[u8]]) -> Vec<String> {
        let Ok(owner) = HickoryName::from_bytes(bound.record.owner.as_wire()) else {
            return Vec::new();
        };
        // Their owner is a pointer to the question of a message.
        let mut question = Message::response(0, OpCode::Query);
        question.add_query(Query::query(owner, RecordType::from(self.question.rtype.0)));
        let Ok(mut message) = question.to_vec() else { return Vec::new() };
        message[HEADER - 6..HEADER - 4].copy_from_slice(&(records.len() as u16).to_be_bytes());
        records.iter().for_each(|record| message.extend_from_slice(record));
        let Ok(message) = Message::from_bytes(&message) else { return Vec::new() };
        message.answers.iter().map(|record| record.data.to_string()).collect()
    }

    /// Whether the records that are ready are those that were evaluated, in whatever order.
    fn agrees(&self, bound: Bound<'_>, look: &Look<'_>, outcome: &Outcome) -> bool {
        let resolved = match outcome {
            Outcome::ServFail => return look.is_failure,
            Outcome::Resolved(resolved) => resolved,
        };
        let view = self.scene.control.view();
        let items = resolved.reach(bound.seed(), self.key());
        let evaluated = items.iter().map(|item| octets(&item.data(view.model, view.standings)));
        let mut evaluated: Vec<(Type, Vec<u8>)> = evaluated.collect();
        let ready = look.records.iter().filter_map(|record| {
            let rtype = Type(u16::from_be_bytes([*record.get(2)?, *record.get(3)?]));
            Some((rtype, record.get(RECORD_HEAD..)?.to_vec()))
        });
        let mut ready: Vec<(Type, Vec<u8>)> = ready.collect();
        for list in [&mut evaluated, &mut ready] {
            list.sort();
            list.dedup();
        }
        !look.is_failure && evaluated == ready
    }
}

/// How a candidate of a choice is rated, and whether it is the one in force.
fn candidate_by(paths: &Paths, is_first: bool) -> Option<String> {
    let nearest = paths.iter().filter_map(|(_, ms)| *ms).min();
    let held = is_first.then_some("in force");
    let network = nearest.map(|ms| format!("{ms} ms by the network"));
    match (network, held) {
        (Some(network), Some(held)) => Some(format!("{network}, {held}")),
        (Some(network), None) => Some(network),
        (None, held) => held.map(str::to_owned),
    }
}

/// Type and data of a record.
fn octets(data: &MemberData) -> (Type, Vec<u8>) {
    let octets = match data {
        MemberData::Address(IpAddr::V4(address)) => address.octets().to_vec(),
        MemberData::Address(IpAddr::V6(address)) => address.octets().to_vec(),
        MemberData::Alias(name) => name.as_wire().to_vec(),
        MemberData::Data { rdata, .. } => rdata.to_vec(),
    };
    (data.rtype().unwrap_or(Type::CNAME), octets)
}
