//! Signed queries (RFC 8945): the signature is checked and taken off, the rest is answered as it
//! would be without, and the answer is signed.

use std::sync::Arc;

use crate::wire::tsig::{self, Flaw, Key, Signer, Tsig, TsigError};
use crate::wire::{Query, Rcode, Signed};

use super::message::{self, Message};
use super::options::{Extras, ProtocolError};
use super::{Engine, Noted, Reply, Request, Scratch, Steer, transfer, unless_limited};

impl<S: Steer> Engine<S> {
    /// Answers a message that ends with TSIG.
    ///
    /// A record that cannot be read, or whose MAC has an impossible length, gets FORMERR; a key
    /// or MAC that is not right an unsigned NOTAUTH, a time that is not right a signed one
    /// (RFC 8945 section 5.2, in its order).
    #[cold]
    pub(super) fn respond_signed(
        &self,
        signed: Signed,
        request: &Request<'_>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Reply {
        scratch.noted = Noted::new(signed.question.qtype, Rcode::NOERROR);
        let settings = &self.snapshot.settings;
        let limit =
            message::limit(request.transport, signed.edns.map(|edns| edns.udp_size), settings);
        let limit = limit.min(out.len());
        let out = &mut out[..limit];
        let now = request.clock.now() / 1000;
        let (tsig, key) = match self.believe(&signed, request, out) {
            Ok(believed) => believed,
            Err(reply) => {
                return unless_limited(reply, request, settings, &mut scratch.limiter);
            }
        };
        // A copy of the message is made for those alone who hold a key.
        let stripped = tsig.stripped(request.message);
        let plain = Request { message: &stripped, ..*request };
        let Some(room) = limit.checked_sub(key.record_len(0)) else {
            return Reply::Drop;
        };
        let mut signer = Signer::of_answer(&tsig);
        match self.respond_with_key(&plain, key, scratch, &mut out[..room]) {
            Reply::Message(len) => signed_reply(signer.sign(key, now, out, len)),
            Reply::Transfer(mut transfer) => {
                transfer.sign(Arc::clone(key), signer);
                Reply::Transfer(transfer)
            }
            Reply::Drop => Reply::Drop,
        }
    }

    /// The signature of a message and the key it was made with, or the reply where it is not to
    /// be believed.
    fn believe<'a>(
        &'a self,
        signed: &Signed,
        request: &Request<'a>,
        out: &mut [u8],
    ) -> Result<(Tsig<'a>, &'a Arc<Key>), Reply> {
        let Ok(tsig) = Tsig::parse(request.message, signed.tsig) else {
            return Err(self.refuse_signed(signed, request, Rcode::FORMERR, 0, out));
        };
        let keys = &self.snapshot.transfer.keys;
        let Some(key) = keys.iter().find(|key| key.is_of(&tsig)) else {
            return Err(self.disbelieve(signed, &tsig, TsigError::BADKEY, request, out));
        };
        let correct = |error, out| self.correct(signed, &tsig, key, error, request, out);
        match key.verify(request.message, &tsig, request.clock.now() / 1000) {
            Ok(()) => Ok((tsig, key)),
            Err(Flaw::Format) => Err(self.refuse_signed(signed, request, Rcode::FORMERR, 0, out)),
            Err(Flaw::Signature) => {
                Err(self.disbelieve(signed, &tsig, TsigError::BADSIG, request, out))
            }
            Err(Flaw::Time) => Err(correct(TsigError::BADTIME, out)),
            Err(Flaw::Truncation) => Err(correct(TsigError::BADTRUNC, out)),
        }
    }

    /// Answers a message whose signature was taken off.
    fn respond_with_key(
        &self,
        request: &Request<'_>,
        key: &Key,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Reply {
        let ecs_enabled = self.snapshot.settings.ecs_enabled;
        match Query::parse(request.message, &mut scratch.name, ecs_enabled) {
            Ok(query) if query.question.is_transfer() => {
                let edns = query.edns.as_ref();
                let settings = &self.snapshot.settings;
                match edns.map(|edns| Extras::new(edns, request, settings)).transpose() {
                    Ok(extras) => {
                        let extras = extras.as_ref();
                        transfer::reply(self, &query, extras, request, Some(key), scratch, out)
                    }
                    Err(ProtocolError) => Reply::Drop,
                }
            }
            _ => self.respond(request, scratch, out),
        }
    }

    /// NOTAUTH for a signature that means nothing here, not signed.
    fn disbelieve(
        &self,
        signed: &Signed,
        tsig: &Tsig<'_>,
        error: TsigError,
        request: &Request<'_>,
        out: &mut [u8],
    ) -> Reply {
        let room = tsig::unsigned_len(tsig);
        match self.refuse_signed(signed, request, Rcode::NOTAUTH, room, out) {
            Reply::Message(len) => signed_reply(tsig::append_unsigned(
                tsig,
                request.clock.now() / 1000,
                error,
                out,
                len,
            )),
            other => other,
        }
    }

    /// NOTAUTH for a MAC that is right in a record that is not, signed.
    fn correct(
        &self,
        signed: &Signed,
        tsig: &Tsig<'_>,
        key: &Key,
        error: TsigError,
        request: &Request<'_>,
        out: &mut [u8],
    ) -> Reply {
        // BADTIME comes with our time in six octets.
        match self.refuse_signed(signed, request, Rcode::NOTAUTH, key.record_len(6), out) {
            Reply::Message(len) => {
                let now = request.clock.now() / 1000;
                let mut signer = Signer::of_answer(tsig);
                signed_reply(signer.sign_flaw(key, tsig, now, error, out, len))
            }
            other => other,
        }
    }

    /// A response code alone, with so much room left behind it.
    fn refuse_signed(
        &self,
        signed: &Signed,
        request: &Request<'_>,
        rcode: Rcode,
        room: usize,
        out: &mut [u8],
    ) -> Reply {
        let Signed { header, question, edns, .. } = *signed;
        let settings = &self.snapshot.settings;
        let Some(len) = out.len().checked_sub(room) else {
            return Reply::Drop;
        };
        let out = &mut out[..len];
        match Message::begin(request, Some(question), edns.as_ref(), None, settings, out) {
            Some(message) => message.finish(header, edns.as_ref(), settings, rcode, 0),
            None => Reply::Drop,
        }
    }
}

fn signed_reply(len: Option<usize>) -> Reply {
    len.map_or(Reply::Drop, Reply::Message)
}
