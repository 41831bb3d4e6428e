//! LUA records: the usual functions, alone or behind conditions on where the client is.

use ipnet::IpNet;

use super::expression::{self, Expression, Program};
use crate::cli::import::draft::{
    Draft, Kind, Member, Monitor, Pool, Record, absolute, first_label,
};
use crate::cli::import::masterfile::{self, Entry};
use crate::geo::country;

/// Takes over a zone file: LUA records become policies, all else stays as it is.
pub(super) fn take_over(path: &str, name: &str, text: &str, draft: &mut Draft) {
    let zone = absolute(name);
    let mut entries = Vec::new();
    let rest = masterfile::split(text, &zone, |entry| {
        let is_lua = entry.rtype == "LUA";
        entries.extend(Some(entry).filter(|_| is_lua));
        is_lua
    });
    let ttl = rest.ttl;
    masterfile::store(rest, path, &zone, draft);
    for entry in entries {
        let place = format!("{path}:{}", entry.line);
        let rtype = entry.data.first().cloned().unwrap_or_default().to_ascii_uppercase();
        let what = format!("`{}` LUA {rtype}", entry.owner);
        if !matches!(rtype.as_str(), "A" | "AAAA" | "CNAME") {
            draft.left(&place, what, "only A, AAAA and CNAME are read");
            continue;
        }
        if draft.records.iter().any(|record| record.name == entry.owner) {
            let why = "one choice is made for all types of a name here; add its addresses to the \
                       pools";
            draft.left(&place, what, why);
            continue;
        }
        let code = code(&entry);
        let label = first_label(&entry.owner);
        let Some(program) = expression::read(&code) else {
            draft.left(&place, format!("{what} {code}"), "this is more of Lua than is read here");
            continue;
        };
        let before = draft.notes.len();
        let mut maker = Maker { label: &label, place: &place, draft };
        match maker.program(&program) {
            Ok(target) => {
                // What is not the same has been told by now.
                if draft.notes.len() == before {
                    draft.exact(&place, format!("{what}: {code}"));
                }
                draft.records.push(Record {
                    name: entry.owner,
                    target,
                    ttl: entry.ttl.or(ttl).unwrap_or(60).min(604_800),
                    on_all_down: Vec::new(),
                    place,
                });
            }
            Err(why) => draft.left(&place, format!("{what} {code}"), &why),
        }
    }
}

/// A LUA record that can be read.
pub(in crate::cli::import) struct LuaRecord {
    /// With the last dot.
    pub(in crate::cli::import) name: String,
    /// A, AAAA or CNAME.
    pub(in crate::cli::import) rtype: String,
    pub(in crate::cli::import) program: Program,
}

/// The LUA records of a zone file called `name`, as far as they are read.
pub(in crate::cli::import) fn records(name: &str, text: &str) -> Vec<LuaRecord> {
    let mut records = Vec::new();
    masterfile::split(text, &absolute(name), |entry| {
        let rtype = entry.data.first().map(|rtype| rtype.to_ascii_uppercase()).unwrap_or_default();
        if entry.rtype == "LUA" && matches!(rtype.as_str(), "A" | "AAAA" | "CNAME") {
            let program = expression::read(&code(&entry));
            let name = entry.owner;
            records.extend(program.map(|program| LuaRecord { name, rtype, program }));
        }
        false
    });
    records
}

/// What stands in the quotes of an entry, in one.
fn code(entry: &Entry) -> String {
    let mut code = String::new();
    let mut is_quoted = false;
    let mut chars = entry.raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => code.extend(chars.next()),
            // A comment to the end of the line.
            ';' if !is_quoted => while chars.next().is_some_and(|c| c != '\n') {},
            c if is_quoted => code.push(c),
            _ => {}
        }
    }
    code
}

struct Maker<'a> {
    label: &'a str,
    place: &'a str,
    draft: &'a mut Draft,
}

/// Whether all clients of the second place are in the first.
fn covers(first: &str, second: &str) -> bool {
    let net = |place: &str| place.strip_prefix("net:").and_then(|net| net.parse::<IpNet>().ok());
    if let (Some(around), Some(inside)) = (net(first), net(second)) {
        return around.contains(&inside);
    }
    let code = |place: &'_ str, kind: &str| place.strip_prefix(kind).map(str::to_owned);
    match (code(first, "continent:"), code(second, "country:")) {
        (Some(continent), Some(country)) => {
            let found = country.parse().ok().and_then(country::find);
            found.is_some_and(|info| info.continent.to_string().eq_ignore_ascii_case(&continent))
        }
        _ => first.eq_ignore_ascii_case(second),
    }
}

/// Whether a client may be in both, so that what stands first decides there, and here the second,
/// which is more specific.
fn hides(first: &str, second: &str) -> bool {
    let kinds = ["net:", "asn:", "country:", "continent:"];
    let breadth = |place: &str| kinds.iter().position(|kind| place.starts_with(kind));
    let is_country = |place: &str| place.starts_with("country:") || place.starts_with("continent:");
    breadth(first) > breadth(second) && !(is_country(first) && is_country(second))
}

