//! Zone transfers to secondaries: `[keys]` and `[transfer]`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::wire::Name;

use super::diagnostic::Diagnostic;
use super::names::owner;
use super::reader::{Reader, with_suggestion};
use super::source::{Located, Span};
use super::spec::transfer::{AllowSpec, KeySpec, NotifySpec, TransferSpec};
use super::spec::{Entries, Spanned, StringOr};

pub use super::spec::transfer::{KeyAlgorithm, SecretText};

/// A key for transaction signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name, which both sides must give it.
    pub name: Name,
    /// What it is used with.
    pub algorithm: KeyAlgorithm,
    /// Where its octets are.
    pub secret: Secret,
    /// Its name in the file.
    pub span: Span,
}

/// Where the octets of a key are, in base64.
#[derive(Debug, Clone, PartialEq)]
pub enum Secret {
    /// Here.
    Text(SecretText),
    /// In this file.
    File(Located<PathBuf>),
}

/// Who may have zones, and who is told of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Transfers that run at the same time, at most: 1 to 1,000.
    pub at_once: usize,
    /// What holds for all zones that are not in `zones`.
    pub all: ZoneTransfer,
    /// What holds for single zones, each once.
    pub zones: Vec<(Located<Name>, ZoneTransfer)>,
}

/// What holds for one zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ZoneTransfer {
    /// Who may have it: whoever one entry lets in.
    pub allow: Vec<Allow>,
    /// Who is told that it changed.
    pub notify: Vec<Notify>,
}

/// Some clients. What is `None` asks nothing of them; one is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// Where they are.
    pub net: Option<IpNet>,
    /// The key they sign with, by its place in [`Config::keys`](super::Config::keys).
    pub key: Option<usize>,
    /// Where it is written.
    pub span: Span,
}

/// A secondary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notify {
    /// Where it listens.
    pub address: SocketAddr,
    /// The key that messages to it are signed with, by its place in
    /// [`Config::keys`](super::Config::keys).
    pub key: Option<usize>,
}

impl Transfer {
    /// What holds for a zone.
    pub fn of(&self, zone: &Name) -> &ZoneTransfer {
        let own = self.zones.iter().find(|(name, _)| name.value == *zone);
        own.map_or(&self.all, |(_, own)| own)
    }

    pub(super) fn resolve(spec: TransferSpec, keys: &Keys, reader: &mut Reader<'_>) -> Transfer {
        let at_once = reader.integer("at_once", spec.at_once.as_ref(), 1..=1000, 8);
        let all = ZoneTransfer {
            allow: allow(spec.allow, keys, reader).unwrap_or_default(),
            notify: notify(spec.notify, keys, reader).unwrap_or_default(),
        };
        let mut zones: Vec<(Located<Name>, ZoneTransfer)> = Vec::new();
        for (name, spec) in spec.zones.map(|Entries(entries)| entries).unwrap_or_default() {
            let Some(name) = named("zone", &name, reader) else { continue };
            if let Some((first, _)) = zones.iter().find(|(other, _)| other.value == name.value) {
                twice("zone", &name, &first.span, reader);
                continue;
            }
            let own = ZoneTransfer {
                allow: allow(spec.value.allow, keys, reader).unwrap_or_else(|| all.allow.clone()),
                notify: notify(spec.value.notify, keys, reader)
                    .unwrap_or_else(|| all.notify.clone()),
            };
            zones.push((name, own));
        }
        let transfer = Transfer { at_once: usize::try_from(at_once).unwrap_or(8), all, zones };
        transfer.remark_open(reader);
        transfer
    }

    /// A lint for zones that everybody may have.
    fn remark_open(&self, reader: &mut Reader<'_>) {
        let zones = std::iter::once(&self.all).chain(self.zones.iter().map(|(_, own)| own));
        let open = |allow: &&Allow| {
            allow.key.is_none() && allow.net.is_some_and(|net| net.prefix_len() == 0)
        };
        for Allow { span, .. } in zones.flat_map(|zone| &zone.allow).filter(open) {
            let d = Diagnostic::lint("open-transfer", "everybody may have the whole zone");
            let d = d.at(span, "").help("name the networks of your secondaries, or a key");
            // A zone without a list of its own has that of all.
            if !reader.found.contains(&d) {
                reader.found.push(d);
            }
        }
    }
}

/// All keys, and those that could not be read.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) list: Vec<Key>,
    /// Their names count as known, so that one mistake is not reported as two.
    broken: Vec<Name>,
}

impl Keys {
    pub(super) fn resolve(spec: Entries<KeySpec>, reader: &mut Reader<'_>) -> Keys {
        let mut keys = Keys::default();
        for (name, spec) in spec.0 {
            let Some(name) = named("key", &name, reader) else { continue };
            if let Some(first) = keys.list.iter().find(|key| key.name == name.value) {
                twice("key", &name, &first.span, reader);
                continue;
            }
            let secret = match (spec.secret, spec.secret_file) {
                (Some(text), None) => Secret::Text(text.value),
                (None, Some(path)) => Secret::File(Located {
                    value: reader.path(&path.value),
                    span: reader.span(&path.range),
                }),
                (secret, _) => {
                    let (code, message, help) = if secret.is_some() {
                        let message = "the key has both `secret` and `secret_file`";
                        ("invalid-value", message, "remove one of them")
                    } else {
                        let help =
                            "`tsig-keygen`, `keymgr -t` or `openssl rand -base64 32` make one";
                        ("missing-key", "the key has neither `secret` nor `secret_file`", help)
                    };
                    let d = Diagnostic::error(code, message).at(&name.span, "");
                    reader.found.push(d.help(help));
                    keys.broken.push(name.value);
                    continue;
                }
            };
            let algorithm = spec.algorithm.map(|word| word.value).unwrap_or_default();
            keys.list.push(Key { name: name.value, algorithm, secret, span: name.span });
        }
        keys
    }

