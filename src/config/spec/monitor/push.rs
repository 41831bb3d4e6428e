//! Monitors of kind `push`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DampingSpec, DurationText, RhythmSpec, Spanned};

/// A monitor that asks nothing: somebody else reports what was found, through the control API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushSpec {
    /// How long a report holds; a member without another one by then is down.
    pub ttl: Spanned<DurationText>,
    /// Whether a member that goes down often must stay good longer; or how.
    #[schemars(extend("default" = false))]
    pub damping: Option<Spanned<DampingSpec>>,
    /// Whether a member that went down stays down until a person resumes it.
    #[schemars(extend("default" = false))]
    pub manual_resume: Option<bool>,
}

impl PushSpec {
    /// What it has of a rhythm.
    pub fn rhythm(&self) -> RhythmSpec<'_> {
        RhythmSpec {
            damping: self.damping.as_ref(),
            manual_resume: self.manual_resume,
            ..RhythmSpec::default()
        }
    }
}
