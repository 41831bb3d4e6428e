//! One question to a resolver and what its answer says, as messages.
//!
//! Pure functions: who sends them is [`ask`](super::ask).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name as ProtoName, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

use crate::wire::Name;

/// Aliases that are followed, at most.
const MAX_CHAIN: usize = 16;

/// Addresses of one name and family that are taken, at most.
pub const MAX_ADDRESSES: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// A question that waits for its answer.
#[derive(Debug, Clone)]
pub struct Question {
    id: u16,
    query: Query,
}

/// The addresses of one family, sorted, each once; none where the name has none or does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The least time to live of all records on the way to them.
    pub ttl: Duration,
}

/// Why a message does not answer a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It is about something else: another is waited for.
    #[error("an answer to another question")]
    Unrelated,
    /// It is not whole: to be asked again over TCP.
    #[error("the answer was cut off")]
    Truncated,
    /// The resolver cannot say.
    #[error("it answered {0}")]
    Failed(ResponseCode),
    /// Aliases lead in a loop, or too far.
    #[error("its aliases lead nowhere")]
    Loop,
}

impl Question {
    /// A question with this ID, which is not to be guessed; `None` for a name that cannot be asked
    /// for.
    pub fn new(name: &Name, family: Family, id: u16) -> Option<Question> {
        let name = ProtoName::from_bytes(name.as_wire()).ok()?;
        let rtype = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        Some(Question { id, query: Query::query(name, rtype) })
    }

    /// The message, for UDP.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.id = self.id;
        message.metadata.recursion_desired = true;
        message.add_query(self.query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        message.edns = Some(edns);
        // What a name of wire length and a type come to can always be written.
        message.to_vec().unwrap_or_default()
    }

    /// What a message says.
    ///
    /// # Errors
    /// When it does not answer this question.
    pub fn read(&self, octets: &[u8]) -> Result<Answer, NoAnswer> {
        let message = Message::from_bytes(octets).map_err(|_| NoAnswer::Unrelated)?;
        let head = &message.metadata;
        let is_answer = head.id == self.id && head.message_type == MessageType::Response;
        if !is_answer || message.queries[..] != [self.query.clone()] {
            return Err(NoAnswer::Unrelated);
        }
        if head.truncation {
            return Err(NoAnswer::Truncated);
        }
        match head.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => self.follow(&message.answers),
            code => Err(NoAnswer::Failed(code)),
        }
    }

    /// Follows aliases to addresses (RFC 1034 section 3.6.2).
    fn follow(&self, records: &[Record]) -> Result<Answer, NoAnswer> {
        let mut name = &self.query.name;
        let mut ttl = u32::MAX;
        for _ in 0..MAX_CHAIN {
            let here = || records.iter().filter(|record| record.name == *name);
            let mut addresses = Vec::new();
            let mut alias = None;
            for record in here() {
                match &record.data {
                    RData::A(a) => addresses.push((IpAddr::from(a.0), record.ttl)),
                    RData::AAAA(a) => addresses.push((IpAddr::from(a.0), record.ttl)),
                    RData::CNAME(target) => alias = Some((&target.0, record.ttl)),
                    _ => {}
                }
            }
            let wanted = self.query.query_type == RecordType::A;
            addresses.retain(|(address, _)| address.is_ipv4() == wanted && is_usable(*address));
            if let (true, Some((target, kept))) = (addresses.is_empty(), alias) {
                ttl = ttl.min(kept);
                name = target;
                continue;
            }
            let ttl = addresses.iter().map(|(_, kept)| *kept).fold(ttl, u32::min);
            let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|(a, _)| a).collect();
            addresses.sort_unstable();
            addresses.dedup();
            addresses.truncate(MAX_ADDRESSES);
            return Ok(Answer { addresses, ttl: Duration::from_secs(ttl.into()) });
        }
        Err(NoAnswer::Loop)
    }
}

/// Whether clients can connect to an address: what may be a member in the files, too.
fn is_usable(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && match address {
            IpAddr::V4(v4) => v4 != Ipv4Addr::BROADCAST,
            IpAddr::V6(v6) => v6.to_ipv4_mapped().is_none() && v6 != Ipv6Addr::UNSPECIFIED,
        }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME};

    use super::*;

    fn question() -> Question {
        Question::new(&"lb.example.net.".parse().unwrap(), Family::V4, 7).unwrap()
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(ProtoName::from_ascii(owner).unwrap(), ttl, data)
    }

    fn address(last: u8) -> RData {
        RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn alias(to: &str) -> RData {
        RData::CNAME(CNAME(ProtoName::from_ascii(to).unwrap()))
    }

    fn reply(answers: Vec<Record>, change: impl Fn(&mut Message)) -> Vec<u8> {
        let mut message = Message::response(7, hickory_proto::op::OpCode::Query);
        message.add_query(question().query);
        message.answers = answers;
        change(&mut message);
        message.to_vec().unwrap()
    }

    #[test]
    fn aliases_are_followed_and_the_least_time_to_live_counts() {
        let answers = vec![
            record("b.example.net.", 60, address(2)),
            record("LB.example.net.", 300, alias("b.example.net.")),
            record("b.example.net.", 90, address(1)),
            record("other.example.net.", 1, address(9)),
        ];
        let answer = question().read(&reply(answers, |_| {})).unwrap();
        let addresses = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse::<IpAddr>().unwrap());
        assert_eq!(answer, Answer { addresses: addresses.into(), ttl: Duration::from_secs(60) });
    }

    #[test]
    fn what_does_not_answer_the_question_is_told_apart() {
        let read = |change: &dyn Fn(&mut Message)| {
            question().read(&reply(vec![record("lb.example.net.", 60, address(1))], change))
        };
        assert_eq!(read(&|m| m.metadata.id = 8), Err(NoAnswer::Unrelated));
        assert_eq!(read(&|m| m.queries.clear()), Err(NoAnswer::Unrelated));
        assert_eq!(
            read(&|m| m.metadata.message_type = MessageType::Query),
            Err(NoAnswer::Unrelated)
        );
        assert_eq!(read(&|m| m.metadata.truncation = true), Err(NoAnswer::Truncated));
        let failed = read(&|m| m.metadata.response_code = ResponseCode::ServFail);
        assert_eq!(failed, Err(NoAnswer::Failed(ResponseCode::ServFail)));
        assert_eq!(question().read(&[1, 2, 3]), Err(NoAnswer::Unrelated));
    }

    #[test]
    fn a_loop_of_aliases_ends_and_unusable_addresses_are_left_out() {
        let round = vec![
            record("lb.example.net.", 60, alias("b.example.net.")),
            record("b.example.net.", 60, alias("lb.example.net.")),
        ];
        assert_eq!(question().read(&reply(round, |_| {})), Err(NoAnswer::Loop));
        let none = vec![record("lb.example.net.", 60, RData::A(A(Ipv4Addr::UNSPECIFIED)))];
        assert_eq!(question().read(&reply(none, |_| {})).unwrap().addresses, [] as [IpAddr; 0]);
    }
}
