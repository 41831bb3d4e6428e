//! Monitors and pools of Cloudflare.

use super::{Item, Known};
use crate::cli::import::draft::{Data, Draft, Location, Member, Monitor, Pool};
use crate::cli::import::node::{Fields, Node, Value};

/// Adds a monitor; gives its name, or `None` when there can be none, which is noted.
pub(super) fn monitor(item: &Item<'_>, draft: &mut Draft) -> Option<String> {
    let fields = Fields::new(item.node);
    let kind = fields.text("type").unwrap_or_else(|| "http".to_owned());
    let default_port = match kind.as_str() {
        "http" => 80.0,
        "https" => 443.0,
        "tcp" => 0.0,
        _ => {
            let why = "there is no such monitor here; the pools that name it count as up, always";
            draft.left(&item.place, format!("a monitor of type {kind}"), why);
            return None;
        }
    };
    let port = fields.number("port").filter(|port| *port > 0.0).unwrap_or(default_port);
    let mut keys: Vec<(&'static str, toml::Value)> =
        vec![("kind", kind.as_str().into()), ("port", (port as i64).into())];
    if kind != "tcp" {
        let method = fields.text("method").unwrap_or_else(|| "GET".to_owned());
        if method != "GET" {
            keys.push(("method", method.into()));
        }
        keys.push(("path", fields.text("path").unwrap_or_else(|| "/".to_owned()).into()));
        headers(&fields, &mut keys);
        let mut expect = toml::Table::new();
        let codes = fields.text("expected_codes").unwrap_or_else(|| "200".to_owned());
        expect.insert("status".to_owned(), status(&codes));
        if let Some(body) = fields.text("expected_body") {
            expect.insert("body".to_owned(), body.into());
        }
        keys.push(("expect", expect.into()));
        if fields.is_true("allow_insecure") && kind == "https" {
            keys.push(("verify_tls", false.into()));
        }
        if fields.is_true("follow_redirects") {
            let why = "a redirect is a failure here; name the page it leads to in `path`";
            draft.left(&item.place, "`follow_redirects`", why);
        }
    }
    let interval = fields.number("interval").unwrap_or(60.0);
    let timeout = fields.number("timeout").unwrap_or(5.0);
    let retries = fields.number("retries").unwrap_or(2.0);
    let fall = fields.number("consecutive_down").filter(|n| *n > 0.0).unwrap_or(retries + 1.0);
    let rise = fields.number("consecutive_up").filter(|n| *n > 0.0).unwrap_or(1.0);
    keys.push(("interval", format!("{interval}s").into()));
    keys.push(("timeout", format!("{}s", timeout.min(interval)).into()));
    keys.push(("fall", (fall as i64).into()));
    keys.push(("rise", (rise as i64).into()));
    fields.skip(&["id", "description", "account_id", "created_on", "modified_on"]);
    fields.finish("monitor", why, draft);
    let name = draft.monitor_name(if item.title.is_empty() { "web" } else { &item.title });
    let how = format!(
        "failures in a row count, {fall} of them, where Cloudflare repeats a failed check at once \
         {retries} times"
    );
    draft.about(&item.place, format!("monitor `{name}`"), &how);
    draft.monitors.push(Monitor { name: name.clone(), place: item.place.clone(), keys });
    Some(name)
}

/// Headers of the request: `{ Host = ["a"] }` in the API, blocks in Terraform.
fn headers(fields: &Fields<'_>, keys: &mut Vec<(&'static str, toml::Value)>) {
    let Some(node) = fields.take("header") else { return };
    let mut pairs: Vec<(String, String)> = Vec::new();
    let first = |node: &Node| node.items().first().and_then(Node::text).unwrap_or_default();
    for map in node.items() {
        match (map.get("header").and_then(Node::text), map.get("values")) {
            (Some(name), Some(values)) => pairs.push((name, first(values))),
            _ => pairs
                .extend(map.entries().iter().map(|(name, values)| (name.clone(), first(values)))),
        }
    }
    let mut others = toml::Table::new();
    for (name, value) in pairs {
        if name.eq_ignore_ascii_case("host") {
            keys.push(("host", value.into()));
        } else {
            others.insert(name, value.into());
        }
    }
    if !others.is_empty() {
        keys.push(("headers", others.into()));
    }
}

/// `200`, `2xx`, `200,301`, `200-204`.
fn status(codes: &str) -> toml::Value {
    let code = |code: &str| {
        let code = code.trim();
        match code.strip_suffix("xx").or_else(|| code.strip_suffix("XX")) {
            Some(hundred) => toml::Value::from(format!("{hundred}00-{hundred}99")),
            None => match code.parse::<i64>() {
                Ok(number) => number.into(),
                Err(_) => code.into(),
            },
        }
    };
    toml::Value::Array(codes.split(',').map(code).collect())
}

