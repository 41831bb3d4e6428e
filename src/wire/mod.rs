//! DNS messages as octets: names, numbers, headers, questions, EDNS.
//!
//! Knows the formats of RFC 1035 section 4, RFC 6891 and RFC 7871. Knows nothing of zones,
//! policies or sockets.

pub mod name;
pub mod types;

pub use name::{Name, NameError};
pub use types::{Class, Opcode, Rcode, Type};
