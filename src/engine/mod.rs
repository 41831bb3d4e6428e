//! Octets in, octets out: one DNS message to one reply, and the [`Snapshot`] it answers from.
//!
//! Knows messages, sections, EDNS with its cookies, signatures and zone transfers; asks `zone`
//! what stands at a name and `steering` which answer is in force. Knows nothing of sockets, and
//! never waits.

mod additional;
mod alias;
mod answer;
mod chaos;
mod clock;
pub mod cookie;
mod insight;
pub mod limits;
mod message;
mod noted;
mod options;
mod refusal;
mod signed;
pub mod snapshot;
mod steer;
pub mod transfer;
mod usual;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::steering::label::LabelId;
use crate::steering::{Live, Spin};
use crate::wire::{LowerName, Query, Rcode, Rejected};
use crate::zone::label::ZoneLabel;

use answer::{Answering, Written};
use limits::{Kind, Limiter, Verdict};
use message::Message;
use options::{Extras, ProtocolError};
use usual::Known;

pub use clock::Clock;
pub use cookie::{CookieState, Secrets};
pub use insight::{Explain, Insight};
pub use limits::{Limited, Limits};
pub use noted::{Noted, Scoped, TYPES, ZONE_RCODES};
pub use snapshot::{Settings, Snapshot};
pub use steer::Steer;
pub use transfer::Transfer;

/// One message as a transport received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The octets of the message, without a length prefix.
    pub message: &'a [u8],
    /// The sender of the packet or the other end of the stream.
    pub client: &'a SocketAddr,
    /// The address it was sent to, where the transport knows it.
    pub local: &'a Option<IpAddr>,
    /// How it came.
    pub transport: Transport,
    /// Tells when it came: one clock for all messages of a batch.
    pub clock: &'a Clock,
}

/// How a message travels; decides how large its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// At most the client's EDNS size and ours; TC when an answer does not fit.
    Udp,
    /// At most 65,535 octets.
    Tcp,
    /// DNS over TLS (RFC 7858), sized as TCP.
    Tls,
    /// DNS over HTTPS (RFC 8484), sized as TCP.
    Https,
    /// DNS over QUIC (RFC 9250), sized as TCP.
    Quic,
}

impl Transport {
    /// `udp`, `tcp`, `tls`, `https` or `quic`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Https => "https",
            Transport::Quic => "quic",
        }
    }
}

/// What a transport does with the answer.
#[derive(Debug)]
pub enum Reply {
    /// Send so many octets from the front of the output buffer.
    Message(usize),
    /// Send all messages of a zone transfer. Only queries over TCP and TLS are answered so.
    Transfer(Box<Transfer>),
    /// Send nothing. On QUIC the message was a protocol error of its connection (RFC 9250 section
    /// 4.3.3).
    Drop,
}

/// What answers now: one generation, and the state of its regions.
///
/// Published as a whole (`arc_swap`), so a query sees the state before a change or after it,
/// never between. `S` is [`Live`] but in tests of the engine alone.
#[derive(Debug)]
pub struct Engine<S = Live> {
    /// The generation.
    pub snapshot: Arc<Snapshot>,
    /// What steered records answer.
    pub live: Arc<S>,
}

/// Memory that one thread reuses from query to query.
#[derive(Debug)]
pub struct Scratch {
    /// The name asked for now: the question's, then the targets of aliases.
    name: LowerName,
    /// [Fingerprints](crate::zone::Zones::fingerprint) of the names an alias chain went through.
    visited: [u64; alias::MAX_CHAIN + 1],
    spin: Spin,
    limiter: Limiter,
    noted: Noted,
}

impl Scratch {
    /// Memory for one thread; `seed` starts its random draws.
    pub fn new(seed: u64) -> Scratch {
        Scratch::sharing(seed, 1)
    }

    /// Memory for one of `threads` that the datagrams to one address are spread over: each gives
    /// out its share of what is limited.
    pub fn sharing(seed: u64, threads: usize) -> Scratch {
        Scratch {
            name: LowerName::new(),
            visited: [0; alias::MAX_CHAIN + 1],
            spin: Spin::new(seed),
            limiter: Limiter::new(seed, threads),
            noted: Noted::NOTHING,
        }
    }

    /// What the last [`Reply::Message`] or [`Reply::Transfer`] was about.
    #[inline]
    pub fn noted(&self) -> Noted {
        self.noted
    }

    /// Takes the response code from the header of a reply, unless it is known better.
    fn note_header(&mut self, reply: &Reply, out: &[u8]) {
        if let (Reply::Message(_), Some(flags)) = (reply, out.get(3)) {
            let code = u16::from(flags & 0x0f);
            if self.noted.rcode().0 & 0x0f != code {
                self.noted = self.noted.with_rcode(Rcode(code));
            }
        }
    }

