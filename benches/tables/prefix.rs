//! From an address to its class: the server's table, a poptrie, a trie of prefixes, and a search
//! over all ranges.
//!
//! For ECS an answer needs more than the class: the length of the widest prefix around the client
//! that has this class throughout (`ClassTable::class_scope`). Ranges have it in their two ends.
//! A poptrie has nothing to tell it by, so each leaf here holds it beside the class: these are more
//! leaves, for one range of addresses is prefixes of many lengths. A trie of prefixes has it where
//! each of these prefixes is in it by itself.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use meridian::config;
use meridian::geo::{LocationId, RangeMap, region};
use meridian::server::{Generation, Origin, build};
use meridian::steering::table::ClassTable;
use prefix_trie::{Prefix, PrefixMap};

use crate::clients::Located;
use crate::clock::{self, Candidate, Question, compare};
use crate::memory;
use crate::poptrie::{Bits, Poptrie};

#[derive(Args)]
pub(crate) struct Options {
    /// The GeoIP database; without it the one that comes with the program.
    #[arg(default_value = DATABASE)]
    database: PathBuf,
}

const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/dbip-region.mmdb");

pub(crate) fn run(options: &Options, clock: &clock::Options) -> anyhow::Result<()> {
    let generation = generation(&options.database)?;
    for (target, policy) in
        generation.steering.compiled.targets.iter().zip(["continents", "nearest"])
    {
        let table: &Arc<ClassTable> = target.table.as_ref().context("no table")?;
        let what = format!("{policy}, {} classes", target.classes.len());
        family(&what, &table.v4(), generation.atlas.v4(), clock)?;
        // No client is asked for where it is looked up by an IPv4 address inside.
        family(&what, &table.v6().map(|class| class.unwrap_or(0)), generation.atlas.v6(), clock)?;
    }
    Ok(())
}

/// Two steered names: one sends clients to three regions by continent, one to the nearest of all
/// regions of a cloud.
fn generation(database: &Path) -> anyhow::Result<Generation> {
    let codes = region::all().iter().map(|region| region.code);
    let regions: Vec<&str> = codes.filter(|code| code.starts_with("aws:")).collect();
    let mut text = String::new();
    for (pool, code) in regions.iter().enumerate() {
        writeln!(text, "[pool.p{pool}]\nlocation = \"{code}\"\nmembers = [\"192.0.2.{pool}\"]")?;
    }
    let nearest: Vec<String> = (0..regions.len()).map(|pool| format!("\"p{pool}\"")).collect();
    write!(
        text,
        "[policy.continents]\nkind = \"geo\"\ndefault = \"p0\"\nrules = [\n\
         {{ match = [\"continent:NA\", \"continent:SA\"], to = \"p0\" }},\n\
         {{ match = [\"continent:EU\", \"continent:AF\"], to = \"p1\" }},\n\
         {{ match = [\"continent:AS\", \"continent:OC\"], to = \"p2\" }},\n]\n\
         [record.\"a.example.com\"]\nuse = \"continents\"\n\
         [policy.nearest]\nkind = \"nearest\"\ntargets = [{}]\n\
         [record.\"b.example.com\"]\nuse = \"nearest\"\n",
        nearest.join(", ")
    )?;
    let server = format!(
        "[server]\nzones = [\"example.com.zone\"]\npolicies = [\"policies.toml\"]\n\
         [geoip]\ndatabases = [{:?}]\n",
        database.canonicalize().with_context(|| database.display().to_string())?
    );
    let directory = tempfile::tempdir()?;
    let zone =
        "@ 300 SOA ns1 hostmaster 1 7200 900 1209600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.53\n";
    for (file, text) in
        [("meridian.toml", &*server), ("policies.toml", &text), ("example.com.zone", zone)]
    {
        std::fs::write(directory.path().join(file), text)?;
    }
    let refused = |errors: Vec<config::Diagnostic>| anyhow::anyhow!(config::render(&errors, false));
    let loaded = config::load(&directory.path().join("meridian.toml")).map_err(refused)?;
    build(loaded, Origin::Disk).map_err(refused)
}

/// What stands behind an address in both families.
trait Family: Bits + Question {
    const NAME: &str;
    /// The length of a client's network.
    const NETWORK: u8;
    fn ip(self) -> IpAddr;
    /// The server's table with nothing in the other family.
    fn table(map: &RangeMap<Self, u32>) -> ClassTable;
}

impl Question for u32 {
    #[inline(always)]
    fn after(self, nothing: u32) -> u32 {
        self ^ nothing
    }
}

impl Question for u128 {
    #[inline(always)]
    fn after(self, nothing: u32) -> u128 {
        // In both halves.
        self ^ (u128::from(nothing) << 64 | u128::from(nothing))
    }
}

impl Family for u32 {
    const NAME: &str = "IPv4";
    const NETWORK: u8 = 24;

    #[inline(always)]
    fn ip(self) -> IpAddr {
        IpAddr::V4(self.into())
    }

    fn table(map: &RangeMap<u32, u32>) -> ClassTable {
        ClassTable::new(map, &RangeMap::uniform(0))
    }
}

