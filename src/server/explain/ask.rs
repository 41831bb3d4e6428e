//! Asking the engine as a resolver would: a real message in, a real message out.

use std::net::SocketAddr;

use anyhow::Context;
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet as Ecs, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name as HickoryName, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

use crate::admin::Question;
use crate::engine::{Clock, Engine, Reply, Request, Scratch, Transport};
use crate::geo::address::truncate;

/// What came back.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) rcode: ResponseCode,
    /// Answer section, in presentation form.
    pub(super) answers: Vec<String>,
    /// Authority section, in presentation form.
    pub(super) authorities: Vec<String>,
    /// The ECS scope; `None` when the reply has no client subnet.
    pub(super) scope: Option<u8>,
}

/// Asks `engine` over a stream, so that nothing is cut off.
pub(super) fn ask(engine: &Engine, question: &Question) -> anyhow::Result<Told> {
    let Question { name, rtype, address, length } = question;
    let qname = HickoryName::from_bytes(name.as_wire()).context("the name cannot be read")?;
    let mut query = Message::query();
    query.add_query(Query::query(qname, RecordType::from(rtype.0)));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    let subnet = truncate(*address, *length);
    edns.options_mut().insert(EdnsOption::Subnet(Ecs::new(subnet, *length, 0)));
    query.edns = Some(edns);
    let message = query.to_vec().context("the question cannot be written")?;
    let request = Request {
        message: &message,
        client: &SocketAddr::new(*address, 53),
        local: &None,
        transport: Transport::Tcp,
        clock: &Clock::new(),
    };
    let mut out = vec![0; usize::from(u16::MAX)];
    let seed = u64::from(std::process::id());
    let length = match engine.respond(&request, &mut Scratch::new(seed), &mut out) {
        Reply::Message(length) => length,
        Reply::Transfer(_) | Reply::Drop => {
            anyhow::bail!("the server would not answer this question")
        }
    };
    let reply = Message::from_bytes(&out[..length]).context("the answer cannot be read")?;
    let shown = |records: &[hickory_proto::rr::Record]| {
        records.iter().map(|record| record.to_string()).collect()
    };
    let subnet = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet));
    Ok(Told {
        rcode: reply.metadata.response_code,
        answers: shown(&reply.answers),
        authorities: shown(&reply.authorities),
        scope: match subnet {
            Some(EdnsOption::Subnet(subnet)) => Some(subnet.scope_prefix()),
            _ => None,
        },
    })
}
