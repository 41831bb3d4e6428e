//! Addresses to listen on, each socket once; and the encrypted transports: `[tls]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::reader::Reader;
use super::source::{Located, Span};
use super::spec::Spanned;
use super::spec::server::TlsSpec;

/// The encrypted transports, with at least one address to listen on.
#[derive(Debug, Clone, PartialEq)]
pub struct Encrypted {
    /// The PEM file of the server's certificate and those that lead to its authority.
    pub certificate: Located<PathBuf>,
    /// The PEM file of its private key.
    pub key: Located<PathBuf>,
    /// DNS over TLS on each.
    pub dot: Vec<SocketAddr>,
    /// DNS over HTTPS on each.
    pub doh: Vec<SocketAddr>,
    /// DNS over QUIC on each.
    pub doq: Vec<SocketAddr>,
    /// DNS over HTTP/3 on each.
    pub doh3: Vec<SocketAddr>,
}

/// Whose ports an address takes one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Tcp,
}

/// The sockets that are listened on so far, and where that was written.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<(Kind, SocketAddr, Span)>);

/// Reads addresses that are each listened on with a socket of each of `kinds`.
pub(super) fn addresses(
    texts: &[Spanned<String>],
    kinds: &[Kind],
    taken: &mut Sockets,
    reader: &mut Reader<'_>,
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for text in texts {
        let span = reader.span(&text.range);
        let Ok(address) = text.value.parse::<SocketAddr>() else {
            reader.invalid(
                &text.range,
                format!("`{}` is not an address with a port", text.value),
                "write it like \"127.0.0.1:5300\" or \"[::1]:5300\"; names are not looked up",
            );
            continue;
        };
        let is_same = |(kind, other, _): &&(Kind, SocketAddr, Span)| {
            // Port 0 is a new port each time.
            kinds.contains(kind) && *other == address && address.port() != 0
        };
        match taken.0.iter().find(is_same) {
            Some((_, _, first)) => reader.found.push(
                Diagnostic::error("duplicate-value", format!("`{address}` is listed twice"))
                    .at(&span, "again here")
                    .and(first, "first here")
                    .help("remove one of them"),
            ),
            None => {
                taken.0.extend(kinds.iter().map(|kind| (*kind, address, span.clone())));
                addresses.push(address);
            }
        }
    }
    addresses
}

impl Encrypted {
    /// `None` when nothing is listened on, or when what that needs is missing; `taken` are the
    /// sockets of plain DNS.
    pub(super) fn resolve(
        spec: TlsSpec,
        taken: &mut Sockets,
        reader: &mut Reader<'_>,
    ) -> Option<Encrypted> {
        let lists = [&spec.listen_dot, &spec.listen_doh, &spec.listen_doq, &spec.listen_doh3];
        let mut read = |list: &Option<Spanned<Vec<Spanned<String>>>>, kind| {
            let texts = list.as_ref().map_or(&[][..], |list| &list.value);
            addresses(texts, &[kind], taken, reader)
        };
        let dot = read(&spec.listen_dot, Kind::Tcp);
        let doh = read(&spec.listen_doh, Kind::Tcp);
        let doq = read(&spec.listen_doq, Kind::Udp);
        let doh3 = read(&spec.listen_doh3, Kind::Udp);
        let certificate = path(spec.certificate.as_ref(), reader);
        let key = path(spec.key.as_ref(), reader);
        let Some(listened) = lists.into_iter().flatten().find(|list| !list.value.is_empty()) else {
            if let Some(path) = certificate.or(key) {
                let message = "there is a certificate or key, but no encrypted transport";
                reader.found.push(
                    Diagnostic::lint("unused", message)
                        .at(&path.span, "")
                        .help("set `listen_dot`, `listen_doh`, `listen_doq` or `listen_doh3`"),
                );
            }
            return None;
        };
        if doh.is_empty()
            && let Some(list) = spec.listen_doh3.as_ref().filter(|_| !doh3.is_empty())
        {
            let span = reader.span(&list.range);
            let message = "there is DNS over HTTP/3, but not over HTTP/2";
            // RFC 8484 section 5.2: HTTP/2 is the least version that clients should have.
            reader.found.push(Diagnostic::lint("http3-alone", message).at(&span, "").help(
                "most clients ask over HTTP/2 first, and go back to it where QUIC is blocked; set \
                 `listen_doh` too",
            ));
        }
        let listened = reader.span(&listened.range);
        for (name, path) in [("certificate", &certificate), ("key", &key)] {
            if path.is_none() {
                reader.found.push(
                    Diagnostic::error("missing-key", format!("`{name}` is missing in [tls]"))
                        .at(&listened, "needs a certificate and its key")
                        .help(format!("set `{name}` to the path of a PEM file")),
                );
            }
        }
        Some(Encrypted { certificate: certificate?, key: key?, dot, doh, doq, doh3 })
    }
}

/// A path; the empty one is none.
fn path(spec: Option<&Spanned<String>>, reader: &Reader<'_>) -> Option<Located<PathBuf>> {
    let Spanned { value, range } = spec.filter(|spec| !spec.value.is_empty())?;
    Some(Located { value: reader.path(value), span: reader.span(range) })
}
