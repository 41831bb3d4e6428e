//! The last generations on disk.
//!
//! `state/generations/7.json` says which files generation 7 was made from; their contents are in
//! `state/generations/files`, each once, however many generations it belongs to. A database that
//! stays the same takes its room once.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::absolute;
use super::digest::Digest;
use super::inputs::{InputFile, Inputs};
use super::kept::{Content, Kept};
use crate::state;

/// In the state directory.
const DIRECTORY: &str = "generations";
/// In that: contents by their digests.
const CONTENTS: &str = "files";
/// A content that is not yet whole.
const NEW: &str = "new";

/// Where generations are kept.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
    root: PathBuf,
    most: usize,
}

/// What a generation was made from cannot be had any more.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another file is in its place, and no copy was kept.
    #[error(
        "{} was changed after it had been read, and what it said is not kept (`generations` in \
         [server])",
        .0.display()
    )]
    Gone(PathBuf),
}

/// Opens a file as it was read: its kept copy, or itself as long as nobody has changed it.
///
/// # Errors
///
/// When there is neither any more.
pub fn open(
    file: &InputFile,
    inputs: &Inputs,
    archive: Option<&Archive>,
) -> Result<File, OpenError> {
    // It got its name when it was whole.
    let kept = archive.and_then(|archive| File::open(archive.place(file.digest)).ok());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let content = Content { digest: file.digest, length: file.length };
    let place = inputs.place(&file.path, content);
    let failed = |cause| OpenError::Io { path: file.path.clone(), cause };
    match file.is_at(&place).map_err(failed)? {
        true => File::open(&place).map_err(failed),
        false => Err(OpenError::Gone(file.path.clone())),
    }
}

/// A generation is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// A file cannot be written or read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is no longer what the generation was made from.
    #[error("{} was changed after it had been read; reload again", .0.display())]
    Changed(PathBuf),
}

impl Archive {
    /// The archive in the directory `state` of a server whose own file is `root`; it keeps so many
    /// generations at `most`. Nothing is read or written.
    pub fn new(state: &Path, root: &Path, most: usize) -> Archive {
        let root = absolute(root).unwrap_or_else(|_| root.to_owned());
        Archive { directory: state.join(DIRECTORY), root, most }
    }

    /// What is kept of this server's generations, the oldest first.
    pub fn list(&self) -> Vec<Kept> {
        let mut list = self.all();
        list.retain(|kept| kept.root == self.root);
        list
    }

