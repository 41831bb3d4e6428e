//! Lines into a file, or to stdout or stderr: the thread that may wait for a disk.
//!
//! A file that was moved or removed is opened anew under its name. One that cannot be written loses
//! lines, which is counted, and said once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::Target;
use super::outlet::{Chunk, Inlet};

/// How often is looked whether the file still has its name, and whether one that cannot be opened
/// can be.
const LOOK: Duration = Duration::from_secs(1);

/// The log is for its owner and group: it says who asked for what.
const MODE: u32 = 0o640;

/// Where lines go, and how that is going.
#[derive(Debug)]
pub(super) struct LineFile {
    target: Target,
    file: Option<File>,
    /// Octets of the file, from which on it is moved out of the way; 0 for never.
    most: u64,
    /// How many there are.
    size: u64,
    /// When was last looked.
    looked: Option<Instant>,
    /// Whether it stopped in the middle of a line.
    is_torn: bool,
    /// Whether the last attempt failed.
    is_failing: bool,
}

impl LineFile {
    pub(super) fn new(target: Target, most: u64) -> LineFile {
        let (file, looked, size) = (None, None, 0);
        LineFile { target, file, most, size, looked, is_torn: false, is_failing: false }
    }

    /// Writes what comes until nothing comes any more.
    pub(super) fn write(mut self, inlet: Inlet) {
        if let Err(error) = self.look() {
            self.tell(&inlet, Err(error));
        }
        loop {
            let next = inlet.next(LOOK);
            if inlet.takes_look() {
                self.looked = None;
            }
            let chunk = match next {
                Ok(chunk) => chunk,
                Err(RecvTimeoutError::Timeout) => {
                    // That it is open does not mean that it can be written.
                    if let Err(error) = self.look() {
                        self.tell(&inlet, Err(error));
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (written, outcome) = self.put(&chunk);
            inlet.tally.count_written(written);
            inlet.tally.count_lost(chunk.queries - written);
            self.tell(&inlet, outcome);
        }
    }

    /// Writes a chunk; says how many of its lines went out as a whole.
    fn put(&mut self, chunk: &Chunk) -> (u64, io::Result<()>) {
        if let Err(error) = self.look() {
            return (0, Err(error));
        }
        let mut out: Box<dyn Write + '_> = match (&self.target, &mut self.file) {
            (Target::Stdout, _) => Box::new(io::stdout().lock()),
            (Target::Stderr, _) => Box::new(io::stderr().lock()),
            (Target::File(_), Some(file)) => Box::new(file),
            (Target::File(_), None) => return (0, Err(io::ErrorKind::NotFound.into())),
        };
        let (mut done, mut outcome) = (0, Ok(()));
        if self.is_torn {
            outcome = out.write_all(b"\n");
            self.is_torn = outcome.is_err();
        }
        while outcome.is_ok() && done < chunk.octets.len() {
            match out.write(&chunk.octets[done..]) {
                Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => outcome = Err(error),
            }
        }
        let outcome = outcome.and_then(|()| out.flush());
        drop(out);
        let written = &chunk.octets[..done];
        self.size += done as u64;
        if done > 0 {
            self.is_torn = !written.ends_with(b"\n");
        }
        (written.iter().filter(|octet| **octet == b'\n').count() as u64, outcome)
    }

    /// Opens the file if it is not open under its name; looks once a second. Moves one that is too
    /// large out of the way first.
    fn look(&mut self) -> io::Result<()> {
        let Target::File(path) = &self.target else { return Ok(()) };
        if self.is_too_large(path) {
            let mut before = path.clone().into_os_string();
            before.push(".1");
            fs::rename(path, before)?;
            (self.file, self.looked, self.size) = (None, None, 0);
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        if !self.file.as_ref().is_some_and(|file| is_at(file, path)) {
            // Half a line stayed in the other file.
            self.is_torn = false;
            (self.file, self.size) = (None, 0);
            let file = open(path)?;
            // What is no file has no size.
            self.size = file.metadata().map_or(0, |known| known.len());
            self.file = Some(file);
        }
        Ok(())
    }

    /// Only what is a file in its own right is moved: no device, no pipe, no link to something else.
    fn is_too_large(&self, path: &Path) -> bool {
        self.most > 0
            && self.size >= self.most
            && self.file.as_ref().is_some_and(|file| is_at(file, path))
            && fs::symlink_metadata(path).is_ok_and(|known| known.is_file())
    }

    fn tell(&mut self, inlet: &Inlet, outcome: io::Result<()>) {
        match &outcome {
            Err(error) if !self.is_failing => tracing::error!(
                "cannot write the query log, {}: {error}; queries are lost until it can be written",
                self.target
            ),
            Ok(()) if self.is_failing => {
                let (name, lost) = (&self.target, inlet.tally.lost());
                tracing::info!(
                    "the query log, {name}, is written again; {lost} queries lost since the start"
                );
            }
            _ => {}
        }
        self.is_failing = outcome.is_err();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// Whether the file is what stands under this name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str) -> Chunk {
        Chunk { octets: text.into(), queries: text.matches('\n').count() as u64 }
    }

    fn file(path: &Path) -> LineFile {
        LineFile::new(Target::File(path.to_owned()), 0)
    }

    #[test]
    fn a_file_that_was_moved_is_begun_anew_under_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("q.log"), directory.path().join("q.log.1"));
        let mut file = file(&path);
        assert_eq!(file.put(&chunk("a\nb\n")).0, 2);
        fs::rename(&path, &moved).unwrap();
        // Not looked at so soon: it still goes to the old one.
        assert_eq!(file.put(&chunk("c\n")).0, 1);
        file.looked = None;
        assert_eq!(file.put(&chunk("d\n")).0, 1);
        assert_eq!(fs::read_to_string(&moved).unwrap(), "a\nb\nc\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "d\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777 & !MODE, 0);
    }

    #[test]
    fn a_file_that_is_too_large_is_moved_in_place_of_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("q.log"), directory.path().join("q.log.1"));
        fs::write(&path, "old\n").unwrap();
        let mut file = LineFile::new(Target::File(path.clone()), 8);
        let texts = ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n", "g\n"];
        for text in texts {
            assert_eq!(file.put(&chunk(text)).0, 1);
        }
        assert_eq!(fs::read_to_string(&moved).unwrap(), "c\nd\ne\nf\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "g\n");
        // What others have moved is not missed, and a device is nothing to move.
        fs::remove_file(&path).unwrap();
        file.size = 8;
        assert_eq!(file.put(&chunk("h\n")).0, 1);
        let mut file = LineFile::new(Target::File("/dev/null".into()), 1);
        assert_eq!([(); 3].map(|()| file.put(&chunk("a\n")).0), [1; 3]);
        assert!(!Path::new("/dev/null.1").exists());
    }

    #[test]
    fn a_full_disk_loses_lines_and_is_tried_again() {
        let mut file = file(Path::new("/dev/full"));
        for _ in 0..2 {
            let (written, outcome) = file.put(&chunk("a\nb\n"));
            assert_eq!((written, outcome.unwrap_err().kind()), (0, io::ErrorKind::StorageFull));
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("later");
        let mut file = file(&folder.join("q.log"));
        assert!(file.put(&chunk("a\n")).1.is_err());
        assert!(file.put(&chunk("b\n")).1.is_err());
        fs::create_dir(&folder).unwrap();
        file.looked = None;
        assert_eq!(file.put(&chunk("c\n")).0, 1);
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("q.log");
        let mut file = file(&path);
        assert!(file.put(&chunk("a\nb")).1.is_ok());
        assert!(file.is_torn);
        assert!(file.put(&chunk("c\n")).1.is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
    }
}
