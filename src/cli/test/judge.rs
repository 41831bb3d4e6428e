//! What a case comes to, beside what it expects.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Difference;
use crate::admin::Question;
use crate::cli::arguments::ClientSubnet;
use crate::cli::explain::{self, Supposed};
use crate::cli::told;
use crate::config::{Case, CaseRcode, Down};
use crate::health::{CheckId, Verdict};
use crate::server::Generation;
use crate::steering::control::Control;
use crate::steering::model::{Model, PoolId, PoolState};
use crate::steering::resolve::Item;
use crate::wire::{Name, Type};
use crate::zone::{self, RecordId};

/// Judges cases, one after another.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    generation: &'a Generation,
    /// The last state that was supposed. Cases in a row often suppose the same.
    supposed: Option<(State, Control)>,
}

/// What a case supposes.
#[derive(Debug, PartialEq)]
struct State {
    pools: Vec<(PoolId, PoolState)>,
    down: Vec<CheckId>,
}

/// What the client may get over many queries.
#[derive(Debug, Default)]
struct Reach {
    pools: BTreeSet<String>,
    answers: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(generation: &'a Generation) -> Judge<'a> {
        Judge { generation, supposed: None }
    }

    /// What is otherwise than expected, and every reason for what is.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(super) fn judge(
        &mut self,
        case: &Case,
        rtype: Type,
    ) -> anyhow::Result<(Vec<Difference>, String)> {
        let model = &self.generation.steering.model;
        let state = State::of(case, model);
        if self.supposed.as_ref().is_none_or(|(known, _)| *known != state) {
            let control = state.control(self.generation);
            self.supposed = Some((state, control));
        }
        let Some((state, control)) = &self.supposed else { return Ok((Vec::new(), String::new())) };
        let down = state.pools.iter().filter(|(_, state)| *state == PoolState::Down);
        let down: Vec<String> = down.map(|(pool, _)| model.pool(*pool).name.clone()).collect();
        let question =
            Question { name: case.name.clone(), rtype, address: case.client, length: case.length };
        let told = explain::suppose(self.generation, control, &down, &question)?;
        let reach = self.reach(control, case, rtype, &told);
        Ok((differences(case, rtype, &told, &reach), told.why))
    }

    /// Everything that this client may be told: a draw and a rotation have more than one answer.
    fn reach(&self, control: &Control, case: &Case, rtype: Type, told: &Supposed) -> Reach {
        let mut reach = Reach::default();
        let steered = told.end.as_ref().filter(|(_, is_steered)| *is_steered);
        let record = steered.and_then(|(name, _)| self.record(name, rtype));
        let Some(record) = record else {
            let found = match data_of(told, rtype) {
                // An alias to a name of somebody else.
                found if found.is_empty() => data_of(told, Type::CNAME).pop().into_iter().collect(),
                found => found,
            };
            reach.answers.extend(found);
            return reach;
        };
        let client = ClientSubnet { address: case.client, length: case.length };
        let model = control.view().model;
        for item in told::told(self.generation, control, record, client, rtype) {
            match item {
                Item::Member(pool, index) => {
                    let pool = model.pool(pool);
                    reach.pools.insert(pool.name.clone());
                    reach.answers.insert(same_form(&pool.members[index].name));
                }
                Item::Address(address) => {
                    reach.answers.insert(address.to_string());
                }
            }
        }
        reach
    }

    /// What steers a name.
    fn record(&self, name: &str, rtype: Type) -> Option<RecordId> {
        let name: Name = name.parse().ok()?;
        match self.generation.snapshot.zones.find(&name, rtype)?.outcome {
            zone::Outcome::Steered(id) => Some(id),
            _ => None,
        }
    }
}

impl State {
    fn of(case: &Case, model: &Model) -> State {
        let id = |index: usize| PoolId(u32::try_from(index).unwrap_or(u32::MAX));
        let mut state = State { pools: Vec::new(), down: Vec::new() };
        for down in &case.down {
            match &down.value {
                Down::Pool(index) => state.pools.push((id(*index), PoolState::Down)),
                Down::Member(places) => {
                    let member =
                        |(pool, place): &(usize, usize)| &model.pools[*pool].members[*place];
                    state.down.extend(places.iter().filter_map(|place| member(place).check));
                }
            }
        }
        state.pools.extend(case.drain.iter().map(|index| (id(*index), PoolState::Drain)));
        state
    }

    fn control(&self, generation: &Generation) -> Control {
        let down = self.down.iter().map(|check| (*check, Verdict::Down));
        let mut control = Control::new(generation.steering.clone(), down);
        for (pool, state) in &self.pools {
            control.force(*pool, Some(*state));
        }
        control.settle();
        control
    }
}

fn differences(case: &Case, rtype: Type, told: &Supposed, reach: &Reach) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut expect = |key, expected: String, got: String| {
        if expected != got {
            found.push(Difference { key, expected, got });
        }
    };
    if let Some(rcode) = &case.expect.rcode {
        expect("rcode", word(rcode.value).to_owned(), told.rcode.clone());
    }
    if let Some(nodata) = &case.expect.nodata {
        let is_empty = told.rcode == word(CaseRcode::NoError) && data_of(told, rtype).is_empty();
        let say = |is_empty: bool| if is_empty { "no data" } else { "an answer with data" };
        let got = if told.rcode == word(CaseRcode::NoError) {
            say(is_empty).to_owned()
        } else {
            told.rcode.clone()
        };
        expect("nodata", say(nodata.value).to_owned(), got);
    }
    if let Some(pools) = &case.expect.pools {
        expect("pool", list(&pools.value.iter().cloned().collect()), list(&reach.pools));
    }
    if let Some(answers) = &case.expect.answers {
        let expected = answers.value.iter().map(|text| same_form(text)).collect();
        expect("answers", list(&expected), list(&reach.answers));
    }
    if let Some(scope) = &case.expect.scope {
        let got = told.scope.map_or("no client subnet".to_owned(), |scope| format!("/{scope}"));
        expect("scope", format!("/{}", scope.value), got);
    }
    found
}

fn list(words: &BTreeSet<String>) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.iter().cloned().collect::<Vec<_>>().join(", ")
    }
}

fn word(rcode: CaseRcode) -> &'static str {
    match rcode {
        CaseRcode::NoError => "NOERROR",
        CaseRcode::NxDomain => "NXDOMAIN",
        CaseRcode::ServFail => "SERVFAIL",
        CaseRcode::Refused => "REFUSED",
    }
}

/// The data of the records of a type, `NAME TTL CLASS TYPE DATA`, in the answer.
fn data_of(told: &Supposed, rtype: Type) -> Vec<String> {
    let rtype = rtype.to_string();
    let data = told.records.iter().filter_map(|record| {
        let mut words = record.splitn(5, char::is_whitespace);
        (words.nth(3)? == rtype).then(|| words.next().map(same_form)).flatten()
    });
    data.collect()
}

/// Addresses and names in one form, so that what is written in two ways is the same.
fn same_form(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => text.trim_end_matches('.').to_ascii_lowercase(),
    }
}
