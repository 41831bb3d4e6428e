//! What stands at a name: one step of the algorithm of RFC 1034 section 4.3.2, with wildcards as
//! RFC 4592 and DNAME as RFC 6672 have them. Following an alias is the caller's next step.

use crate::wire::{Name, Type};

use super::RecordId;
use super::rrset::Rrset;
use super::table::NONE;
use super::zones::{Node, Zone, Zones};

/// What a served zone says to a name and type.
#[derive(Debug, Clone, Copy)]
pub struct Found<'z> {
    /// The zone that says it.
    pub zone: Zone<'z>,
    /// What it says.
    pub outcome: Outcome<'z>,
}

/// What stands at a name for a type.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'z> {
    /// The RRset asked for.
    Answer(Rrset<'z>),
    /// A CNAME; its target is what is asked for.
    Alias(Rrset<'z>),
    /// A DNAME above the name, on the suffix of this many octets.
    Substitution(Rrset<'z>, usize),
    /// A steered record answers.
    Steered(RecordId),
    /// The name has something, and ANY was asked for (RFC 8482).
    Any,
    /// Another server's zone: the NS RRset of the cut, on the suffix of this many octets.
    Delegation(Rrset<'z>, usize),
    /// The name exists, without this type.
    NoData,
    /// The name does not exist.
    NxDomain,
}

/// What a name that was asked for comes to at first sight: the two things that most queries ask
/// for, and the rest. Kept apart, so that each is answered with what was found still in registers.
#[derive(Debug)]
pub enum Sight<'z> {
    /// The RRset asked for.
    Answer(Rrset<'z>, Zone<'z>),
    /// A steered record answers.
    Steered(RecordId, Zone<'z>),
    /// Anything else; [`Zones::look_closer`] says what.
    Other(Option<&'z Node>),
}

impl Outcome<'_> {
    /// Whether another name may have to be asked for.
    pub fn can_lead_on(&self) -> bool {
        matches!(self, Outcome::Alias(_) | Outcome::Substitution(..) | Outcome::Steered(_))
    }
}

impl Zones {
    /// What stands at `name`, in wire form and in any case, for `qtype`; `None` when no served zone
    /// contains the name.
    ///
    /// A query for DS at the apex of a zone is answered by the zone above, if that is served
    /// (RFC 4035 section 3.1.4.1). A wildcard that owns NS or DNAME is data like any other:
    /// RFC 4592 sections 4.2 and 4.4 leave open what else it would be.
    pub fn lookup(&self, name: &[u8], qtype: Type) -> Option<Found<'_>> {
        self.look_closer(self.node_at(name), name, qtype)
    }

    /// The first step of [`Zones::lookup`], which is the last for most queries. Whoever is told of a
    /// steered record must see to it that the type is one that an RRset can have.
    #[inline(always)]
    pub fn look(&self, name: &[u8], qtype: Type) -> Sight<'_> {
        let Some(node) = self.node_at(name) else { return Sight::Other(None) };
        if !node.has(Node::APEX | Node::CUT | Node::OCCLUDED) {
            if let Some(rrset) = self.rrset(node, qtype) {
                return Sight::Answer(rrset, self.zone_of_node(node));
            }
            // Beside a CNAME there is none: `Zones::build` refuses it.
            if node.steered != NONE {
                return Sight::Steered(RecordId(node.steered), self.zone_of_node(node));
            }
        }
        Sight::Other(Some(node))
    }

    /// The second step: what stands at `name`, whose node, if it has one, the first step found.
    pub fn look_closer<'z>(
        &'z self,
        node: Option<&'z Node>,
        name: &[u8],
        qtype: Type,
    ) -> Option<Found<'z>> {
        match node {
            Some(node) => Some(self.at(node, qtype)),
            None => self.closest_above(name).map(|node| self.below(node, qtype)),
        }
    }

    /// The same for a [`Name`], where speed does not matter.
    pub fn find(&self, name: &Name, qtype: Type) -> Option<Found<'_>> {
        self.lookup(name.as_wire(), qtype)
    }

    /// The name is the node's, or synthesized from it.
    #[inline]
    fn at(&self, node: &Node, qtype: Type) -> Found<'_> {
        if node.has(Node::APEX | Node::CUT | Node::OCCLUDED)
            && let Some(found) = self.at_border(node, qtype)
        {
            return found;
        }
        let outcome = match self.rrset(node, qtype) {
            Some(rrset) => Outcome::Answer(rrset),
            None => self.without_type(node, qtype),
        };
        self.found(node, outcome)
    }

    /// The node has no RRset of the type asked for.
    #[inline]
    fn without_type(&self, node: &Node, qtype: Type) -> Outcome<'_> {
        if node.has(Node::CNAME)
            && let Some(rrset) = self.rrset(node, Type::CNAME)
        {
            // RFC 8482 section 4.2: a CNAME answers ANY, and is not followed.
            return if qtype == Type::ANY { Outcome::Answer(rrset) } else { Outcome::Alias(rrset) };
        }
        if qtype == Type::ANY && (node.set_count != 0 || node.steered != NONE) {
            return Outcome::Any;
        }
        if node.steered != NONE {
            return Outcome::Steered(RecordId(node.steered));
        }
        Outcome::NoData
    }

    /// The node is where a zone begins or ends, or beyond; `None` when it answers for itself.
    fn at_border(&self, node: &Node, qtype: Type) -> Option<Found<'_>> {
        if node.has(Node::OCCLUDED) {
            return self.occluded(&self.nodes[node.occluder as usize]);
        }
        if node.has(Node::CUT) && qtype != Type::DS {
            return self.delegation(node);
        }
        if node.has(Node::APEX) && qtype == Type::DS {
            let parent_side = self.zones[node.zone as usize].parent_side;
            if parent_side != NONE {
                return Some(self.at(&self.nodes[parent_side as usize], qtype));
            }
        }
        None
    }

    /// The name is below the node, which is the closest one above it that exists.
    #[inline]
    fn below(&self, node: &Node, qtype: Type) -> Found<'_> {
        if node.has(Node::CUT | Node::DNAME | Node::OCCLUDED) {
            let occluder = match node.occluder {
                NONE => node,
                above => &self.nodes[above as usize],
            };
            if let Some(found) = self.occluded(occluder) {
                return found;
            }
        }
        if node.wildcard != NONE {
            return self.at(&self.nodes[node.wildcard as usize], qtype);
        }
        self.found(node, Outcome::NxDomain)
    }

    fn occluded(&self, occluder: &Node) -> Option<Found<'_>> {
        if occluder.has(Node::CUT) {
            return self.delegation(occluder);
        }
        let rrset = self.rrset(occluder, Type::DNAME)?;
        let outcome = Outcome::Substitution(rrset, usize::from(occluder.name_len));
        Some(self.found(occluder, outcome))
    }

    fn delegation(&self, cut: &Node) -> Option<Found<'_>> {
        let rrset = self.rrset(cut, Type::NS)?;
        Some(self.found(cut, Outcome::Delegation(rrset, usize::from(cut.name_len))))
    }

    #[inline]
    fn found<'z>(&'z self, node: &Node, outcome: Outcome<'z>) -> Found<'z> {
        Found { zone: self.zone_of_node(node), outcome }
    }
}
