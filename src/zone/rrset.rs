//! RRsets as finished templates: copied into a message and pointed at what stands there.
//!
//! A template is the records in a row, each with the owner `C0 0C`, type, class IN, TTL and data.
//! Names in the data are compressed when the template is made (`template.rs`), against two
//! things whose place is only known when a message is written: the apex of the zone, and names
//! within the same RRset. A list of patches says where those pointers stand.

use crate::wire::copy::copy;
use crate::wire::{LowerName, Malformed, Type};

use super::zones::Zones;

/// What plain RRsets are copied in, if they are no longer: one record of AAAA, or two of A.
const PIECE: usize = 32;

/// The compression pointer to the name of the question.
pub const QUESTION: u16 = 0xc00c;
/// Places from here on cannot be pointed at (RFC 1035 section 4.1.4).
pub const BEYOND_POINTERS: usize = 0x4000;

/// An RRset in the tables of a [`Zones`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) rtype: Type,
    /// How many records.
    pub(super) count: u16,
    /// Where the template stands in `Zones::octets`, and its length.
    pub(super) at: u32,
    pub(super) len: u16,
    pub(super) patch_count: u16,
    pub(super) patches_at: u32,
    pub(super) targets_at: u32,
    pub(super) target_count: u16,
    /// See [`Rrset::is_plain`].
    pub(super) is_plain: bool,
}

impl Set {
    /// Types of plain RRsets are below.
    pub(super) const PLAIN_TYPES: u16 = 256;
}

/// A compression pointer in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where it stands, from the template's start.
    pub(super) at: u16,
    /// Where it leads: a place in the template, or [`Patch::APEX`].
    pub(super) to: u16,
}

impl Patch {
    /// To the zone's apex.
    pub(super) const APEX: u16 = u16::MAX;
}

/// A name in the data whose addresses belong in the additional section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// Where it stands, from the template's start, or [`Target::OWNER`], or [`Target::APEX`].
    pub(super) at: u16,
    /// Whether a referral is useless without it: glue below the cut (RFC 9471).
    pub(super) required: bool,
    pub(super) node: u32,
}

impl Target {
    /// The target is the owner of the RRset (`HTTPS 1 .`, RFC 9460 section 2.5.2).
    pub(super) const OWNER: u16 = u16::MAX;
    /// The target is the apex of the zone, and stands in the template as a pointer.
    pub(super) const APEX: u16 = u16::MAX - 1;
}

/// An RRset, ready to be written into messages.
#[derive(Clone, Copy)]
pub struct Rrset<'z> {
    pub(super) zones: &'z Zones,
    pub(super) set: &'z Set,
}

/// A record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Where it ends in the message.
    pub end: usize,
    /// The next record of the RRset, if there is one.
    pub next: Option<usize>,
}

/// How the owner of records is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// As this compression pointer.
    Pointer(u16),
    /// In full, because it stands where no pointer reaches.
    Name(&'a [u8]),
}

/// An RRset that belongs in the additional section beside another.
#[derive(Clone, Copy)]
pub struct Additional<'z> {
    /// Where the owner's name stands.
    pub place: NamePlace,
    /// The owner's name in full, in lower case.
    pub owner: &'z [u8],
    /// Whether a referral is useless without it (RFC 9471).
    pub required: bool,
    /// The RRset.
    pub rrset: Rrset<'z>,
}

/// Where a name stands in a message beside an RRset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePlace {
    /// It is the owner of the RRset.
    Owner,
    /// It is the apex of the RRset's zone.
    Apex,
    /// So many octets from the start of the RRset as [`Rrset::write`] wrote it, when that is where
    /// a pointer reaches; farther back it may be elsewhere.
    Data(u16),
}

impl<'z> Rrset<'z> {
    /// The type.
    #[inline]
    pub fn rtype(&self) -> Type {
        self.set.rtype
    }

    /// How many records.
    #[inline]
    pub fn count(&self) -> u16 {
        self.set.count
    }

    /// Time to live of the first record in seconds; in all types but RRSIG it is that of all.
    pub fn ttl(&self) -> u32 {
        let ttl = self.octets().get(6..).and_then(<[u8]>::first_chunk);
        ttl.map_or(0, |octets| u32::from_be_bytes(*octets))
    }

