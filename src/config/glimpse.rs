//! What the server's own file says of a few paths, whatever else is wrong with it: mistakes must
//! not keep anybody from the server that runs, nor from what was kept for such a day.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// Where the control socket is when the file does not say.
pub(super) const SOCKET: &str = "state/meridian.sock";

/// The state directory when the file does not say.
pub(super) const STATE: &str = "state";

/// The control socket of the server whose own file is at `path`.
pub fn control_socket(path: &Path) -> PathBuf {
    beside(path, &written(path, "admin", "socket").unwrap_or_else(|| SOCKET.to_owned()))
}

/// The state directory of the server whose own file is at `path`.
pub fn state_directory(path: &Path) -> PathBuf {
    beside(path, &written(path, "server", "state").unwrap_or_else(|| STATE.to_owned()))
}

/// A text in a table of the file, as far as the file can be read.
fn written(path: &Path, table: &str, key: &str) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (root, _) = DeTable::parse_recoverable(&text);
    match root.get_ref().get(table)?.get_ref() {
        DeValue::Table(table) => Some(table.get(key)?.get_ref().as_str()?.to_owned()),
        _ => None,
    }
}

fn beside(path: &Path, written: &str) -> PathBuf {
    path.parent().unwrap_or_else(|| "".as_ref()).join(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_a_file_that_is_broken_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meridian.toml");
        let at = |text: &str| {
            fs::write(&path, text).unwrap();
            (state_directory(&path), control_socket(&path))
        };
        let expected = (PathBuf::from("/var/state"), PathBuf::from("/run/m.sock"));
        let good = "[server]\nstate = \"/var/state\"\n[admin]\nsocket = \"/run/m.sock\"\n";
        assert_eq!(at(good), expected);
        assert_eq!(at(&format!("{good}[geoip]\ndatabases = [\"a\n")), expected);
        assert_eq!(at(&format!("colour = blue\n{good}")), expected);
        assert_eq!(at(&good.replace("state =", "workers = = 2\nstate =")), expected);
        let beside = |name| directory.path().join(name);
        assert_eq!(at("[["), (beside("state"), beside("state/meridian.sock")));
    }
}
