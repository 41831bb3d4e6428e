//! The messages of one transfer, made one at a time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::engine::message::{Full, Message, Section};
use crate::engine::{Clock, Reply, Request, Snapshot, Transport};
use crate::steering::fixed::FixedRecord;
use crate::wire::name::MAX_NAME;
use crate::wire::tsig::{Key, Signer};
use crate::wire::{Class, Query, Rcode};
use crate::zone::walk::Records;
use crate::zone::{Entry, Walk, ZoneId};

use super::{Slot, front};

/// Octets of a message, but for one whose first record is longer. All of it is where compression
/// pointers reach (RFC 1035 section 4.1.4).
const MESSAGE: usize = 16 * 1024;

/// A record with which even a message of its own would be longer than 65,535 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record is too long for a message of a transfer")]
pub struct Unfit;

/// A transfer on its way to one client.
///
/// Keeps the generation it began with, so that the client gets one version of the zone, and a
/// place in it; of the zone it holds nothing.
#[derive(Debug)]
pub struct Transfer {
    snapshot: Arc<Snapshot>,
    query: Query,
    /// Header and question of the request.
    front: Box<[u8]>,
    client: SocketAddr,
    local: Option<IpAddr>,
    transport: Transport,
    signing: Option<(Arc<Key>, Signer)>,
    zone: ZoneId,
    walk: Walk,
    /// The record that comes next, in its entry; `None` at the end.
    next: Option<(Entry, usize)>,
    /// Counts it among those that run.
    _slot: Slot,
}

impl Transfer {
    pub(super) fn new(
        snapshot: &Arc<Snapshot>,
        zone: ZoneId,
        query: &Query,
        request: &Request<'_>,
        slot: Slot,
    ) -> Transfer {
        let mut transfer = Transfer {
            snapshot: Arc::clone(snapshot),
            query: *query,
            front: front(request, query),
            client: *request.client,
            local: *request.local,
            transport: request.transport,
            signing: None,
            zone,
            walk: Walk::new(zone),
            next: None,
            _slot: slot,
        };
        transfer.advance();
        transfer
    }

    /// Signs all messages: the request was signed.
    pub(in crate::engine) fn sign(&mut self, key: Arc<Key>, signer: Signer) {
        self.signing = Some((key, signer));
    }

    /// Writes the next message into `out`, which has room for 65,535 octets, and says how long it
    /// is; `None` when all was sent. `now` is in milliseconds of Unix time.
    pub fn next(&mut self, now: u64, out: &mut [u8]) -> Result<Option<usize>, Unfit> {
        if self.next.is_none() {
            return Ok(None);
        }
        let room = out.len().min(MESSAGE);
        let written = self.message(now, &mut out[..room]).or_else(|| self.message(now, out));
        written.map(Some).ok_or(Unfit)
    }

    /// The first record of the next entry that has any.
    fn advance(&mut self) {
        let zones = &self.snapshot.zones;
        let is_some = |entry: &Entry| match entry.records(zones) {
            Records::Static(_) => true,
            Records::Steered(id) => !self.snapshot.transfer.fixed(id).is_empty(),
        };
        let entry = std::iter::from_fn(|| self.walk.next(zones)).find(is_some);
        self.next = entry.map(|entry| (entry, 0));
    }

    /// Writes a message with as many records as there is room for; `None` when that is none.
    fn message(&mut self, now: u64, out: &mut [u8]) -> Option<usize> {
        let snapshot = Arc::clone(&self.snapshot);
        let settings = &snapshot.settings;
        let request = Request {
            message: &self.front,
            client: &self.client,
            local: &self.local,
            transport: self.transport,
            clock: &Clock::at(now),
        };
        let signature = self.signing.as_ref().map_or(0, |(key, _)| key.record_len(0));
        let room = out.len().checked_sub(signature)?;
        let query = self.query;
        let edns = query.edns.as_ref();
        let question = Some(query.question);
        let mut message =
            Message::begin(&request, question, edns, None, settings, &mut out[..room])?;
        message.authoritative();
        let mut names = Names::new(snapshot.zones.zone(self.zone).apex().as_wire());
        let mut any = false;
        while let Some((entry, record)) = self.next {
            let Ok(next) = put(&mut message, &snapshot, entry, record, &mut names) else { break };
            any = true;
            match next {
                Some(record) => self.next = Some((entry, record)),
                None => self.advance(),
            }
            if message.at() >= MESSAGE {
                break;
            }
        }
        if !any {
            return None;
        }
        let reply = message.finish(query.header, edns, settings, Rcode::NOERROR, 0);
        let Reply::Message(len) = reply else { return None };
        match &mut self.signing {
            Some((key, signer)) => signer.sign(key, now / 1000, out, len),
            None => Some(len),
        }
    }
}

