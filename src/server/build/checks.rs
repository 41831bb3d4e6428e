//! Monitors and members to checks: one for each distinct address, port and monitor.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config, Located, MemberData, MonitorKind};
use crate::health::{
    Authorities, Check, CheckId, Credentials, CredentialsError, Damping, Exchange, Expect, Expiry,
    HeaderMatch, Http2, Kind, Monitor, Pattern, Request, Rules, StatusRange, Target, Thresholds,
    Trust, Warn,
};

/// All checks, and which check watches which member.
#[derive(Debug)]
pub(super) struct Checks {
    /// The index is the [`CheckId`].
    pub(super) list: Vec<Check>,
    /// By pool and member; members that are not checked are not in it.
    pub(super) of_member: HashMap<(usize, usize), CheckId>,
}

/// The monitors, in the order of the configuration. `None` when there are mistakes; they are in
/// `found`.
pub(super) fn monitors(config: &Config, found: &mut Vec<Diagnostic>) -> Option<Vec<Arc<Monitor>>> {
    let mut monitors = Vec::with_capacity(config.monitors.len());
    let mut complete = true;
    for monitor in &config.monitors {
        match self::monitor(monitor) {
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
/// `found`.
pub(super) fn build(
    pools: &[config::Pool],
    monitors: &[Arc<Monitor>],
    found: &mut Vec<Diagnostic>,
) -> Option<Checks> {
    let mut complete = true;
    let mut checks = Checks { list: Vec::new(), of_member: HashMap::new() };
    let mut known: HashMap<(Target, usize), CheckId> = HashMap::new();
    for (pool_index, pool) in pools.iter().enumerate() {
        let Some(monitor) = pool.monitor else {
            continue;
        };
        for (member_index, member) in pool.members.iter().enumerate() {
            let Some(port) = member.check_port else {
                continue;
            };
            let target = match (&member.data, member.check, &member.host) {
                (MemberData::Rdata(_), ..) => continue,
                // Its addresses are not known yet; that there is a target to be is.
                (MemberData::Host(name), ..) => match Target::new(&name.to_string(), port) {
                    Ok(_) => continue,
                    Err(error) => Err(error),
                },
                (_, Some(elsewhere), _) => Target::new(&elsewhere.ip().to_string(), port),
                (MemberData::Address(address), None, Some(name)) => {
                    Target::placed(&name.to_string(), *address, port)
                }
                (MemberData::Address(address), None, None) => {
                    Target::new(&address.to_string(), port)
                }
                (MemberData::Cname(name), None, _) => Target::new(&name.to_string(), port),
            };
            let target = match target {
                Ok(target) => target,
                Err(error) => {
                    let message = format!("a member cannot be checked: {error}");
                    found.push(Diagnostic::error("bad-target", message).at(&member.span, ""));
                    complete = false;
                    continue;
                }
            };
            let check = *known.entry((target.clone(), monitor)).or_insert_with(|| {
                checks.list.push(Check { target, monitor: monitors[monitor].clone() });
                CheckId(checks.list.len() as u32 - 1)
            });
            checks.of_member.insert((pool_index, member_index), check);
        }
    }
    complete.then_some(checks)
}

fn monitor(monitor: &config::Monitor) -> Result<Monitor, Box<Diagnostic>> {
    let bad = |what: String| Box::new(Diagnostic::error("bad-monitor", what).at(&monitor.span, ""));
    let mut timeout = monitor.timeout;
    let mut load = None;
    let kind = match &monitor.kind {
        MonitorKind::Tcp(tcp) => {
            // To connect is all that such a check waits for: its latency bound is its timeout.
            timeout = tcp.latency.unwrap_or(timeout);
            Kind::Tcp
        }
        MonitorKind::Http(http) => {
            let headers = http.headers.iter().map(|(name, value)| (&**name, &**value));
            let mut request = Request::new(&http.method, &http.path, http.host.as_deref(), headers)
                .map_err(|error| bad(error.to_string()))?
                .with_http2(match http.http2 {
                    None => Http2::Auto,
                    Some(true) => Http2::Always,
                    Some(false) => Http2::Never,
                })
                .with_body(http.send.as_deref().unwrap_or_default());
            if let Some(client) = http.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
                request = request.with_credentials(credentials(client)?);
            }
            let mut expect = Expect {
                status: http
                    .expect
                    .status
                    .iter()
                    .map(|range| format!("{}-{}", range.start(), range.end()).parse())
                    .collect::<Result<Vec<StatusRange>, _>>()
                    .map_err(|error| bad(error.to_string()))?,
                body: http.expect.body.clone(),
                body_regex: http.expect.body_regex.as_ref().map(pattern).transpose()?,
                json: http.expect.json.clone(),
                latency: http.expect.latency,
                expiry: http
                    .expect
                    .expiry
                    .map(|config::Expiry { days, is_failure }| Expiry { days, is_failure }),
                ..Expect::default()
            };
            for (name, wanted) in &http.expect.header {
                let wanted = match wanted {
                    config::HeaderMatch::Is(value) => HeaderMatch::Is(value.clone()),
                    config::HeaderMatch::Regex(text) => HeaderMatch::Matches(pattern(text)?),
                    config::HeaderMatch::Present(true) => HeaderMatch::Present,
                    config::HeaderMatch::Present(false) => HeaderMatch::Absent,
                };
                expect = expect.with_header(name, wanted).map_err(|e| bad(e.to_string()))?;
            }
            load = http.load.as_ref().map(super::load::load).transpose()?;
            let exchange = Exchange { request, expect };
            match &http.tls {
                None => Kind::Http(exchange),
                Some(tls) => Kind::Https(exchange, trust(tls)?),
            }
        }
    };
    let count = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Ok(Monitor {
        name: monitor.name.clone(),
        kind,
        interval: monitor.interval,
        timeout,
        thresholds: Thresholds { fall: count(monitor.fall), rise: count(monitor.rise) },
        load,
        rules: rules(monitor),
    })
}

fn pattern(text: &Located<String>) -> Result<Pattern, Box<Diagnostic>> {
    Pattern::parse(&text.value).map_err(|error| {
        Box::new(Diagnostic::error("bad-regex", error.to_string()).at(&text.span, ""))
    })
}

fn credentials(client: &config::ClientCertificate) -> Result<Credentials, Box<Diagnostic>> {
    let read = |file: &Located<PathBuf>| {
        fs::read(&file.value)
            .map_err(|e| Box::new(Diagnostic::unreadable(&file.value, &e).at(&file.span, "")))
    };
    let config::ClientCertificate { certificate, key } = client;
    Credentials::from_pem(&read(certificate)?, &read(key)?).map_err(|error| {
        let file = match error {
            CredentialsError::Certificate(_) => certificate,
            CredentialsError::Key(_) | CredentialsError::Unlike => key,
        };
        let message = format!("{}: {error}", super::shown(&file.value));
        Box::new(Diagnostic::error("bad-client-certificate", message).at(&file.span, ""))
    })
}

fn rules(monitor: &config::Monitor) -> Rules {
    Rules {
        backoff: monitor.backoff.as_ref().map(|backoff| backoff.value),
        damping: monitor.damping.as_ref().map(|damping| Damping {
            half_life: damping.half_life,
            suppress: damping.suppress,
            reuse: damping.reuse,
            max_hold: damping.max_hold,
        }),
        manual_resume: monitor.manual_resume,
        warn: monitor
            .warn
            .as_ref()
            .map(|warn| Warn { latency: warn.latency.value, weight: warn.weight }),
    }
}

fn trust(tls: &config::Tls) -> Result<Trust, Box<Diagnostic>> {
    if !tls.verify {
        return Ok(Trust::Anyone);
    }
    let Some(ca) = &tls.ca else {
        return Ok(Trust::default());
    };
    let pem = fs::read(&ca.value)
        .map_err(|error| Box::new(Diagnostic::unreadable(&ca.value, &error).at(&ca.span, "")))?;
    Authorities::from_pem(&pem).map(Trust::Authorities).map_err(|error| {
        let message = format!("{}: {error}", super::shown(&ca.value));
        let d = Diagnostic::error("bad-authority", message).at(&ca.span, "");
        Box::new(d.help("give a PEM file of certificate authorities"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Memory;

    #[test]
    fn a_latency_bound_of_a_tcp_check_bounds_its_connection() {
        let files = Memory::from_iter([
            ("m.toml", "[server]\nzones = []\npolicies = [\"p.toml\"]\n"),
            (
                "p.toml",
                "[monitor.m]\nkind = \"tcp\"\nport = 80\nexpect = { latency = \"300ms\" }\n",
            ),
        ]);
        let config = config::read(&files, "m.toml".as_ref()).expect("the files are right").config;
        let built = monitor(&config.monitors[0]).expect("it builds");
        assert_eq!(built.timeout, Duration::from_millis(300));
    }

    #[test]
    fn damping_that_is_switched_on_has_the_defaults_of_the_checks() {
        let files = Memory::from_iter([
            ("m.toml", "[server]\nzones = []\npolicies = [\"p.toml\"]\n"),
            ("p.toml", "[monitor.m]\nkind = \"tcp\"\nport = 80\ndamping = true\n"),
        ]);
        let config = config::read(&files, "m.toml".as_ref()).expect("the files are right").config;
        let built = monitor(&config.monitors[0]).expect("it builds");
        let expected = Rules { damping: Some(Damping::default()), ..Rules::default() };
        assert_eq!(built.rules, expected);
    }
}
