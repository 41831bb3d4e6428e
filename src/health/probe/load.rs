//! The load on a page: in JSON, in a header, in the statistics of the usual load balancers.

use serde_json::Value;

use super::page::{BODY_LIMIT, Response};
use crate::health::failure::shown;
use crate::health::load::Meter;

/// The load that a page says, 0.0 to 1.0, or why it does not, in words.
pub(super) fn read(meter: &Meter, response: &Response) -> Result<f32, String> {
    meter.level(reading(meter, response)?)
}

fn reading(meter: &Meter, response: &Response) -> Result<f64, String> {
    if !response.is_whole && !matches!(meter, Meter::Header(_)) {
        return Err(format!("a page over {} KiB", BODY_LIMIT / 1024));
    }
    let body = &response.body;
    match meter {
        Meter::Json(pointer) => number_at(&json(body)?, pointer),
        Meter::Header(name) => {
            let value = response.headers.get(name).ok_or_else(|| format!("no header {name}"))?;
            let text = value.to_str().unwrap_or_default().trim();
            text.parse().map_err(|_| {
                format!("header {name} is `{}`, not a number", shown(value.as_bytes()))
            })
        }
        Meter::Formula(pointers, formula) => {
            let document = json(body)?;
            let values: Vec<f64> = pointers
                .iter()
                .map(|pointer| number_at(&document, pointer))
                .collect::<Result<_, _>>()?;
            Ok(formula.value(&values))
        }
        Meter::Haproxy(backend) => haproxy(&text(body), backend),
        Meter::Nginx(connections) => Ok(nginx(&text(body))? / f64::from(*connections)),
        Meter::Envoy(stat, limit) => Ok(envoy(&text(body), stat)? / f64::from(*limit)),
    }
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|e| format!("not JSON ({e})"))
}

fn number_at(document: &Value, pointer: &str) -> Result<f64, String> {
    let found = document.pointer(pointer);
    found.and_then(Value::as_f64).ok_or_else(|| {
        let found = found.map_or("nothing".into(), |v| shown(v.to_string().as_bytes()));
        format!("JSON at `{pointer}`: {found}, wanted a number")
    })
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// From HAProxy's statistics as CSV (its management guide, section 9.1): first a line `# pxname,…`
/// with the names of the columns, then one line for each frontend, server and backend.
///
/// `scur` are the sessions that are served, `qcur` those that wait, `slim` how many may be served:
/// for a server its `maxconn`, for a backend its `fullconn`.
fn haproxy(text: &str, backend: &str) -> Result<f64, String> {
    let mut lines = text.lines();
    let head = lines.next().and_then(|line| line.strip_prefix("# ")).ok_or_else(|| {
        format!("not HAProxy's CSV (does the path end in `;csv`?); it begins `{}`", start(text))
    })?;
    let names: Vec<&str> = head.split(',').collect();
    let column = |name: &str| {
        let at = names.iter().position(|known| *known == name);
        at.ok_or_else(|| format!("HAProxy's CSV has no column `{name}`"))
    };
    let (proxy, service, status) = (column("pxname")?, column("svname")?, column("status")?);
    let (queued, sessions, limit) = (column("qcur")?, column("scur")?, column("slim")?);
    let (mut used, mut limit_of_all, mut waiting) = (None, None, 0.0);
    // The limits of the servers that are up, while each of them has one.
    let mut limit_of_servers = Some(0.0);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let number = |at: usize| field(at).parse::<f64>().ok();
        if field(proxy) != backend || field(service) == "FRONTEND" {
            continue;
        }
        waiting += number(queued).unwrap_or(0.0);
        if field(service) == "BACKEND" {
            used = number(sessions);
            limit_of_all = number(limit);
        } else if field(status).starts_with("UP") || field(status) == "no check" {
            limit_of_servers = limit_of_servers.zip(number(limit)).map(|(sum, one)| sum + one);
        }
    }
    let used = used.ok_or_else(|| format!("HAProxy has no backend `{backend}`"))?;
    let limit = limit_of_servers.filter(|limit| *limit > 0.0).or(limit_of_all);
    match limit {
        Some(limit) if limit > 0.0 => Ok((used + waiting) / limit),
        _ => Err(format!("backend `{backend}` has no limit: give its servers a `maxconn`")),
    }
}

