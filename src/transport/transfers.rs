//! Sending a zone transfer over a stream.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::stream;
use crate::engine::transfer::Unfit;
use crate::engine::{Clock, Transfer};

/// Sends what is in `output`, then all messages, each only when the one before was taken: a client
/// that is slow costs one message. `on_message` is called for each. False when the rest cannot be
/// sent, and the connection is to be closed: that is how a client learns of it (RFC 5936 section
/// 2.2).
///
/// # Errors
///
/// When the client takes no message for as long as `limit`, or is gone.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    mut transfer: Transfer,
    stream: &mut S,
    output: &mut Vec<u8>,
    limit: Duration,
    on_message: &impl Fn(),
) -> io::Result<bool> {
    tracing::info!("{transfer} begins");
    let (mut messages, mut octets) = (0_u64, 0_u64);
    loop {
        if let Err(error) = stream::write(stream, output, limit).await {
            tracing::warn!(%error, messages, "{transfer} broke off");
            return Err(error);
        }
        on_message();
        let framed = stream::with_buffer(|buffer| {
            let Some(len) = transfer.next(Clock::new().now(), buffer)? else { return Ok(false) };
            Ok::<bool, Unfit>(stream::frame(&buffer[..len], output))
        });
        match framed {
            Ok(true) => {
                messages += 1;
                octets += output.len() as u64;
            }
            Ok(false) => {
                tracing::info!(messages, octets, "{transfer} is done");
                return Ok(true);
            }
            Err(error) => {
                tracing::error!(%error, messages, "{transfer} broke off");
                return Ok(false);
            }
        }
    }
}
