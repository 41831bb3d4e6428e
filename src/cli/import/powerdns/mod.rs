//! PowerDNS: the GeoIP backend's YAML, and LUA records in zone files.

mod countries;
mod expression;
mod geoip;
mod lua;

pub(super) use self::countries::of_two as three_letters;
pub(super) use self::expression::{Expression, Program};
pub(super) use self::lua::{LuaRecord, records as lua_records};
use super::draft::Draft;
use super::yaml;
use super::{Failure, Texts};

/// Takes over YAML files of the GeoIP backend, and zone files (`NAME.zone`, or anything else) with
/// LUA records.
///
/// # Errors
/// When a YAML file is none.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    for (path, text) in texts {
        let file = path.rsplit('/').next().unwrap_or(path);
        if file.ends_with(".yaml") || file.ends_with(".yml") {
            let document = yaml::read(path, text)?;
            if document.get("domains").is_none() {
                return Err(Failure::Foreign {
                    path: path.clone(),
                    why: "this is no file of the GeoIP backend: it has no `domains`",
                });
            }
            geoip::take_over(&document, draft);
        } else {
            lua::take_over(path, file.strip_suffix(".zone").unwrap_or(file), text, draft);
        }
    }
    Ok(())
}
