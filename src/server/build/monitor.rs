//! One monitor of the configuration to one of health.

use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::config::diagnostic::Diagnostic;
use crate::config::source::Located;
use crate::config::{self, MonitorKind, suggest};
use crate::health::{
    Authorities, Call, Called, Composite, Credentials, CredentialsError, Damping, Data, Exchange,
    Expect, Expiry, Handshake, HeaderMatch, Http2, Kind, Monitor, Pattern, Program, Question,
    Request, Rules, Security, StatusRange, Talk, Thresholds, Trust, Warn,
};
use crate::server::build::Origin;
use crate::wire::types::Rcode;
use crate::wire::{Name, Type};
use crate::zone::rdata;

/// The monitor; a composite still without its parts, which are not the same for every member.
pub(super) fn monitor(
    monitor: &config::Monitor,
    origin: Origin<'_>,
) -> Result<Monitor, Box<Diagnostic>> {
    let bad = |what: String| Box::new(Diagnostic::error("bad-monitor", what).at(&monitor.span, ""));
    let called = |host: &Option<String>| {
        Called::new(host.as_deref()).map_err(|error| bad(error.to_string()))
    };
    // To connect, or to hear one answer, is all that most checks wait for: their latency bound is
    // their timeout.
    let mut latency = None;
    let mut load = None;
    let kind = match &monitor.kind {
        MonitorKind::Tcp(tcp) => {
            latency = tcp.latency;
            match (&*tcp.send, &tcp.answer) {
                ([], None) => Kind::Tcp,
                (send, answer) => Kind::Talk(Talk {
                    send: send.to_vec(),
                    answer: answer.clone().unwrap_or_default(),
                }),
            }
        }
        MonitorKind::Tls(config::Handshake { tls, host, latency: bound }) => {
            latency = *bound;
            Kind::Tls(Handshake { called: called(host)?, security: security(tls, origin)? })
        }
        MonitorKind::Dns(dns) => {
            latency = dns.latency;
            Kind::Dns(Box::new(question(dns)?))
        }
        MonitorKind::Grpc(grpc) => {
            latency = grpc.latency;
            Kind::Grpc(Call {
                called: called(&grpc.host)?,
                security: grpc.tls.as_ref().map(|tls| security(tls, origin)).transpose()?,
                service: grpc.service.clone(),
            })
        }
        MonitorKind::Exec(exec) => Kind::Exec(program(exec, origin)?),
        MonitorKind::Push => Kind::Push,
        MonitorKind::Composite(composite) => {
            Kind::Composite(Composite { needed: composite.needed, parts: Vec::new() })
        }
        MonitorKind::Http(http) => {
            load = http.load.as_ref().map(super::load::load).transpose()?;
            let exchange = exchange(http, origin, bad)?;
            match &http.tls {
                None => Kind::Http(exchange),
                Some(tls) => Kind::Https(exchange, trust(tls, origin)?),
            }
        }
    };
    let count = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Ok(Monitor {
        name: monitor.name.clone(),
        kind,
        interval: monitor.interval,
        timeout: latency.unwrap_or(monitor.timeout),
        thresholds: Thresholds { fall: count(monitor.fall), rise: count(monitor.rise) },
        load,
        rules: rules(monitor),
    })
}

/// A request over HTTP and what must come back; `bad` makes mistakes of what HTTP does not allow.
fn exchange(
    http: &config::Http,
    origin: Origin<'_>,
    bad: impl Fn(String) -> Box<Diagnostic>,
) -> Result<Exchange, Box<Diagnostic>> {
    let headers = http.headers.iter().map(|(name, value)| (&**name, &**value));
    let mut request = Request::new(&http.method, &http.path, http.host.as_deref(), headers)
        .map_err(|error| bad(error.to_string()))?
        .with_http2(match http.http2 {
            None => Http2::Auto,
            Some(true) => Http2::Always,
            Some(false) => Http2::Never,
        })
        .with_body(http.send.as_deref().unwrap_or_default());
    if let Some(tls) = &http.tls
        && let Some(credentials) = credentials(tls, origin)?
    {
        request = request.with_credentials(credentials);
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
        expiry: http.tls.as_ref().and_then(expiry),
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
    Ok(Exchange { request, expect })
}

fn pattern(text: &Located<String>) -> Result<Pattern, Box<Diagnostic>> {
    Pattern::parse(&text.value).map_err(|error| {
        Box::new(Diagnostic::error("bad-regex", error.to_string()).at(&text.span, ""))
    })
}

/// What is shown to a target that asks who this server is, if it is known here.
fn credentials(
    tls: &config::Tls,
    origin: Origin<'_>,
) -> Result<Option<Credentials>, Box<Diagnostic>> {
    let (Some(client), false) = (&tls.client, origin.is_elsewhere()) else { return Ok(None) };
    let read = |file: &Located<PathBuf>| {
        fs::read(&file.value)
            .map_err(|e| Box::new(Diagnostic::unreadable(&file.value, &e).at(&file.span, "")))
    };
    let config::ClientCertificate { certificate, key } = client;
    let credentials = Credentials::from_pem(&read(certificate)?, &read(key)?).map_err(|error| {
        let file = match error {
            CredentialsError::Certificate(_) => certificate,
            CredentialsError::Key(_) | CredentialsError::Unlike => key,
        };
        let message = format!("{}: {error}", super::shown(&file.value));
        Box::new(Diagnostic::error("bad-client-certificate", message).at(&file.span, ""))
    });
    credentials.map(Some)
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
        warn: monitor.warn.as_ref().map(|warn| Warn {
            latency: warn.latency.as_ref().map(|latency| latency.value),
            load: warn.load.as_ref().map(|load| load.value as f32),
            weight: warn.weight,
        }),
    }
}

