//! `[[webhook]]` in `meridian.toml`: who is told of what happens.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, Spanned};

/// An HTTP server that is told of what happens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// What it is called in the log and in `ctl status`, and what is remembered of it in the state
    /// directory. By default the host and port of its address.
    pub name: Option<Spanned<String>>,
    /// Where events are posted to.
    #[schemars(regex(pattern = r"^https?://"))]
    pub url: Spanned<String>,
    /// What it is told of. By default everything.
    #[schemars(extend("default" = ["pool", "member", "panic", "reload", "override"]))]
    pub on: Option<Spanned<Vec<Spanned<Topic>>>>,
    /// File with a token, which is sent as `Authorization: Bearer`.
    pub token_file: Option<Spanned<String>>,
    /// File with a secret that bodies are signed with: HMAC-SHA256, in `Meridian-Signature`.
    pub secret_file: Option<Spanned<String>>,
    /// PEM file with certificate authorities that are believed beside those of the system.
    pub ca: Option<Spanned<String>>,
    /// How long one attempt may take.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<Spanned<DurationText>>,
}

/// What events are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Topic {
    /// Pools that come up, go down, keep another share of their clients, are held by a safety
    /// rule, or in maintenance.
    Pool,
    /// Members: verdicts, what holds them down, warnings.
    Member,
    /// Records for which nothing is up.
    Panic,
    /// Starts and reloads.
    Reload,
    /// What operators put over files and checks.
    Override,
}

impl Topic {
    /// All there are.
    pub const ALL: &'static [Topic] =
        &[Topic::Pool, Topic::Member, Topic::Panic, Topic::Reload, Topic::Override];
}
