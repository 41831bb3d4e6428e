//! A zone as one client sees it.

use std::io::Write;

use super::{steered_in, zone_file};
use crate::cli::arguments::ClientSubnet;
use crate::cli::told;
use crate::config::Config;
use crate::server::Generation;
use crate::steering::control::Control;
use crate::steering::model::{MemberData, Model};
use crate::steering::resolve::Item;
use crate::wire::{Name, Type};

/// Writes the zone's own file, and under it what steered names answer this client: everything that
/// may come over many queries.
///
/// # Errors
/// When there is no such zone.
pub(super) fn write(
    config: &Config,
    generation: &Generation,
    control: &Control,
    zone: &Name,
    client: ClientSubnet,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (text, _) = zone_file(config, zone)?;
    let ClientSubnet { address, length } = client;
    writeln!(out, "; {zone} as {address}/{length} sees it, by `meridian export`.\n$ORIGIN {zone}")?;
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        writeln!(out)?;
    }
    writeln!(out, "\n; What policies answer this client.")?;
    let model = &generation.steering.model;
    for (id, record) in steered_in(generation, zone) {
        let (types, has_alias) = model.record_types(record);
        let mut lines: Vec<String> = Vec::new();
        for rtype in types.into_iter().chain(has_alias.then_some(Type::CNAME)) {
            for item in told::told(generation, control, id, client, rtype) {
                let line = format!("{} {} {}", record.owner, record.ttl, data(&item, model));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        if lines.is_empty() {
            writeln!(out, "; {}: nothing for this client", record.owner)?;
        }
        // An alias stands alone: of several that are drawn, the first.
        let is_alias = |line: &&String| line.contains(" CNAME ");
        match lines.iter().find(is_alias) {
            Some(alias) => writeln!(out, "{alias}")?,
            None => lines.iter().try_for_each(|line| writeln!(out, "{line}"))?,
        }
    }
    Ok(())
}

/// Type and data.
fn data(item: &Item, model: &Model) -> String {
    match item {
        Item::Address(address) if address.is_ipv4() => format!("A {address}"),
        Item::Address(address) => format!("AAAA {address}"),
        Item::Member(pool, index) => {
            let member = &model.pool(*pool).members[*index];
            match &member.data {
                MemberData::Address(address) => data(&Item::Address(*address), model),
                MemberData::Alias(name) => format!("CNAME {name}"),
                MemberData::Data { .. } => member.name.clone(),
            }
        }
    }
}
