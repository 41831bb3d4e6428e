//! What checks ask that are not HTTP.
//!
//! What stands here is checked when it is made, so that a probe cannot fail over it later.

use std::fmt;
use std::path::PathBuf;

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};
use rustls::pki_types::ServerName;

use super::check::{Host, Target};
use super::credentials::Credentials;
use super::monitor::{Expiry, RequestError, Trust, parse_host};
use crate::wire::types::Rcode;
use crate::wire::{Name, Type};

/// What is said over a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// What is sent first; may be nothing.
    pub send: Vec<u8>,
    /// What must come back, somewhere in the first 64 KiB that do; may be nothing.
    pub answer: Vec<u8>,
}

/// A target as it is called in SNI, in certificates and in `:authority`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Called(Option<String>);

impl Called {
    /// Called like this, or by its own address or name.
    ///
    /// # Errors
    /// When `host` is neither a host name nor an address.
    pub fn new(host: Option<&str>) -> Result<Called, RequestError> {
        host.map(parse_host).transpose().map(Called)
    }

    /// As in a URL.
    pub(super) fn of(&self, target: &Target) -> String {
        self.0.clone().unwrap_or_else(|| target.host().in_url())
    }

    /// As TLS has it.
    pub(super) fn server_name(&self, target: &Target) -> Result<ServerName<'static>, String> {
        let host = match (&self.0, target.host()) {
            (None, Host::Address(address)) => return Ok(ServerName::from(*address)),
            (None, Host::Name(name) | Host::Placed(name, _)) => name.clone(),
            (Some(host), _) => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        };
        ServerName::try_from(host.clone()).map_err(|error| format!("`{host}`: {error}"))
    }
}

/// A handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// How the target is called.
    pub called: Called,
    /// What is asked of it.
    pub security: Security,
}

/// What is asked of the other side of TLS, and what it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How long its certificate must still be valid. Only where certificates are looked at.
    pub expiry: Option<Expiry>,
    /// What is shown to a target that asks who this server is.
    pub credentials: Option<Credentials>,
}

/// A question to a name server, and what must come back.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    pub rtype: Type,
    /// The code that must come back.
    pub rcode: Rcode,
    /// What must be among the records of the type asked for.
    pub answer: Vec<Data>,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.rtype)
    }
}

/// The data of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Data(pub(super) RData);

impl Data {
    /// From the octets of a record's data, without compression.
    ///
    /// # Errors
    /// When they are not data of that type.
    pub fn new(rtype: Type, octets: &[u8]) -> Result<Data, String> {
        let length = u16::try_from(octets.len()).map_err(|_| "the data is too long".to_owned())?;
        let mut decoder = BinDecoder::new(octets);
        let data = RData::read(&mut decoder, RecordType::from(rtype.0), Restrict::new(length));
        data.map(Data).map_err(|error| error.to_string())
    }
}

/// A call of `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// How the target is called.
    pub called: Called,
    /// `None` for clear text.
    pub security: Option<Security>,
    /// The service asked about; empty is the server as a whole.
    pub service: String,
}

/// A program that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// What it is given.
    pub arguments: Vec<String>,
}
