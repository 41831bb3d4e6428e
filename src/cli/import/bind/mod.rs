//! BIND: zone files, and the order of their records by `rrset-order` of named.conf.

mod syntax;

use std::collections::BTreeMap;

use self::syntax::Statement;
use super::draft::{Draft, Member, Pool, Record, absolute, first_label};
use super::masterfile::{self, Entry};
use super::{Failure, Texts};

/// One entry of `rrset-order`.
#[derive(Debug, Clone)]
struct Order {
    /// `None` is any type.
    rtype: Option<String>,
    /// With the last dot; `*` in front stands for labels. `None` is any name.
    name: Option<String>,
    /// `fixed`, `random`, `cyclic` or `none`.
    order: String,
}

/// What the files say, before anything is made of it.
struct Sources<'t> {
    orders: Vec<Order>,
    /// Path, name with its last dot, and text.
    zones: Vec<(&'t str, String, &'t str)>,
}

/// Takes over named.conf (a file with braces that ends in `.conf`) and zone files.
///
/// # Errors
/// When a named.conf is in another syntax.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    let Sources { orders, zones } = sources(texts, draft)?;
    for (path, name, text) in zones {
        zone(path, &name, text, &orders, draft);
    }
    Ok(())
}

/// The zones among the files: their names with the last dot, and their texts.
///
/// # Errors
/// When a named.conf is in another syntax.
pub(super) fn zones(texts: &Texts) -> Result<Vec<(String, &str)>, Failure> {
    let zones = sources(texts, &mut Draft::default())?.zones;
    Ok(zones.into_iter().map(|(_, name, text)| (name, text)).collect())
}

fn sources<'t>(texts: &'t Texts, draft: &mut Draft) -> Result<Sources<'t>, Failure> {
    let mut orders = Vec::new();
    // Names of zones by the last part of the path of their file.
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    let mut files = Vec::new();
    for (path, text) in texts {
        let file = path.rsplit('/').next().unwrap_or(path);
        if !file.ends_with(".conf") {
            files.push((path.as_str(), file, text.as_str()));
            continue;
        }
        for statement in syntax::read(path, text)? {
            configuration(&statement, &mut orders, &mut named, draft);
        }
    }
    let zone = |(path, file, text): (&'t str, &str, &'t str)| {
        let guess =
            file.trim_start_matches("db.").trim_end_matches(".zone").trim_end_matches(".db");
        let name = named.get(file).map_or(guess, String::as_str);
        (path, absolute(name), text)
    };
    let zones = files.into_iter().map(zone).collect();
    Ok(Sources { orders, zones })
}

fn configuration(
    statement: &Statement,
    orders: &mut Vec<Order>,
    named: &mut BTreeMap<String, String>,
    draft: &mut Draft,
) {
    let place = &statement.place;
    match statement.words.first().map(String::as_str) {
        Some("options") => {
            for inner in &statement.inside {
                if inner.is("rrset-order") {
                    orders.extend(inner.inside.iter().map(order));
                } else {
                    let why = "the server's own settings stand in meridian.toml";
                    draft.left(&inner.place, inner.words.join(" "), why);
                }
            }
        }
        Some("zone") => {
            let name = statement.words.get(1).cloned().unwrap_or_default();
            let file = statement.inside.iter().find(|inner| inner.is("file"));
            let file = file.and_then(|inner| inner.after("file"));
            let file = file.and_then(|file| file.rsplit('/').next()).unwrap_or_default();
            named.insert(file.to_owned(), name);
        }
        Some("view") => {
            let why = "views are not read: make a `geo` policy with rules for the networks of each, \
                       or import the zones of one view";
            draft.left(place, statement.words.join(" "), why);
        }
        _ => draft.left(place, statement.words.join(" "), "has no counterpart here"),
    }
}

fn order(statement: &Statement) -> Order {
    Order {
        rtype: statement.after("type").filter(|t| *t != "ANY").map(str::to_ascii_uppercase),
        name: statement.after("name").filter(|name| *name != "*").map(absolute),
        order: statement.after("order").unwrap_or("random").to_owned(),
    }
}

impl Order {
    fn is_for(&self, entry: &Entry) -> bool {
        let is_name = self.name.as_ref().is_none_or(|name| match name.strip_prefix('*') {
            Some(suffix) => entry.owner.ends_with(suffix),
            None => *name == entry.owner,
        });
        is_name && self.rtype.as_ref().is_none_or(|rtype| *rtype == entry.rtype)
    }
}

fn zone(path: &str, zone: &str, text: &str, orders: &[Order], draft: &mut Draft) {
    let order_of = |entry: &Entry| {
        let found = orders.iter().find(|order| order.is_for(entry));
        found
            .map(|order| order.order.as_str())
            .filter(|order| matches!(*order, "cyclic" | "random"))
    };
    // Which names have several addresses that are to take turns.
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    masterfile::split(text, zone, |entry| {
        if matches!(entry.rtype.as_str(), "A" | "AAAA") && order_of(&entry).is_some() {
            *counts.entry((entry.owner, entry.rtype)).or_default() += 1;
        }
        false
    });
    let turns = |entry: &Entry| {
        let own = |rtype: &str| counts.get(&(entry.owner.clone(), rtype.to_owned())).copied();
        // Both families of a name move together.
        matches!(entry.rtype.as_str(), "A" | "AAAA")
            && ["A", "AAAA"].iter().any(|rtype| own(rtype).is_some_and(|count| count > 1))
            && entry.data.len() == 1
    };
    let mut names: BTreeMap<String, Vec<(Entry, String)>> = BTreeMap::new();
    let rest = masterfile::split(text, zone, |entry| {
        let is_taken = turns(&entry);
        if is_taken {
            let order = order_of(&entry).unwrap_or("cyclic").to_owned();
            names.entry(entry.owner.clone()).or_default().push((entry, order));
        }
        is_taken
    });
    let ttl = rest.ttl;
    masterfile::store(rest, path, zone, draft);
    for (name, entries) in names {
        let (first, order) = &entries[0];
        let place = format!("{path}:{}", first.line);
        let members: Vec<Member> =
            entries.iter().map(|(entry, _)| Member::of_host(&entry.data[0])).collect();
        let pool = Pool {
            name: draft.target_name(&first_label(&name)),
            place: place.clone(),
            answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
            members,
            ..Pool::default()
        };
        let what = format!("`{name}`: {} addresses, order {order}", entries.len());
        match order.as_str() {
            "random" => {
                let how = "they take turns: each is first equally often, and not by chance";
                draft.about(&place, what, how);
            }
            _ => draft.exact(&place, what),
        }
        draft.records.push(Record {
            name: name.clone(),
            target: pool.name.clone(),
            ttl: first.ttl.or(ttl).unwrap_or(3600).min(604_800),
            on_all_down: Vec::new(),
            place,
        });
        draft.pools.push(pool);
    }
}
