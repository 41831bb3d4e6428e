//! The check that asks a name server: over UDP, and over TCP when the answer is truncated.

use std::hash::{BuildHasher, RandomState};

use hickory_proto::op::Message;
use hickory_proto::serialize::binary::BinDecodable;

use super::marks::Marks;
use super::resolve::Lookup;
use crate::health::dialogue;
use crate::health::failure::{Failure, Stage, Timing, shown};
use crate::health::kinds::{Data, Question};
use crate::wire::edns::OPT;
use crate::wire::header::{HEADER, Header, RD, TC, write};
use crate::wire::types::Rcode;
use crate::wire::{Class, Type};

/// The largest answer over UDP that is asked for: it passes every path without fragments.
const UDP_SIZE: u16 = 1232;

/// Data of records that is shown in a failure.
const SHOWN: usize = 4;

/// Asks the first address of a target.
#[derive(Debug)]
pub(super) struct Dns {
    lookup: Lookup,
    question: Question,
}

impl Dns {
    pub(super) fn new(lookup: Lookup, question: Question) -> Dns {
        Dns { lookup, question }
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        let addresses = self.lookup.clone().addresses(marks).await?;
        let Some(server) = addresses.first() else { return Ok(marks.timing()) };
        marks.other(Stage::Answer);
        // Not to be guessed by one who would answer in the target's place.
        let id = RandomState::new().hash_one(server) as u16;
        let query = query(id, &self.question);
        let failed = |e| Failure::of_io(&e, Stage::Answer);
        let is_ours =
            |octets: &[u8]| octets.starts_with(&id.to_be_bytes()).then(|| octets.to_vec());
        let mut reply = dialogue::over_udp(*server, &query, is_ours).await.map_err(failed)?;
        if Header::parse(&reply).is_some_and(|header| header.flags & TC != 0) {
            reply = dialogue::over_tcp(*server, &query).await.map_err(failed)?;
        }
        self.judge(id, &reply)?;
        Ok(marks.timing())
    }

    fn judge(&self, id: u16, reply: &[u8]) -> Result<(), Failure> {
        let Question { name, rtype, rcode, answer } = &self.question;
        let not_dns = |what: String| Failure::Dns(what);
        let header = Header::parse(reply).filter(|header| header.id == id && header.is_response());
        let header = header.ok_or_else(|| not_dns("not the answer to what was asked".into()))?;
        let found = Rcode(header.flags & 0x0f);
        if found != *rcode {
            return Err(Failure::Rcode {
                rcode: found.to_string(),
                question: self.question.to_string(),
                wanted: rcode.to_string(),
            });
        }
        let message = Message::from_bytes(reply).map_err(|e| not_dns(e.to_string()))?;
        let is_asked = message.queries.first().is_some_and(|query| {
            let asked = query.name().to_lowercase();
            u16::from(query.query_type()) == rtype.0 && name.to_lower().labels().eq(asked.iter())
        });
        if !is_asked {
            return Err(not_dns("the answer to another question".into()));
        }
        let of_type = message.answers.iter().filter(|r| u16::from(r.record_type()) == rtype.0);
        let data: Vec<_> = of_type.map(|record| &record.data).collect();
        for Data(wanted) in answer {
            if !data.contains(&wanted) {
                return Err(Failure::Data {
                    question: self.question.to_string(),
                    found: listed(&data),
                    wanted: shown(wanted.to_string().as_bytes()),
                });
            }
        }
        Ok(())
    }
}

/// The data that is there, in a few words.
fn listed(data: &[&hickory_proto::rr::RData]) -> String {
    let first = data.iter().take(SHOWN).map(|data| shown(data.to_string().as_bytes()));
    match (data.len(), first.collect::<Vec<_>>().join(", ")) {
        (0, _) => "no data".into(),
        (all, first) if all > SHOWN => format!("{first} and {} more", all - SHOWN),
        (_, first) => first,
    }
}

/// A query with recursion desired, which an authoritative server ignores, and with EDNS.
fn query(id: u16, question: &Question) -> Vec<u8> {
    let mut query = vec![0; HEADER];
    write(&mut query, id, RD, [1, 0, 0, 1]);
    query.extend_from_slice(question.name.as_wire());
    for number in [question.rtype.0, Class::IN.0] {
        query.extend_from_slice(&number.to_be_bytes());
    }
    let mut opt = [0; OPT];
    opt[1..3].copy_from_slice(&Type::OPT.0.to_be_bytes());
    opt[3..5].copy_from_slice(&UDP_SIZE.to_be_bytes());
    query.extend_from_slice(&opt);
    query
}