/// Rules for conditions in their order. What an earlier one has already is never reached.
#[derive(Default)]
struct Rules {
    above: Vec<String>,
    rules: Vec<(Vec<String>, Vec<String>)>,
}

impl Rules {
    /// The places of a condition that are still to be had.
    fn left(&self, places: Vec<String>) -> Vec<String> {
        places
            .into_iter()
            .filter(|place| !self.above.iter().any(|one| covers(one, place)))
            .collect()
    }

    fn add(&mut self, places: Vec<String>, target: String, maker: &mut Maker<'_>) {
        if places.iter().any(|place| self.above.iter().any(|one| hides(one, place))) {
            let how = "the most specific place decides here, whatever stands first";
            maker.draft.about(maker.place, format!("`{}`: conditions in turn", maker.label), how);
        }
        self.above.extend(places.iter().cloned());
        self.rules.push((places, vec![target]));
    }
}

impl Maker<'_> {
    fn program(&mut self, program: &Program) -> Result<String, String> {
        let (branches, otherwise) = match program {
            Program::Value(value) => return self.value(value),
            Program::If(branches, otherwise) => (branches, otherwise),
        };
        let mut rules = Rules::default();
        for (condition, done) in branches {
            let places = rules.left(places(condition)?);
            if !places.is_empty() {
                let target = self.program(done)?;
                rules.add(places, target, self);
            }
        }
        let default = match otherwise {
            Some(otherwise) => vec![self.program(otherwise)?],
            None => Vec::new(),
        };
        // A condition looks at the client and not at what is up.
        let kind = Kind::Geo { rules: rules.rules, default, on_down: "fence" };
        Ok(self.draft.choice(self.label, self.place, kind))
    }

    fn value(&mut self, value: &Expression) -> Result<String, String> {
        let Expression::Call(name, arguments) = value else {
            return self.pool(value, None);
        };
        let first = arguments.first().ok_or("it has no arguments")?;
        match (name.as_str(), &arguments[..]) {
            ("all", _) => self.pool(first, None),
            ("pickrandom", _) => self.pool(first, Some("weighted")),
            ("pickhashed" | "pickchashed" | "pickwhashed" | "picknamehashed", _) => {
                let how = "by the client's network and the name, with another hash";
                self.draft.about(self.place, format!("`{}`: {name}", self.label), how);
                self.pool(first, Some("sticky"))
            }
            ("pickwrandom", _) => self.pool(first, Some("weighted")),
            ("pickrandomsample", [count, list]) => {
                let pool = self.pool(list, None)?;
                let count = count.number().unwrap_or(1.0).max(1.0) as u32;
                let how = "members take turns: each comes equally often, and not by chance";
                self.draft.about(self.place, format!("`{}`: {name}", self.label), how);
                self.draft
                    .pools
                    .iter_mut()
                    .filter(|p| p.name == pool)
                    .for_each(|p| p.answers = Some(count));
                Ok(pool)
            }
            ("pickclosest", _) => {
                let why = "where these addresses are is not known here: give each a pool with a \
                           `location`, and a `nearest` policy; until then they take turns";
                self.draft.left(self.place, format!("`{}`: pickclosest", self.label), why);
                self.pool(first, None)
            }
            ("ifportup", [port, list, ..]) => {
                let port = port.number().ok_or("its port is no number")? as i64;
                let keys = vec![("kind", "tcp".into()), ("port", port.into())];
                self.checked(keys, list, arguments.get(2))
            }
            ("ifurlup", [url, list, ..]) => {
                let url = url.text().ok_or("its address is no text")?;
                let keys = url_keys(&url).ok_or_else(|| format!("`{url}` is not read"))?;
                self.checked(keys, list, arguments.get(2))
            }
            ("view", [list]) => {
                let mut rules = Rules::default();
                for pair in list.items() {
                    let [nets, values] = pair.items()[..] else {
                        return Err("its pairs are none".to_owned());
                    };
                    let nets: Vec<String> =
                        nets.items().iter().filter_map(|net| net.text()).collect();
                    let nets = nets.iter().map(|net| format!("net:{net}")).collect();
                    let nets = rules.left(nets);
                    if !nets.is_empty() {
                        let target = self.pool(values, Some("weighted"))?;
                        rules.add(nets, target, self);
                    }
                }
                let kind = Kind::Geo { rules: rules.rules, default: Vec::new(), on_down: "fence" };
                Ok(self.draft.choice(self.label, self.place, kind))
            }
            _ => Err(format!("`{name}` has no counterpart here")),
        }
    }

    /// A pool of a list: `{ 'a', 'b' }`, or with weights `{ { 10, 'a' }, { 20, 'b' } }`.
    fn pool(&mut self, list: &Expression, balance: Option<&'static str>) -> Result<String, String> {
        let mut members: Vec<Member> = Vec::new();
        for item in list.items() {
            let (weight, text) = match item.items()[..] {
                [weight, text] => (weight.number().map(|weight| weight as u32), text.text()),
                [text] => (None, text.text()),
                _ => (None, None),
            };
            let text = text.ok_or("a value of it is no text")?;
            let member = Member { weight, ..Member::of_host(&text) };
            if !members.iter().any(|known| known.data == member.data) {
                members.push(member);
            }
        }
        if members.is_empty() {
            return Err("it has no values".to_owned());
        }
        let pool = Pool {
            name: self.draft.target_name(&format!("{}-pool", self.label)),
            place: self.place.to_owned(),
            balance: balance.filter(|_| members.len() > 1),
            answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
            members,
            ..Pool::default()
        };
        let name = pool.name.clone();
        self.draft.pools.push(pool);
        Ok(name)
    }

    /// Groups of addresses: the first that has one up.
    fn checked(
        &mut self,
        mut keys: Vec<(&'static str, toml::Value)>,
        list: &Expression,
        options: Option<&Expression>,
    ) -> Result<String, String> {
        let option = |name: &str| options.and_then(|options| options.named(name));
        let selector =
            option("selector").and_then(Expression::text).unwrap_or_else(|| "random".to_owned());
        let balance = match selector.as_str() {
            "all" => None,
            "hashed" => Some("sticky"),
            "random" => Some("weighted"),
            other => {
                let why = "one is drawn instead";
                self.draft.left(self.place, format!("`{}`: selector {other}", self.label), why);
                Some("weighted")
            }
        };
        if let Some(body) = option("stringmatch").and_then(Expression::text) {
            let mut expect = toml::Table::new();
            expect.insert("body".to_owned(), body.into());
            expect.insert("status".to_owned(), toml::Value::Array(vec!["200-299".into()]));
            keys.push(("expect", expect.into()));
        }
        let interval = option("interval").and_then(Expression::number).unwrap_or(5.0);
        let timeout = option("timeout").and_then(Expression::number).unwrap_or(2.0);
        let fall = option("minimumFailures").and_then(Expression::number).unwrap_or(1.0);
        keys.push(("interval", format!("{interval}s").into()));
        keys.push(("timeout", format!("{}s", timeout.min(interval)).into()));
        keys.push(("fall", (fall.clamp(1.0, 100.0) as i64).into()));
        keys.push(("rise", 1_i64.into()));
        if let Some(Expression::Table(given)) = options {
            let read = ["selector", "stringmatch", "interval", "timeout", "minimumFailures"];
            for name in given.iter().filter_map(|(name, _)| name.as_ref()) {
                if !read.contains(&name.as_str()) {
                    let what = format!("`{}`: option {name}", self.label);
                    self.draft.left(self.place, what, "has no counterpart here");
                }
            }
        }
        let monitor = self.draft.monitor_name(self.label);
        let place = self.place.to_owned();
        self.draft.monitors.push(Monitor { name: monitor.clone(), place, keys });
        let items = list.items();
        let has_groups = items.iter().any(|item| matches!(item, Expression::Table(_)));
        let groups = if has_groups { items } else { vec![list] };
        let mut targets = Vec::new();
        for group in groups {
            let pool = self.pool(group, balance)?;
            let of_pool = self.draft.pools.iter_mut().filter(|known| known.name == pool);
            of_pool.for_each(|known| known.monitor = Some(monitor.clone()));
            targets.push(pool);
        }
        match &targets[..] {
            [only] => Ok(only.clone()),
            _ => {
                let how = "when nothing is up the first group answers, and not all of them";
                self.draft.about(self.place, format!("`{}`: groups", self.label), how);
                Ok(self.draft.choice(self.label, self.place, Kind::Failover(targets)))
            }
        }
    }
}