/// Adds a pool; gives its name, or `None` when it has no member, which is noted.
pub(super) fn pool(
    item: &Item<'_>,
    known: &Known,
    key_of: &dyn Fn(&Node) -> String,
    draft: &mut Draft,
) -> Option<String> {
    let fields = Fields::new(item.node);
    let title = fields.text("name").unwrap_or_else(|| item.title.clone());
    let origins = fields.take("origins").map(Node::items).unwrap_or_default();
    let steering = fields.take_any(&["origin_steering"]).and_then(|node| node.items().first());
    let steering = steering.and_then(|node| node.get("policy")?.text()).unwrap_or_default();
    let members: Vec<Member> =
        origins.iter().filter_map(|origin| member(origin, &item.place, draft)).collect();
    let is_name = |member: &Member| matches!(member.data, Data::Cname(_));
    let has_both = members.iter().any(is_name) && !members.iter().all(is_name);
    let mut members: Vec<Member> =
        members.into_iter().filter(|member| !has_both || !is_name(member)).collect();
    if has_both {
        let why = "names cannot stand beside addresses in one pool; the names are left out";
        draft.left(&item.place, format!("host names in pool `{title}`"), why);
    }
    if members.is_empty() {
        draft.left(&item.place, format!("pool `{title}`"), "it has no origin that is enabled");
        return None;
    }
    let monitor = fields.take("monitor").and_then(|node| {
        let found = known.monitors.get(&key_of(node)).cloned();
        if found.is_none() {
            let what = format!("the monitor {} of pool `{title}`", node.shown());
            draft.left(&item.place, what, "it is in no file; the pool counts as up, always");
        }
        found
    });
    let degrees = |key| fields.number(key);
    let location = match (degrees("latitude"), degrees("longitude")) {
        (Some(latitude), Some(longitude)) => Some(Location::Point { latitude, longitude }),
        _ => None,
    };
    // A proxy sends each request to one origin.
    let balance = match steering.as_str() {
        "hash" => {
            let how = "by the client's network and not its address";
            draft.about(&item.place, format!("`origin_steering` hash of pool `{title}`"), how);
            Some("sticky")
        }
        "least_outstanding_requests" | "least_connections" => {
            let how = "a DNS server does not see connections: drawn by weight";
            draft.about(
                &item.place,
                format!("`origin_steering` {steering} of pool `{title}`"),
                how,
            );
            Some("weighted")
        }
        _ if members.len() > 1 && members.iter().any(|member| member.weight.is_some()) => {
            Some("weighted")
        }
        _ => None,
    };
    if balance.is_none() {
        members.iter_mut().for_each(|member| member.weight = None);
    }
    let needed = fields.number("minimum_origins").unwrap_or(1.0) as u32;
    let is_off = fields.take("enabled").is_some_and(|node| !node.is_true());
    fields.skip(&[
        "id",
        "description",
        "account_id",
        "created_on",
        "modified_on",
        "healthy",
        "networks",
    ]);
    fields.skip(&["disabled_at", "check_regions_default", "notification_filter"]);
    fields.finish(&format!("pool `{title}`"), why, draft);
    let name = draft.target_name(&title);
    let count = members.len();
    draft.exact(&item.place, format!("pool `{name}` with {count} of {} origins", origins.len()));
    draft.pools.push(Pool {
        name: name.clone(),
        place: item.place.clone(),
        monitor,
        location,
        answers: u32::try_from(count).ok().filter(|count| *count > 8),
        members,
        balance,
        min_healthy: Some(needed).filter(|needed| (2..=count as u32).contains(needed)),
        state: is_off.then_some("down"),
    });
    Some(name)
}

fn member(origin: &Node, place: &str, draft: &mut Draft) -> Option<Member> {
    let fields = Fields::new(origin);
    let title = fields.text("name").unwrap_or_default();
    let address = fields.take("address")?;
    let Value::Text(address) = &address.value else {
        let what = format!("the origin `{title}` with the address {}", address.shown());
        draft.left(place, what, "no file holds the value; give it with --set");
        return None;
    };
    if fields.take("enabled").is_some_and(|node| !node.is_true()) {
        draft.exact(place, format!("the origin `{title}` is switched off, and is left out"));
        return None;
    }
    let mut member = Member::of_host(address);
    if let Some(weight) = fields.number("weight").filter(|weight| *weight < 1.0) {
        // Shares from 0 to 1 in hundredths.
        member.weight = Some((weight * 100.0).round().max(0.0) as u32);
    } else if fields.take("weight").is_some() {
        member.weight = Some(100);
    }
    member.port = fields.number("port").filter(|port| *port > 0.0).map(|port| port as u16);
    fields.skip(&["disabled_at", "healthy", "failure_reason"]);
    fields.finish(&format!("origin `{title}`"), why, draft);
    Some(member)
}

/// Why a key has no counterpart.
fn why(key: &str) -> &'static str {
    match key {
        "check_regions" => "this server asks itself, from where it stands",
        "probe_zone" => "checks of zones with Cloudflare's own settings are not known here",
        "load_shedding" => {
            "`capacity` with `load` of a monitor, or `meridian ctl drain`, do the like"
        }
        "notification_email" => "the log and metrics tell of failures; let your alerting read them",
        "header" | "virtual_network_id" => "the client connects itself, with the name it asked for",
        _ => "",
    }
}
