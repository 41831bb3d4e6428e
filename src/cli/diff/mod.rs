//! `meridian diff`: which clients a change would move, where from and where to.
//!
//! Facts are gathered first and then shown, as text or as JSON.

mod facts;
mod served;
mod side;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

pub(super) use self::facts::shares;

use self::side::Side;
use super::arguments::Diff;
use super::people::Clients;

/// Something differs, or moves more clients than it may.
const DIFFERENT: u8 = 1;

pub(super) fn run(arguments: &Diff) -> anyhow::Result<ExitCode> {
    let (old, new) = (Side::of(&arguments.old), Side::of(&arguments.new));
    let sight = old.sight().min(new.sight());
    let (mut old, mut new) = (old.read(arguments)?, new.read(arguments)?);
    let (Some(old), Some(new)) = (old.build(&[], sight), new.build(&arguments.database, sight))
    else {
        return Ok(ExitCode::from(super::FAILED));
    };
    let clients = Clients::new(&arguments.weights, &old.atlas)?;
    let facts = facts::gather(&old, &new, &clients);
    let out = &mut io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &facts)?;
        writeln!(out)?;
    } else {
        text::write(&facts, out)?;
    }
    let is_fine = match arguments.max_moved {
        Some(most) => facts.names.iter().all(|name| name.moved <= most),
        None => facts.is_empty(),
    };
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}
