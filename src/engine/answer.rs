//! The sections of an answer: from the name asked for to the end of its aliases.

use std::net::SocketAddr;

use crate::steering::label::LabelId;
use crate::steering::{Answer, Client, Panic};
use crate::wire::header::HEADER;
use crate::wire::{Rcode, Subnet, Type};
use crate::zone::label::ZoneLabel;
use crate::zone::rrset::{Owner, QUESTION};
use crate::zone::{Found, Outcome, RecordId, Zone};

use super::alias::{self, MAX_CHAIN, Place, Substituted};
use super::message::{Full, Message, Section};
use super::options::ExtendedError;
use super::usual::Known;
use super::{Engine, Insight, Scratch, Steer, additional, insight};

/// An answer on its way into a message. The name asked for is in the scratch.
pub(super) struct Answering<'a, 'o, S> {
    pub(super) engine: &'a Engine<S>,
    pub(super) qtype: Type,
    /// The sender of the packet.
    pub(super) sender: SocketAddr,
    /// The client's subnet, when it has a length.
    pub(super) subnet: Option<&'a Subnet>,
    /// What is known of the name asked for.
    pub(super) known: Known<'a>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) message: &'a mut Message<'o>,
    /// The longest ECS scope of the steered records so far; 0 without any, and where the sender
    /// decides.
    pub(super) scope: u8,
    /// The zone that the name asked for, or an alias's target, is missing in.
    pub(super) zone: u32,
    /// What the zone of the name asked for is counted as.
    pub(super) counted: ZoneLabel,
    /// What the first steered record so far is counted as.
    pub(super) label: LabelId,
}

/// What was written, beside the sections.
pub(super) struct Written {
    /// The response code.
    pub(super) rcode: Rcode,
    /// The ECS scope.
    pub(super) scope: u8,
    /// With NXDOMAIN, the [number](Zone::number) of the zone that says so.
    pub(super) zone: u32,
    /// What the zone of the name asked for is counted as.
    pub(super) counted: ZoneLabel,
    /// What the first steered record is counted as, of an answer that is whole.
    pub(super) label: LabelId,
}

impl Written {
    /// Nothing, for this reason.
    pub(super) fn refused(rcode: Rcode) -> Written {
        Written { rcode, scope: 0, zone: 0, counted: ZoneLabel::NONE, label: LabelId::NONE }
    }
}

/// Whether a chain of aliases goes on.
enum Step {
    /// With the name in the scratch, which stands here in the reply.
    Follow(Place),
    /// This is all.
    Done(Rcode),
}

impl<S: Steer> Answering<'_, '_, S> {
    /// Writes the sections and says what else the reply needs.
    ///
    /// The code is that of the last name of a chain (RFC 6604 section 3), the AA flag that of the
    /// first (RFC 1034 section 4.3.1). A chain that leaves the served zones, runs in a circle or
    /// is longer than [`MAX_CHAIN`] ends where it is: the resolver takes it from there.
    #[inline]
    pub(super) fn write(mut self) -> Written {
        let zones = &self.engine.snapshot.zones;
        let mut place = Place::of_question(&self.scratch.name);
        for step in 0..=MAX_CHAIN {
            let found = match self.known.found.take() {
                Some(found) => Some(found),
                None => zones.lookup(self.scratch.name.as_wire(), self.qtype),
            };
            let Some(found) = found else {
                if step > 0 {
                    break;
                }
                self.message.explain(ExtendedError::NotAuthoritative);
                return self.written(Rcode::REFUSED);
            };
            if step > 0 || found.outcome.can_lead_on() {
                let name = zones.fingerprint(&self.scratch.name);
                if self.scratch.visited[..step].contains(&name) {
                    break;
                }
                self.scratch.visited[step] = name;
            }
            if step == 0 {
                self.counted = found.zone.label();
                if !matches!(found.outcome, Outcome::Delegation(..)) {
                    self.message.authoritative();
                }
            }
            match self.one_name(found, place) {
                Ok(Step::Follow(target)) => place = target,
                Ok(Step::Done(rcode)) => return self.written(rcode),
                Err(Full) => {
                    self.message.truncated();
                    // Who asks again over TCP is counted then.
                    self.label = LabelId::NONE;
                    break;
                }
            }
        }
        self.written(Rcode::NOERROR)
    }

    #[inline]
    fn written(&self, rcode: Rcode) -> Written {
        let Answering { scope, zone, counted, label, .. } = self;
        Written { rcode, scope: *scope, zone: *zone, counted: *counted, label: *label }
    }

