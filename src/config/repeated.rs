//! Lints that say the same of many places: one slow monitor makes the TTL of thousands of records too
//! long, and is one thing to look at.

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Label};
use super::source::Site;

/// Of so many places the same is said one by one.
const SHOWN: usize = 3;

/// Keeps the first few of lints that are alike but for their place, and has the last of these say how
/// many more there are.
pub(super) fn cut_short(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    let mut said: HashMap<_, Said> = HashMap::new();
    for lint in found {
        let others: Vec<Site> = lint.secondary.iter().map(|label| label.span.site()).collect();
        let what = (lint.code, lint.message.clone(), lint.help.clone(), others);
        let said = said.entry(what).or_default();
        said.times += 1;
        if said.times <= SHOWN {
            said.shown_last = kept.len();
            kept.push(lint);
        } else {
            said.of_last = lint.primary;
        }
    }
    for said in said.into_values().filter(|said| said.times > SHOWN) {
        let last =
            said.of_last.map_or(String::new(), |at| format!(", the last at {}", at.span.site()));
        let more = format!("the same is true of {} more{last}", said.times - SHOWN);
        kept[said.shown_last].help.push(more);
    }
    kept
}

/// How often the same is to be said.
#[derive(Default)]
struct Said {
    times: usize,
    /// Which lint of those kept says it last.
    shown_last: usize,
    /// Of what it would be said last.
    of_last: Option<Label>,
}
