//! gdnsd: its configuration, and zone files with DYNA and DYNC records.

mod map;
mod plugins;
mod vscf;
mod zone;

use super::draft::{Draft, Record};
use super::node::Node;
use super::{Failure, Texts};

/// Takes over a configuration and zone files: what has a `=>` in it or is called `config` is the
/// first, others are zones called as their files.
///
/// # Errors
/// When one of them is in another syntax.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    let mut configs: Vec<Node> = Vec::new();
    let mut zones = Vec::new();
    for (path, text) in texts {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name == "config" || name.ends_with(".cfg") || text.contains("=>") {
            configs.push(vscf::read(path, text)?);
        } else {
            zones.push(zone::read(path, name, text, draft)?);
        }
    }
    let mut plugins = plugins::Plugins::new(&configs, draft);
    for steered in zones.into_iter().flatten() {
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