/// Writes one record of `entry` and says which comes next, `None` after its last.
fn put(
    message: &mut Message<'_>,
    snapshot: &Snapshot,
    entry: Entry,
    record: usize,
    names: &mut Names<'_>,
) -> Result<Option<usize>, Full> {
    let at = message.at();
    let name = entry.owner(&snapshot.zones);
    let mut buffer = [0; MAX_NAME + 1]; // under the root a pointer is longer than the apex
    let (owner, apex) = names.owner(entry, name, at, &mut buffer);
    let next = match entry.records(&snapshot.zones) {
        Records::Static(rrset) => message.one_record(Section::Answer, |out, at| {
            let written = rrset.write_record(out, at, record, owner, apex)?;
            Some((written.end, written.next))
        })?,
        Records::Steered(id) => {
            let records = snapshot.transfer.fixed(id);
            let Some(fixed) = records.get(record) else { return Ok(None) };
            message.one_record(Section::Answer, |out, at| {
                let end = put_fixed(out, at, owner, fixed)?;
                Some((end, Some(record + 1).filter(|next| *next < records.len())))
            })?
        }
    };
    names.note(entry, name, at);
    Ok(next)
}

fn put_fixed(out: &mut [u8], at: usize, owner: &[u8], record: &FixedRecord) -> Option<usize> {
    let len = u16::try_from(record.rdata.len()).ok()?;
    let mut at = at;
    let pieces: [&[u8]; 6] = [
        owner,
        &record.rtype.0.to_be_bytes(),
        &Class::IN.0.to_be_bytes(),
        &record.ttl.to_be_bytes(),
        &len.to_be_bytes(),
        &record.rdata,
    ];
    for piece in pieces {
        out.get_mut(at..at + piece.len())?.copy_from_slice(piece);
        at += piece.len();
    }
    Some(at)
}

/// The names that stand in a message already.
///
/// The question is not pointed to: it has the client's case, and a secondary keeps the case it
/// reads (RFC 5936 section 3.4).
struct Names<'z> {
    /// In the case of the file.
    apex: &'z [u8],
    /// Where the apex stands.
    apex_at: Option<u16>,
    /// The last owner, and where it stands.
    last: Option<(Entry, u16)>,
}

impl<'z> Names<'z> {
    fn new(apex: &'z [u8]) -> Names<'z> {
        Names { apex, apex_at: None, last: None }
    }

    /// The owner of a record at `at`, as short as it can be, and a pointer to the apex, which
    /// may be in this owner.
    fn owner<'b>(
        &self,
        entry: Entry,
        name: &[u8],
        at: usize,
        buffer: &'b mut [u8],
    ) -> (&'b [u8], u16) {
        let labels = name.len() - self.apex.len();
        let apex_at = self.apex_at.unwrap_or(at as u16 + labels as u16);
        let apex = 0xc000 | apex_at;
        let len = match (self.last, self.apex_at) {
            (Some((last, place)), _) if last.is_beside(&entry) => {
                buffer[..2].copy_from_slice(&(0xc000 | place).to_be_bytes());
                2
            }
            (_, Some(_)) => {
                buffer[..labels].copy_from_slice(&name[..labels]);
                buffer[labels..labels + 2].copy_from_slice(&apex.to_be_bytes());
                labels + 2
            }
            (_, None) => {
                buffer[..labels].copy_from_slice(&name[..labels]);
                buffer[labels..name.len()].copy_from_slice(self.apex);
                name.len()
            }
        };
        (&buffer[..len], apex)
    }

    /// A record of `entry`, with this name, was written at `at`.
    fn note(&mut self, entry: Entry, name: &[u8], at: usize) {
        // Records begin below MESSAGE.
        self.apex_at.get_or_insert((at + name.len() - self.apex.len()) as u16);
        if !self.last.is_some_and(|(last, _)| last.is_beside(&entry)) {
            self.last = Some((entry, at as u16));
        }
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apex = self.snapshot.zones.zone(self.zone).apex();
        write!(f, "transfer of {apex} to {}", self.client)?;
        match &self.signing {
            Some((key, _)) => write!(f, " with key {}", key.name()),
            None => Ok(()),
        }
    }
}
