//! What goes into a look-up of a steered answer, and what comes out.

use std::net::{IpAddr, Ipv6Addr};

use crate::geo;
use crate::steering::label::LabelId;
use crate::steering::spread::Random;

/// Who asks: the address that location is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address with wrapping taken off.
    pub address: IpAddr,
    /// Bits of the outer address before it: a scope is counted from the outer address.
    pub offset: u8,
}

impl Client {
    /// The client behind an address from ECS or from the packet.
    #[inline(always)]
    pub fn new(address: IpAddr) -> Client {
        let unwrapped = geo::unwrap(address);
        Client { address: unwrapped.address, offset: unwrapped.offset }
    }

    /// The same for what comes as an address of IPv6; `None` if it has one of IPv4 inside.
    #[inline(always)]
    pub fn of_v6(address: Ipv6Addr) -> Option<Client> {
        let client = Client::new(address.into());
        // Built anew, for the compiler to know its family and its offset.
        client.address.is_ipv6().then_some(Client { address: address.into(), offset: 0 })
    }
}

/// An answer and how many clients around this one share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served<'a> {
    /// What to say.
    pub answer: Answer<'a>,
    /// The ECS scope prefix length, counted in the outer address: 0 to 128.
    pub scope: u8,
    /// Whether nothing is up that could be answered, and what the answer is instead.
    pub panic: Option<Panic>,
    /// What it is counted as.
    pub label: LabelId,
}

/// What stands in for an answer while nothing under a record is up (`on_all_down`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panic {
    /// The last answer that had a member up.
    LastKnown,
    /// Members that are down, given addresses, or a failure.
    Substitute,
}

/// What a steered name answers to one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// `count` finished records in a row: owner `C0 0C`, type, class IN, TTL, data without
    /// compression.
    Records {
        /// The octets.
        bytes: &'a [u8],
        /// How many records they are.
        count: u16,
    },
    /// One finished CNAME record, formed as in `Records`.
    Alias {
        /// The octets.
        bytes: &'a [u8],
        /// Its data: the target in wire form, in the case of the file.
        target: &'a [u8],
    },
    /// The name exists, and has nothing of this type for this client.
    NoData,
    /// All is down and the record says to fail.
    ServFail,
}

/// Rotation counters of one thread; a power of two. Rings whose counters fall on the same place
/// turn together, which shifts their order and loses nothing.
const ROTORS: usize = 1 << 14;

/// What a thread needs to draw and to rotate: random numbers and rotation counters.
#[derive(Debug)]
pub struct Spin {
    pub(super) random: Random,
    rotors: Box<[u32]>,
}

impl Spin {
    /// `seed` starts the draws; different threads take different seeds.
    pub fn new(seed: u64) -> Spin {
        Spin { random: Random::new(seed), rotors: vec![0; ROTORS].into() }
    }

    /// The turn of a ring, one further each time.
    #[inline]
    pub(super) fn turn(&mut self, rotor: u32) -> u32 {
        let counter = &mut self.rotors[rotor as usize & (ROTORS - 1)];
        let turn = *counter;
        *counter = turn.wrapping_add(1);
        turn
    }
}
