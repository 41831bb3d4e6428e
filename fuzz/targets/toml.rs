//! Any text as the server's file and as a policy file.

use meridian::config::{self, Memory};

/// `data` is the server's file up to its first NUL octet, a policy file behind it.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == 0);
    let server = parts.next().unwrap_or_default().to_vec();
    let policies = parts.next().unwrap_or_default().to_vec();
    let files: Memory = [("config/meridian.toml", server), ("config/policies/fuzz.toml", policies)]
        .into_iter()
        .collect();
    match config::read(&files, "config/meridian.toml".as_ref()) {
        Ok(loaded) => drop(config::render(&loaded.lints, true)),
        Err(errors) => {
            assert!(!errors.is_empty());
            drop(config::render(&errors, true));
        }
    }
}
