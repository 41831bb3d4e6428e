//! The GeoIP backend: services whose names are made of where the client is.

use std::collections::BTreeMap;

use super::countries;
use crate::cli::import::draft::{
    Data, Draft, Kind, Member, Pool, Record, Static, absolute, first_label, is_within,
};
use crate::cli::import::masterfile;
use crate::cli::import::node::{Fields, Node};

/// Continents in the order of ISO's letters, as `%cn` writes them.
const CONTINENTS: [&str; 7] = ["af", "an", "as", "eu", "na", "oc", "sa"];

/// Takes over all domains of a file.
pub(super) fn take_over(document: &Node, draft: &mut Draft) {
    let fields = Fields::new(document);
    for node in fields.take("domains").map(Node::items).unwrap_or_default() {
        let domain_fields = Fields::new(node);
        let Some(name) = domain_fields.text("domain") else { continue };
        let ttl = domain_fields.text("ttl").and_then(|ttl| masterfile::seconds(&ttl));
        let domain = Domain {
            name: absolute(&name),
            ttl: ttl.unwrap_or(60),
            records: domain_fields.take("records"),
            services: domain_fields.take("services"),
        };
        draft.zone(&name);
        domain.take_over(draft);
        domain_fields.finish(&name, |_| "", draft);
    }
    fields.finish("file", |_| "settings of the whole file are not read", draft);
}

struct Domain<'a> {
    name: String,
    ttl: u32,
    records: Option<&'a Node>,
    services: Option<&'a Node>,
}

/// One record of a name.
struct Given {
    rtype: String,
    content: String,
    ttl: Option<u32>,
    weight: Option<u32>,
}

