//! Reading a configuration for a command, and telling a person what is wrong with it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::bail;

use crate::config::{self, Diagnostic, Loaded, Severity, suggest};
use crate::server::build::world::{self, World};
use crate::server::{Generation, Origin, build};
use crate::steering::model::PoolId;

/// Reads and builds what stands on disk. `None` when there are errors; they have been printed.
/// Lints are left to commands that are about the whole configuration.
pub(super) fn generation(path: &Path) -> Option<(config::Config, Generation)> {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            print(&diagnostics);
            return None;
        }
    };
    built(loaded, Origin::Disk)
}

/// Builds what was read, as [`generation`].
pub(super) fn built(loaded: Loaded, origin: Origin<'_>) -> Option<(config::Config, Generation)> {
    let config = loaded.config.clone();
    match build(loaded, origin) {
        Ok(generation) => Some((config, generation)),
        Err(diagnostics) => {
            print(&diagnostics);
            None
        }
    }
}

/// Reads a configuration and where its databases and networks say that clients are, without zones.
/// `None` when there are errors; they have been printed.
pub(super) fn world(path: &Path) -> Option<(config::Config, World)> {
    let mut found = Vec::new();
    let read = match config::load(path) {
        Ok(loaded) => world::build(&loaded.config, Origin::Disk, &mut found)
            .map(|world| (loaded.config, world)),
        Err(diagnostics) => {
            found = diagnostics;
            None
        }
    };
    if read.is_none() {
        print(&found);
    }
    read
}

/// The pool of a name that was typed.
///
/// # Errors
/// When there is none; names one that is near.
pub(super) fn pool_named(generation: &Generation, name: &str) -> anyhow::Result<PoolId> {
    let pools = &generation.steering.model.pools;
    if let Some(index) = pools.iter().position(|pool| pool.name == name) {
        return Ok(PoolId(index as u32));
    }
    match suggest::nearest(name, pools.iter().map(|pool| &*pool.name)) {
        Some(near) => bail!("there is no pool `{name}`; did you mean `{near}`?"),
        None => bail!("there is no pool `{name}`"),
    }
}

/// Prints findings to stderr, with a closing line that counts them.
pub(super) fn print(diagnostics: &[Diagnostic]) {
    if diagnostics.is_empty() {
        return;
    }
    let text = config::render(diagnostics, is_coloured(&io::stderr()));
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, lints) = (count(Severity::Error), count(Severity::Lint));
    say(&format!("{text}\n{}, {}", plural(errors, "error"), plural(lints, "lint")));
}

/// Prints a line to stderr. Whoever closed it (`2>&1 | head`) does not want to hear more, and the
/// exit code still tells.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether output there may have colours: a terminal, and NO_COLOR (no-color.org) not set.
pub(super) fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `1 error`, `2 errors`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