    /// Which key a name means; reports one that is not defined.
    fn find(
        &self,
        text: &str,
        range: &std::ops::Range<usize>,
        reader: &mut Reader<'_>,
    ) -> Option<usize> {
        let name = owner(text).ok();
        let found = self.list.iter().position(|key| Some(&key.name) == name.as_ref());
        if found.is_none() && !self.broken.iter().any(|key| Some(key) == name.as_ref()) {
            let known: Vec<String> = self.list.iter().map(|key| shown(&key.name)).collect();
            let d = Diagnostic::error("unknown-name", format!("there is no key named `{text}`"));
            let d = d.at(&reader.span(range), "");
            reader.found.push(with_suggestion(d, text, known.iter().map(String::as_str)));
        }
        found
    }
}

/// A name without the last dot, as people write it.
fn shown(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text).to_owned()
}

fn named(what: &str, key: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Located<Name>> {
    let span = reader.span(&key.range);
    match owner(&key.value) {
        Ok(value) => Some(Located { value, span }),
        Err(why) => {
            let message = format!("`{}` is not the name of a {what}: {why}", key.value);
            reader.found.push(Diagnostic::error("invalid-name", message).at(&span, ""));
            None
        }
    }
}

fn twice(what: &str, name: &Located<Name>, first: &Span, reader: &mut Reader<'_>) {
    let message = format!("the {what} `{}` is there twice", shown(&name.value));
    let d = Diagnostic::error("duplicate-name", message);
    let d = d.at(&name.span, "again here").and(first, "first here");
    reader.found.push(d.help("rename or remove one of them"));
}

/// `None` when nothing is written; what cannot be read is reported and left out.
fn allow(
    spec: Option<Spanned<Vec<Spanned<StringOr<AllowSpec>>>>>,
    keys: &Keys,
    reader: &mut Reader<'_>,
) -> Option<Vec<Allow>> {
    let mut allowed = Vec::new();
    for Spanned { value, range } in spec?.value {
        let span = reader.span(&range);
        match value {
            StringOr::String(text) => match text.strip_prefix("key:") {
                Some(name) => {
                    let key = keys.find(name, &range, reader);
                    allowed.extend(key.map(|key| Allow { net: None, key: Some(key), span }));
                }
                None => {
                    let net = net(&text, &range, reader);
                    allowed.extend(net.map(|net| Allow { net: Some(net), key: None, span }));
                }
            },
            StringOr::Table(AllowSpec { net: text, key }) => {
                let net = net(&text.value, &text.range, reader);
                let key = keys.find(&key.value, &key.range, reader);
                if let (Some(net), Some(key)) = (net, key) {
                    allowed.push(Allow { net: Some(net), key: Some(key), span });
                }
            }
        }
    }
    Some(allowed)
}

/// An address or a network.
fn net(text: &str, range: &std::ops::Range<usize>, reader: &mut Reader<'_>) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.into());
    }
    match text.parse::<IpNet>() {
        Ok(net) if net == net.trunc() => Some(net),
        Ok(net) => {
            let help = format!("did you mean `{}`?", net.trunc());
            reader.invalid(range, format!("`{text}` has bits set behind its prefix"), &help);
            None
        }
        Err(_) => {
            let help = "write it like \"192.0.2.53\", \"192.0.2.0/24\", \"2001:db8::/48\" or \
                        \"key:NAME\"";
            reader.invalid(range, format!("`{text}` is no address and no network"), help);
            None
        }
    }
}

fn notify(
    spec: Option<Spanned<Vec<Spanned<StringOr<NotifySpec>>>>>,
    keys: &Keys,
    reader: &mut Reader<'_>,
) -> Option<Vec<Notify>> {
    let mut notified: Vec<Notify> = Vec::new();
    for Spanned { value, range } in spec?.value {
        let (address, key) = match value {
            StringOr::String(text) => (secondary(&text, &range, reader), Some(None)),
            StringOr::Table(NotifySpec { address, key }) => {
                let address = secondary(&address.value, &address.range, reader);
                (address, keys.find(&key.value, &key.range, reader).map(Some))
            }
        };
        if let (Some(address), Some(key)) = (address, key) {
            if notified.iter().any(|other| other.address == address) {
                let message = format!("`{address}` is listed twice");
                reader.found.push(
                    Diagnostic::error("duplicate-value", message)
                        .at(&reader.span(&range), "")
                        .help("remove one of them"),
                );
            }
            notified.push(Notify { address, key });
        }
    }
    Some(notified)
}

/// Where a secondary listens.
fn secondary(
    text: &str,
    range: &std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    let address = address.or_else(|_| text.parse::<SocketAddr>());
    if address.is_err() {
        let help = "write it like \"192.0.2.53\", \"192.0.2.53:5300\" or \"[2001:db8::53]:53\"; \
                    names are not looked up";
        reader.invalid(range, format!("`{text}` is no address"), help);
    }
    address.ok()
}
