//! Compilation: from policies over places to classes of clients and what each class prefers.
//!
//! For every target that a record names: each distinct place of the world (and each operator
//! prefix a policy names) is turned into a plan; clients with equal plans are a class; the class
//! of every address goes into a table. Done at load; nothing here runs for a query.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::geo::{Location, LocationId, RangeMap};
use crate::steering::matching::Match;
use crate::steering::model::{Kind, Model, PolicyId, Target};
use crate::steering::plan::{Plan, PlanId, Plans};
use crate::steering::preference::Planner;
use crate::steering::table::ClassTable;

/// Every address's place, as the GeoIP data and the operator's networks have it.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The distinct places; index 0 is "not located".
    pub locations: &'a [Location],
    /// The place of every IPv4 address.
    pub v4: &'a RangeMap<u32, LocationId>,
    /// The place of every IPv6 address.
    pub v6: &'a RangeMap<u128, LocationId>,
}

/// All targets of a generation, compiled.
#[derive(Debug)]
pub struct Compiled {
    /// The plans of all classes.
    pub plans: Plans,
    /// One for each distinct target of the records.
    pub targets: Vec<CompiledTarget>,
    /// Geo rules, by policy and index, that are no client's most specific match.
    pub unreached: Vec<(PolicyId, usize)>,
    numbers: HashMap<Target, usize, RandomState>,
}

/// What the world looks like to one target.
#[derive(Debug)]
pub struct CompiledTarget {
    /// The pool or policy.
    pub target: Target,
    /// The class of every client; `None` where the target does not look at the client's place.
    pub table: Option<Arc<ClassTable>>,
    /// What each class prefers.
    pub classes: Vec<PlanId>,
    /// Whether a latency or load policy takes part, so that first choices can move.
    pub is_dynamic: bool,
}

impl Compiled {
    /// Compiles the targets of all records.
    pub fn new(model: &Model, world: World<'_>) -> Compiled {
        let mut compiler = Compiler {
            model,
            world,
            planner: Planner::new(model),
            overlays: HashMap::new(),
            tables: HashMap::default(),
        };
        let mut targets = Vec::new();
        let mut numbers = HashMap::default();
        for record in &model.records {
            numbers.entry(record.target).or_insert_with(|| {
                targets.push(compiler.target(record.target));
                targets.len() - 1
            });
        }
        let unreached = compiler.planner.unreached();
        Compiled { plans: compiler.planner.plans, targets, unreached, numbers }
    }

    /// The index of a record's target in [`Compiled::targets`].
    pub fn number(&self, target: Target) -> usize {
        self.numbers[&target]
    }
}

/// The world cut along the prefixes that some policies name: every address mapped to a pair of
/// place and innermost such prefix.
#[derive(Debug)]
struct Overlay {
    /// A place, and the innermost named prefix where one is around the client.
    pairs: Vec<(LocationId, Option<IpNet>)>,
    v4: RangeMap<u32, u32>,
    v6: RangeMap<u128, u32>,
}

struct Compiler<'a> {
    model: &'a Model,
    world: World<'a>,
    planner: Planner<'a>,
    overlays: HashMap<Vec<IpNet>, Arc<Overlay>>,
    /// Tables by the prefixes and the class of each pair they were made of.
    tables: HashMap<(Vec<IpNet>, Vec<u32>), Arc<ClassTable>, RandomState>,
}

