//! One side of a comparison: files on disk, as they were in a revision of a git repository, or as a
//! running server has them.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::served::Served;
use crate::cli::arguments::Diff;
use crate::cli::report;
use crate::config::{self, Disk, Files};
use crate::server::{Generation, Origin};

/// A side as it is typed.
pub(super) enum Side<'a> {
    /// A file, or a directory.
    Path(&'a Path),
    /// The same of a revision.
    Revision(&'a str, &'a str),
    /// A server: nothing for that of the configuration file, a socket, or a URL.
    Server(&'a str),
}

/// What can be seen of both sides, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    /// What a server tells: no secrets, and not the files of its machine.
    Told,
    /// What is in a repository: no keys, certificates and programs.
    Written,
    /// Everything that a server here would read.
    All,
}

/// The files of a side.
pub(super) enum Source {
    Disk(PathBuf),
    Revision(Checkout),
    Served(Served),
}

impl Side<'_> {
    /// A side by its name.
    pub(super) fn of(name: &str) -> Side<'_> {
        let path = Path::new(name);
        let is_socket = fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
        match name.split_once(':') {
            _ if name == "server" => Side::Server(""),
            _ if is_socket || name.contains("://") => Side::Server(name),
            Some((revision, file)) if !path.exists() => Side::Revision(revision, file),
            _ => Side::Path(path),
        }
    }

    pub(super) fn sight(&self) -> Sight {
        match self {
            Side::Path(_) => Sight::All,
            Side::Revision(..) => Sight::Written,
            Side::Server(_) => Sight::Told,
        }
    }

    /// Finds its files.
    ///
    /// # Errors
    ///
    /// When there are none, or they cannot be had.
    pub(super) fn read(&self, arguments: &Diff) -> anyhow::Result<Source> {
        match *self {
            Side::Path(path) => {
                let file = config::own_file(path).with_context(|| path.display().to_string())?;
                Ok(Source::Disk(file))
            }
            Side::Revision(revision, path) => Ok(Source::Revision(Checkout::new(revision, path)?)),
            Side::Server(at) => {
                let (config, token) = (&arguments.config.config, arguments.token_file.as_deref());
                Ok(Source::Served(Served::of(config, at, token)?))
            }
        }
    }
}

impl Source {
    /// Builds it; `None` when it has errors, which have been printed. `databases` stand for those
    /// that the configuration names, unless empty.
    pub(super) fn build(&mut self, databases: &[PathBuf], sight: Sight) -> Option<Generation> {
        if let Source::Served(served) = self {
            served.put_here(databases);
        }
        let here: &dyn Files = if sight == Sight::Told { &Struck } else { &Disk };
        let (files, path): (&dyn Files, &Path) = match self {
            Source::Served(served) => (served, served.own_file()),
            Source::Disk(path) => (here, path),
            Source::Revision(checkout) => (here, &checkout.own_file),
        };
        let mut loaded = match config::read(files, path) {
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
        let origin = match sight {
            Sight::All => Origin::Disk,
            Sight::Told | Sight::Written => Origin::Elsewhere(files),
        };
        let (_, mut generation) = report::built(loaded, origin)?;
        generation.suppose_hosts();
        Some(generation)
    }
}

/// The files on disk as a server would hand them out.
#[derive(Debug)]
struct Struck;

impl Files for Struck {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }

    fn read_bounded(&self, path: &Path, most: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        Disk.read_bounded(path, most)
    }

    fn read_config(&self, path: &Path) -> io::Result<Vec<u8>> {
        // What is no text is reported as it is.
        let struck = |text: String| config::struck(&text).into_bytes();
        let octets = Disk.read(path)?;
        Ok(String::from_utf8(octets).map_or_else(|error| error.into_bytes(), struck))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        Disk.names(directory)
    }
}

/// The files of a revision in a directory of their own, which ends with it.
pub(super) struct Checkout {
    directory: PathBuf,
    /// The server's own file in it.
    own_file: PathBuf,
}

impl Checkout {
    /// Checks a revision out; `path` names the server's own file from where we are.
    fn new(revision: &str, path: &str) -> anyhow::Result<Checkout> {
        // Where we are inside the repository: `""` or `sub/directory/`.
        let prefix = git(&["rev-parse", "--show-prefix"])?;
        let mut checkout = Checkout { directory: new_directory()?, own_file: PathBuf::new() };
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
        let place = checkout.directory.join(prefix.trim()).join(path);
        if !place.starts_with(&checkout.directory) || !place.exists() {
            bail!("the revision has no file {}{path}", prefix.trim());
        }
        let own_file = config::own_file(&place);
        checkout.own_file = own_file.with_context(|| format!("{revision}:{path}"))?;
        Ok(checkout)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // A temporary directory that stays harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of this process alone; two revisions have two.
fn new_directory() -> anyhow::Result<PathBuf> {
    let mut number = 0;
    loop {
        let name = format!("meridian-diff-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error).with_context(|| directory.display().to_string()),
        }
    }
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(arguments).output().context("git")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
