//! PowerDNS's own rules: the documentation of its GeoIP backend and of LUA records.

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnet::IpNet;

use super::told::{Told, all, data, draw};
use super::{Family, Rule, Scene};
use crate::cli::import::draft::absolute;
use crate::cli::import::node::Node;
use crate::cli::import::powerdns::{Expression, LuaRecord, Program, lua_records, three_letters};
use crate::cli::import::{Failure, Texts, yaml};

pub(super) fn rules(texts: &Texts) -> Result<Vec<Rule>, Failure> {
    let mut rules: Vec<Rule> = Vec::new();
    for (path, text) in texts {
        let file = path.rsplit('/').next().unwrap_or(path);
        if file.ends_with(".yaml") || file.ends_with(".yml") {
            let document = yaml::read(path, text)?;
            for domain in document.get("domains").map(Node::items).unwrap_or_default() {
                let domain = Rc::new(domain.clone());
                let services = domain.get("services").map(Node::entries).unwrap_or_default();
                rules
                    .extend(services.iter().map(|(name, formats)| service(name, formats, &domain)));
            }
        } else {
            let mut records = lua_records(file.strip_suffix(".zone").unwrap_or(file), text);
            while let Some(first) = records.first() {
                let name = first.name.clone();
                let of_name = records.extract_if(.., |record| record.name == name).collect();
                rules.push(lua(name, of_name));
            }
        }
    }
    Ok(rules)
}

/// A service of the GeoIP backend.
fn service(name: &str, formats: &Node, domain: &Rc<Node>) -> Rule {
    let nets = formats.entries().iter().filter_map(|(net, _)| net.parse::<IpNet>().ok());
    let (formats, domain, networks) = (formats.clone(), Rc::clone(domain), nets.collect());
    let tell = move |scene: &Scene<'_>| -> Told {
        let nets = formats.entries().iter().filter_map(|(net, list)| {
            let net: IpNet = net.parse().ok()?;
            net.contains(&scene.address).then_some((net.prefix_len(), list))
        });
        let own = nets.max_by_key(|(length, _)| *length).map(|(_, list)| list);
        let list = own.or_else(|| formats.get("default")).unwrap_or(&formats);
        let names: Vec<String> =
            list.items().iter().filter_map(Node::text).flat_map(|f| filled(&f, scene)).collect();
        let records = domain.get("records").map(Node::entries).unwrap_or_default();
        for name in &names {
            if let Some((_, node)) = records.iter().find(|(key, _)| absolute(key) == *name) {
                return records_of(node, scene.family);
            }
        }
        // No such name here: its client is sent to it.
        names.last().map(|name| all([name.clone()])).unwrap_or_default()
    };
    Rule { name: absolute(name), checked: BTreeSet::new(), networks, tell: Box::new(tell) }
}

/// A format with what is known of a client. Which letters `%co` has depends on the format of the
/// database: three, then two.
fn filled(format: &str, scene: &Scene<'_>) -> Vec<String> {
    let location = scene.location;
    let or_unknown = |known: Option<String>| {
        known.map_or("unknown".to_owned(), |known| known.to_ascii_lowercase())
    };
    let country = location.country.map(|country| country.to_string());
    let subdivision = location.subdivision.as_deref().and_then(|code| code.split_once('-'));
    let three = country.as_deref().and_then(three_letters).map(str::to_owned);
    let mut names = vec![format.replace("%co", &or_unknown(three))];
    if format.contains("%co") && country.is_some() {
        names.push(format.replace("%co", &or_unknown(country.clone())));
    }
    for (word, known) in [
        ("%cc", country),
        ("%cn", location.continent.map(|continent| continent.to_string())),
        ("%re", subdivision.map(|(_, code)| code.to_owned())),
        ("%ci", location.city.as_deref().map(str::to_owned)),
        ("%as", location.asn.map(|asn| asn.to_string())),
    ] {
        let known = or_unknown(known);
        names.iter_mut().for_each(|name| *name = name.replace(word, &known));
    }
    names.iter().map(|name| absolute(name)).collect()
}

/// The records of a name: all of them, or one by weight when one has a weight.
fn records_of(node: &Node, family: Family) -> Told {
    let wanted = match family {
        Family::V4 => "a",
        Family::V6 => "aaaa",
    };
    let mut list: Vec<(Option<f64>, String)> = Vec::new();
    for (rtype, value) in node.items().iter().flat_map(Node::entries) {
        if rtype.eq_ignore_ascii_case(wanted) || rtype.eq_ignore_ascii_case("cname") {
            let content = value.get("content").and_then(Node::text).or_else(|| value.text());
            let weight = value.get("weight").and_then(Node::number);
            list.extend(content.map(|content| (weight, data(&content))));
        }
    }
    match list.iter().any(|(weight, _)| weight.is_some()) {
        true => draw(list.into_iter().map(|(w, text)| (w.unwrap_or(100.0), all([text]))).collect()),
        false => all(list.into_iter().map(|(_, text)| text)),
    }
}

/// The LUA records of one name.
fn lua(name: String, records: Vec<LuaRecord>) -> Rule {
    let mut checked = BTreeSet::new();
    let mut networks = Vec::new();
    for record in &records {
        look(&record.program, &mut checked, &mut networks);
    }
    let tell = move |scene: &Scene<'_>| -> Told {
        let rtype = match scene.family {
            Family::V4 => "A",
            Family::V6 => "AAAA",
        };
        let asked = records.iter().find(|record| record.rtype == rtype || record.rtype == "CNAME");
        asked.map(|record| run(&record.program, scene)).unwrap_or_default()
    };
    Rule { name, checked, networks, tell: Box::new(tell) }
}