fn security(tls: &config::Tls, origin: Origin<'_>) -> Result<Security, Box<Diagnostic>> {
    Ok(Security {
        trust: trust(tls, origin)?,
        expiry: expiry(tls),
        credentials: credentials(tls, origin)?,
    })
}

fn expiry(tls: &config::Tls) -> Option<Expiry> {
    tls.expiry.map(|config::Expiry { days, is_failure }| Expiry { days, is_failure })
}

fn trust(tls: &config::Tls, origin: Origin<'_>) -> Result<Trust, Box<Diagnostic>> {
    if !tls.verify {
        return Ok(Trust::Anyone);
    }
    match tls.ca.as_ref().filter(|_| !origin.is_elsewhere()) {
        Some(ca) => authorities(ca).map(Trust::Authorities),
        None => Ok(Trust::default()),
    }
}

/// The certificate authorities of a file.
pub(super) fn authorities(ca: &Located<PathBuf>) -> Result<Authorities, Box<Diagnostic>> {
    let pem = fs::read(&ca.value)
        .map_err(|error| Box::new(Diagnostic::unreadable(&ca.value, &error).at(&ca.span, "")))?;
    Authorities::from_pem(&pem).map_err(|error| {
        let message = format!("{}: {error}", super::shown(&ca.value));
        let d = Diagnostic::error("bad-authority", message).at(&ca.span, "");
        Box::new(d.help("give a PEM file of certificate authorities"))
    })
}

/// What is asked, with type, code and data read.
fn question(dns: &config::Dns) -> Result<Question, Box<Diagnostic>> {
    let refuse = |message: String, at: &Located<String>| {
        Box::new(Diagnostic::error("invalid-value", message).at(&at.span, ""))
    };
    let rtype: Type =
        dns.rtype.value.parse().map_err(|error| refuse(format!("{error}"), &dns.rtype))?;
    if matches!(rtype, Type::AXFR | Type::IXFR | Type::OPT | Type::TSIG | Type::TKEY) {
        return Err(refuse(format!("{rtype} is not asked for in a check"), &dns.rtype));
    }
    let rcode = match &dns.rcode {
        None => Rcode::NOERROR,
        Some(word) => word.value.parse().map_err(|error| {
            let near = suggest::nearest(&word.value.to_ascii_uppercase(), Rcode::MNEMONICS);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use {}", suggest::any_of(Rcode::MNEMONICS)),
            };
            Box::new(refuse(format!("{error}"), word).help(help))
        })?,
    };
    let mut answer = Vec::with_capacity(dns.answer.len());
    for text in &dns.answer {
        if rcode != Rcode::NOERROR {
            let message = format!("{rcode} comes without an answer");
            return Err(Box::new(refuse(message, text).help("remove `answer`, or `rcode`")));
        }
        let octets = rdata::parse_text(rtype, &text.value, &Name::root())
            .map_err(|error| refuse(format!("`{}`: {error}", text.value), text))?;
        let data = Data::new(rtype, &octets)
            .map_err(|error| refuse(format!("`{}`: {error}", text.value), text))?;
        answer.push(data);
    }
    Ok(Question { name: dns.query.clone(), rtype, rcode, answer })
}

/// A program that is there; elsewhere the one that is written.
fn program(exec: &config::Exec, origin: Origin<'_>) -> Result<Program, Box<Diagnostic>> {
    let Located { value: path, span } = &exec.program;
    if origin.is_elsewhere() {
        return Ok(Program { path: span.text().into(), arguments: exec.arguments.clone() });
    }
    let found = fs::metadata(path)
        .map_err(|error| Box::new(Diagnostic::unreadable(path, &error).at(span, "")))?;
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        let message = format!("{} is not a program", super::shown(path));
        let d = Diagnostic::error("bad-monitor", message).at(span, "");
        return Err(Box::new(d.help("give the path of an executable file (chmod +x)")));
    }
    // Looked for in PATH if it had no slash.
    let path = fs::canonicalize(path)
        .map_err(|error| Box::new(Diagnostic::unreadable(path, &error).at(span, "")))?;
    Ok(Program { path, arguments: exec.arguments.clone() })
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
        let built = monitor(&config.monitors[0], Origin::Disk).expect("it builds");
        assert_eq!(built.timeout, Duration::from_millis(300));
    }

    #[test]
    fn damping_that_is_switched_on_has_the_defaults_of_the_checks() {
        let files = Memory::from_iter([
            ("m.toml", "[server]\nzones = []\npolicies = [\"p.toml\"]\n"),
            ("p.toml", "[monitor.m]\nkind = \"tcp\"\nport = 80\ndamping = true\n"),
        ]);
        let config = config::read(&files, "m.toml".as_ref()).expect("the files are right").config;
        let built = monitor(&config.monitors[0], Origin::Disk).expect("it builds");
        let expected = Rules { damping: Some(Damping::default()), ..Rules::default() };
        assert_eq!(built.rules, expected);
    }
}
