//! Who is told of what happens: `[[webhook]]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::diagnostic::Diagnostic;
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::Spanned;
use super::spec::webhook::WebhookSpec;

pub use super::spec::webhook::Topic;

/// An HTTP server that is told of what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// No other one has this name.
    pub name: String,
    /// Of http or https, with a host and without a user.
    pub url: Url,
    /// What it is told of: one topic at least.
    pub on: Vec<Topic>,
    /// The file with the token it is shown.
    pub token_file: Option<Located<PathBuf>>,
    /// The file with the secret that bodies are signed with.
    pub secret_file: Option<Located<PathBuf>>,
    /// The file with certificate authorities beside those of the system; only with https.
    pub ca: Option<Located<PathBuf>>,
    /// How long one attempt may take: 100 ms to a minute.
    pub timeout: Duration,
}

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

impl Webhook {
    /// All of them; what cannot be used is reported and left out.
    pub(super) fn resolve_all(
        specs: Vec<Spanned<WebhookSpec>>,
        reader: &mut Reader<'_>,
    ) -> Vec<Webhook> {
        let mut hooks: Vec<(Span, Webhook)> = Vec::new();
        for Spanned { value: spec, .. } in specs {
            let place = spec.name.as_ref().map_or(&spec.url.range, |name| &name.range);
            let place = reader.span(place);
            let Some(hook) = Webhook::resolve(spec, reader) else { continue };
            if let Some((first, _)) = hooks.iter().find(|(_, known)| known.name == hook.name) {
                let message = format!("the webhook `{}` is defined twice", hook.name);
                let d = Diagnostic::error("duplicate-name", message).at(&place, "again here");
                let help = "give one of them another `name`; by default it is the address's host";
                reader.found.push(d.and(first, "first here").help(help));
                continue;
            }
            hooks.push((place, hook));
        }
        hooks.into_iter().map(|(_, hook)| hook).collect()
    }

    fn resolve(spec: WebhookSpec, reader: &mut Reader<'_>) -> Option<Webhook> {
        let url = url(&spec.url, reader);
        let file = |path: &Spanned<String>, reader: &Reader<'_>| Located {
            value: reader.path(&path.value),
            span: reader.span(&path.range),
        };
        let token_file = spec.token_file.as_ref().map(|path| file(path, reader));
        let secret_file = spec.secret_file.as_ref().map(|path| file(path, reader));
        let ca = spec.ca.as_ref().map(|path| file(path, reader));
        let ten = Duration::from_secs(10);
        let timeout = reader.duration("timeout", spec.timeout.as_ref(), TIMEOUT, ten);
        let on = match &spec.on {
            None => Topic::ALL.to_vec(),
            Some(topics) => topics.value.iter().map(|topic| topic.value).collect(),
        };
        if let (Some(topics), []) = (&spec.on, &on[..]) {
            let help = "name what it is to be told of, or leave the key out for everything";
            reader.invalid(&topics.range, "this webhook is told of nothing", help);
        }
        let url = url?;
        if let Some(ca) = spec.ca.as_ref().filter(|_| url.scheme() == "http") {
            reader.invalid(&ca.range, "`ca` has no meaning for http", "use https, or remove it");
        }
        if let Some(token) = token_file.as_ref().filter(|_| is_overheard(&url)) {
            let d = Diagnostic::lint("clear-text-token", "the token is sent in clear text");
            let d = d.at(&reader.span(&spec.url.range), "not https").and(&token.span, "this one");
            reader.found.push(d.help("use https, or sign with `secret_file` instead"));
        }
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let name = match spec.name {
            Some(Spanned { value, range }) if value.trim().is_empty() => {
                reader.invalid(&range, "a webhook cannot have an empty name", "");
                return None;
            }
            Some(name) => name.value,
            None => host,
        };
        Some(Webhook { name, url, on, token_file, secret_file, ca, timeout })
    }
}

fn url(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Url> {
    let url = match text.value.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        _ => {
            let help = "write it like \"https://hooks.example.net/meridian\"";
            reader.invalid(&text.range, "this is no address of an HTTP server", help);
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let help = "put a token into a file and name it with `token_file`";
        reader.invalid(&text.range, "an address with a user in it", help);
        return None;
    }
    Some(url)
}

/// Whether others can read what is sent there.
fn is_overheard(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "http" && !is_here
}