/// The keys of a monitor that asks for a URL.
fn url_keys(url: &str) -> Option<Vec<(&'static str, toml::Value)>> {
    let (kind, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => ("https", rest),
        (_, Some(rest)) => ("http", rest),
        _ => return None,
    };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
        None => (host, None),
    };
    let mut keys: Vec<(&'static str, toml::Value)> = vec![("kind", kind.into())];
    keys.extend(port.map(|port| ("port", i64::from(port).into())));
    keys.push(("path", path.into()));
    keys.push(("host", host.into()));
    Some(keys)
}

/// The places of a condition.
fn places(condition: &Expression) -> Result<Vec<String>, String> {
    let Expression::Call(name, arguments) = condition else {
        return Err("a condition of it is not read".to_owned());
    };
    let kind = match name.as_str() {
        "country" => "country",
        "continent" => "continent",
        "asnum" => "asn",
        "netmask" => "net",
        _ => return Err(format!("the condition `{name}` has no counterpart here")),
    };
    let list = arguments.first().ok_or("a condition of it has no argument")?;
    let texts: Option<Vec<String>> = list.items().iter().map(|item| item.text()).collect();
    let texts = texts.ok_or("a condition of it is not read")?;
    Ok(texts.iter().map(|text| format!("{kind}:{text}")).collect())
}
