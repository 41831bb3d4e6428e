//! `[monitor.NAME]`: how a member is checked. Each kind has a file.

mod composite;
mod dns;
mod exec;
mod grpc;
mod http;
mod push;
mod tcp;
mod tls;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use toml::de::DeValue;

use super::schema_by_kind;
use crate::config::decode::{Misfit, decode, take_kind};

pub use composite::{AtLeastSpec, CompositeSpec};
pub use dns::{DnsCheckSpec, DnsExpectSpec};
pub use exec::ExecSpec;
pub use grpc::{GrpcExpectSpec, GrpcSpec};
pub use http::{HeaderExpectSpec, HttpExpectSpec, HttpSpec};
pub use push::PushSpec;
pub use tcp::{TcpExpectSpec, TcpSpec};
pub use tls::{OnExpirySpec, TlsCheckSpec, TlsExpectSpec};

/// A `[monitor.NAME]` table, by its `kind`.
#[derive(Debug)]
pub enum MonitorSpec {
    /// `http`
    Http(HttpSpec),
    /// `https`
    Https(HttpSpec),
    /// `tcp`
    Tcp(TcpSpec),
    /// `tls`
    Tls(TlsCheckSpec),
    /// `dns`
    Dns(DnsCheckSpec),
    /// `grpc`
    Grpc(GrpcSpec),
    /// `exec`
    Exec(ExecSpec),
    /// `push`
    Push(PushSpec),
    /// `all`
    All(CompositeSpec),
    /// `any`
    Any(CompositeSpec),
    /// `at_least`
    AtLeast(AtLeastSpec),
}

impl MonitorSpec {
    /// Reads a table by its kind.
    pub(in crate::config) fn decode(
        mut value: toml::Spanned<DeValue<'_>>,
        misfits: &mut Vec<Misfit>,
    ) -> Option<MonitorSpec> {
        match take_kind(&mut value, KINDS, misfits)? {
            "http" => decode(value, misfits).map(MonitorSpec::Http),
            "https" => decode(value, misfits).map(MonitorSpec::Https),
            "tcp" => decode(value, misfits).map(MonitorSpec::Tcp),
            "tls" => decode(value, misfits).map(MonitorSpec::Tls),
            "dns" => decode(value, misfits).map(MonitorSpec::Dns),
            "grpc" => decode(value, misfits).map(MonitorSpec::Grpc),
            "exec" => decode(value, misfits).map(MonitorSpec::Exec),
            "push" => decode(value, misfits).map(MonitorSpec::Push),
            "all" => decode(value, misfits).map(MonitorSpec::All),
            "any" => decode(value, misfits).map(MonitorSpec::Any),
            _ => decode(value, misfits).map(MonitorSpec::AtLeast),
        }
    }
}

impl JsonSchema for MonitorSpec {
    fn schema_name() -> Cow<'static, str> {
        "MonitorSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema_by_kind([
            ("http", HttpSpec::json_schema(generator)),
            ("https", HttpSpec::json_schema(generator)),
            ("tcp", TcpSpec::json_schema(generator)),
            ("tls", TlsCheckSpec::json_schema(generator)),
            ("dns", DnsCheckSpec::json_schema(generator)),
            ("grpc", GrpcSpec::json_schema(generator)),
            ("exec", ExecSpec::json_schema(generator)),
            ("push", PushSpec::json_schema(generator)),
            ("all", CompositeSpec::json_schema(generator)),
            ("any", CompositeSpec::json_schema(generator)),
            ("at_least", AtLeastSpec::json_schema(generator)),
        ])
    }
}

/// The kinds of monitors that can be used.
pub const KINDS: &[&str] =
    &["http", "https", "tcp", "tls", "dns", "grpc", "exec", "push", "all", "any", "at_least"];