impl Compiler<'_> {
    fn target(&mut self, target: Target) -> CompiledTarget {
        let policies = self.model.policies_under(target);
        let kinds = || policies.iter().map(|id| &self.model.policy(*id).kind);
        let is_dynamic =
            kinds().any(|kind| matches!(kind, Kind::Latency { .. } | Kind::Load { .. }));
        let looks = kinds().any(|kind| {
            matches!(kind, Kind::Latency { .. } | Kind::Geo { .. } | Kind::Nearest { .. })
        });
        if !looks {
            let plan = self.planner.plan(target, LocationId(0), &Location::default(), None);
            return CompiledTarget { target, table: None, classes: vec![plan], is_dynamic };
        }
        let nets = self.nets(&policies);
        let overlay = self.overlay(&nets);
        let mut classes: Vec<PlanId> = Vec::new();
        let mut class_of_plan: HashMap<PlanId, u32, RandomState> = HashMap::default();
        let mut class_of_pair = Vec::with_capacity(overlay.pairs.len());
        for (place, inside) in &overlay.pairs {
            let location = &self.world.locations[place.0 as usize];
            let plan = self.planner.plan_of_record(target, *place, location, *inside);
            let class = *class_of_plan.entry(plan).or_insert_with(|| {
                classes.push(plan);
                classes.len() as u32 - 1
            });
            class_of_pair.push(class);
        }
        let table = self.table(nets, &overlay, class_of_pair);
        CompiledTarget { target, table: Some(table), classes, is_dynamic }
    }

    /// The prefixes that rules and latency tables of these policies name, sorted.
    fn nets(&self, policies: &[PolicyId]) -> Vec<IpNet> {
        let mut nets: Vec<IpNet> = Vec::new();
        let mut note = |matching: &Match| {
            if let Match::Net(net) = matching {
                nets.push(net.trunc());
            }
        };
        for id in policies {
            match &self.model.policy(*id).kind {
                Kind::Geo { rules, .. } => {
                    rules.iter().flat_map(|rule| &rule.matches).for_each(&mut note);
                }
                Kind::Latency { table, .. } => {
                    table.rows.iter().map(|row| &row.clients).for_each(&mut note);
                }
                _ => {}
            }
        }
        nets.sort();
        nets.dedup();
        nets
    }

    fn overlay(&mut self, nets: &[IpNet]) -> Arc<Overlay> {
        if let Some(overlay) = self.overlays.get(nets) {
            return overlay.clone();
        }
        let overlay = Arc::new(Overlay::new(self.world, nets));
        self.overlays.insert(nets.to_vec(), overlay.clone());
        overlay
    }

    fn table(&mut self, nets: Vec<IpNet>, overlay: &Overlay, classes: Vec<u32>) -> Arc<ClassTable> {
        let key = (nets, classes);
        if let Some(table) = self.tables.get(&key) {
            return table.clone();
        }
        let class = |pair: &u32| key.1[*pair as usize];
        let table = Arc::new(ClassTable::new(&overlay.v4.map(class), &overlay.v6.map(class)));
        self.tables.insert(key, table.clone());
        table
    }
}

impl Overlay {
    fn new(world: World<'_>, nets: &[IpNet]) -> Overlay {
        let mut pairs = Vec::new();
        let mut numbers = HashMap::<_, _, RandomState>::default();
        let mut number = |place: &LocationId, net: &Option<IpNet>| {
            *numbers.entry((*place, *net)).or_insert_with(|| {
                pairs.push((*place, *net));
                pairs.len() as u32 - 1
            })
        };
        let v4_nets = nets.iter().filter_map(|net| match net {
            IpNet::V4(v4) => Some((v4.network().to_bits(), v4.prefix_len(), Some(*net))),
            IpNet::V6(_) => None,
        });
        let v6_nets = nets.iter().filter_map(|net| match net {
            IpNet::V6(v6) => Some((v6.network().to_bits(), v6.prefix_len(), Some(*net))),
            IpNet::V4(_) => None,
        });
        let v4 = world.v4.join(&RangeMap::from_prefixes(None, v4_nets), &mut number);
        let v6 = world.v6.join(&RangeMap::from_prefixes(None, v6_nets), &mut number);
        Overlay { pairs, v4, v6 }
    }
}

/// What a plan's choices are numbered by: the nodes themselves.
pub fn choosing_nodes(plans: &Plans) -> impl Iterator<Item = PlanId> {
    plans.iter().filter(|(_, plan)| matches!(plan, Plan::Best { .. })).map(|(id, _)| id)
}
