//! `load` of a monitor: where a member says how busy it is.

use super::monitor::{header_name, path, port_number};
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::load::LoadSpec;
use super::spec::{Entries, Spanned, StringOr};

/// Where a member says how busy it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Where it is written.
    pub span: Span,
    /// Path and query of the page, when it is not the one that is checked.
    pub path: Option<String>,
    /// The page's port, when it is not the one that is checked; only with a path.
    pub port: Option<u16>,
    /// Whether the page is asked in clear text although the check is made over TLS.
    pub is_clear: bool,
    /// How the number is read.
    pub meter: Meter,
}

/// How a load is read from a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Meter {
    /// A number at a JSON Pointer.
    Json(String),
    /// A number in a header.
    Header(String),
    /// A formula over numbers at JSON Pointers, by name.
    Formula {
        /// Names, and where the numbers are.
        values: Vec<(Located<String>, String)>,
        /// The formula; not yet read.
        formula: Located<String>,
    },
    /// A backend in HAProxy's statistics.
    Haproxy(String),
    /// So many connections of nginx are a load of 1.0.
    Nginx(u32),
    /// So much of a statistic of Envoy's is a load of 1.0.
    Envoy(String, u32),
}

const SOURCES: &str = "give exactly one of `json`, `header`, `haproxy`, `nginx` and `envoy`";

impl Load {
    pub(super) fn resolve(
        spec: Spanned<LoadSpec>,
        https: bool,
        has_body: bool,
        reader: &mut Reader<'_>,
    ) -> Option<Load> {
        let Spanned { value: spec, range } = spec;
        let sources = [
            ("json", spec.json.as_ref().map(|json| &json.range)),
            ("header", spec.header.as_ref().map(|header| &header.range)),
            ("haproxy", spec.haproxy.as_ref().map(|path| &path.range)),
            ("nginx", spec.nginx.as_ref().map(|path| &path.range)),
            ("envoy", spec.envoy.as_ref().map(|path| &path.range)),
        ];
        let mut given = sources.iter().filter_map(|(key, range)| Some((*key, range.cloned()?)));
        let Some((source, _)) = given.next() else {
            reader.invalid(&range, "`load` says nothing of where it is read", SOURCES);
            return None;
        };
        if let Some((other, range)) = given.next() {
            let message = format!("`load` has both `{source}` and `{other}`");
            reader.invalid(&range, message, SOURCES);
            return None;
        }
        let page = spec.haproxy.as_ref().or(spec.nginx.as_ref()).or(spec.envoy.as_ref());
        let page = page.or(spec.path.as_ref());
        belongs(&spec, source, page.is_some(), reader);
        if source == "json" && page.is_none() && !has_body {
            let help = "give the load a `path` of its own, or check with GET";
            reader.invalid(&range, "the answer to HEAD has no body to read a load from", help);
        }
        if let Some(tls) = spec.tls.as_ref().filter(|tls| tls.value && !https) {
            let help = "remove it, or use kind = \"https\"";
            reader.invalid(&tls.range, "the load cannot be asked over TLS by kind `http`", help);
        }
        let path = page.map(|page| path(Some(page), reader));
        let is_clear = spec.tls.as_ref().is_some_and(|tls| !tls.value);
        let port = port_number(spec.port.as_ref(), reader);
        let meter = meter(spec, source, &range, reader)?;
        Some(Load { span: reader.span(&range), path, port, is_clear, meter })
    }
}

/// Reports keys that mean nothing beside this source.
fn belongs(spec: &LoadSpec, source: &str, has_page: bool, reader: &mut Reader<'_>) {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.range.clone());
    let number = |value: &Option<Spanned<i64>>| value.as_ref().map(|value| value.range.clone());
    let own_page = "`path` or one of `haproxy`, `nginx` and `envoy`";
    let keys = [
        ("formula", text(&spec.formula), source == "json", "`json`"),
        ("backend", text(&spec.backend), source == "haproxy", "`haproxy`"),
        ("connections", number(&spec.connections), source == "nginx", "`nginx`"),
        ("stat", text(&spec.stat), source == "envoy", "`envoy`"),
        ("limit", number(&spec.limit), source == "envoy", "`envoy`"),
        ("path", text(&spec.path), matches!(source, "json" | "header"), "`json` and `header`"),
        ("port", number(&spec.port), has_page, own_page),
        ("tls", spec.tls.as_ref().map(|tls| tls.range.clone()), has_page, own_page),
    ];
    for (key, range, fits, home) in keys {
        if let (Some(range), false) = (range, fits) {
            reader.invalid(&range, format!("`{key}` belongs to {home}"), "remove it");
        }
    }
}

fn meter(
    spec: LoadSpec,
    source: &str,
    range: &std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<Meter> {
    let mut missing = |key: &str| {
        let message = format!("`{source}` needs `{key}`");
        reader.invalid(range, message, &format!("add `{key}`"));
    };
    match source {
        "haproxy" if spec.backend.is_none() => missing("backend"),
        "nginx" if spec.connections.is_none() => missing("connections"),
        "envoy" if spec.stat.is_none() => missing("stat"),
        "envoy" if spec.limit.is_none() => missing("limit"),
        _ => {}
    }
    let mut count = |key: &str, value: Option<Spanned<i64>>| {
        let most = i64::from(u32::MAX);
        u32::try_from(reader.integer(key, Some(&value?), 1..=most, 1)).ok()
    };
    match source {
        "haproxy" => return Some(Meter::Haproxy(spec.backend?.value)),
        "nginx" => return Some(Meter::Nginx(count("connections", spec.connections)?)),
        "envoy" => return Some(Meter::Envoy(spec.stat?.value, count("limit", spec.limit)?)),
        _ => {}
    }
    if let Some(header) = spec.header {
        header_name(&header, reader);
        return Some(Meter::Header(header.value));
    }
    let Spanned { value: json, range } = spec.json?;
    match (json, spec.formula) {
        (StringOr::String(text), None) => {
            let pointer = Spanned { value: text, range };
            reader.json_pointer(&pointer);
            Some(Meter::Json(pointer.value))
        }
        (StringOr::Table(Entries(entries)), Some(formula)) => {
            let mut values = Vec::new();
            for (name, pointer) in entries {
                reader.json_pointer(&pointer);
                let span = reader.span(&name.range);
                values.push((Located { value: name.value, span }, pointer.value));
            }
            let span = reader.span(&formula.range);
            Some(Meter::Formula { values, formula: Located { value: formula.value, span } })
        }
        (StringOr::Table(_), None) => {
            let help = "add `formula`, such as \"0.5*cpu + 0.5*memory\"";
            reader.invalid(&range, "several numbers need a formula", help);
            None
        }
        (StringOr::String(_), Some(formula)) => {
            let help = "write json = { cpu = \"/cpu\" } and use `cpu` in the formula";
            reader.invalid(&formula.range, "a formula needs numbers with names", help);
            None
        }
    }
}
