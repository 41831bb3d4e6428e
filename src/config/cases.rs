//! Test cases: what policies are expected to do, as users write it down beside them.
//!
//! Knows the names of pools and members from the configuration the cases are about. What a policy
//! really does it does not know.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::reader::{Reader, with_suggestion};
use super::source::{Located, Span};
use super::spec::case::{CaseSpec, ExpectSpec};
use super::spec::{Spanned, Words};
use super::{Config, Files, MemberData, decode, named, names, read_source};
use crate::wire::Name;

pub use super::spec::case::RcodeSpec as CaseRcode;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it is called, unique in its file.
    pub title: Located<String>,
    /// The name asked for.
    pub name: Name,
    /// The type asked for as it is written; not yet read. `None` is A.
    pub rtype: Option<Located<String>>,
    /// The client's address.
    pub client: IpAddr,
    /// Bits that are known of it: 0 to 32 or 128.
    pub length: u8,
    /// What is down.
    pub down: Vec<Located<Down>>,
    /// Indices of pools that are drained.
    pub drain: Vec<usize>,
    /// What must hold; at least one thing.
    pub expect: Expect,
}

/// What a case takes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// A pool, by its index.
    Pool(usize),
    /// A member, by the indices of each pool it is in and its place there.
    Member(Vec<(usize, usize)>),
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// Names of the pools that the client may be sent to.
    pub pools: Option<Located<Vec<String>>>,
    /// The data that the client may be told.
    pub answers: Option<Located<Vec<String>>>,
    /// The ECS scope prefix length: 0 to 128.
    pub scope: Option<Located<u8>>,
    /// Whether there is nothing of the type.
    pub nodata: Option<Located<bool>>,
    /// The response code.
    pub rcode: Option<Located<CaseRcode>>,
}

/// Reads the cases of a file, in its order, for a configuration.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read(files: &dyn Files, path: &Path, config: &Config) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let cases = read_source(files, path, &mut found).map(|source| {
        let mut reader = Reader::new(&source, &mut found);
        let Some(root) = reader.parse(&source) else { return Vec::new() };
        let mut cases = Vec::new();
        for (_, tables) in reader.tables(root, &["case"], (&[], "")) {
            // `tables` has let only tables through.
            let DeValue::Table(tables) = tables.into_inner() else { continue };
            for (title, value) in named(tables, &reader) {
                let mut misfits = Vec::new();
                let spec = decode::decode::<CaseSpec>(value, &mut misfits);
                reader.misfits(&format!("[case.{:?}]", title.value), &misfits, |_| vec![]);
                // Nothing else is expected where a key of it is mistyped.
                let is_whole = misfits.is_empty();
                cases.extend(
                    spec.and_then(|spec| Case::resolve(title, spec, is_whole, config, &mut reader)),
                );
            }
        }
        cases
    });
    match cases {
        Some(cases) if found.is_empty() => Ok(cases),
        _ => Err(found),
    }
}

impl Case {
    fn resolve(
        title: Located<String>,
        spec: CaseSpec,
        is_whole: bool,
        config: &Config,
        reader: &mut Reader<'_>,
    ) -> Option<Case> {
        let name = names::owner(&spec.name.value)
            .map_err(|why| {
                let message = format!("`{}` is not a domain name: {why}", spec.name.value);
                reader.invalid(&spec.name.range, message, "write it like \"www.example.com\"");
            })
            .ok();
        let client = client(&spec.client, reader);
        let down = words(spec.down);
        let down = down.iter().filter_map(|word| self::down(word, config, reader)).collect();
        let drain = words(spec.drain);
        let drain = drain.iter().filter_map(|word| pool(word, config, reader)).collect();
        let range = spec.expect.range.clone();
        let expect = Expect::resolve(spec.expect.value, config, reader);
        if is_whole && expect == Expect::default() {
            let help = "write what must hold: pool, answers, scope, nodata or rcode";
            reader.invalid(&range, "nothing is expected", help);
        }
        let (client, length) = client?;
        let rtype = spec.rtype.map(|rtype| located(rtype, reader));
        Some(Case { title, name: name?, rtype, client, length, down, drain, expect })
    }
}

