//! Where the clients of each country are sent now: what the dashboard's map shows.
//!
//! All addresses are counted once for each target in a generation, where nothing waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::admin::{Refusal, World};
use crate::geo::{Atlas, Country};
use crate::steering::census::{self, Size};
use crate::steering::compile::CompiledTarget;
use crate::wire::Name;
use crate::zone::RecordId;

use super::{Desk, Places};

/// The clients of each country by class, for the targets that were asked for.
#[derive(Debug, Default)]
pub(super) struct Census(Mutex<HashMap<usize, Arc<Counted>>>);

/// A class, a country, and the part of the country's clients that is of the class.
type Counted = Vec<(u32, Country, f64)>;

impl Desk {
    /// Counts the clients of a name and says where they are sent.
    pub(super) fn world(&self, name: &Name, back: oneshot::Sender<Result<World, Refusal>>) {
        let steering = self.control.steering().clone();
        let records = &steering.model.records;
        let Some(index) = records.iter().position(|record| record.owner == *name) else {
            let unknown = Refusal::Unknown(format!("no policy steers `{name}`"));
            // Whoever asked may have gone.
            return drop(back.send(Err(unknown)));
        };
        let outcomes = self.control.outcomes(RecordId(index as u32));
        let (census, places) = (self.census.clone(), self.places.clone());
        spawn_blocking(move || {
            let model = &steering.model;
            let target = steering.compiled.number(model.records[index].target);
            let counted = census.of(target, &steering.compiled.targets[target], &places);
            let now = outcomes.iter();
            let sent: Vec<_> =
                now.map(|(outcome, panic)| census::outlets_now(outcome, *panic)).collect();
            let mut countries: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
            for (class, country, part) in &*counted {
                let of_country = countries.entry(country.to_string()).or_default();
                for (outlet, share) in &sent[*class as usize] {
                    *of_country.entry(outlet.name(model).to_owned()).or_default() += part * share;
                }
            }
            let name = model.records[index].owner.to_string();
            drop(back.send(Ok(World { name, countries })));
        });
    }
}

impl Census {
    fn of(&self, number: usize, target: &CompiledTarget, places: &Places) -> Arc<Counted> {
        // Held while it counts: who asks for the same waits, and need not count again. What a
        // panic left behind is whole: entries are put in when they are done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(number).or_insert_with(|| Arc::new(count(target, places))).clone()
    }
}

fn count(target: &CompiledTarget, places: &Places) -> Counted {
    let atlas = Atlas::compile(&places.databases, &places.networks);
    let mut of_country: HashMap<Country, Size> = HashMap::new();
    let mut of_class: HashMap<(u32, Country), Size> = HashMap::new();
    for (kin, size) in census::count(target, &atlas) {
        let Some(country) = atlas.location(kin.location).country else { continue };
        *of_country.entry(country).or_default() += size;
        *of_class.entry((kin.class, country)).or_default() += size;
    }
    let part = |((class, country), size): ((u32, Country), Size)| {
        (class, country, size.part_of(of_country[&country]))
    };
    of_class.into_iter().map(part).collect()
}
