//! Files of the state directory: small documents, read at the start and replaced whole.
//!
//! Knows how they are kept, and nothing of what they say.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The mode of files that only their owner may read: what is kept may have secrets in it.
pub const PRIVATE: u32 = 0o600;

/// What a document says it is, beside what it is about.
#[derive(Deserialize)]
struct Label {
    format: String,
}

#[derive(Serialize)]
struct Labelled<'a, T> {
    format: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

/// Reads a document of a format, such as `meridian overrides 1`; `None` where there is no file.
///
/// # Errors
///
/// When the file cannot be read, or says something else; then it is put aside as `….unusable` for
/// whoever wants to know what it said. The text names the file.
pub fn read<T: DeserializeOwned>(path: &Path, format: &str) -> Result<Option<T>, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let content =
        serde_json::from_slice(&text).and_then(|label: Label| match label.format == format {
            true => serde_json::from_slice(&text).map(Ok),
            false => Ok(Err(format!("its format is `{}`, not `{format}`", label.format))),
        });
    match content {
        Ok(Ok(content)) => Ok(Some(content)),
        Ok(Err(why)) => Err(put_aside(path, &why)),
        Err(error) => Err(put_aside(path, &error.to_string())),
    }
}

fn put_aside(path: &Path, why: &str) -> String {
    // Where even that does not work, the next writing replaces it.
    let _ = fs::rename(path, beside(path, ".unusable"));
    format!("{}: {why}", path.display())
}

/// Writes a document, an object as JSON, in place of the one before; only the owner may read it. See
/// [`replace`].
///
/// # Errors
///
/// As [`replace`].
pub fn write(path: &Path, format: &str, content: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec_pretty(&Labelled { format, content })?, PRIVATE)
}

/// Puts `content` in place of what a file had, all of it or nothing, also when the power fails.
/// Makes the directory if it does not exist. `mode` says who may read the file. Two callers must
/// not replace one file at once.
///
/// # Errors
///
/// When the directory or the file cannot be written; the file is as it was.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let new = beside(path, ".new");
    let written = create(&new, mode).and_then(|mut file| {
        file.write_all(content)?;
        // On the disk before the name points at it: else a power cut could leave an empty file.
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(directory)?.sync_all()
    });
    if written.is_err() {
        // Half a file on a full disk helps nobody.
        let _ = fs::remove_file(&new);
    }
    written
}

/// A new file that those may read whom `mode` says.
///
/// # Errors
///
/// When it cannot be made.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "meridian counts 1";

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Counts {
        one: u64,
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/counts.json");
        assert_eq!(read::<Counts>(&path, FORMAT), Ok(None));
        for one in [1, 2] {
            write(&path, FORMAT, &Counts { one }).unwrap();
            assert_eq!(read(&path, FORMAT), Ok(Some(Counts { one })));
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_used_is_put_aside_and_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counts.json");
        let cases = [
            ("{", "EOF while parsing"),
            (r#"{"format":"meridian counts 1"}"#, "missing field `one`"),
            (r#"{"format":"meridian counts 9","two":2}"#, "its format is `meridian counts 9`, not"),
        ];
        for (text, why) in cases {
            fs::write(&path, text).unwrap();
            let error = read::<Counts>(&path, FORMAT).unwrap_err();
            assert!(error.contains("counts.json: ") && error.contains(why), "{error}");
            assert!(!path.exists());
            let aside = directory.path().join("counts.json.unusable");
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
        }
    }

    #[test]
    fn a_file_stays_when_another_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counts.json");
        replace(&path, b"old", PRIVATE).unwrap();
        // In the way of the new file.
        fs::create_dir(directory.path().join("counts.json.new")).unwrap();
        replace(&path, b"new", PRIVATE).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
