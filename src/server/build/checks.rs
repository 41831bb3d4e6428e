//! Monitors and members to checks: one for each distinct address, port and monitor.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config, MemberData, MonitorKind, Port};
use crate::health::{Check, CheckId, Identity, Monitor, Target, TargetError};
use crate::server::build::Origin;
use crate::server::build::monitor::monitor;

/// All checks, and which check watches which member.
#[derive(Debug)]
pub(super) struct Checks {
    /// The index is the [`CheckId`]. The parts of composites stand before them.
    pub(super) list: Vec<Check>,
    /// By pool and member; members that are not checked are not in it.
    pub(super) of_member: HashMap<(usize, usize), CheckId>,
}

/// The monitors, in the order of the configuration. `None` when there are mistakes; they are in
/// `found`.
pub(super) fn monitors(
    config: &Config,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Arc<Monitor>>> {
    let mut monitors = Vec::with_capacity(config.monitors.len());
    let mut complete = true;
    for written in &config.monitors {
        match monitor(written, origin) {
            Ok(monitor) => monitors.push(Arc::new(monitor)),
            Err(diagnostic) => {
                found.push(*diagnostic);
                complete = false;
            }
        }
    }
    complete.then_some(monitors)
}

/// The checks of all members but those by host name. `None` when there are mistakes; they are in
/// `found`. `monitors` are what `written` stands for.
pub(super) fn build(
    pools: &[config::Pool],
    written: &[config::Monitor],
    monitors: &[Arc<Monitor>],
    found: &mut Vec<Diagnostic>,
) -> Option<Checks> {
    let mut complete = true;
    let order = parts_first(written);
    let mut builder = Builder {
        written,
        monitors,
        list: Vec::new(),
        single: HashMap::new(),
        composite: HashMap::new(),
    };
    let mut of_member = HashMap::new();
    for (pool_index, pool) in pools.iter().enumerate() {
        let Some(top) = pool.monitor else {
            continue;
        };
        let wanted = below(written, top);
        let wanted: Vec<usize> = order.iter().copied().filter(|i| wanted.contains(i)).collect();
        for (member_index, member) in pool.members.iter().enumerate() {
            let host = match (&member.data, member.check, &member.host) {
                (MemberData::Rdata(_), ..) => continue,
                // Its addresses are not known yet; that there is a target to be is.
                (MemberData::Host(name), ..) => match Target::whole(&name.to_string()) {
                    Ok(_) => continue,
                    Err(error) => Err(error),
                },
                (_, Some(elsewhere), _) => Target::whole(&elsewhere.ip().to_string()),
                (MemberData::Address(address), None, Some(name)) => {
                    Target::placed(&name.to_string(), *address)
                }
                (MemberData::Address(address), None, None) => Target::whole(&address.to_string()),
                (MemberData::Cname(name), None, _) => Target::whole(&name.to_string()),
            };
            let check = host.and_then(|host| builder.checks(&host, member.check_port, &wanted));
            match check {
                Ok(Some(check)) => {
                    of_member.insert((pool_index, member_index), check);
                }
                Ok(None) => {}
                Err(error) => {
                    let message = format!("a member cannot be checked: {error}");
                    found.push(Diagnostic::error("bad-target", message).at(&member.span, ""));
                    complete = false;
                }
            }
        }
    }
    complete.then_some(Checks { list: builder.list, of_member })
}

/// Makes each check once.
struct Builder<'c> {
    written: &'c [config::Monitor],
    monitors: &'c [Arc<Monitor>],
    list: Vec<Check>,
    /// By target and monitor.
    single: HashMap<(Target, usize), CheckId>,
    /// By parts, target and monitor.
    composite: HashMap<(Vec<CheckId>, Target, usize), CheckId>,
}

impl Builder<'_> {
    /// The check of one host by the last of these monitors, of which the others are parts.
    fn checks(
        &mut self,
        host: &Target,
        port: Option<u16>,
        monitors: &[usize],
    ) -> Result<Option<CheckId>, TargetError> {
        let mut made: HashMap<usize, CheckId> = HashMap::new();
        let mut last = None;
        for index in monitors.iter().copied() {
            let written = &self.written[index];
            let check = match &written.kind {
                MonitorKind::Composite(composite) => {
                    let parts = composite.parts.iter().filter_map(|part| made.get(&part.monitor));
                    self.composite(index, host.clone(), parts.copied().collect())
                }
                _ => {
                    let target = match written.port_at(port, monitors.len() > 1) {
                        Some(port) => host.on(port)?,
                        None if written.port == Port::Needless => host.clone(),
                        // Reported by `config`.
                        None => return Ok(None),
                    };
                    self.single(index, target)
                }
            };
            made.insert(index, check);
            last = Some(check);
        }
        Ok(last)
    }

    fn single(&mut self, index: usize, target: Target) -> CheckId {
        if let Some(known) = self.single.get(&(target.clone(), index)) {
            return *known;
        }
        let monitor = self.monitors[index].clone();
        let check = self.add(Check { target: target.clone(), monitor });
        self.single.insert((target, index), check);
        check
    }

    fn composite(&mut self, index: usize, target: Target, parts: Vec<CheckId>) -> CheckId {
        let key = (parts, target, index);
        if let Some(known) = self.composite.get(&key) {
            return *known;
        }
        let of = |part: &CheckId| self.list[part.0 as usize].identity();
        let identities: Vec<Identity> = key.0.iter().map(of).collect();
        let monitors = key.0.iter().map(|part| &*self.list[part.0 as usize].monitor);
        let monitor = Arc::new(self.monitors[index].with_parts(identities, monitors));
        let check = self.add(Check { target: key.1.clone(), monitor });
        self.composite.insert(key, check);
        check
    }

    fn add(&mut self, check: Check) -> CheckId {
        self.list.push(check);
        CheckId(self.list.len() as u32 - 1)
    }
}

fn parts(monitor: &config::Monitor) -> &[config::Part] {
    match &monitor.kind {
        MonitorKind::Composite(composite) => &composite.parts,
        _ => &[],
    }
}

/// The monitors at and below one.
fn below(monitors: &[config::Monitor], top: usize) -> HashSet<usize> {
    let mut seen = HashSet::from([top]);
    let mut left = vec![top];
    while let Some(next) = left.pop() {
        left.extend(parts(&monitors[next]).iter().map(|p| p.monitor).filter(|p| seen.insert(*p)));
    }
    seen
}

/// All monitors, parts before the composites that go by them.
fn parts_first(monitors: &[config::Monitor]) -> Vec<usize> {
    let mut order = Vec::with_capacity(monitors.len());
    let mut is_done = vec![false; monitors.len()];
    for start in 0..monitors.len() {
        // A list of what is still to do and not recursion: a chain of composites may be long.
        let mut path = if is_done[start] { vec![] } else { vec![(start, 0)] };
        while let Some((at, next)) = path.last_mut() {
            match parts(&monitors[*at]).get(*next) {
                Some(part) => {
                    *next += 1;
                    if !is_done[part.monitor] {
                        path.push((part.monitor, 0));
                    }
                }
                None => {
                    is_done[*at] = true;
                    order.push(*at);
                    path.pop();
                }
            }
        }
    }
    order
}
