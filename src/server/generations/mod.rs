//! What generations are made from: noted while it is read, kept on disk, watched for changes.
//!
//! ```text
//! files ─► Inputs ─► config, build ─► in force ─► Archive: state/generations/7.json, files/…
//!            └► Watch: has anything changed?          └► Kept ─► Inputs ─► config, build
//! ```
//!
//! Knows files and their octets, and nothing of what they mean.

mod archive;
mod digest;
mod inputs;
mod kept;
mod watch;

use std::io;
use std::path::{self, Path, PathBuf};

pub use archive::{Archive, KeepError, OpenError, open};
pub use digest::Digest;
pub use inputs::{InputFile, Inputs};
pub use kept::Kept;
pub use watch::Watch;

/// A path from the root on. An empty one, as the directory of a file that is named without one, is
/// the current directory.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().is_empty() { std::env::current_dir() } else { path::absolute(path) }
}