impl Domain<'_> {
    fn take_over(&self, draft: &mut Draft) {
        for (name, formats) in self.services.map(Node::entries).unwrap_or_default() {
            self.service(&absolute(name), formats, draft);
        }
        for (name, node) in self.records.map(Node::entries).unwrap_or_default() {
            // What services lead to are names of their own there; here they only make pools.
            self.plain(&absolute(name), node, draft);
        }
    }

    /// The records of a name as they are given.
    fn given(&self, node: &Node) -> Vec<Given> {
        let mut list = Vec::new();
        for item in node.items() {
            for (rtype, value) in item.entries() {
                let content = value.get("content").and_then(Node::text).or_else(|| value.text());
                let ttl = value.get("ttl").and_then(Node::number).map(|ttl| ttl as u32);
                let weight = value.get("weight").and_then(Node::number).map(|weight| weight as u32);
                list.extend(content.map(|content| Given {
                    rtype: rtype.to_ascii_uppercase(),
                    content,
                    ttl,
                    weight,
                }));
            }
        }
        list
    }

    fn plain(&self, name: &str, node: &Node, draft: &mut Draft) {
        for Given { rtype, content, ttl, weight } in self.given(node) {
            if rtype == "SOA" {
                let words: Vec<&str> = content.split_whitespace().collect();
                if let [primary, contact, rest @ ..] = &words[..] {
                    let (primary, contact) = (absolute(primary), absolute(contact));
                    let soa = format!("{primary} {contact} {}", rest.join(" "));
                    draft.zone(&self.name).soa = Some(soa);
                }
                continue;
            }
            if rtype == "NS" && name == self.name {
                let why = "--name-server names the servers that will answer";
                draft.left(&node.place, format!("`{name}` NS {content}"), why);
                continue;
            }
            if weight.is_some() {
                let how =
                    "the addresses of this name alone are told in turn; of a service by weight";
                draft.about(&node.place, format!("`{name}`: weights"), how);
            }
            let data = presented(&rtype, &content);
            let ttl = ttl.unwrap_or(self.ttl);
            let owner = name.to_owned();
            draft.zone(&self.name).records.push(Static { owner, rtype, data, ttl });
        }
        draft.exact(&node.place, format!("`{name}`: in the zone file"));
    }

    /// A service: formats that are tried in turn, or such lists for networks.
    fn service(&self, name: &str, formats: &Node, draft: &mut Draft) {
        let mut rules: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let mut default = Vec::new();
        let by_net: Vec<(Option<String>, &Node)> = match formats.entries() {
            [] => vec![(None, formats)],
            entries => entries
                .iter()
                .map(|(net, list)| (Some(net.clone()).filter(|net| net != "default"), list))
                .collect(),
        };
        let mut pools: BTreeMap<String, String> = BTreeMap::new();
        for (net, list) in by_net {
            let list: Vec<String> = list.items().iter().filter_map(Node::text).collect();
            if let Some(net) = net {
                let fixed = list.iter().find(|format| !format.contains('%'));
                match fixed.and_then(|format| self.pool(name, &absolute(format), &mut pools, draft))
                {
                    Some(pool) => rules.push((vec![format!("net:{net}")], vec![pool])),
                    None => {
                        let why = "formats for networks are read only when they name one name";
                        draft.left(&formats.place, format!("`{name}` for {net}"), why);
                    }
                }
                continue;
            }
            for format in &list {
                self.expand(name, format, &mut rules, &mut default, &mut pools, formats, draft);
            }
        }
        if default.is_empty() && !rules.is_empty() {
            let how = "clients of other places get no data; there, the name that the last format \
                       makes";
            draft.about(&formats.place, format!("`{name}`: places without a name"), how);
        }
        let kind = match rules.is_empty() {
            true => Kind::Failover(default.into_iter().take(1).collect()),
            false => {
                let default = default.into_iter().take(1).collect();
                Kind::Geo { rules, default, on_down: "climb" }
            }
        };
        if kind.targets().is_empty() {
            let why = "none of the names that its formats make has an address";
            return draft.left(&formats.place, format!("`{name}`"), why);
        }
        let place = formats.place.clone();
        draft.exact(&place, format!("`{name}`: a service over {} names", pools.len()));
        let target = draft.choice(&first_label(name), &place, kind);
        let (name, ttl) = (name.to_owned(), self.ttl);
        draft.records.push(Record { name, target, ttl, on_all_down: Vec::new(), place });
    }

    /// Rules for every name of the domain that a format can make.
    #[allow(clippy::too_many_arguments)] // one step of a service
    fn expand(
        &self,
        service: &str,
        format: &str,
        rules: &mut Vec<(Vec<String>, Vec<String>)>,
        default: &mut Vec<String>,
        pools: &mut BTreeMap<String, String>,
        formats: &Node,
        draft: &mut Draft,
    ) {
        for (name, _) in self.records.map(Node::entries).unwrap_or_default() {
            let name = absolute(name);
            let Some(found) = matched(&absolute(format), &name) else { continue };
            let place = match place(&found) {
                Ok(place) => place,
                Err(why) => {
                    draft.left(&formats.place, format!("`{service}`: `{format}`"), &why);
                    return;
                }
            };
            let has_three = |(word, text): &(String, String)| word == "co" && text.len() == 3;
            if found.iter().any(|pair| has_three(pair) && pair.1 != "unknown") {
                let how = "with a database in the MMDB format PowerDNS writes two letters for %co \
                           and never comes to this name; here its clients do";
                draft.about(&formats.place, format!("`{service}`: `{name}`"), how);
            }
            let Some(pool) = self.pool(service, &name, pools, draft) else { continue };
            match place {
                // Formats are tried in their order: an earlier one has the place already.
                Some(place) if rules.iter().any(|(places, _)| places.contains(&place)) => {}
                Some(place) => rules.push((vec![place], vec![pool])),
                None => default.push(pool),
            }
        }
    }

    /// The pool of a name of the domain.
    fn pool(
        &self,
        service: &str,
        name: &str,
        pools: &mut BTreeMap<String, String>,
        draft: &mut Draft,
    ) -> Option<String> {
        if let Some(known) = pools.get(name) {
            return Some(known.clone());
        }
        let is_it = |entry: &&(String, Node)| absolute(&entry.0) == name;
        let (_, node) = self.records.map(Node::entries).unwrap_or_default().iter().find(is_it)?;
        let mut members: Vec<Member> = Vec::new();
        for Given { rtype, content, weight, .. } in self.given(node) {
            let data = match rtype.as_str() {
                "A" | "AAAA" => Member::of_host(&content).data,
                "CNAME" => Data::Cname(absolute(&content)),
                "SOA" | "NS" => continue,
                rtype => Data::Rdata(format!("{rtype} {}", presented(rtype, &content))),
            };
            members.push(Member { weight, ..Member::new(data) });
        }
        if members.is_empty() {
            return None;
        }
        let is_weighted = members.iter().any(|member| member.weight.is_some());
        if is_weighted {
            // Without a weight it is 100 there.
            members.iter_mut().for_each(|m| m.weight = m.weight.or(Some(100)));
            let unweighed = |m: &mut Member| m.weight = None;
            members.iter_mut().filter(|m| matches!(m.data, Data::Rdata(_))).for_each(unweighed);
        }
        let front = name.strip_suffix(service).unwrap_or(name).trim_end_matches('.');
        let front = if is_within(name, service) { front } else { name.trim_end_matches('.') };
        let pool = Pool {
            name: draft.target_name(&format!("{}-{front}", first_label(service))),
            place: node.place.clone(),
            balance: is_weighted.then_some("weighted"),
            answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
            members,
            ..Pool::default()
        };
        pools.insert(name.to_owned(), pool.name.clone());
        let name = pool.name.clone();
        draft.pools.push(pool);
        Some(name)
    }
}

