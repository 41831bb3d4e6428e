//! `[keys]` and `[transfer]` in `meridian.toml`: zone transfers to secondaries.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entries, Spanned, StringOr};

/// A key for transaction signatures (RFC 8945); its name is the table's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// The hash algorithm.
    #[schemars(extend("default" = "hmac-sha256"))]
    pub algorithm: Option<Spanned<KeyAlgorithm>>,
    /// The secret in base64.
    pub secret: Option<Spanned<SecretText>>,
    /// A file that holds the secret in base64, and nothing else.
    pub secret_file: Option<Spanned<String>>,
}

/// A hash algorithm for transaction signatures (RFC 8945 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum KeyAlgorithm {
    HmacSha1,
    HmacSha224,
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

/// A secret as it is written; never shown.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Zone transfers (RFC 5936): who may have the zones, and who is told that they changed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferSpec {
    /// Who may have the zones: addresses, networks, `key:NAME`, or both in a table.
    #[schemars(extend("default" = []))]
    pub allow: Option<Spanned<Vec<Spanned<StringOr<AllowSpec>>>>>,
    /// Who is told that a zone changed (RFC 1996): addresses, with a port unless it is 53.
    #[schemars(extend("default" = []))]
    pub notify: Option<Spanned<Vec<Spanned<StringOr<NotifySpec>>>>>,
    /// Transfers that run at the same time, at most.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub at_once: Option<Spanned<i64>>,
    /// What is different for single zones, by their names.
    pub zones: Option<Entries<Spanned<ZoneTransferSpec>>>,
}

/// What is different for one zone; what is left out is as in `[transfer]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneTransferSpec {
    /// Who may have this zone.
    pub allow: Option<Spanned<Vec<Spanned<StringOr<AllowSpec>>>>>,
    /// Who is told that this zone changed.
    pub notify: Option<Spanned<Vec<Spanned<StringOr<NotifySpec>>>>>,
}

/// Clients that are in a network and sign with a key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowSpec {
    /// An address or a network.
    pub net: Spanned<String>,
    /// The name of a key.
    pub key: Spanned<String>,
}

/// A secondary that is told with a signed message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifySpec {
    /// Its address, with a port unless it is 53.
    pub address: Spanned<String>,
    /// The name of a key.
    pub key: Spanned<String>,
}
