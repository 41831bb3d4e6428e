//! Making the templates of `rrset.rs` from records, at load.

use std::collections::HashMap;

use crate::wire::{Name, Type};

use super::rdata::name_positions;
use super::rrset::{BEYOND_POINTERS, Patch, QUESTION, Target};

/// A template and what points out of it.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) octets: Vec<u8>,
    pub(super) count: u16,
    pub(super) patches: Vec<Patch>,
    /// Names whose addresses belong in the additional section, with their places as
    /// [`Target::at`] has them. A lone root is the owner for SVCB and HTTPS in service mode.
    pub(super) targets: Vec<(u16, Name)>,
    /// Suffixes of names already written, in their case, and where.
    written: HashMap<Vec<u8>, u16>,
}

/// The RRset does not fit any message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The largest template: a message less header, the longest question, and OPT.
const MAX_TEMPLATE: usize = 65_535 - 12 - 259 - 64;

impl Template {
    /// Empties it for the next RRset.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.count = 0;
        self.patches.clear();
        self.targets.clear();
        self.written.clear();
    }

    /// Appends a record. `apex` is the apex of its zone in the case of the file.
    pub(super) fn push(
        &mut self,
        rtype: Type,
        ttl: u32,
        rdata: &[u8],
        apex: &[u8],
    ) -> Result<(), TooLarge> {
        self.octets.extend(QUESTION.to_be_bytes());
        self.octets.extend(rtype.0.to_be_bytes());
        self.octets.extend([0, 1]);
        self.octets.extend(ttl.to_be_bytes());
        self.octets.extend([0, 0]);
        let data_at = self.octets.len();
        let mut copied = 0;
        let mut target = None;
        for (at, compress) in name_positions(rtype, rdata) {
            let Some(name) = rdata.get(at..).and_then(whole_name) else {
                continue;
            };
            self.octets.extend(&rdata[copied..at]);
            let place = self.octets.len();
            if compress {
                self.push_name(name, apex);
            } else {
                self.octets.extend(name);
            }
            // A name that is all pointer stands where the pointer leads.
            let place = match self.patches.last() {
                Some(patch) if usize::from(patch.at) == place => match patch.to {
                    Patch::APEX => Target::APEX,
                    to => to,
                },
                _ => place as u16, // at most MAX_TEMPLATE, or an error below
            };
            target = Some((place, name));
            copied = at + name.len();
        }
        self.octets.extend(&rdata[copied..]);
        let len = u16::try_from(self.octets.len() - data_at).map_err(|_| TooLarge)?;
        self.octets[data_at - 2..data_at].copy_from_slice(&len.to_be_bytes());
        if self.octets.len() > MAX_TEMPLATE {
            return Err(TooLarge);
        }
        self.count += 1;
        if let Some((at, name)) = target.filter(|_| has_additional(rtype, rdata)) {
            let name = Name::from_wire(name).map_err(|_| TooLarge)?;
            self.targets.push((at, name));
        }
        Ok(())
    }

    /// Appends a name, from its first suffix on that stands in the message already as a pointer.
    /// What differs in case is not the same: a transfer keeps the case (RFC 5936 section 3.4).
    fn push_name(&mut self, name: &[u8], apex: &[u8]) {
        let mut at = 0;
        while name[at] != 0 {
            let suffix = &name[at..];
            let to = match self.written.get(suffix) {
                _ if suffix == apex => Some(Patch::APEX),
                Some(&place) => Some(place),
                None => None,
            };
            if let Some(to) = to {
                // Within a template of at most MAX_TEMPLATE octets, or the error is on its way.
                self.patches.push(Patch { at: self.octets.len() as u16, to });
                self.octets.extend([0xc0, 0]);
                return;
            }
            if self.octets.len() < BEYOND_POINTERS {
                self.written.insert(suffix.to_vec(), self.octets.len() as u16);
            }
            let end = at + 1 + usize::from(name[at]);
            self.octets.extend(&name[at..end]);
            at = end;
        }
        self.octets.push(0);
    }
}

/// Whether the last name in the data leads to addresses a client will ask for next.
fn has_additional(rtype: Type, rdata: &[u8]) -> bool {
    match rtype {
        Type::NS | Type::MX | Type::SRV => true,
        // In alias mode a lone root means that there is no service (RFC 9460 section 2.5.1).
        Type::SVCB | Type::HTTPS => rdata.get(..3) != Some(&[0, 0, 0]),
        _ => false,
    }
}

/// The name at the front of the octets, its root label included.
fn whole_name(octets: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(&octets[..=at]),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        text.parse::<Name>().unwrap().as_wire().to_vec()
    }

    #[test]
    fn names_are_compressed_against_the_apex_and_each_other() {
        let apex = wire("example.");
        let mut template = Template::default();
        for target in ["ns1.dns.example.", "ns2.dns.example.", "example.", "ns.other."] {
            template.push(Type::NS, 60, &wire(target), &apex).unwrap();
        }
        let data = |at: usize, len: usize| &template.octets[at..at + len];
        assert_eq!(data(12, 10), b"\x03ns1\x03dns\xc0\x00");
        assert_eq!(data(34, 6), b"\x03ns2\xc0\x00");
        assert_eq!(data(52, 2), b"\xc0\x00");
        assert_eq!(data(66, 10), wire("ns.other."));
        let patch = |at, to| Patch { at, to };
        let expected = [patch(20, Patch::APEX), patch(38, 16), patch(52, Patch::APEX)];
        assert_eq!(template.patches, expected);
        assert_eq!(template.count, 4);
    }

    #[test]
    fn names_in_another_case_keep_it() {
        let mut template = Template::default();
        for target in ["a.dns.example.", "b.DNS.example.", "c.dns.Example."] {
            template.push(Type::NS, 60, &wire(target), &wire("example.")).unwrap();
        }
        assert!(template.octets.ends_with(&wire("c.dns.Example.")));
        let patches: Vec<u16> = template.patches.iter().map(|patch| patch.to).collect();
        assert_eq!(patches, [Patch::APEX, Patch::APEX]);
    }

    #[test]
    fn names_of_later_types_stay_whole() {
        let mut template = Template::default();
        let data = [&[0, 1, 0, 2, 0, 80][..], &wire("host.example.")].concat();
        template.push(Type::SRV, 60, &data, &wire("example.")).unwrap();
        assert!(template.octets.ends_with(&data));
        assert_eq!(template.patches, []);
        assert_eq!(template.targets, [(18, "host.example.".parse().unwrap())]);
    }

    #[test]
    fn what_fits_no_message_is_an_error() {
        let mut template = Template::default();
        let pushed: Result<Vec<()>, TooLarge> =
            (0..2).map(|_| template.push(Type::TXT, 60, &[1; 40_000], b"\0")).collect();
        assert_eq!(pushed, Err(TooLarge));
    }
}