    /// How many answers were limited since this was last called.
    #[inline]
    pub fn take_limited(&mut self) -> Limited {
        self.limiter.take_limited()
    }
}

impl<S: Steer> Engine<S> {
    /// Answers one message into `out` (at least 65,535 octets for streams, the configured UDP
    /// size for datagrams; never writes past its end).
    // On its own: in the loop of a worker it would save the call, and lose more to registers.
    #[inline(never)]
    pub fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply {
        usual::reply(self, request, scratch, out)
    }

    /// Answers any message.
    #[inline(never)]
    fn respond_in_full(
        &self,
        request: Request<'_>,
        known: Known<'_>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Reply {
        let (request, settings) = (&request, &self.snapshot.settings);
        let query = match Query::parse(request.message, &mut scratch.name, settings.ecs_enabled) {
            Ok(query) => query,
            Err(rejected) => return self.respond_otherwise(rejected, request, scratch, out),
        };
        let edns = query.edns.as_ref();
        let extras = match edns {
            Some(edns) if !edns.options.is_empty() => match Extras::new(edns, request, settings) {
                Ok(extras) => Some(extras),
                Err(ProtocolError) => return Reply::Drop,
            },
            _ => None,
        };
        let (question, extras) = (query.question, extras.as_ref());
        let Some(mut message) =
            Message::begin(request, Some(question), edns, extras, settings, out)
        else {
            return Reply::Drop;
        };
        let refused = refusal::of_question(question, &scratch.name, settings, &mut message);
        if refused.is_some() && question.is_transfer() {
            scratch.noted = Noted::new(question.qtype, Rcode::NOERROR);
            let reply = transfer::reply(self, &query, extras, request, None, scratch, out);
            scratch.note_header(&reply, out);
            return unless_limited(reply, request, settings, &mut scratch.limiter);
        }
        let Written { mut rcode, scope, zone, counted, mut label } = match refused {
            Some(rcode) => Written::refused(rcode),
            None => Answering {
                engine: self,
                qtype: question.qtype,
                sender: *request.client,
                subnet: edns
                    .and_then(|edns| edns.subnet.as_ref())
                    .filter(|subnet| subnet.source > 0),
                known,
                scratch,
                message: &mut message,
                scope: 0,
                zone: 0,
                counted: ZoneLabel::NONE,
                label: LabelId::NONE,
            }
            .write(),
        };
        let (kind, cookie) = (Kind::of(rcode, zone), message.cookie_state());
        match judge(request, settings, kind, cookie, &mut scratch.limiter) {
            Verdict::Pass => {}
            Verdict::Slip => {
                label = LabelId::NONE;
                message.withdraw(question);
                message.truncated();
            }
            Verdict::BadCookie => {
                label = LabelId::NONE;
                message.withdraw(question);
                rcode = Rcode::BADCOOKIE;
            }
            Verdict::Drop => return Reply::Drop,
        }
        let scoped = Scoped::of(edns.and_then(|edns| edns.subnet.as_ref()), scope);
        scratch.noted =
            Noted::new(question.qtype, rcode).within(counted).steered(label).scoped(scoped);
        message.finish(query.header, edns, settings, rcode, scope)
    }

    /// Answers what is no plain query.
    #[cold]
    fn respond_otherwise(
        &self,
        rejected: Rejected,
        request: &Request<'_>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Reply {
        scratch.noted = Noted::NOTHING;
        match rejected {
            Rejected::Signed(signed) => {
                let reply = self.respond_signed(signed, request, scratch, out);
                scratch.note_header(&reply, out);
                reply
            }
            rejected => {
                let reply = refusal::reply(rejected, request, &self.snapshot, scratch, out);
                unless_limited(reply, request, &self.snapshot.settings, &mut scratch.limiter)
            }
        }
    }
}

/// What becomes of an answer. Only datagrams are limited: who asks over a stream is at the
/// address he says.
#[inline]
fn judge(
    request: &Request<'_>,
    settings: &Settings,
    kind: Kind,
    cookie: CookieState,
    limiter: &mut Limiter,
) -> Verdict {
    if !settings.limits.are_on() || request.transport != Transport::Udp {
        return Verdict::Pass;
    }
    limiter.judge(&settings.limits, request.client.ip(), kind, cookie, request.clock.now())
}

/// A finished reply to what is no question for the zones, or nothing where its client had too many:
/// all count as errors, the serial that answers IXFR over UDP too. What proves an address is not
/// looked at: nobody needs these at a high rate.
fn unless_limited(
    reply: Reply,
    request: &Request<'_>,
    settings: &Settings,
    limiter: &mut Limiter,
) -> Reply {
    match reply {
        Reply::Message(_)
            if judge(request, settings, Kind::Error, CookieState::Absent, limiter)
                == Verdict::Drop =>
        {
            Reply::Drop
        }
        reply => reply,
    }
}