    /// Writes what one name of the chain has.
    #[inline]
    fn one_name(&mut self, found: Found<'_>, place: Place) -> Result<Step, Full> {
        let owner = place.pointer();
        let apex = place.suffix(self.message, found.zone.apex_len());
        let start = self.message.at();
        match found.outcome {
            Outcome::Answer(rrset) => {
                self.message.rrset(Section::Answer, rrset, Owner::Pointer(owner), apex)?;
                if rrset.has_additional() {
                    additional::add(self.message, rrset, start, owner, apex)?;
                }
                Ok(Step::Done(Rcode::NOERROR))
            }
            Outcome::Steered(record) => self.steered(record, found.zone, place, apex),
            Outcome::NoData => self.negative(found.zone, apex, Rcode::NOERROR),
            Outcome::NxDomain => self.negative(found.zone, apex, Rcode::NXDOMAIN),
            Outcome::Delegation(ns, cut_len) => {
                let cut = place.suffix(self.message, cut_len);
                self.message.rrset(Section::Authority, ns, Owner::Pointer(cut), apex)?;
                additional::add(self.message, ns, start, cut, apex)?;
                Ok(Step::Done(Rcode::NOERROR))
            }
            Outcome::Alias(cname) => {
                self.message.rrset(Section::Answer, cname, Owner::Pointer(owner), apex)?;
                let apex = found.zone.apex().as_wire();
                Ok(match cname.alias_target(apex, &mut self.scratch.name) {
                    Ok(()) => self.follow(start),
                    Err(_) => Step::Done(Rcode::NOERROR),
                })
            }
            Outcome::Substitution(dname, owner_len) => {
                let name = &mut self.scratch.name;
                Ok(match alias::substitute(self.message, dname, owner_len, name, place)? {
                    Substituted::TooLong => Step::Done(Rcode::YXDOMAIN),
                    // The CNAME itself was asked for, or whatever there is.
                    Substituted::To(_) if matches!(self.qtype, Type::CNAME | Type::ANY) => {
                        Step::Done(Rcode::NOERROR)
                    }
                    Substituted::To(target) => Step::Follow(target),
                })
            }
            Outcome::Any => {
                self.message.record(Section::Answer, owner, HINFO, [b"\x07RFC8482\x00", b""])?;
                Ok(Step::Done(Rcode::NOERROR))
            }
        }
    }

    /// Goes on with the target of the CNAME at `record`, which is in the scratch now.
    fn follow(&self, record: usize) -> Step {
        Step::Follow(Place::of_target(self.message, record, &self.scratch.name))
    }

    /// Writes what steering answers.
    #[inline]
    fn steered(
        &mut self,
        record: RecordId,
        zone: Zone<'_>,
        place: Place,
        apex: u16,
    ) -> Result<Step, Full> {
        let client = Client::new(match self.subnet {
            Some(subnet) => subnet.address,
            None => self.sender.ip(),
        });
        let spin = &mut self.scratch.spin;
        let served = match self.known.served.take() {
            Some(served) => served,
            None => self.engine.live.serve(record, self.qtype, client, spin),
        };
        if self.subnet.is_some() {
            self.scope = self.scope.max(served.scope);
        }
        if self.label == LabelId::NONE {
            self.label = served.label;
        }
        if let Some(panic) = served.panic {
            self.message.explain(match panic {
                Panic::LastKnown => ExtendedError::Stale,
                Panic::Substitute => ExtendedError::AllDown,
            });
        }
        match served.answer {
            Answer::Records { bytes, count } => {
                self.message.records(Section::Answer, bytes, count, place.pointer())?;
                Ok(Step::Done(Rcode::NOERROR))
            }
            Answer::Alias { bytes, target } => {
                let start = self.message.at();
                self.message.records(Section::Answer, bytes, 1, place.pointer())?;
                if self.qtype == Type::CNAME || self.scratch.name.join(&[], target).is_err() {
                    return Ok(Step::Done(Rcode::NOERROR));
                }
                Ok(self.follow(start))
            }
            Answer::NoData => self.negative(zone, apex, Rcode::NOERROR),
            Answer::ServFail => Ok(Step::Done(Rcode::SERVFAIL)),
        }
    }

    /// Writes the SOA of a negative answer (RFC 2308 section 3).
    #[inline]
    fn negative(&mut self, zone: Zone<'_>, apex: u16, rcode: Rcode) -> Result<Step, Full> {
        if self.qtype == Type::TXT
            && let Some(insight) = self.engine.snapshot.settings.insight.as_deref()
            && let Some(step) = self.explained(insight)?
        {
            return Ok(step);
        }
        self.message.rrset(Section::Authority, zone.negative(), Owner::Pointer(apex), apex)?;
        self.zone = zone.number();
        Ok(Step::Done(rcode))
    }
}

impl<S: Steer> Answering<'_, '_, S> {
    /// Answers a question why a client gets its answer, when it is one and its sender may ask.
    #[cold]
    fn explained(&mut self, insight: &Insight) -> Result<Option<Step>, Full> {
        let Some(name) = insight::subject(self.scratch.name.as_wire()) else { return Ok(None) };
        // The target of an alias is not what was asked.
        let is_asked = self.message.at() == HEADER + self.scratch.name.as_wire().len() + 4;
        if !is_asked || !insight.admits(self.sender.ip()) {
            return Ok(None);
        }
        let (client, length) = match self.subnet {
            Some(subnet) => (subnet.address, subnet.source),
            None => (self.sender.ip(), 0),
        };
        self.scope = length;
        let Some(data) = insight.explain(&name, client, length) else {
            return Ok(Some(Step::Done(Rcode::REFUSED)));
        };
        self.message.record(Section::Answer, QUESTION, TXT, [&data, &[]])?;
        Ok(Some(Step::Done(Rcode::NOERROR)))
    }
}

/// The fixed part of an explanation: TXT, class IN, not to be kept.
const TXT: [u8; 8] = [0, 16, 0, 1, 0, 0, 0, 0];

/// The fixed part of the one record that answers ANY (RFC 8482 section 4.2): HINFO, class IN, an
/// hour.
const HINFO: [u8; 8] = [0, 13, 0, 1, 0, 0, 0x0e, 0x10];
