//! Where logs go: to stderr, as text or JSON.

use tracing_subscriber::EnvFilter;

use super::report;
use crate::config::{LogFormat, LogLevel};

/// With what hickory and QUIC warn of, handshakes that fail above all, any client could fill the
/// log; below that hickory writes two lines for each query. A name stands for all that begin so.
const QUIET: &str = "hickory=error,quinn=error";

/// Starts logging for the rest of the process. `RUST_LOG` is stronger than `level`.
pub(super) fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("meridian={level},{QUIET},warn")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(report::is_coloured(&std::io::stderr()));
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
