//! The files of one generation, noted as they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::absolute;
use super::digest::Digest;
use super::kept::{Content, Kept};
use crate::config::files::{Disk, Files};

/// Reads files, from disk or as they were kept, and remembers what was in them.
#[derive(Debug)]
pub struct Inputs {
    kept: Option<Kept>,
    seen: Mutex<Seen>,
}

/// By absolute paths.
#[derive(Debug, Default)]
struct Seen {
    files: BTreeMap<PathBuf, Input>,
    /// The names in directories, sorted.
    directories: BTreeMap<PathBuf, Vec<String>>,
}

/// A file as it was when it was read first.
#[derive(Debug, Clone, Copy)]
struct Input {
    /// `None` when it could not be read.
    content: Option<Content>,
    stamp: Option<Stamp>,
    role: Role,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// What it says may be handed out.
    Open,
    /// It may have secrets in it.
    Configuration,
    /// It is never copied.
    Secret,
}

/// A file as it was read.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// From the root on.
    pub path: PathBuf,
    /// Octets.
    pub length: u64,
    /// SHA-256.
    pub digest: Digest,
    /// Whether it may have secrets in it.
    pub is_configuration: bool,
    stamp: Option<Stamp>,
}

impl InputFile {
    /// Whether the file at `path` has this in it. Reads only what was touched since.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let is_untouched = self.stamp.is_some() && self.stamp == stamp(path);
        Ok(is_untouched || Digest::of_file(path, |_| Ok(()))?.0 == self.digest)
    }
}

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Inputs {
    /// Reads from disk.
    pub fn disk() -> Inputs {
        Inputs { kept: None, seen: Mutex::default() }
    }

    /// Reads what was kept.
    pub fn kept(kept: Kept) -> Inputs {
        Inputs { kept: Some(kept), seen: Mutex::default() }
    }

    /// Whether they come from what was kept.
    pub fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether the same was read: the same files, with the same in them.
    pub fn is_same(&self, other: &Inputs) -> bool {
        let contents = |inputs: &Inputs| -> BTreeMap<PathBuf, Option<Content>> {
            let seen = inputs.seen();
            seen.files.iter().map(|(path, input)| (path.clone(), input.content)).collect()
        };
        contents(self) == contents(other)
    }

    /// What is kept of it: all but secrets.
    pub(super) fn contents(&self) -> BTreeMap<PathBuf, Content> {
        let seen = self.seen();
        let open = seen.files.iter().filter(|(_, input)| input.role != Role::Secret);
        open.filter_map(|(path, input)| Some((path.clone(), input.content?))).collect()
    }

    /// The files that were read, but for secrets.
    pub fn list(&self) -> Vec<InputFile> {
        let seen = self.seen();
        let open = seen.files.iter().filter(|(_, input)| input.role != Role::Secret);
        let file = |(path, input): (&PathBuf, &Input)| {
            let Content { digest, length } = input.content?;
            let is_configuration = input.role == Role::Configuration;
            let (path, stamp) = (path.clone(), input.stamp);
            Some(InputFile { path, length, digest, is_configuration, stamp })
        };
        open.filter_map(file).collect()
    }

    /// Where the content of a file is now.
    pub(super) fn place(&self, path: &Path, content: Content) -> PathBuf {
        match &self.kept {
            Some(kept) => kept.place(content),
            None => path.to_owned(),
        }
    }

    /// The files on disk that are otherwise than in `kept`, as far as either names them.
    pub fn differences(&self, kept: &Kept) -> Vec<PathBuf> {
        let own = self.contents();
        let paths: BTreeSet<&PathBuf> = own.keys().chain(kept.files.keys()).collect();
        let differs = |path: &&PathBuf| {
            let now = Digest::of_file(path, |_| Ok(())).ok().map(|(digest, _)| digest);
            now != kept.files.get(*path).map(|content| content.digest)
        };
        paths.into_iter().filter(differs).cloned().collect()
    }

    /// The files that were read, secrets too, and that whoever runs this now cannot read.
    pub fn unreadable(&self) -> Vec<PathBuf> {
        let seen = self.seen();
        let read = seen.files.iter().filter(|(_, input)| input.content.is_some());
        let paths = read.map(|(path, _)| path);
        paths.filter(|path| fs::File::open(path).is_err()).cloned().collect()
    }

    /// The directories in which a change may be one of these files.
    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let seen = self.seen();
        let parents = seen.files.keys().filter_map(|path| path.parent());
        parents.map(Path::to_owned).chain(seen.directories.keys().cloned()).collect()
    }

    /// Whether anything is otherwise on disk than it was read: a content, or the names in a
    /// directory that was looked through. Reads only files that were touched.
    pub(super) fn have_changed(&self) -> bool {
        let (files, directories) = {
            let seen = self.seen();
            (seen.files.clone(), seen.directories.clone())
        };
        for (path, input) in files {
            let now = stamp(&path);
            if now.is_some() && now == input.stamp {
                continue;
            }
            let content = Digest::of_file(&path, |_| Ok(())).ok();
            let content = content.map(|(digest, length)| Content { digest, length });
            if content != input.content {
                return true;
            }
            self.seen().files.insert(path, Input { stamp: now, ..input });
        }
        directories.into_iter().any(|(directory, names)| sorted(&directory).ok() != Some(names))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> &dyn Files {
        match &self.kept {
            Some(kept) => kept,
            None => &Disk,
        }
    }

    /// Notes what `read` finds, and how the file looked before.
    fn note<T>(
        &self,
        path: &Path,
        role: Role,
        read: impl FnOnce(&dyn Files) -> io::Result<T>,
        octets: impl FnOnce(&T) -> &[u8],
    ) -> io::Result<T> {
        let stamp = stamp(path);
        let outcome = read(self.files());
        let content = outcome
            .as_ref()
            .ok()
            .map(octets)
            .map(|octets| Content { digest: Digest::of(octets), length: octets.len() as u64 });
        // What was read first is what counts; again it is read to show a mistake in it.
        self.seen().files.entry(absolute(path)?).or_insert(Input { content, stamp, role });
        outcome
    }
}

impl Files for Inputs {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path, Role::Open, |files| files.read(path), |octets| octets)
    }

    fn read_config(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path, Role::Configuration, |files| files.read_config(path), |octets| octets)
    }

    fn read_bounded(&self, path: &Path, most: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        self.note(path, Role::Open, |files| files.read_bounded(path, most), |(_, octets)| octets)
    }

    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path, Role::Secret, |files| files.read_secret(path), |octets| octets)
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = self.files().names(directory);
        if let (Ok(names), None) = (&names, &self.kept) {
            let mut names = names.clone();
            names.sort();
            self.seen().directories.insert(absolute(directory)?, names);
        }
        names
    }
}

fn sorted(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Disk.names(directory)?;
    names.sort();
    Ok(names)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        file: (metadata.dev(), metadata.ino()),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
