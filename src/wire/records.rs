//! The records of any message, one after another, for those who look at messages and answer none.

use super::header::{HEADER, Header};
use super::message::skip_name;
use super::{Class, Malformed, Type, u16_at};

/// A record where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'m> {
    /// 1 answer, 2 authority, 3 additional.
    pub section: usize,
    /// Its type.
    pub rtype: Type,
    /// Its class; the sender's UDP size in OPT.
    pub class: Class,
    /// Its TTL; bits of EDNS in OPT.
    pub ttl: u32,
    /// Its data, with the compression pointers in it.
    pub data: &'m [u8],
}

/// Goes through the records of a message; ends early where it is malformed.
#[derive(Debug, Clone)]
pub struct Records<'m> {
    message: &'m [u8],
    at: usize,
    section: usize,
    /// How many records each section still has.
    left: [u16; 4],
}

impl<'m> Records<'m> {
    /// The records behind the questions; none when those are malformed.
    pub fn of(message: &'m [u8]) -> Records<'m> {
        let mut records = Records { message, at: HEADER, section: 1, left: [0; 4] };
        let Some(header) = Header::parse(message) else { return records };
        let end = (0..header.counts[0]).try_fold(HEADER, |at, _| Ok(skip_name(message, at)? + 4));
        if let Ok::<usize, Malformed>(end) = end {
            (records.at, records.left) = (end, header.counts);
        }
        records
    }

    fn read(&mut self) -> Result<Record<'m>, Malformed> {
        let at = skip_name(self.message, self.at)?;
        let fields: &[u8; 10] =
            self.message.get(at..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        let data_at = at + fields.len();
        self.at = data_at + usize::from(u16_at(fields, 8)?);
        let [_, _, _, _, t0, t1, t2, t3, ..] = *fields;
        Ok(Record {
            section: self.section,
            rtype: Type(u16_at(fields, 0)?),
            class: Class(u16_at(fields, 2)?),
            ttl: u32::from_be_bytes([t0, t1, t2, t3]),
            data: self.message.get(data_at..self.at).ok_or(Malformed)?,
        })
    }
}

impl<'m> Iterator for Records<'m> {
    type Item = Record<'m>;

    fn next(&mut self) -> Option<Record<'m>> {
        while *self.left.get(self.section)? == 0 {
            self.section += 1;
        }
        self.left[self.section] -= 1;
        let record = self.read().ok();
        if record.is_none() {
            self.section = self.left.len();
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"\0\0\x84\0\0\x01\0\x02\0\0\0\x01\
        \x01a\x02ex\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x02\
        \0\0\x29\x04\xd0\0\0\x80\0\0\0";

    #[test]
    fn every_record_is_found_in_its_section() {
        let records: Vec<_> = Records::of(MESSAGE).collect();
        let found: Vec<_> = records.iter().map(|record| (record.section, record.rtype)).collect();
        assert_eq!(found, [(1, Type::A), (1, Type::A), (3, Type::OPT)]);
        assert_eq!(records[1].data, [192, 0, 2, 2]);
        assert_eq!((records[0].ttl, records[0].class), (30, Class::IN));
        assert_eq!((records[2].ttl, records[2].class), (0x8000, Class(1232)));
    }

    #[test]
    fn a_message_that_is_cut_short_has_fewer_records() {
        for cut in 0..MESSAGE.len() {
            let count = Records::of(&MESSAGE[..cut]).count();
            assert_eq!(count, usize::from(cut >= 38) + usize::from(cut >= 54), "{cut}");
        }
    }
}