fn presented(rtype: &str, content: &str) -> String {
    let words: Vec<&str> = content.split_whitespace().collect();
    match (rtype, &words[..]) {
        ("TXT" | "SPF", _) if !content.starts_with('"') => {
            format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\""))
        }
        ("CNAME" | "NS" | "PTR", [name]) => absolute(name),
        ("MX", [preference, name]) => format!("{preference} {}", absolute(name)),
        ("SRV", [priority, weight, port, name]) => {
            format!("{priority} {weight} {port} {}", absolute(name))
        }
        _ => content.to_owned(),
    }
}

/// What stands in a name for each `%xx` of a format; `None` when it is not of this form.
fn matched(format: &str, name: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let (mut format, mut name) = (format, name);
    loop {
        let Some(at) = format.find('%') else {
            return (format == name).then_some(found);
        };
        let rest = name.strip_prefix(&format[..at])?;
        let word = format.get(at + 1..at + 3)?;
        format = &format[at + 3..];
        let end = rest.find(['.', '-', '_']).unwrap_or(rest.len());
        found.push((word.to_owned(), rest[..end].to_owned()));
        name = &rest[end..];
    }
}

/// The place of what a format was filled with; `None` is everywhere else (`unknown`).
fn place(found: &[(String, String)]) -> Result<Option<String>, String> {
    let part =
        |word: &str| found.iter().find(|(known, _)| known == word).map(|(_, text)| text.as_str());
    for (word, _) in found {
        if !["co", "cc", "cn", "re", "ci", "as"].contains(&word.as_str()) {
            return Err(format!("`%{word}` has no counterpart here"));
        }
    }
    let known = |word| part(word).filter(|text| *text != "unknown");
    if let Some(asn) = known("as") {
        return Ok(Some(format!("asn:{asn}")));
    }
    let country = match (known("cc"), known("co")) {
        (Some(two), _) => Some(two.to_ascii_uppercase()),
        // MaxMind's newer databases have no codes of three letters, and `%co` is two there.
        (None, Some(two)) if two.len() == 2 => Some(two.to_ascii_uppercase()),
        (None, Some(three)) => match countries::of_three(three) {
            Some(country) => Some(country.to_string()),
            None => return Err(format!("`{three}` is no country of two or three letters")),
        },
        (None, None) => None,
    };
    Ok(match (country, known("re"), known("ci"), known("cn")) {
        (Some(country), _, Some(city), _) => Some(format!("city:{country}/{city}")),
        (Some(country), Some(region), ..) => {
            Some(format!("subdivision:{country}-{}", region.to_ascii_uppercase()))
        }
        (Some(country), ..) => Some(format!("country:{country}")),
        (None, .., Some(continent)) if CONTINENTS.contains(&continent) => {
            Some(format!("continent:{}", continent.to_ascii_uppercase()))
        }
        (None, .., Some(other)) => return Err(format!("`{other}` is no continent")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_matched_with_the_names_it_makes() {
        let found = matched("%cc.%cn.www.example.com.", "gb.eu.www.example.com.").unwrap();
        assert_eq!(place(&found), Ok(Some("country:GB".to_owned())));
        let found = matched("unknown.%cn.www.example.com.", "unknown.eu.www.example.com.").unwrap();
        assert_eq!(place(&found), Ok(Some("continent:EU".to_owned())));
        assert_eq!(matched("%cn.www.example.com.", "gb.eu.www.example.com."), None);
        let found = matched("%co.www.", "gb.www.").unwrap();
        assert_eq!(place(&found), Ok(Some("country:GB".to_owned())));
        let unknown = matched("%cn.www.", "unknown.www.").unwrap();
        assert_eq!(place(&unknown), Ok(None));
        assert!(place(&[("hh".to_owned(), "12".to_owned())]).is_err());
    }
}