    /// The template.
    #[inline(always)]
    pub(super) fn octets(&self) -> &'z [u8] {
        let at = self.set.at as usize;
        &self.zones.octets[at..at + usize::from(self.set.len)]
    }

    #[inline(always)]
    fn patches(&self) -> &'z [Patch] {
        let at = self.set.patches_at as usize;
        &self.zones.patches[at..at + usize::from(self.set.patch_count)]
    }

    #[inline]
    fn targets(&self) -> &'z [Target] {
        let at = self.set.targets_at as usize;
        &self.zones.targets[at..at + usize::from(self.set.target_count)]
    }

    /// Writes the RRset at `at` of a message and says where it ends; `None`, when it does not fit
    /// before the end of `out`. `apex` is a compression pointer to the apex of its zone, which
    /// must stand in the message before.
    #[inline]
    pub fn write(&self, out: &mut [u8], at: usize, owner: Owner<'_>, apex: u16) -> Option<usize> {
        let octets = self.octets();
        let end = at + octets.len();
        let Owner::Pointer(owner) = owner else {
            return self.write_far(out, at, owner, apex);
        };
        if end > BEYOND_POINTERS && self.set.patch_count != 0 {
            return self.write_far(out, at, Owner::Pointer(owner), apex);
        }
        let out = out.get_mut(at..end)?;
        out.copy_from_slice(octets);
        if owner != QUESTION {
            point_owners(out, owner);
        }
        for patch in self.patches() {
            let pointer = match patch.to {
                Patch::APEX => apex,
                within => 0xc000 | (at as u16 + within),
            };
            let place = usize::from(patch.at);
            if let Some(place) = out.get_mut(place..place + 2) {
                place.copy_from_slice(&pointer.to_be_bytes());
            }
        }
        Some(end)
    }

    /// The same for a [plain](Rrset::is_plain) RRset under the name of the question: a copy.
    #[inline(always)]
    pub fn write_as_it_is(&self, out: &mut [u8], at: usize) -> Option<usize> {
        // Short ones with what stands behind them, which will be written over: one piece of one
        // length is copied in half of the instructions.
        let Set { at: start, len, .. } = *self.set;
        if len as usize <= PIECE
            && let Some(piece) = self.zones.octets.get(start as usize..)?.first_chunk::<PIECE>()
            && let Some(place) = out.get_mut(at..)?.first_chunk_mut::<PIECE>()
        {
            *place = *piece;
            return Some(at + usize::from(len));
        }
        let octets = self.octets();
        copy(octets, out.get_mut(at..)?.get_mut(..octets.len())?);
        Some(at + octets.len())
    }

    /// Whether there are no compression pointers in the data, nothing belongs in the additional
    /// section with it, and the number of its type is below 256, as of nearly all.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.set.is_plain
    }

    /// Whether anything belongs in the additional section with this RRset.
    #[inline]
    pub fn has_additional(&self) -> bool {
        self.set.target_count != 0
    }

    /// The RRsets that belong in the additional section with this one, required ones first:
    /// addresses of the names it points to (RFC 1035 section 3.3, RFC 2782), and for SVCB and
    /// HTTPS the same type too (RFC 9460 section 4.1). Addresses only steering knows are not
    /// among them.
    pub fn additional(&self) -> impl Iterator<Item = Additional<'z>> + use<'z> {
        let zones = self.zones;
        let own = match self.set.rtype {
            rtype @ (Type::SVCB | Type::HTTPS) => rtype,
            _ => Type::A,
        };
        self.targets().iter().flat_map(move |target| {
            let node = &zones.nodes[target.node as usize];
            let wanted = [Type::A, Type::AAAA, own];
            let wanted = if own == Type::A { &wanted[..2] } else { &wanted[..] };
            // The RRset is not its own company.
            let wanted = if target.at == Target::OWNER { &wanted[..2] } else { wanted };
            let sets = wanted.len();
            (0..sets).filter_map(move |index| {
                let rtype = [Type::A, Type::AAAA, own][index];
                let rrset = zones.rrset(node, rtype)?;
                Some(Additional {
                    place: match target.at {
                        Target::OWNER => NamePlace::Owner,
                        Target::APEX => NamePlace::Apex,
                        at => NamePlace::Data(at),
                    },
                    owner: zones.name_of(node),
                    required: target.required,
                    rrset,
                })
            })
        })
    }

    /// The target of a CNAME or DNAME RRset, in lower case. `apex` is the apex of its zone in wire
    /// form.
    pub fn alias_target(&self, apex: &[u8], target: &mut LowerName) -> Result<(), Malformed> {
        let data = self.octets().get(12..).ok_or(Malformed)?;
        match self.patches() {
            [] => target.join(&[], data),
            [patch, ..] => {
                let literal = usize::from(patch.at).checked_sub(12).ok_or(Malformed)?;
                target.join(data.get(..literal).ok_or(Malformed)?, apex)
            }
        }
    }

    /// The data of the first record, for types whose names are never compressed.
    #[inline]
    pub fn first_data(&self) -> &'z [u8] {
        let octets = self.octets();
        let len = octets.get(10..).and_then(<[u8]>::first_chunk);
        let len = len.map_or(0, |len| usize::from(u16::from_be_bytes(*len)));
        octets.get(12..12 + len).unwrap_or(&[])
    }

    /// Writes the RRset where a pointer may not reach: the owner may be in full, and names that
    /// would be pointed to too far back are.
    ///
    /// What still is a pointer into the RRset leads to where it should. A name is only in full
    /// when it would point to `BEYOND_POINTERS` or later; so all names before that place are
    /// where the template has them, unless the owner is in full, when nothing is.
    #[cold]
    fn write_far(&self, out: &mut [u8], at: usize, owner: Owner<'_>, apex: u16) -> Option<usize> {
        let pointer;
        let (owner, reach) = match owner {
            Owner::Pointer(to) => {
                pointer = to.to_be_bytes();
                (&pointer[..], BEYOND_POINTERS.saturating_sub(at))
            }
            Owner::Name(name) => (name, 0),
        };
        let within = |to: u16| (usize::from(to) < reach).then(|| 0xc000 | (at as u16 + to));
        let mut sink = Sink { out, at };
        let mut record = 0;
        while let Some(next) = self.put_record(&mut sink, record, owner, apex, within)? {
            record = next;
        }
        Some(sink.at)
    }

    /// Writes one record at `at` of a message, with `owner` as its name, compressed or not; `None`
    /// when it does not fit before the end of `out`. `record` is 0 for the first, and for the
    /// next what came with the one before. `apex` as in [`Rrset::write`]; no other name in the
    /// data is compressed.
    pub fn write_record(
        &self,
        out: &mut [u8],
        at: usize,
        record: usize,
        owner: &[u8],
        apex: u16,
    ) -> Option<Written> {
        let mut sink = Sink { out, at };
        let next = self.put_record(&mut sink, record, owner, apex, |_| None)??;
        Some(Written { end: sink.at, next: Some(next).filter(|next| *next < self.octets().len()) })
    }

    /// Writes the record at `record` of the template and says where the next one stands there;
    /// the inner `None` when there is none at `record`. `within` is the pointer to a place in the
    /// template, when that may be pointed to.
    fn put_record(
        &self,
        sink: &mut Sink<'_>,
        record: usize,
        owner: &[u8],
        apex: u16,
        within: impl Fn(u16) -> Option<u16>,
    ) -> Option<Option<usize>> {
        let octets = self.octets();
        let Some(fixed) = octets.get(record + 2..).and_then(<[u8]>::first_chunk::<10>) else {
            return Some(None);
        };
        sink.put(owner)?;
        sink.put(fixed)?;
        let data_at = sink.at;
        let mut place = record + 12;
        let end = place + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let here = place..end;
        for patch in self.patches().iter().filter(|patch| here.contains(&usize::from(patch.at))) {
            sink.put(&octets[place..usize::from(patch.at)])?;
            match within(patch.to) {
                Some(pointer) if patch.to != Patch::APEX => sink.put(&pointer.to_be_bytes())?,
                _ => self.put_name(sink, *patch, apex)?,
            }
            place = usize::from(patch.at) + 2;
        }
        sink.put(&octets[place..end])?;
        let len = u16::try_from(sink.at - data_at).ok()?;
        sink.out[data_at - 2..data_at].copy_from_slice(&len.to_be_bytes());
        Some(Some(end))
    }

    /// Writes the rest of a name that a pointer of the template stands for, in full but for the
    /// apex.
    fn put_name(&self, sink: &mut Sink<'_>, mut patch: Patch, apex: u16) -> Option<()> {
        let octets = self.octets();
        loop {
            if patch.to == Patch::APEX {
                return sink.put(&apex.to_be_bytes());
            }
            let mut place = usize::from(patch.to);
            loop {
                match octets[place] {
                    0 => return sink.put(&[0]),
                    length @ 1..=63 => {
                        let end = place + 1 + usize::from(length);
                        sink.put(&octets[place..end])?;
                        place = end;
                    }
                    _ => break,
                }
            }
            // Every pointer in a template has its patch; they lead backwards, so this ends.
            patch = *self.patches().iter().find(|patch| usize::from(patch.at) == place)?;
        }
    }
}

impl std::fmt::Debug for Rrset<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} x{}", self.ttl(), self.rtype(), self.count())
    }
}

/// Points the owners of finished records in a row at another name.
#[inline]
pub fn point_owners(records: &mut [u8], owner: u16) {
    let mut at = 0;
    while let Some(record) = records.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<12>) {
        [record[0], record[1]] = owner.to_be_bytes();
        at += 12 + usize::from(u16::from_be_bytes([record[10], record[11]]));
    }
}

struct Sink<'o> {
    out: &'o mut [u8],
    at: usize,
}

impl Sink<'_> {
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.at + octets.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(octets);
        self.at = end;
        Some(())
    }
}
