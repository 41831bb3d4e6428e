//! What the generation in force was made from, for those who compare it with something else. Its
//! secrets stay here.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{Reloader, apart, defect, no_files};
use crate::admin::Refusal;
use crate::admin::line::Part;
use crate::admin::message::{ServedFile, ServedFiles};
use crate::config;
use crate::server::generations::{self, Archive, InputFile, Inputs};

/// Octets of a part, at most.
const PART: u64 = 4 << 20;

impl Reloader {
    /// All files; what those of the configuration say, without secrets. `path` is the server's own
    /// file.
    pub(in crate::server) async fn files(
        &self,
        path: Option<&Path>,
    ) -> Result<ServedFiles, Refusal> {
        let path = std::path::absolute(path.ok_or_else(no_files)?).map_err(unreadable)?;
        let (generation, inputs) = self.in_force().await;
        let archive = self.archive.clone();
        let work = move || {
            let list = inputs.list();
            let files = list.iter().map(|file| served(file, &inputs, archive.as_ref()));
            files.collect::<Result<Vec<_>, Refusal>>()
        };
        Ok(ServedFiles {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation,
            server_file: path.to_string_lossy().into_owned(),
            files: apart(work).await.map_err(defect)??,
        })
    }

    /// A part of a file that is no configuration; empty behind its end.
    pub(in crate::server) async fn part(&self, part: Part) -> Result<Vec<u8>, Refusal> {
        let (_, inputs) = self.in_force().await;
        let archive = self.archive.clone();
        let work = move || {
            let list = inputs.list();
            let is_wanted =
                |file: &&InputFile| !file.is_configuration && file.digest.hex() == part.sha256;
            let file = list.iter().find(is_wanted).ok_or_else(|| {
                let text = "no file that is served from has this SHA-256 (any more)";
                Refusal::Unknown(text.to_owned())
            })?;
            let opened = generations::open(file, &inputs, archive.as_ref()).map_err(gone)?;
            let length = PART.min(file.length.saturating_sub(part.from));
            let mut octets = vec![0; usize::try_from(length).unwrap_or_default()];
            opened.read_exact_at(&mut octets, part.from).map_err(unreadable)?;
            Ok(octets)
        };
        apart(work).await.map_err(defect)?
    }

    async fn in_force(&self) -> (u64, Arc<Inputs>) {
        let current = self.current.lock().await;
        (current.facts.number, Arc::clone(&current.inputs))
    }
}

fn served(
    file: &InputFile,
    inputs: &Inputs,
    archive: Option<&Archive>,
) -> Result<ServedFile, Refusal> {
    let path = file.path.to_string_lossy().into_owned();
    if !file.is_configuration {
        let (length, sha256) = (file.length, Some(file.digest.hex()));
        return Ok(ServedFile { path, length, text: None, sha256 });
    }
    let mut text = String::new();
    let mut opened = generations::open(file, inputs, archive).map_err(gone)?;
    opened.read_to_string(&mut text).map_err(unreadable)?;
    // Not its digest either: whoever guesses a secret could try it on that.
    let text = config::struck(&text);
    Ok(ServedFile { path, length: text.len() as u64, text: Some(text), sha256: None })
}

fn gone(error: generations::OpenError) -> Refusal {
    Refusal::Refused(error.to_string())
}

fn unreadable(error: io::Error) -> Refusal {
    Refusal::Refused(format!("a file cannot be read: {error}"))
}
