//! Who is told of what happens.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Config;
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Located;
use crate::config::webhook::{Topic, Webhook};
use crate::health;
use crate::server::build::{Origin, shown};
use crate::server::webhook::Hook;
use crate::server::webhook::hook::Draft;

/// The hooks, in the order of the file; `None` when there are mistakes, which are in `found`.
pub(super) fn build(
    config: &Config,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Arc<Hook>>> {
    if config.webhooks.is_empty() || origin.is_elsewhere() {
        return Some(Vec::new());
    }
    let system = health::system_authorities();
    let drafts: Vec<_> = config
        .webhooks
        .iter()
        .map(|hook| draft(hook, origin, found).zip(roots(hook, &system, found)))
        .collect();
    let drafts: Vec<_> = drafts.into_iter().collect::<Option<_>>()?;
    let made = |(draft, roots)| {
        let tls = tls(roots).map_err(|error| error.to_string())?;
        Hook::new(draft, tls).map(Arc::new).map_err(|error| error.to_string())
    };
    let made = drafts.into_iter().map(made).collect::<Result<_, _>>();
    let report = |error| {
        let message = format!("webhooks cannot be made ready: {error}");
        found.push(Diagnostic::error("webhook", message));
    };
    made.map_err(report).ok()
}

/// Who is believed to say that a hook is itself; `None` when there is a mistake.
fn roots(
    hook: &Webhook,
    system: &RootCertStore,
    found: &mut Vec<Diagnostic>,
) -> Option<RootCertStore> {
    let mut roots = system.clone();
    let Some(ca) = &hook.ca else { return Some(roots) };
    match super::monitor::authorities(ca) {
        // Each was tried when it was read, so none is left out.
        Ok(own) => roots.add_parsable_certificates(own.certificates()),
        Err(mistake) => {
            found.push(*mistake);
            return None;
        }
    };
    Some(roots)
}

fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// `None` when there is a mistake; it is in `found`.
fn draft(hook: &Webhook, origin: Origin<'_>, found: &mut Vec<Diagnostic>) -> Option<Draft> {
    // Both are read, so that all mistakes are found.
    let token = hook.token_file.as_ref().map(|path| secret(path, origin, found));
    let secret = hook.secret_file.as_ref().map(|path| secret(path, origin, found));
    let (token, secret) = (option(token)?, option(secret)?);
    let bearer = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
    let bearer = match (bearer, &hook.token_file) {
        (Some(Err(_)), Some(path)) => {
            let message = format!("{} is no token: it has other than ASCII", shown(&path.value));
            found.push(Diagnostic::error("bad-secret", message).at(&path.span, ""));
            return None;
        }
        (bearer, _) => bearer.and_then(Result::ok).map(|mut bearer| {
            bearer.set_sensitive(true);
            bearer
        }),
    };
    Some(Draft {
        name: hook.name.clone(),
        url: hook.url.clone(),
        kinds: hook.on.iter().flat_map(|topic| kinds(*topic)).copied().collect(),
        bearer,
        secret: secret.map(String::into_bytes),
        timeout: hook.timeout,
    })
}

/// What is missing is a mistake, and what was not asked for is none.
fn option(read: Option<Option<String>>) -> Option<Option<String>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn secret(
    path: &Located<PathBuf>,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<String> {
    let text = match origin.files().read_secret(&path.value) {
        Ok(octets) => String::from_utf8_lossy(&octets).trim().to_owned(),
        Err(error) => {
            found.push(Diagnostic::unreadable(&path.value, &error).at(&path.span, ""));
            return None;
        }
    };
    if text.is_empty() {
        let message = format!("{} is empty", shown(&path.value));
        let d = Diagnostic::error("bad-secret", message).at(&path.span, "");
        found.push(d.help("`openssl rand -hex 32` makes a secret"));
        return None;
    }
    Some(text)
}

/// The kinds of events that are about a topic.
fn kinds(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Pool => &["pool", "share", "safety", "maintenance"],
        Topic::Member => &["verdict", "hold", "warning", "resume"],
        Topic::Panic => &["panic"],
        Topic::Reload => &["start", "reload", "rollback"],
        Topic::Override => &["override"],
    }
}