impl Family for u128 {
    const NAME: &str = "IPv6";
    const NETWORK: u8 = 48;

    #[inline(always)]
    fn ip(self) -> IpAddr {
        IpAddr::V6(self.into())
    }

    fn table(map: &RangeMap<u128, u32>) -> ClassTable {
        ClassTable::new(&RangeMap::uniform(0), map)
    }
}

/// A class and a length as one number.
#[inline(always)]
fn both(class: u32, length: u8) -> u32 {
    class << 8 | u32::from(length)
}

fn family<A: Family>(
    policy: &str,
    map: &RangeMap<A, u32>,
    places: &RangeMap<A, LocationId>,
    clock: &clock::Options,
) -> anyhow::Result<()>
where
    (A, u8): Prefix<R = A>,
{
    let located = Located::new(places);
    let asked = [("uniform", located.uniform()), ("Zipf", located.zipf(A::NETWORK))];
    drop(located);
    let prefixes: Vec<(A, u8, u32)> = map.iter().flat_map(|range| prefixes(&range)).collect();
    let mut lengths = RangeMap::uniform(0);
    for (first, length, class) in &prefixes {
        lengths.push(*first, both(*class, *length));
    }

    let (table, table_memory) = memory::of(|| A::table(map));
    let (ranges, ranges_memory) = memory::of(|| map.clone());
    let (pop16, pop16_memory) = memory::of(|| Poptrie::<A, u16>::new(map, 16));
    let (pop18, pop18_memory) = memory::of(|| Poptrie::<A, u16>::new(map, 18));
    let (pop18, pop16) = (pop18.context("too many classes")?, pop16.context("too many classes")?);
    let (pop_both, pop_both_memory) = memory::of(|| Poptrie::<A, u32>::new(&lengths, 18));
    let pop_both = pop_both.context("too many classes")?;
    let (trie, trie_memory) = memory::of(|| {
        let prefixes = prefixes.iter().map(|(first, length, class)| ((*first, *length), *class));
        let mut trie: PrefixMap<(A, u8), u32> = prefixes.collect();
        trie.aggregate();
        trie
    });
    let (trie_both, trie_both_memory) = memory::of(|| {
        let prefixes = prefixes.iter().map(|(first, length, class)| ((*first, *length), *class));
        prefixes.collect::<PrefixMap<(A, u8), u32>>()
    });

    let scoped = [
        Candidate::new("blocks over ranges (ours): class, length", table_memory, |address: A| {
            let place = table.find(address.ip());
            both(place.class, table.class_scope(address.ip(), place))
        }),
        Candidate::new("poptrie, root of 18: class, length", pop_both_memory, |address| {
            pop_both.find(address)
        }),
        Candidate::new("prefix-trie: class, length", trie_both_memory, |address| {
            match trie_both.get_lpm(&(address, A::BITS)) {
                Some(((_, length), class)) => both(*class, length),
                None => u32::MAX,
            }
        }),
        Candidate::new("ranges alone: class, length", ranges_memory, |address| {
            let range = ranges.find(address);
            let shared = |outside: Option<A>| outside.map_or(0, |o| address.common_bits(o) + 1);
            both(*range.value, shared(range.first.previous()).max(shared(range.last.next())))
        }),
    ];
    let count = scoped.len();
    let plain = [
        Candidate::new("blocks over ranges (ours): class", table_memory, |address: A| {
            table.find(address.ip()).class
        }),
        Candidate::new("poptrie, root of 16: class", pop16_memory, |address| pop16.find(address)),
        Candidate::new("poptrie, root of 18: class", pop18_memory, |address| pop18.find(address)),
        Candidate::new("prefix-trie: class", trie_memory, |address| {
            trie.get_lpm(&(address, A::BITS)).map_or(u32::MAX, |(_, class)| *class)
        }),
        Candidate::new("ranges alone: class", ranges_memory, |address| *ranges.find(address).value),
    ];
    let what =
        format!("{policy}, {}: {} ranges, {} prefixes", A::NAME, map.count(), prefixes.len());
    let candidates: Vec<Candidate<'_, A>> = scoped.into_iter().chain(plain).collect();
    let expect = |index, both| if index < count { both } else { both >> 8 };
    compare(&what, &candidates, &asked, expect, clock)
}

/// The widest prefixes that make up a range, with its class.
fn prefixes<A: Bits>(range: &meridian::geo::ranges::Range<A, &u32>) -> Vec<(A, u8, u32)> {
    let mut prefixes = Vec::new();
    let mut next = Some(range.first);
    while let Some(first) = next.filter(|first| *first <= range.last) {
        // No prefix that begins here is shorter.
        let shortest = u32::from(A::BITS).saturating_sub(first.number().trailing_zeros()) as u8;
        let length = (shortest..=A::BITS)
            .find(|length| first.prefix(*length).1 <= range.last)
            .expect("a prefix of one address is inside");
        prefixes.push((first, length, *range.value));
        next = first.prefix(length).1.next();
    }
    prefixes
}
