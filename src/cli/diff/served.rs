//! What a running server was made from, as it hands that out: without secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use anyhow::bail;

use crate::admin::message::{ServedFile, ServedFiles};
use crate::cli::ctl::Reach;
use crate::cli::ctl::reach::{Failure, Server};
use crate::cli::report;
use crate::config::{Disk, Files};
use crate::server::generations::Digest;

/// The files of a server, by its own paths.
#[derive(Debug)]
pub(super) struct Served {
    own_file: PathBuf,
    files: BTreeMap<PathBuf, Content>,
}

/// What is in a file.
#[derive(Debug)]
enum Content {
    Octets(Vec<u8>),
    /// The same as here under the same path: a database need not travel.
    Here,
}

impl Served {
    /// Asks a server: that at a control socket, at a URL, or where `at` is empty the one that the
    /// file `config` is of.
    ///
    /// # Errors
    ///
    /// When it is not reached, or does not tell.
    pub(super) fn of(config: &Path, at: &str, token: Option<&Path>) -> anyhow::Result<Served> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(async {
            let server = Server::at(&Reach::to(config, at, token))?;
            let told: ServedFiles = server.read("/v1/files").await?;
            remark_version(&told.version);
            let mut files = BTreeMap::new();
            for file in told.files {
                let content = content(&server, &file).await?;
                files.insert(file.path.into(), content);
            }
            Ok(Served { own_file: told.server_file.into(), files })
        });
        match asked {
            Ok(served) => Ok(served),
            Err(Failure::NotReached(text)) => bail!(text),
            Err(Failure::Refused(text)) => {
                let is_shown = token.is_some() || !at.contains("://");
                let help = if is_shown { "" } else { " (`--token-file` names the file with it)" };
                bail!("the server does not give its files: {text}{help}")
            }
            Err(Failure::Output(error)) => Err(error.into()),
        }
    }

    /// The path of the server's own file.
    pub(super) fn own_file(&self) -> &Path {
        &self.own_file
    }

    /// Also has these files, which are here.
    pub(super) fn put_here(&mut self, files: &[PathBuf]) {
        let files = files.iter().filter_map(|path| path::absolute(path).ok());
        self.files.extend(files.map(|path| (path, Content::Here)));
    }
}

fn remark_version(of_server: &str) {
    let own = env!("CARGO_PKG_VERSION");
    if of_server != own {
        report::say(&format!(
            "warning: the server is version {of_server} and this is {own}: it may serve otherwise"
        ));
    }
}

async fn content(server: &Server, file: &ServedFile) -> Result<Content, Failure> {
    let sha256 = match (&file.text, &file.sha256) {
        (Some(text), _) => return Ok(Content::Octets(text.clone().into_bytes())),
        (None, Some(sha256)) => sha256,
        (None, None) => return Ok(Content::Octets(Vec::new())),
    };
    let path = Path::new(&file.path);
    let is_as_long = fs::metadata(path).is_ok_and(|found| found.len() == file.length);
    let digest = |path| Digest::of_file(path, |_| Ok(())).map(|(digest, _)| digest.hex());
    if is_as_long && digest(path).is_ok_and(|digest| digest == *sha256) {
        return Ok(Content::Here);
    }
    let mut octets = Vec::new();
    while (octets.len() as u64) < file.length {
        let from = octets.len();
        let part = server.octets(&format!("/v1/files/part?sha256={sha256}&from={from}")).await?;
        if part.is_empty() {
            break;
        }
        octets.extend_from_slice(&part);
    }
    match Digest::of(&octets).hex() == *sha256 {
        true => Ok(Content::Octets(octets)),
        false => Err(Failure::Refused(format!("{} was changed while it was read", file.path))),
    }
}

impl Files for Served {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(&path::absolute(path)?) {
            Some(Content::Octets(octets)) => Ok(octets.clone()),
            Some(Content::Here) => Disk.read(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read_bounded(&self, path: &Path, _: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        Ok((path.to_owned(), self.read(path)?))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = path::absolute(directory)?;
        let inside = self.files.keys().filter(|path| path.parent() == Some(&directory));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}