/// The active connections in nginx's `stub_status` (ngx_http_stub_status_module).
fn nginx(text: &str) -> Result<f64, String> {
    let count = text.lines().find_map(|line| line.strip_prefix("Active connections:"));
    count.and_then(|count| count.trim().parse().ok()).ok_or_else(|| {
        format!("no `Active connections` as nginx's stub_status has; it begins `{}`", start(text))
    })
}

/// A counter or gauge in the answer of Envoy's administration interface to `/stats`: lines
/// `name: value`, or with `format=json` an object `{"stats": [{"name": …, "value": …}, …]}`.
fn envoy(text: &str, stat: &str) -> Result<f64, String> {
    let missing =
        || format!("Envoy's statistics have no number `{stat}`; they begin `{}`", start(text));
    if text.trim_start().starts_with('{') {
        let document = json(text.as_bytes())?;
        let stats = document.get("stats").and_then(Value::as_array).ok_or_else(missing)?;
        let is_it = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(stat);
        let entry = stats.iter().find(is_it);
        return entry
            .and_then(|entry| entry.get("value"))
            .and_then(Value::as_f64)
            .ok_or_else(missing);
    }
    let value = text.lines().find_map(|line| line.strip_prefix(stat)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).ok_or_else(missing)
}

fn start(text: &str) -> String {
    shown(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;
    use crate::health::formula::Formula;

    fn page(body: &str) -> Response {
        Response { headers: HeaderMap::new(), body: body.into(), is_whole: true }
    }

    fn loaded(meter: &Meter, body: &str) -> f32 {
        read(meter, &page(body)).unwrap()
    }

    fn unread(meter: &Meter, body: &str) -> String {
        read(meter, &page(body)).unwrap_err()
    }

    #[test]
    fn a_number_in_json() {
        let meter = Meter::Json("/now/load".into());
        assert_eq!(loaded(&meter, r#"{"now":{"load":0.25}}"#), 0.25);
        assert_eq!(loaded(&meter, r#"{"now":{"load":1}}"#), 1.0);
        let text = unread(&meter, r#"{"now":{"load":"high"}}"#);
        assert_eq!(text, "JSON at `/now/load`: \"high\", wanted a number");
        assert_eq!(unread(&meter, "{}"), "JSON at `/now/load`: nothing, wanted a number");
        assert!(unread(&meter, "<html>").starts_with("not JSON"));
        let cut = Response { is_whole: false, ..page(r#"{"now":{"load":0.25}}"#) };
        assert_eq!(read(&meter, &cut).unwrap_err(), "a page over 256 KiB");
    }

    #[test]
    fn a_number_in_a_header() {
        let meter = Meter::Header(HeaderName::from_static("x-load"));
        let mut said = page("");
        said.headers.insert("x-load", HeaderValue::from_static(" 0.5 "));
        assert_eq!(read(&meter, &said), Ok(0.5));
        said.headers.insert("x-load", HeaderValue::from_static("50%"));
        assert_eq!(read(&meter, &said).unwrap_err(), "header x-load is `50%`, not a number");
        assert_eq!(unread(&meter, ""), "no header x-load");
    }

    #[test]
    fn a_formula_over_several_numbers() {
        let names = ["cpu", "memory", "connections"];
        let text = "0.5*cpu + 0.3*memory + 0.2*connections/1000";
        let pointers = ["/cpu", "/mem/used", "/conns"].map(str::to_owned).to_vec();
        let meter = Meter::Formula(pointers, Formula::parse(text, &names).unwrap());
        let load = loaded(&meter, r#"{"cpu":0.4,"mem":{"used":0.5},"conns":500}"#);
        assert!((load - 0.45).abs() < 1e-6, "{load}");
        let percent = unread(&meter, r#"{"cpu":45.2,"mem":{"used":60.1},"conns":120}"#);
        assert!(percent.ends_with("divide a percentage by 100"), "{percent}");
    }

    const COLUMNS: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,status,\n";

    #[test]
    fn sessions_of_a_haproxy_backend_against_what_its_living_servers_may_have() {
        let app = Meter::Haproxy("app".into());
        let csv = |rows: &str| format!("{COLUMNS}web,FRONTEND,,,90,90,2000,100,OPEN,\n{rows}");
        let two = "app,one,0,0,10,10,50,100,UP,\napp,two,0,0,20,20,50,100,UP 1/2,\n";
        assert_eq!(loaded(&app, &csv(&format!("{two}app,BACKEND,0,0,30,30,200,9,UP,\n"))), 0.3);
        let one = "app,one,0,0,10,10,50,100,DOWN,\napp,two,0,0,20,20,50,100,UP,\n";
        let one = csv(&format!("{one}app,BACKEND,5,0,20,30,200,9,UP,\n"));
        assert_eq!(loaded(&app, &one), 0.5, "20 are served and 5 wait where 50 are room for");
        let unlimited = "app,one,0,0,10,10,,100,no check,\napp,BACKEND,0,0,10,30,200,9,UP,\n";
        assert_eq!(loaded(&app, &csv(unlimited)), 0.05, "of the backend's fullconn");
        let crowded = "app,one,30,30,10,10,10,100,UP,\napp,BACKEND,0,0,10,30,200,9,UP,\n";
        assert_eq!(loaded(&app, &csv(crowded)), 1.0, "those that wait are too many");
        assert_eq!(unread(&app, &csv("")), "HAProxy has no backend `app`");
        let page = unread(&app, "<!DOCTYPE html>");
        assert!(page.starts_with("not HAProxy's CSV (does the path end in `;csv`?)"), "{page}");
    }

    #[test]
    fn active_connections_of_nginx() {
        let meter = Meter::Nginx(1000);
        let page = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630948 \
                    31070465 \nReading: 6 Writing: 179 Waiting: 106 \n";
        assert_eq!(loaded(&meter, page), 0.291);
        assert!(unread(&meter, "<html>").contains("stub_status"));
    }

    #[test]
    fn a_statistic_of_envoy_as_text_and_as_json() {
        let meter = Meter::Envoy("cluster.app.upstream_rq_active".into(), 1024);
        let lines = "cluster.app.upstream_rq_active_overflow: 7\n\
                     cluster.app.upstream_rq_active: 512\n";
        assert_eq!(loaded(&meter, lines), 0.5);
        let json = r#"{"stats":[{"name":"cluster.app.upstream_rq_active","value":256},
                       {"histograms":{}}]}"#;
        assert_eq!(loaded(&meter, json), 0.25);
        assert!(unread(&meter, "").contains("no number `cluster.app.upstream_rq_active`"));
        assert!(unread(&meter, r#"{"stats":[]}"#).contains("no number"));
    }

    proptest! {
        #[test]
        fn any_page_gives_a_load_or_a_reason(
            start in prop::sample::select(vec!["", "{\"stats\":[", "Active connections:", COLUMNS]),
            rest in "(app|BACKEND|UP|a:|[0-9]{1,30}|[-,.:# \n{}\"e]){0,40}",
        ) {
            let page = page(&format!("{start}{rest}"));
            for meter in [
                Meter::Json("/load".into()),
                Meter::Haproxy("app".into()),
                Meter::Nginx(1),
                Meter::Envoy("a".into(), 1),
            ] {
                match read(&meter, &page) {
                    Ok(load) => prop_assert!((0.0..=1.0).contains(&load), "{load}"),
                    Err(reason) => prop_assert!(!reason.contains('\n'), "{reason}"),
                }
            }
        }
    }
}
