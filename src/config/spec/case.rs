//! `[case."NAME"]`: what a policy is expected to do.

use serde::Deserialize;

use super::{Spanned, Words};

/// A `[case."NAME"]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseSpec {
    /// The name asked for.
    pub name: Spanned<String>,
    /// The type asked for; A when it is left out.
    #[serde(rename = "type")]
    pub rtype: Option<Spanned<String>>,
    /// The client: an address, or the subnet that a resolver would send for it.
    pub client: Spanned<String>,
    /// Pools and members that are down.
    pub down: Option<Words>,
    /// Pools that are drained.
    pub drain: Option<Words>,
    /// What must hold.
    pub expect: Spanned<ExpectSpec>,
}

/// What must hold; all of it must.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectSpec {
    /// The pools that the client may be sent to, all of them.
    pub pool: Option<Words>,
    /// The addresses (or other data) that the client may be told, all of them, in any order.
    pub answers: Option<Words>,
    /// The ECS scope prefix length.
    pub scope: Option<Spanned<i64>>,
    /// Whether the name has nothing of the type for this client.
    pub nodata: Option<Spanned<bool>>,
    /// The response code.
    pub rcode: Option<Spanned<RcodeSpec>>,
}

/// The response codes that a name can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum RcodeSpec {
    NoError,
    NxDomain,
    ServFail,
    Refused,
}
