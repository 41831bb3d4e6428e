//! One side of a comparison: files on disk, or as they were in a revision of a git repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::report;
use crate::config;
use crate::server::{Generation, Origin};

/// Reads and builds a side; `None` when it has errors, which have been printed. `databases` stand
/// for those that the configuration names, unless empty.
pub(super) fn read(side: &str, databases: &[PathBuf]) -> anyhow::Result<Option<Generation>> {
    match side.split_once(':') {
        Some((revision, file)) if !Path::new(side).exists() => {
            let checkout = Checkout::new(revision)?;
            // Built while the files are there.
            Ok(built(&checkout.within(file)?, databases))
        }
        _ => Ok(built(Path::new(side), databases)),
    }
}

fn built(path: &Path, databases: &[PathBuf]) -> Option<Generation> {
    let mut loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            report::print(&diagnostics);
            return None;
        }
    };
    if !databases.is_empty() {
        loaded.config.geoip.databases = databases
            .iter()
            .map(|path| config::FilePath { path: path.clone(), written: None })
            .collect();
    }
    let (_, mut generation) = report::built(loaded, Origin::Disk)?;
    generation.suppose_hosts();
    Some(generation)
}

/// The files of a revision in a directory of their own, which ends with it.
struct Checkout {
    directory: PathBuf,
    /// Where we are inside the repository: `""` or `sub/directory/`.
    prefix: String,
}

impl Checkout {
    fn new(revision: &str) -> anyhow::Result<Checkout> {
        let prefix = git(&["rev-parse", "--show-prefix"])?;
        let directory = std::env::temp_dir().join(format!("meridian-diff-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        let checkout = Checkout { directory, prefix: prefix.trim().to_owned() };
        let mut archive = Command::new("git")
            .args(["archive", "--format=tar", "--end-of-options", revision])
            .current_dir(git(&["rev-parse", "--show-toplevel"])?.trim())
            .stdout(Stdio::piped())
            .spawn()
            .context("git archive")?;
        let files = archive.stdout.take().context("git archive")?;
        let unpacked = Command::new("tar")
            .args(["-x", "-f", "-", "-C"])
            .arg(&checkout.directory)
            .stdin(files)
            .status()
            .context("tar")?;
        if !archive.wait().context("git archive")?.success() || !unpacked.success() {
            bail!("the files of revision `{revision}` could not be read");
        }
        Ok(checkout)
    }

    fn within(&self, file: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(&self.prefix).join(file);
        if !path.starts_with(&self.directory) || !path.exists() {
            bail!("the revision has no file {}{file}", self.prefix);
        }
        Ok(path)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // A temporary directory that stays harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(arguments).output().context("git")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
