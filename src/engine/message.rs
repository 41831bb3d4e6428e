//! The reply as it is written: the question first, then section after section, OPT last.

use crate::wire::edns::{Edns, MIN_UDP_SIZE};
use crate::wire::header::{self, HEADER, Header};
use crate::wire::{Class, Question, Rcode};
use crate::zone::rrset::{self, Owner, QUESTION, Rrset};

use super::options::{ExtendedError, Extras};
use super::{CookieState, Reply, Request, Settings, Transport};

/// The section a record goes to, as its count's place in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

/// What to write has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A reply being written. Records go in whole RRsets or not at all, and leave the room that OPT
/// needs.
pub(super) struct Message<'o> {
    out: &'o mut [u8],
    /// Where the next record goes.
    at: usize,
    /// Where records must end.
    room: usize,
    counts: [u16; 4],
    /// AA and TC.
    flags: u16,
    /// AA stays clear: the answer to a question of class ANY is never authoritative (RFC 1035
    /// section 6.2).
    any_class: bool,
    /// What OPT says beside the client's subnet.
    extras: Option<&'o Extras>,
    error: Option<ExtendedError>,
}

impl<'o> Message<'o> {
    /// Copies the question of `request`, octet for octet, and leaves room for OPT with `extras`.
    /// `None` when `out` is too small for any reply.
    #[inline]
    pub(super) fn begin(
        request: &Request<'_>,
        question: Option<Question>,
        edns: Option<&Edns>,
        extras: Option<&'o Extras>,
        settings: &Settings,
        out: &'o mut [u8],
    ) -> Option<Message<'o>> {
        let limit =
            limit(request.transport, edns.map(|edns| edns.udp_size), settings).min(out.len());
        let out = &mut out[..limit];
        let opt = edns.map_or(0, |edns| edns.response_len());
        let room = limit.checked_sub(opt + extras.map_or(0, |extras| extras.len(settings)))?;
        let (at, questions) = match question {
            Some(question) => (question.end, 1),
            None => (HEADER, 0),
        };
        if at > room {
            return None;
        }
        out.get_mut(HEADER..at)?.copy_from_slice(request.message.get(HEADER..at)?);
        Some(Message {
            out,
            at,
            room,
            counts: [questions, 0, 0, 0],
            flags: 0,
            any_class: question.is_some_and(|question| question.qclass == Class::ANY),
            extras,
            error: None,
        })
    }

    /// Where the next record will stand.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What has been written.
    #[inline]
    pub(super) fn written(&self) -> &[u8] {
        &self.out[..self.at]
    }

    /// The answer is from authority.
    #[inline]
    pub(super) fn authoritative(&mut self) {
        if !self.any_class {
            self.flags |= header::AA;
        }
    }

    /// Something that belongs in the answer had no room.
    #[cold]
    pub(super) fn truncated(&mut self) {
        self.flags |= header::TC;
    }

    /// Says why the answer is what it is, to a client that understands EDNS and as far as there is
    /// room for it.
    #[cold]
    pub(super) fn explain(&mut self, error: ExtendedError) {
        self.error = Some(error);
    }

    /// What the query's cookie is worth.
    #[inline]
    pub(super) fn cookie_state(&self) -> CookieState {
        self.extras.map_or(CookieState::Absent, |extras| extras.cookie_state)
    }

    /// Takes every section back but the question that it was begun with.
    pub(super) fn withdraw(&mut self, question: Question) {
        self.at = question.end;
        self.counts = [1, 0, 0, 0];
    }

    /// Writes an RRset. `apex` is a pointer to the apex of its zone.
    #[inline]
    pub(super) fn rrset(
        &mut self,
        section: Section,
        rrset: Rrset<'_>,
        owner: Owner<'_>,
        apex: u16,
    ) -> Result<(), Full> {
        let end = rrset.write(&mut self.out[..self.room], self.at, owner, apex).ok_or(Full)?;
        self.at = end;
        // A message has room for fewer than 65,536 records.
        self.counts[section as usize] += rrset.count();
        Ok(())
    }

    /// Writes finished records in a row, whose owner is `C0 0C` so far.
    #[inline]
    pub(super) fn records(
        &mut self,
        section: Section,
        records: &[u8],
        count: u16,
        owner: u16,
    ) -> Result<(), Full> {
        let end = self.at + records.len();
        if end > self.room {
            return Err(Full);
        }
        let place = &mut self.out[self.at..end];
        place.copy_from_slice(records);
        if owner != QUESTION {
            rrset::point_owners(place, owner);
        }
        self.at = end;
        self.counts[section as usize] += count;
        Ok(())
    }

    /// Lets `write` put one record of the RRset in hand where it is told, before the end of what it
    /// is given, and say where the record ends; what it says beside that is passed on.
    pub(super) fn one_record<T>(
        &mut self,
        section: Section,
        write: impl FnOnce(&mut [u8], usize) -> Option<(usize, T)>,
    ) -> Result<T, Full> {
        let (end, more) = write(&mut self.out[..self.room], self.at).ok_or(Full)?;
        self.at = end;
        self.counts[section as usize] += 1;
        Ok(more)
    }

    /// Writes one record piece by piece; `data` is joined. The length of the data is at most
    /// 65,535 octets.
    pub(super) fn record(
        &mut self,
        section: Section,
        owner: u16,
        fixed: [u8; 8],
        data: [&[u8]; 2],
    ) -> Result<(), Full> {
        let len = data[0].len() + data[1].len();
        let end = self.at + 12 + len;
        if end > self.room {
            return Err(Full);
        }
        let place = &mut self.out[self.at..end];
        place[..2].copy_from_slice(&owner.to_be_bytes());
        place[2..10].copy_from_slice(&fixed);
        place[10..12].copy_from_slice(&(len as u16).to_be_bytes());
        place[12..12 + data[0].len()].copy_from_slice(data[0]);
        place[12 + data[0].len()..].copy_from_slice(data[1]);
        self.at = end;
        self.counts[section as usize] += 1;
        Ok(())
    }

    /// Writes OPT, when the query had one, and the header. `edns` and `settings` are those that
    /// the message was begun with.
    #[inline]
    pub(super) fn finish(
        mut self,
        header: Header,
        edns: Option<&Edns>,
        settings: &Settings,
        rcode: Rcode,
        scope: u8,
    ) -> Reply {
        if let Some(edns) = edns {
            // The room for it was kept.
            let opt = self.at;
            let out = &mut self.out[opt..];
            self.at += edns.write_response(settings.edns_udp_size.octets(), rcode, scope, out);
            if self.extras.is_some() || self.error.is_some() {
                let extras = self.extras.copied().unwrap_or_default();
                self.at = extras.write(self.error, settings, self.out, opt, self.at);
            }
            self.counts[Section::Additional as usize] += 1;
        }
        let flags = header.response_flags(self.flags, rcode);
        header::write(self.out, header.id, flags, self.counts);
        Reply::Message(self.at)
    }
}

/// Octets of the largest reply. `client` is the largest UDP message that the client takes, as its
/// OPT record says.
#[inline]
pub(super) fn limit(transport: Transport, client: Option<u16>, settings: &Settings) -> usize {
    usize::from(match (transport, client) {
        (Transport::Udp, Some(client)) => client.min(settings.edns_udp_size.octets()),
        (Transport::Udp, None) => MIN_UDP_SIZE,
        (Transport::Tcp | Transport::Tls | Transport::Https | Transport::Quic, _) => u16::MAX,
    })
}