/// What is checked, and which networks are told apart.
fn look(program: &Program, checked: &mut BTreeSet<String>, networks: &mut Vec<IpNet>) {
    match program {
        Program::Value(Expression::Call(name, arguments)) => {
            let is_check = matches!(name.as_str(), "ifportup" | "ifurlup");
            if let Some(list) = arguments.get(1).filter(|_| is_check) {
                checked.extend(units(list).concat());
            }
            for pair in arguments.iter().filter(|_| name == "view").flat_map(Expression::items) {
                let nets = pair.items().first().map(|nets| nets.items()).unwrap_or_default();
                networks.extend(nets.iter().filter_map(|net| net.text()?.parse::<IpNet>().ok()));
            }
        }
        Program::Value(_) => {}
        Program::If(branches, otherwise) => {
            for (condition, inner) in branches {
                if let Expression::Call(_, arguments) = condition {
                    let nets = arguments.iter().flat_map(Expression::items);
                    networks.extend(nets.filter_map(|net| net.text()?.parse::<IpNet>().ok()));
                }
                look(inner, checked, networks);
            }
            otherwise.iter().for_each(|inner| look(inner, checked, networks));
        }
    }
}

fn run(program: &Program, scene: &Scene<'_>) -> Told {
    match program {
        Program::Value(value) => call(value, scene),
        Program::If(branches, otherwise) => {
            let found = branches.iter().find(|(condition, _)| holds(condition, scene));
            let otherwise = || otherwise.as_ref().map(|inner| run(inner, scene));
            found.map(|(_, inner)| run(inner, scene)).or_else(otherwise).unwrap_or_default()
        }
    }
}

fn holds(condition: &Expression, scene: &Scene<'_>) -> bool {
    let Expression::Call(name, arguments) = condition else { return false };
    let location = scene.location;
    let known = match name.as_str() {
        "country" => location.country.map(|country| country.to_string()),
        "continent" => location.continent.map(|continent| continent.to_string()),
        "asnum" => location.asn.map(|asn| asn.to_string()),
        _ => None,
    };
    arguments.iter().flat_map(Expression::items).filter_map(Expression::text).any(|text| match name
        .as_str()
    {
        "netmask" => text.parse::<IpNet>().is_ok_and(|net| net.contains(&scene.address)),
        _ => known.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(&text)),
    })
}

fn call(value: &Expression, scene: &Scene<'_>) -> Told {
    let Expression::Call(name, arguments) = value else {
        return all(texts(value));
    };
    let (Some(first), second) = (arguments.first(), arguments.get(1)) else { return Vec::new() };
    match name.as_str() {
        "all" => all(texts(first)),
        "pickrandom" | "pickhashed" | "pickclosest" | "picknamehashed" => equal(texts(first)),
        "pickwrandom" | "pickwhashed" | "pickchashed" => {
            let pair = |item: &Expression| match item.items()[..] {
                [weight, text] => Some((weight.number()?, all([data(&text.text()?)]))),
                _ => None,
            };
            draw(first.items().into_iter().filter_map(pair).collect())
        }
        "pickrandomsample" => {
            let list = second.map(texts).unwrap_or_default();
            sample(&list, first.number().unwrap_or(1.0).max(1.0) as usize)
        }
        "view" => {
            for pair in first.items() {
                let [nets, values] = pair.items()[..] else { continue };
                let mut nets =
                    nets.items().into_iter().filter_map(|net| net.text()?.parse::<IpNet>().ok());
                if nets.any(|net| net.contains(&scene.address)) {
                    return equal(texts(values));
                }
            }
            Vec::new()
        }
        "ifportup" | "ifurlup" => {
            let groups = second.map(units).unwrap_or_default();
            let selector = arguments.get(2).and_then(|options| options.named("selector"));
            let selector = selector.and_then(Expression::text);
            let pick = |list: Vec<String>| match selector.as_deref() {
                Some("all") => all(list),
                _ => equal(list),
            };
            for group in &groups {
                let up = group.iter().filter(|text| !scene.down.contains(*text));
                let up: Vec<String> = up.cloned().collect();
                if !up.is_empty() {
                    return pick(up);
                }
            }
            // Nothing is up: the backup selector draws from all.
            let backup = arguments.get(2).and_then(|options| options.named("backupSelector"));
            match backup.and_then(Expression::text).as_deref() {
                Some("all") => all(groups.concat()),
                _ => equal(groups.concat()),
            }
        }
        _ => Vec::new(),
    }
}

/// Groups of addresses; a list without groups is one.
fn units(list: &Expression) -> Vec<Vec<String>> {
    let items = list.items();
    match items.iter().any(|item| matches!(item, Expression::Table(_))) {
        true => items.into_iter().map(texts).collect(),
        false => vec![texts(list)],
    }
}

fn texts(list: &Expression) -> Vec<String> {
    list.items().into_iter().filter_map(Expression::text).map(|text| data(&text)).collect()
}

fn equal(list: Vec<String>) -> Told {
    draw(list.into_iter().map(|text| (1.0, all([text]))).collect())
}

/// So many of a list, each choice as likely as any other.
fn sample(list: &[String], count: usize) -> Told {
    let mut sets: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
    for text in list {
        let with: Vec<BTreeSet<String>> = sets
            .iter()
            .filter(|set| set.len() < count)
            .map(|set| set.iter().chain([text]).cloned().collect())
            .collect();
        sets.extend(with);
    }
    let size = count.min(list.len());
    sets.into_iter().filter(|set| set.len() == size).map(|set| (1.0, set)).collect()
}
