//! The generation that a server starts with: the files as they are, or, when there are mistakes in
//! them, the newest that was kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admin::message::Fallback;
use crate::config::{self, Config, Diagnostic};
use crate::server::build::{Generation, Origin, build};
use crate::server::fixed::Fixed;
use crate::server::generations::{Archive, Inputs, Kept};

/// A generation to start with.
#[derive(Debug)]
pub struct First {
    /// What its files say.
    pub config: Config,
    /// What became of them.
    pub generation: Generation,
    /// Where it comes from, and where others will.
    pub lineage: Lineage,
    /// What is wrong with the files on disk, when this is what was kept of them.
    pub mistakes: Vec<Diagnostic>,
    /// Newer ones that were kept and cannot be used either, and why.
    pub passed_over: Vec<(u64, Vec<Diagnostic>)>,
}

/// Where a server's generations come from, and where they are kept.
#[derive(Debug)]
pub struct Lineage {
    pub(super) fixed: Fixed,
    pub(super) archive: Option<Archive>,
    /// What the first was made from.
    pub(super) inputs: Arc<Inputs>,
    /// What was last read from disk.
    pub(super) on_disk: Arc<Inputs>,
    /// What the first is, when it is not what stands on disk.
    pub(super) fallback: Option<Fallback>,
    /// What `meridian check` prints of the files on disk then.
    pub(super) mistakes: Option<String>,
}

impl Lineage {
    /// Of a server that has no files.
    pub fn none(fixed: Fixed) -> Lineage {
        let inputs = Arc::new(Inputs::disk());
        let on_disk = Arc::clone(&inputs);
        Lineage { fixed, archive: None, inputs, on_disk, fallback: None, mistakes: None }
    }

    /// The files on disk that were read for the start, and that a reload cannot read: after the
    /// server became another user.
    pub fn unreadable(&self) -> Vec<PathBuf> {
        self.on_disk.unreadable()
    }

    /// What takes the place of the files on disk, if anything does.
    pub fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }
}

/// Reads what stands on disk; when there are mistakes in it and the start is not `strict`, what
/// was kept, the newest that can be used. `is_listen_overruled` says that the command line tells
/// where to listen.
///
/// # Errors
///
/// The mistakes in the files on disk, when there is nothing to start with.
pub fn first(
    path: &Path,
    strict: bool,
    is_listen_overruled: bool,
) -> Result<First, Vec<Diagnostic>> {
    let on_disk = Arc::new(Inputs::disk());
    let lineage = |config: &Config, archive: Archive, inputs: Arc<Inputs>| Lineage {
        fixed: Fixed::of(config, is_listen_overruled),
        archive: Some(archive),
        inputs,
        on_disk: Arc::clone(&on_disk),
        fallback: None,
        mistakes: None,
    };
    let mistakes = match compile(path, &on_disk) {
        Ok((config, mut generation)) => {
            let archive = Archive::new(&config.server.state, path, config.server.generations);
            generation.number(archive.number_of(&on_disk));
            let lineage = lineage(&config, archive, Arc::clone(&on_disk));
            let (mistakes, passed_over) = (Vec::new(), Vec::new());
            return Ok(First { config, generation, lineage, mistakes, passed_over });
        }
        Err(mistakes) if strict => return Err(mistakes),
        Err(mistakes) => mistakes,
    };
    let state = config::state_directory(path);
    let mut passed_over = Vec::new();
    for kept in Archive::new(&state, path, 0).list().into_iter().rev() {
        let Kept { number, at, .. } = kept;
        let inputs = Arc::new(Inputs::kept(kept));
        match compile(path, &inputs) {
            Ok((config, mut generation)) => {
                generation.number(number);
                let archive = Archive::new(&config.server.state, path, config.server.generations);
                let mut lineage = lineage(&config, archive, inputs);
                let who = "the start, because the files have mistakes".to_owned();
                lineage.fallback = Some(Fallback { generation: number, at, who });
                lineage.mistakes = Some(config::render(&mistakes, false));
                return Ok(First { config, generation, lineage, mistakes, passed_over });
            }
            Err(why) => passed_over.push((number, why)),
        }
    }
    Err(mistakes)
}

fn compile(path: &Path, inputs: &Inputs) -> Result<(Config, Generation), Vec<Diagnostic>> {
    let loaded = config::read(inputs, path)?;
    let config = loaded.config.clone();
    Ok((config, build(loaded, Origin::Files(inputs))?))
}
