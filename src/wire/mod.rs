//! DNS messages as octets: names, numbers, headers, questions, EDNS.
//!
//! Knows the formats of RFC 1035 section 4, of RFC 6891 and its options, and of RFC 8945. Knows nothing of
//! zones, policies or sockets.

pub mod copy;
pub mod edns;
pub mod header;
pub mod lower;
pub mod message;
pub mod name;
pub mod options;
pub mod records;
pub mod subnet;
pub mod tsig;
pub mod types;
pub mod usual;

pub use edns::Edns;
pub use header::Header;
pub use lower::LowerName;
pub use message::{Query, Question, Rejected, Signed};
pub use name::{Name, NameError};
pub use options::Options;
pub use records::Records;
pub use subnet::Subnet;
pub use types::{Class, Opcode, Rcode, Type};
pub use usual::Usual;

/// Octets that are not what their format asks for. What is wrong with them does not matter: a
/// server's one answer is FORMERR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the octets are not a well-formed DNS message")]
pub struct Malformed;

/// The big-endian number in two octets at `at`.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Result<u16, Malformed> {
    match octets.get(at..) {
        Some([high, low, ..]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(Malformed),
    }
}
