//! gdnsd: its configuration, and zone files with DYNA and DYNC records.

mod map;
mod plugins;
mod vscf;
mod zone;

pub(super) use self::zone::Steered;
use super::draft::{Draft, Record};
use super::node::Node;
use super::{Failure, Texts};

/// What the files say, before anything is made of it.
pub(super) struct Sources {
    /// Configurations.
    pub(super) configs: Vec<Node>,
    /// Names that resources answer for.
    pub(super) steered: Vec<Steered>,
}

impl Sources {
    /// Reads a configuration and zone files: what has a `=>` in it or is called `config` is the
    /// first, others are zones called as their files.
    ///
    /// # Errors
    /// When one of them is in another syntax.
    pub(super) fn read(texts: &Texts) -> Result<Sources, Failure> {
        Sources::read_into(texts, &mut Draft::default())
    }

    /// Likewise; what is not steered of zones goes to the draft.
    fn read_into(texts: &Texts, draft: &mut Draft) -> Result<Sources, Failure> {
        let mut sources = Sources { configs: Vec::new(), steered: Vec::new() };
        for (path, text) in texts {
            let name = path.rsplit('/').next().unwrap_or(path);
            if name == "config" || name.ends_with(".cfg") || text.contains("=>") {
                sources.configs.push(vscf::read(path, text)?);
            } else {
                sources.steered.extend(zone::read(path, name, text, draft)?);
            }
        }
        Ok(sources)
    }
}

/// Takes over a configuration and zone files.
///
/// # Errors
/// When one of them is in another syntax.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    let Sources { configs, steered } = Sources::read_into(texts, draft)?;
    let mut plugins = plugins::Plugins::new(&configs, draft);
    for steered in steered {
        let Some(target) = plugins.target(&steered.resource, &steered.place, draft) else {
            continue;
        };
        let what = format!("`{}`: {}", steered.name, steered.resource);
        draft.exact(&steered.place, what);
        draft.records.push(Record {
            name: steered.name,
            target,
            ttl: steered.ttl,
            on_all_down: Vec::new(),
            place: steered.place,
        });
    }
    plugins.finish(draft);
    Ok(())
}