impl Expect {
    fn resolve(spec: ExpectSpec, config: &Config, reader: &mut Reader<'_>) -> Expect {
        let ExpectSpec { pool: pools, answers, scope, nodata, rcode } = spec;
        if let (Some(pools), Some(nodata)) = (&pools, nodata.as_ref().filter(|it| it.value)) {
            let message = "an answer from a pool is never without data";
            let d = Diagnostic::error("invalid-value", message)
                .at(&reader.span(&nodata.range), "nothing is expected")
                .and(&reader.span(&pools.range), "something is expected");
            reader.found.push(d.help("remove one of the two"));
        }
        let scope = scope.map(|scope| {
            let bits = reader.integer("scope", Some(&scope), 0..=128, 0);
            Located { value: u8::try_from(bits).unwrap_or(0), span: reader.span(&scope.range) }
        });
        let pools = pools.map(|words| {
            for word in &words.words {
                pool(word, config, reader);
            }
            list(words, reader)
        });
        Expect {
            pools,
            answers: answers.map(|words| list(words, reader)),
            scope,
            nodata: nodata.map(|nodata| located(nodata, reader)),
            rcode: rcode.map(|rcode| located(rcode, reader)),
        }
    }
}

fn located<T>(Spanned { value, range }: Spanned<T>, reader: &Reader<'_>) -> Located<T> {
    Located { value, span: reader.span(&range) }
}

fn words(words: Option<Words>) -> Vec<Spanned<String>> {
    words.map(|words| words.words).unwrap_or_default()
}

fn list(words: Words, reader: &Reader<'_>) -> Located<Vec<String>> {
    let span: Span = reader.span(&words.range);
    Located { value: words.words.into_iter().map(|word| word.value).collect(), span }
}

fn client(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<(IpAddr, u8)> {
    let net = match text.value.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.value.parse::<IpNet>().ok(),
    };
    if net.is_none() {
        let help = "write an address such as 192.0.2.1, or a subnet such as 192.0.2.0/24";
        reader.invalid(&text.range, format!("`{}` is not a client", text.value), help);
    }
    net.map(|net| (net.addr(), net.prefix_len()))
}

/// The index of a pool, or a report that there is none of this name.
fn pool(word: &Spanned<String>, config: &Config, reader: &mut Reader<'_>) -> Option<usize> {
    let found = config.pools.iter().position(|pool| pool.name == word.value);
    if found.is_none() {
        let message = format!("there is no pool named `{}`", word.value);
        let d = Diagnostic::error("unknown-name", message).at(&reader.span(&word.range), "");
        reader.found.push(match config.policies.iter().any(|p| p.name == word.value) {
            true => d.help(format!("`{}` is a policy; name the pools under it", word.value)),
            false => with_suggestion(d, &word.value, config.pools.iter().map(|p| &*p.name)),
        });
    }
    found
}

fn down(word: &Spanned<String>, config: &Config, reader: &mut Reader<'_>) -> Option<Located<Down>> {
    let span = reader.span(&word.range);
    let wanted = match word.value.parse::<IpAddr>() {
        Ok(address) => Some(MemberData::Address(address)),
        Err(_) => names::owner(&word.value).ok().map(MemberData::Cname),
    };
    let mut places = Vec::new();
    for (index, pool) in config.pools.iter().enumerate() {
        let of_pool = pool.members.iter().enumerate();
        let is_it = |member: &MemberData| wanted.as_ref() == Some(member);
        places.extend(of_pool.filter(|(_, m)| is_it(&m.data)).map(|(place, _)| (index, place)));
    }
    let is_pool = config.pools.iter().any(|pool| pool.name == word.value);
    if is_pool || places.is_empty() {
        let index = pool(word, config, reader)?;
        return Some(Located { value: Down::Pool(index), span });
    }
    let mut pools = places.iter().map(|(index, _)| &config.pools[*index]);
    if let Some(pool) = pools.find(|pool| pool.monitor.is_none()) {
        let message = format!("`{}` is never down", word.value);
        let d = Diagnostic::error("invalid-value", message)
            .at(&span, "")
            .and(&pool.span, "has no monitor");
        reader.found.push(d.help("take the whole pool down, or give it a `monitor`"));
    }
    Some(Located { value: Down::Member(places), span })
}
