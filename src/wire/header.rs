//! The twelve octets in front of every message (RFC 1035 section 4.1.1).

use super::{Opcode, Rcode};

/// Octets of a header.
pub const HEADER: usize = 12;

/// Query (0) or response (1).
pub const QR: u16 = 0x8000;
/// The server is an authority for the first owner name of the answer.
pub const AA: u16 = 0x0400;
/// The answer is not whole: ask again over TCP.
pub const TC: u16 = 0x0200;
/// Recursion desired; copied into the response.
pub const RD: u16 = 0x0100;

const OPCODE_MASK: u16 = 0x7800;

/// A header as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message ID.
    pub id: u16,
    /// QR, opcode, flags and response code.
    pub flags: u16,
    /// How many records each section says it has: question, answer, authority, additional.
    pub counts: [u16; 4],
}

impl Header {
    /// Reads the header; `None` when there are fewer than twelve octets.
    #[inline]
    pub fn parse(message: &[u8]) -> Option<Header> {
        let octets: &[u8; HEADER] = message.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        Some(Header { id: word(0), flags: word(2), counts: [word(4), word(6), word(8), word(10)] })
    }

    /// Whether it is a response, which a server never answers.
    #[inline]
    pub fn is_response(&self) -> bool {
        self.flags & QR != 0
    }

    /// The operation code.
    #[inline]
    pub fn opcode(&self) -> Opcode {
        Opcode(((self.flags & OPCODE_MASK) >> 11) as u8)
    }

    /// The flags of a response: QR, the opcode and RD as they came, `extra` flags, and the low
    /// four bits of `rcode`. RA, AD and CD stay clear (RFC 4035 section 3.1.6).
    #[inline]
    pub fn response_flags(&self, extra: u16, rcode: Rcode) -> u16 {
        QR | (self.flags & (OPCODE_MASK | RD)) | extra | (rcode.0 & 0x0f)
    }
}

/// Writes a header over the first twelve octets of `out`. Fewer stay as they are.
#[inline]
pub fn write(out: &mut [u8], id: u16, flags: u16, counts: [u16; 4]) {
    if let Some(front) = out.first_chunk_mut::<HEADER>() {
        let words = [id, flags, counts[0], counts[1], counts[2], counts[3]];
        for (pair, word) in front.as_chunks_mut::<2>().0.iter_mut().zip(words) {
            *pair = word.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_keeps_opcode_and_rd_and_nothing_else_of_the_flags() {
        let header = Header { id: 7, flags: 0x29b0 | TC | 0x0010, counts: [1, 0, 0, 0] };
        assert_eq!(header.opcode(), Opcode(5));
        assert_eq!(header.response_flags(AA, Rcode::NXDOMAIN), QR | 0x2800 | AA | RD | 3);
    }

    #[test]
    fn a_header_reads_back() {
        let mut octets = [0; HEADER];
        write(&mut octets, 0xabcd, QR | RD, [1, 2, 3, 4]);
        let header = Header { id: 0xabcd, flags: QR | RD, counts: [1, 2, 3, 4] };
        assert_eq!(Header::parse(&octets), Some(header));
        assert_eq!(Header::parse(&octets[..11]), None);
    }
}
