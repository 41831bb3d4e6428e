//! abh/geodns: zones in JSON, where `www.europe` is `www` for Europe.

use std::collections::BTreeMap;

use super::Failure;
use super::draft::{Data, Draft, Kind, Member, Pool, Record, Static, absolute, first_label};
use super::node::{Fields, Node, Value};

/// What the last label of a name may stand for: a place, or nothing.
fn place(label: &str) -> Option<String> {
    let continent = match label {
        "africa" => "AF",
        "antarctica" => "AN",
        "asia" => "AS",
        "europe" => "EU",
        "north-america" => "NA",
        "oceania" => "OC",
        "south-america" => "SA",
        _ => "",
    };
    if !continent.is_empty() {
        return Some(format!("continent:{continent}"));
    }
    if let Some(net) = label.strip_prefix('[').and_then(|label| label.strip_suffix(']')) {
        let net = if net.contains('/') { net.to_owned() } else { format!("{net}/32") };
        return Some(format!("net:{net}"));
    }
    if let Some(number) = label.strip_prefix("as").filter(|n| n.parse::<u32>().is_ok()) {
        return Some(format!("asn:{number}"));
    }
    let is_letters = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase());
    match label.split_once('-') {
        None if is_letters(label) => Some(format!("country:{}", label.to_ascii_uppercase())),
        Some((country, part)) if is_letters(country) && (1..=3).contains(&part.len()) => {
            Some(format!("subdivision:{}", label.to_ascii_uppercase()))
        }
        _ => None,
    }
}

/// Takes over zones, each a file called as the zone: `example.com.json`.
///
/// # Errors
/// When one of them has no `data`.
pub(super) fn take_over(documents: &[Node], draft: &mut Draft) -> Result<(), Failure> {
    for document in documents {
        let file = document.place.rsplit('/').next().unwrap_or_default();
        let zone = absolute(file.trim_end_matches(".json"));
        let fields = Fields::new(document);
        let Some(data) = fields.take("data") else {
            return Err(Failure::Foreign {
                path: document.place.clone(),
                why: "this is no zone of geodns: it has no `data`",
            });
        };
        let ttl = fields.number("ttl").unwrap_or(120.0) as u32;
        let most = fields.number("max_hosts").unwrap_or(2.0) as u32;
        fields.skip(&["serial", "contact", "targeting", "logging"]);
        if let Some(targeting) = fields.text("targeting") {
            for word in targeting.split_whitespace() {
                if word.starts_with("regiongroup") {
                    let why = "groups of states (us-west and so on) are not known; list the states";
                    draft.left(&document.place, "targeting by regiongroup", why);
                }
            }
        }
        fields.finish(&zone, |_| "", draft);
        draft.zone(&zone);
        Zone { name: zone, ttl, most, data }.take_over(draft);
    }
    Ok(())
}

struct Zone<'a> {
    name: String,
    ttl: u32,
    /// `max_hosts`
    most: u32,
    data: &'a Node,
}

