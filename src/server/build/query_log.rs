//! The query log.

use crate::config::{Config, LogFormat, QueryLogFile};
use crate::server::query_log::{Dnstap, Format, Lines, Settings, Target};

/// What is logged of queries, and where. Who the server is goes in with its number.
pub(super) fn build(config: &Config) -> Settings {
    let log = &config.log;
    let target = log.queries.as_ref().map(|file| match file {
        QueryLogFile::Stdout => Target::Stdout,
        QueryLogFile::Stderr => Target::Stderr,
        QueryLogFile::Path(path) => Target::File(path.clone()),
    });
    let format = match log.queries_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let dnstap = |path: &std::path::PathBuf| Dnstap {
        socket: path.clone(),
        identity: identity(&config.server.nsid.of(1)),
    };
    Settings {
        one_in: log.queries_sample,
        lines: target.map(|target| Lines { target, format, most: log.queries_max_mib << 20 }),
        dnstap: log.dnstap.as_ref().map(dnstap),
    }
}

/// Who the server says it is: what NSID says, else the name of the machine.
pub(super) fn identity(nsid: &[u8]) -> Vec<u8> {
    match nsid {
        [] => rustix::system::uname().nodename().to_bytes().to_vec(),
        nsid => nsid.to_vec(),
    }
}
