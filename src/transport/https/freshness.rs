//! How long an HTTP cache may keep a reply (RFC 8484 section 5.1).

/// Octets of a header.
const HEADER: usize = 12;

const SOA: u16 = 6;

const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;

/// Seconds that a DNS reply stays fresh: the smallest TTL of its answer section; with nothing in
/// that section the time its SOA gives to negative answers (RFC 2308 section 5); otherwise 0. A
/// failure, and what cannot be read, is never fresh.
pub fn seconds(reply: &[u8]) -> u32 {
    read(reply).unwrap_or(0)
}

fn read(reply: &[u8]) -> Option<u32> {
    let rcode = reply.get(3)? & 0x0f;
    if rcode != NOERROR && rcode != NXDOMAIN {
        return None;
    }
    let [questions, answers, authorities] = [4, 6, 8].map(|at| u16_at(reply, at));
    let mut at = HEADER;
    for _ in 0..questions? {
        at = after_name(reply, at)? + 4;
    }
    let mut least = None;
    for _ in 0..answers? {
        let record = Record::read(reply, at)?;
        least = Some(least.map_or(record.ttl, |least: u32| least.min(record.ttl)));
        at = record.end;
    }
    if least.is_some() {
        return least;
    }
    for _ in 0..authorities? {
        let record = Record::read(reply, at)?;
        if record.rtype == SOA {
            // MINIMUM is the last field of the data.
            return Some(record.ttl.min(u32_at(reply, record.end.checked_sub(4)?)?));
        }
        at = record.end;
    }
    None
}

struct Record {
    rtype: u16,
    ttl: u32,
    /// Where the next one begins.
    end: usize,
}

impl Record {
    fn read(message: &[u8], at: usize) -> Option<Record> {
        let at = after_name(message, at)?;
        let end = at + 10 + usize::from(u16_at(message, at + 8)?);
        let whole = end <= message.len();
        whole.then_some(Record { rtype: u16_at(message, at)?, ttl: u32_at(message, at + 4)?, end })
    }
}

/// Where the name at `at` ends; a pointer is not followed.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{Message, Query, ResponseCode};
    use hickory_proto::rr::rdata::{A, NS, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn reply(rcode: ResponseCode) -> Message {
        let mut message = Message::query();
        message.metadata.response_code = rcode;
        message.add_query(Query::query(name("www.example.com."), RecordType::A));
        message
    }

    fn address(ttl: u32) -> Record {
        Record::from_rdata(name("www.example.com."), ttl, RData::A(A::new(192, 0, 2, 1)))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let (server, contact) = (name("ns.example.com."), name("admin.example.com."));
        let data = SOA::new(server, contact, 1, 7200, 1800, 777_600, minimum);
        Record::from_rdata(name("example.com."), ttl, RData::SOA(data))
    }

    fn seconds_of(message: &Message) -> u32 {
        seconds(&message.to_vec().unwrap())
    }

    #[test]
    fn an_answer_is_as_fresh_as_its_shortest_ttl() {
        let mut message = reply(ResponseCode::NoError);
        message.add_answer(address(300)).add_answer(address(20)).add_answer(address(60));
        message.add_authority(soa(5, 5));
        assert_eq!(seconds_of(&message), 20);
        // An alias that leads to no such name is an answer, too.
        message.metadata.response_code = ResponseCode::NXDomain;
        assert_eq!(seconds_of(&message), 20);
    }

    #[test]
    fn a_negative_answer_is_as_fresh_as_its_soa_says() {
        for rcode in [ResponseCode::NoError, ResponseCode::NXDomain] {
            for (ttl, minimum, fresh) in [(300, 60, 60), (30, 60, 30), (0, 60, 0)] {
                let mut message = reply(rcode);
                message.add_authority(soa(ttl, minimum));
                assert_eq!(seconds_of(&message), fresh);
            }
        }
    }

    #[test]
    fn failures_and_referrals_are_not_kept() {
        for rcode in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
            let mut message = reply(rcode);
            message.add_answer(address(300)).add_authority(soa(300, 60));
            assert_eq!(seconds_of(&message), 0);
        }
        let mut referral = reply(ResponseCode::NoError);
        let server = RData::NS(NS(name("ns.example.com.")));
        referral.add_authority(Record::from_rdata(name("example.com."), 300, server));
        assert_eq!(seconds_of(&referral), 0);
    }

    #[test]
    fn what_is_cut_short_is_not_kept() {
        let mut message = reply(ResponseCode::NoError);
        message.add_authority(soa(300, 60));
        let octets = message.to_vec().unwrap();
        assert_eq!(seconds(&octets), 60);
        for length in 0..octets.len() {
            assert_eq!(seconds(&octets[..length]), 0, "{length}");
        }
    }
}