impl Zone<'_> {
    fn take_over(&self, draft: &mut Draft) {
        // Names with their places: `www` has `www`, `www.europe` and so on.
        let mut names: BTreeMap<&str, Vec<(Option<String>, &Node)>> = BTreeMap::new();
        for (label, node) in self.data.entries() {
            // A network has dots of its own: `www.[192.0.2.1]`.
            let parts = match label.rfind(".[") {
                Some(at) => Some((&label[..at], &label[at + 1..])),
                None => label.rsplit_once('.'),
            };
            let (base, last) = parts.unwrap_or(("", label));
            match place(last).filter(|_| self.data.get(base).is_some()) {
                Some(place) => names.entry(base).or_default().push((Some(place), node)),
                None => names.entry(label).or_default().push((None, node)),
            }
        }
        let alias = |variants: &[(Option<String>, &Node)]| {
            let plain = variants.iter().find(|(place, _)| place.is_none());
            plain.and_then(|(_, node)| node.get("alias")?.text())
        };
        for (label, variants) in &names {
            if alias(variants).is_none() {
                self.take_name(label, variants, draft);
            }
        }
        for (label, variants) in &names {
            if let Some(other) = alias(variants) {
                self.take_alias(label, &other, variants, draft);
            }
        }
    }

    fn owner(&self, label: &str) -> String {
        match label {
            "" => self.name.clone(),
            label => format!("{}.{}", label.to_ascii_lowercase(), self.name),
        }
    }

    /// The same as another name.
    fn take_alias(
        &self,
        label: &str,
        other: &str,
        variants: &[(Option<String>, &Node)],
        draft: &mut Draft,
    ) {
        let (owner, of) = (self.owner(label), self.owner(other));
        for (place, node) in variants {
            if place.is_some() {
                let why = "the name is an alias, and answers as what it is an alias of";
                draft.left(&node.place, format!("`{owner}` of one place"), why);
            }
        }
        let Some((_, node)) = variants.first() else { return };
        let known = draft.records.iter().find(|record| record.name == of).cloned();
        if let Some(record) = known {
            draft.records.push(Record { name: owner.clone(), place: node.place.clone(), ..record });
        }
        let zone = draft.zone(&self.name);
        let same: Vec<Static> = zone.records.iter().filter(|r| r.owner == of).cloned().collect();
        zone.records.extend(same.into_iter().map(|r| Static { owner: owner.clone(), ..r }));
        draft.exact(&node.place, format!("`{owner}`: as `{of}`"));
    }

    fn take_name(&self, label: &str, variants: &[(Option<String>, &Node)], draft: &mut Draft) {
        let owner = self.owner(label);
        let own = variants.iter().find_map(|(_, node)| node.get("ttl").and_then(Node::number));
        let ttl = own.map_or(self.ttl, |ttl| ttl as u32);
        for (place, node) in variants {
            self.others(&owner, ttl, place.is_none(), node, draft);
        }
        let place = variants.first().map_or_else(String::new, |(_, node)| node.place.clone());
        let mut pools = Vec::new();
        for (place, node) in variants {
            pools.extend(self.pool(label, place.as_deref(), node, draft).map(|pool| (place, pool)));
        }
        // A type that a place does not have is that of everybody.
        let all: Vec<Member> = pools
            .iter()
            .filter(|(place, _)| place.is_none())
            .flat_map(|(_, pool)| pool.members.clone())
            .collect();
        let kind = |member: &Member| match member.data {
            Data::Address(address) => Some(address.is_ipv4()),
            _ => None,
        };
        for (_, pool) in pools.iter_mut().filter(|(place, _)| place.is_some()) {
            let has: Vec<Option<bool>> = pool.members.iter().map(kind).collect();
            let is_missing =
                |member: &&Member| kind(member).is_some() && !has.contains(&kind(member));
            if has.iter().all(Option::is_some) {
                let more = all.iter().filter(is_missing).cloned();
                pool.members.extend(more.map(|member| match pool.balance {
                    Some(_) => member,
                    None => Member { weight: None, ..member },
                }));
            }
        }
        // Addresses that are the same for everybody, without weights, do not move.
        if let [(None, pool)] = &pools[..]
            && pool.balance.is_none()
        {
            for member in &pool.members {
                let (rtype, data) = match &member.data {
                    Data::Address(address) if address.is_ipv4() => ("A", address.to_string()),
                    Data::Address(address) => ("AAAA", address.to_string()),
                    Data::Cname(name) | Data::Rdata(name) => ("CNAME", name.clone()),
                };
                let (owner, rtype) = (owner.clone(), rtype.to_owned());
                draft.zone(&self.name).records.push(Static { owner, rtype, data, ttl });
            }
            return draft.exact(&place, format!("`{owner}`: in the zone file"));
        }
        let mut default = Vec::new();
        let mut rules = Vec::new();
        for (place, mut pool) in pools {
            pool.name = draft.target_name(&pool.name);
            match place {
                Some(place) => rules.push((vec![place.clone()], vec![pool.name.clone()])),
                None => default.push(pool.name.clone()),
            }
            draft.pools.push(pool);
        }
        let target = match (rules.is_empty(), &default[..]) {
            (true, []) => return,
            (true, [only]) => only.clone(),
            _ => {
                let kind = Kind::Geo { rules, default, on_down: "climb" };
                draft.choice(&first_label(&owner), &place, kind)
            }
        };
        draft.exact(&place, format!("`{owner}`: by place, {} of them", variants.len()));
        draft.records.push(Record { name: owner, target, ttl, on_all_down: Vec::new(), place });
    }

    /// The pool of the addresses, or of the names, of a variant; its name is not yet settled.
    fn pool(
        &self,
        label: &str,
        place: Option<&str>,
        node: &Node,
        draft: &mut Draft,
    ) -> Option<Pool> {
        let mut members: Vec<Member> = Vec::new();
        for key in ["a", "aaaa"] {
            for item in node.get(key).map(Node::items).unwrap_or_default() {
                // `["192.0.2.1", 100]`, `"192.0.2.1"`, or `{ "ip": …, "weight": … }`.
                let text = item.get("ip").and_then(Node::text);
                let Some(text) = text.or_else(|| item.items().first().and_then(Node::text)) else {
                    continue;
                };
                let weight = item.get("weight").or_else(|| item.items().get(1));
                let weight = weight.and_then(Node::number).map(|weight| weight as u32);
                members.push(Member { weight, ..Member::of_host(&text) });
            }
        }
        let cname = node.get("cname");
        for item in cname.map(Node::items).unwrap_or_default() {
            let text = item.get("cname").and_then(Node::text);
            let text = text.or_else(|| item.items().first().and_then(Node::text));
            let weight = item.get("weight").or_else(|| item.items().get(1));
            let weight = weight.and_then(Node::number).map(|weight| weight as u32);
            // A name without its last dot is in the zone.
            let target = |name: &str| match name.ends_with('.') {
                true => absolute(name),
                false => format!("{}.{}", name.to_ascii_lowercase(), self.name),
            };
            members.extend(
                text.map(|name| Member { weight, ..Member::new(Data::Cname(target(&name))) }),
            );
        }
        let is_weighted = members.iter().any(|member| member.weight.is_some_and(|w| w > 0));
        if !is_weighted {
            members.iter_mut().for_each(|member| member.weight = None);
        }
        if members.is_empty() {
            return None;
        }
        let most = node.get("max_hosts").and_then(Node::number).map_or(self.most, |n| n as u32);
        if is_weighted && most > 1 && members.len() > 1 {
            let how = format!("one is drawn by weight, and not {most}");
            draft.about(&node.place, format!("`{label}`: max_hosts of weighted addresses"), &how);
        }
        let label = if label.is_empty() { first_label(&self.name) } else { label.to_owned() };
        let wanted = match place {
            Some(place) => format!("{label}-{}", place.split(':').next_back().unwrap_or_default()),
            None => format!("{label}-default"),
        };
        Some(Pool {
            name: wanted,
            place: node.place.clone(),
            balance: is_weighted.then_some("weighted"),
            answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
            members,
            ..Pool::default()
        })
    }

    /// Records of other types: in the zone file, or told.
    fn others(&self, owner: &str, ttl: u32, is_plain: bool, node: &Node, draft: &mut Draft) {
        let fields = Fields::new(node);
        fields.skip(&["a", "aaaa", "cname", "alias", "ttl", "max_hosts"]);
        if owner == self.name && fields.take("ns").is_some() {
            let why = "--name-server names the servers that will answer";
            draft.left(&node.place, format!("`{owner}` NS"), why);
        }
        for (key, rtype) in [
            ("ns", "NS"),
            ("mx", "MX"),
            ("txt", "TXT"),
            ("srv", "SRV"),
            ("ptr", "PTR"),
            ("spf", "SPF"),
        ] {
            let Some(values) = fields.take(key) else { continue };
            if owner == self.name && key == "ns" {
                continue;
            }
            let list: Vec<Node> = match &values.value {
                // A set of name servers.
                Value::Map(entries) if key == "ns" => {
                    let name = |(name, node): &(String, Node)| Node {
                        value: Value::Text(name.clone()),
                        place: node.place.clone(),
                    };
                    entries.iter().map(name).collect()
                }
                _ => values.items().to_vec(),
            };
            for value in &list {
                match (data(rtype, value), is_plain) {
                    (Some(data), true) => {
                        let (owner, rtype) = (owner.to_owned(), rtype.to_owned());
                        draft.exact(&value.place, format!("`{owner}` {rtype}: in the zone file"));
                        draft.zone(&self.name).records.push(Static { owner, rtype, data, ttl });
                    }
                    _ => {
                        let why = "only addresses and aliases differ by place here";
                        draft.left(
                            &value.place,
                            format!("`{owner}` {rtype} {}", value.shown()),
                            why,
                        );
                    }
                }
            }
        }
        let why = |key: &str| match key {
            "health" | "closest" => "give the pool a monitor; `nearest` needs locations of pools",
            _ => "",
        };
        fields.finish(&format!("`{owner}`"), why, draft);
    }
}

fn data(rtype: &str, value: &Node) -> Option<String> {
    let text = |key: &str| value.get(key).and_then(Node::text);
    Some(match rtype {
        "MX" => {
            let preference = text("preference").unwrap_or_else(|| "10".to_owned());
            format!("{preference} {}", absolute(&text("mx")?))
        }
        "SRV" => {
            let number = |key: &str| text(key).unwrap_or_else(|| "0".to_owned());
            let (priority, weight) = (number("priority"), number("srv_weight"));
            format!("{priority} {weight} {} {}", text("port")?, absolute(&text("target")?))
        }
        "TXT" | "SPF" => {
            let text = text("txt").or_else(|| text("spf")).or_else(|| value.text())?;
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => absolute(&value.text().or_else(|| value.items().first()?.text())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_places_or_just_labels() {
        for (label, expected) in [
            ("europe", "continent:EU"),
            ("us", "country:US"),
            ("us-ca", "subdivision:US-CA"),
            ("as64500", "asn:64500"),
            ("[192.0.2.1]", "net:192.0.2.1/32"),
        ] {
            assert_eq!(place(label).as_deref(), Some(expected));
        }
        for label in ["www", "us-west", "asx1"] {
            assert_eq!(place(label), None, "{label}");
        }
    }
}