    /// The same, with those of a server's file that was elsewhere.
    fn all(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let manifest = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_suffix(".json")?.parse().ok()?;
            Kept::parse(&fs::read(entry.path()).ok()?, number, &self.contents())
        };
        let mut list: Vec<Kept> = entries.flatten().filter_map(manifest).collect();
        list.sort_by_key(|kept| kept.number);
        list
    }

    /// The number of a generation that a server starts with: that of the newest one, when that
    /// was made from the same.
    pub fn number_of(&self, inputs: &Inputs) -> u64 {
        match self.all().last() {
            None => 1,
            Some(newest) if self.is_twin(newest, &inputs.contents()) => newest.number,
            Some(newest) => newest.number + 1,
        }
    }

    /// Keeps a generation that is in force since `at` (milliseconds since 1970), and lets go of
    /// the oldest ones. It is there as a whole or not at all. One that was made from the same as
    /// the newest takes its place.
    ///
    /// # Errors
    ///
    /// When it is not kept; what was kept before still is.
    pub fn keep(&self, number: u64, at: u64, inputs: &Inputs) -> Result<(), KeepError> {
        if self.most == 0 {
            return Ok(());
        }
        let files = inputs.contents();
        let twin = self.all().pop().filter(|newest| self.is_twin(newest, &files));
        if twin.as_ref().is_some_and(|twin| twin.number == number) {
            return Ok(());
        }
        let contents = self.contents();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&contents)
            .map_err(at_path(&contents))?;
        let at = twin.as_ref().map_or(at, |twin| twin.at);
        let kept = Kept { number, at, root: self.root.clone(), files, contents };
        if let Err(error) = self.add(&kept, inputs) {
            // A disk that is full gets its room back.
            let _ = self.prune();
            return Err(error);
        }
        if let Some(twin) = twin {
            let manifest = self.manifest(twin.number);
            fs::remove_file(&manifest).map_err(at_path(&manifest))?;
        }
        self.prune().map_err(at_path(&self.directory))
    }

    fn add(&self, kept: &Kept, inputs: &Inputs) -> Result<(), KeepError> {
        for (path, content) in &kept.files {
            self.take(path, *content, inputs)?;
        }
        self.write(kept).map_err(at_path(&self.manifest(kept.number)))
    }

    /// Copies a content, unless it is there.
    fn take(&self, path: &Path, content: Content, inputs: &Inputs) -> Result<(), KeepError> {
        let place = self.place(content.digest);
        // It got its name when it was whole.
        if fs::metadata(&place).is_ok_and(|there| there.len() == content.length) {
            return Ok(());
        }
        let from = inputs.place(path, content);
        let new = self.contents().join(NEW);
        let mut copy = state::create(&new, state::PRIVATE).map_err(at_path(&new))?;
        let (digest, _) =
            Digest::of_file(&from, |octets| copy.write_all(octets)).map_err(at_path(&place))?;
        if digest != content.digest {
            return Err(KeepError::Changed(path.to_owned()));
        }
        // Before the name says that it is whole: else a power cut could leave it empty.
        copy.sync_data().and_then(|()| fs::rename(&new, &place)).map_err(at_path(&place))
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        File::open(self.contents())?.sync_all()?;
        state::replace(&self.manifest(kept.number), &kept.manifest()?, state::PRIVATE)
    }

    /// Removes what is too old, and contents that belong to nothing.
    fn prune(&self) -> io::Result<()> {
        let mut list = self.all();
        let old = list.len().saturating_sub(self.most);
        for kept in list.drain(..old) {
            fs::remove_file(self.manifest(kept.number))?;
        }
        let used: HashSet<PathBuf> =
            list.iter().flat_map(|kept| kept.files.values().map(|c| kept.place(*c))).collect();
        for entry in fs::read_dir(self.contents())? {
            let path = entry?.path();
            if !used.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn is_twin(&self, kept: &Kept, files: &BTreeMap<PathBuf, Content>) -> bool {
        kept.root == self.root && kept.files == *files
    }

    /// Where a content is kept, if it is.
    fn place(&self, digest: Digest) -> PathBuf {
        self.contents().join(digest.hex())
    }

    fn contents(&self) -> PathBuf {
        self.directory.join(CONTENTS)
    }

    fn manifest(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number}.json"))
    }
}

fn at_path(path: &Path) -> impl Fn(io::Error) -> KeepError {
    move |cause| KeepError::Io { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::Files;

    #[test]
    fn each_content_is_kept_once_and_as_long_as_a_generation_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("meridian.toml");
        let archive = Archive::new(&directory.path().join("state"), &root, 2);
        let keep = |number, text: &str| {
            fs::write(&root, text).unwrap();
            let inputs = Inputs::disk();
            inputs.read(&root).unwrap();
            archive.keep(number, number, &inputs).unwrap();
            let list = archive.list();
            let count = fs::read_dir(archive.contents()).unwrap().count();
            (list.iter().map(|kept| kept.number).collect::<Vec<_>>(), count)
        };
        assert_eq!(keep(1, "a"), (vec![1], 1));
        assert_eq!(keep(2, "b"), (vec![1, 2], 2));
        // The same again takes the newest one's place.
        assert_eq!(keep(3, "b"), (vec![1, 3], 2));
        assert_eq!(archive.list()[1].at, 2);
        assert_eq!(keep(4, "a"), (vec![3, 4], 2));
        assert_eq!(keep(5, "c"), (vec![4, 5], 2));
        assert_eq!(archive.list()[0].read(&root).unwrap(), b"a");
        let elsewhere = Archive::new(&directory.path().join("state"), "other.toml".as_ref(), 2);
        assert!(elsewhere.list().is_empty());
    }

    #[test]
    fn what_is_no_longer_as_it_was_read_is_not_kept_and_damage_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("meridian.toml");
        let archive = Archive::new(&directory.path().join("state"), &root, 2);
        fs::write(&root, "good").unwrap();
        let inputs = Inputs::disk();
        inputs.read(&root).unwrap();
        fs::write(&root, "newer").unwrap();
        assert!(matches!(archive.keep(1, 1, &inputs), Err(KeepError::Changed(_))));
        assert!(archive.list().is_empty());
        fs::write(&root, "good").unwrap();
        archive.keep(1, 1, &inputs).unwrap();
        let kept = &archive.list()[0];
        fs::write(kept.place(kept.files[&root]), "evil").unwrap();
        assert!(kept.read(&root).unwrap_err().to_string().contains("damaged"));
    }
}
