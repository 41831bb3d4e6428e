//! Where files come from: the disk, or memory for an embedded configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// A tree of files.
pub trait Files: fmt::Debug + Sync {
    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The content of a regular file, cut behind the octet after `most`; and the path that stands
    /// for the file whatever links lead to it.
    fn read_bounded(&self, path: &Path, most: u64) -> io::Result<(PathBuf, Vec<u8>)>;

    /// As [`read`](Files::read), for files of the configuration, which may have secrets in them.
    fn read_config(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }

    /// As [`read`](Files::read), for what is never copied: keys, and what goes with them.
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }

    /// The names of the files (not the directories) in a directory, in any order.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_bounded(&self, path: &Path, most: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        let real = fs::canonicalize(path)?;
        // Opening a pipe would wait, a device would never end.
        if !fs::metadata(&real)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut content = Vec::new();
        File::open(&real)?.take(most.saturating_add(1)).read_to_end(&mut content)?;
        Ok((real, content))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let here = Path::new(".");
        let directory = if directory.as_os_str().is_empty() { here } else { directory };
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Through `metadata` and not the entry's own type: a link to a file is a file.
            let is_file = fs::metadata(entry.path()).is_ok_and(|m| m.is_file());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Files that exist only in this process. Paths are compared after `.` and `..` are worked out.
#[derive(Debug, Clone, Default)]
pub struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl<P: AsRef<Path>, T: Into<Vec<u8>>> FromIterator<(P, T)> for Memory {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Memory {
        Memory(files.into_iter().map(|(path, text)| (plain(path.as_ref()), text.into())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(&plain(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_bounded(&self, path: &Path, _: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        Ok((plain(path), self.read(path)?))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = plain(directory);
        let inside = self.0.keys().filter(|path| path.parent() == Some(&directory));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}

/// The path without `.` and with `..` worked out by name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// A directory in which there is no configuration of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory has neither meridian.toml nor config/meridian.toml in it")]
pub struct NoOwnFile;

/// The server's own file that a path names: the path itself, or in a directory `meridian.toml`, or
/// else `config/meridian.toml`. A path that leads nowhere is given back as it is.
///
/// # Errors
///
/// When there is neither in the directory.
pub fn own_file(path: &Path) -> Result<PathBuf, NoOwnFile> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let places = ["meridian.toml", "config/meridian.toml"].map(|name| path.join(name));
    places.into_iter().find(|place| place.is_file()).ok_or(NoOwnFile)
}

/// The files a pattern names, sorted. `*` (any run of characters) and `?` (any one) stand for
/// parts of the last component; a file whose name starts with a dot needs a pattern that does.
///
/// Empty when a pattern with `*` or `?` matches nothing or its directory is missing; an error
/// when a plain path names no file or a directory cannot be listed.
pub(super) fn expand(files: &dyn Files, pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(wanted) = pattern.file_name().and_then(|name| name.to_str()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let directory = pattern.parent().unwrap_or(Path::new(""));
    let is_plain = !wanted.contains(['*', '?']);
    let mut names = match files.names(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_plain => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    if is_plain {
        names.retain(|name| name == wanted);
        if names.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
    } else {
        names.retain(|name| {
            name.starts_with('.') == wanted.starts_with('.')
                && matches(wanted.as_bytes(), name.as_bytes())
        });
    }
    names.sort();
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// Whether `name` fits `pattern`. Goes back only to the last `*`, so it takes at most
/// `pattern x name` steps.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    n = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, name, fits) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "acb", false),
            ("?.toml", "a.toml", true),
            ("?.toml", ".toml", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_match_files_in_memory_and_on_disk_alike() {
        let names = ["b.toml", "a.toml", ".hidden.toml", "c.txt"];
        let disk = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(disk.path().join(name), "").unwrap();
        }
        fs::create_dir(disk.path().join("d.toml")).unwrap();
        let on_disk = expand(&Disk, &disk.path().join("*.toml")).unwrap();
        assert_eq!(on_disk, ["a.toml", "b.toml"].map(|name| disk.path().join(name)));

        let memory: Memory = names.map(|name| (format!("config/{name}"), "")).into_iter().collect();
        let in_memory = expand(&memory, Path::new("config/x/../*.toml")).unwrap();
        let expected = ["a.toml", "b.toml"].map(|name| Path::new("config/x/..").join(name));
        assert_eq!(in_memory, expected);
        assert_eq!(memory.read(&in_memory[0]).unwrap(), b"");
    }

    #[test]
    fn a_plain_path_must_exist_and_a_pattern_need_not() {
        let memory = Memory::default();
        assert_eq!(
            expand(&memory, Path::new("a.toml")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(expand(&memory, Path::new("no/*.toml")).unwrap(), [] as [PathBuf; 0]);
        assert!(expand(&Disk, Path::new("/no/such/directory/*.toml")).unwrap().is_empty());
        assert!(expand(&memory, Path::new("..")).is_err());
    }
}
