//! Any octets to whoever reads query logs: files of dnstap, the messages in them, and lines.

use meridian::server::query_log::dnstap::Message;
use meridian::server::query_log::frames::Frames;
use meridian::server::query_log::{client, client_in};

/// `data` is a file, and a frame, and the messages of a query and its response, and lines.
pub fn run(data: &[u8]) {
    for frame in Frames::of_file(data).into_iter().flatten() {
        let Ok(frame) = frame else { continue };
        assert!(!frame.is_empty() && frame.len() <= data.len());
        read(frame);
    }
    read(data);
    client(data, data, None);
    for line in String::from_utf8_lossy(data).lines() {
        client_in(line);
    }
}

fn read(frame: &[u8]) {
    if let Some(message) = Message::read(frame) {
        client(message.query, message.response, message.sender);
    }
}
