//! What there is to explain, as data: the same for text and JSON.

use serde::Serialize;

use crate::admin::message::Course;
use crate::steering::trace::Fate;

/// Everything `explain` says.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub rtype: String,
    /// The state that is explained.
    pub state: StateFacts,
    /// Who asks.
    pub client: ClientFacts,
    /// Where the client is.
    pub location: LocationFacts,
    /// One for each name on the way: the name asked for, then targets of aliases.
    pub steps: Vec<Step>,
    /// What the engine answers.
    pub answer: AnswerFacts,
    /// Whether the name is served.
    #[serde(skip)]
    pub exists: bool,
}

/// Which state is explained.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StateFacts {
    /// `files`: what they say, with what checks said last; `server`: what a server knows now;
    /// `history`: what it knows of an earlier time.
    pub of: &'static str,
    /// The number of the generation, of a server.
    pub generation: Option<u64>,
    /// When that is or was, in milliseconds since 1970.
    pub at: u64,
    /// Pools that are supposed to be down.
    pub down: Vec<String>,
    /// What is not known of an earlier time, and what stands in for it.
    pub remarks: Vec<String>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct ClientFacts {
    /// The subnet as a resolver would send it.
    pub subnet: String,
    /// Whether it is taken from EDNS Client Subnet, or the packet's source decides.
    pub source: &'static str,
    /// The address that is looked up, without what wraps it.
    pub looked_up: String,
}

/// Where the client is.
#[derive(Debug, Serialize)]
pub struct LocationFacts {
    pub fields: Vec<Field>,
    pub is_anycast: bool,
}

/// One known thing about the client's place.
#[derive(Debug, Serialize)]
pub struct Field {
    pub field: &'static str,
    pub value: String,
    /// The database, network and build date, or the operator's network, that says so.
    pub from: String,
}

/// What stands at one name.
#[derive(Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub zone: Option<String>,
    /// What was found, in words.
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steered: Option<SteeredFacts>,
}

/// How a steered name was decided.
#[derive(Debug, Serialize)]
pub struct SteeredFacts {
    pub site: String,
    /// In seconds, now.
    pub ttl: u32,
    /// Why it is less than the record's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_cut: Option<String>,
    /// How the answer is made of what was chosen.
    pub outcome: String,
    /// Where it may send this client and why, as metrics count it.
    pub counted: Vec<CountedFacts>,
    /// What stands in the way of the usual order: a drained pool that is used all the same, or
    /// `on_all_down`.
    pub exception: Option<String>,
    pub decision: TargetFacts,
    /// Only when each step is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled: Option<CompiledFacts>,
}

/// Where an answer sends a client, and why.
#[derive(Debug, PartialEq, Serialize)]
pub struct CountedFacts {
    /// The pool, or what people read in its place.
    pub pool: String,
    /// In a word.
    pub reason: &'static str,
}

/// What is compiled for the client.
#[derive(Debug, Serialize)]
pub struct CompiledFacts {
    /// `null` where the target looks at no place: all clients are of one class.
    pub row: Option<RowFacts>,
    pub class: u32,
    /// What the class prefers.
    pub order: PlanFacts,
    pub cell: CellFacts,
    /// The records that walking the tree of policies leads to.
    pub evaluated: Vec<String>,
    /// Whether both come to the same.
    pub agrees: bool,
}

/// A row of the prefix table.
#[derive(Debug, Serialize)]
pub struct RowFacts {
    pub first: String,
    pub last: String,
    /// The ECS scope while another than the first choice answers.
    pub class_scope: u8,
    /// The ECS scope while the first choice answers.
    pub first_choice_scope: u8,
}

/// An order of preference.
#[derive(Debug, Serialize)]
pub struct PlanFacts {
    /// A weight, an estimate, or that it is the choice in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub what: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<PlanFacts>,
}

/// What is ready for the class.
#[derive(Debug, Serialize)]
pub struct CellFacts {
    /// `null` where there are no answers of the type.
    pub number: Option<usize>,
    pub is_first_choice_up: bool,
    /// Whether a hash of the client's network decides.
    pub is_hashed: bool,
    /// What stands in because nothing is up.
    pub stands_in: Option<&'static str>,
    /// The data of all records that this client may be told.
    pub answer: Vec<String>,
    pub scope: u8,
}

/// A pool or policy, as it was looked into.
#[derive(Debug, Serialize)]
pub struct TargetFacts {
    pub name: String,
    pub kind: &'static str,
    pub site: String,
    pub note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub considered: Vec<ConsideredFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberFacts>,
}

/// A target of a policy, and what became of it.
#[derive(Debug, Serialize)]
pub struct ConsideredFacts {
    pub by: String,
    pub fate: Fate,
    /// The answer if it were up, of one that was passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_up: Option<IfUpFacts>,
    pub target: TargetFacts,
}

/// An answer that is not given.
#[derive(Debug, Serialize)]
pub struct IfUpFacts {
    /// How it would be made.
    pub outcome: String,
    /// The records that the client may be told then.
    pub records: Vec<String>,
}

/// A member of a pool.
#[derive(Debug, Serialize)]
pub struct MemberFacts {
    pub name: String,
    pub rtype: String,
    /// The host name that it is an address of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostFacts>,
    pub state: &'static str,
    /// Who says so, and since when.
    pub by: String,
    /// Why its last check failed, if it did and that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Seconds since its check says so.
    pub since_seconds_ago: Option<u64>,
    /// Seconds since the last check.
    pub checked_seconds_ago: Option<u64>,
    /// What its checks say beyond up and down.
    #[serde(flatten)]
    pub course: Course,
    /// Whether it may stand in the answer to this question.
    pub is_offered: bool,
}

/// The host name that a member is an address of.
#[derive(Debug, Serialize)]
pub struct HostFacts {
    pub name: String,
    /// Seconds since its addresses were found.
    pub found_seconds_ago: Option<u64>,
}

/// The engine's own answer.
#[derive(Debug, Serialize)]
pub struct AnswerFacts {
    pub rcode: String,
    pub records: Vec<String>,
    pub authority: Vec<String>,
    /// The ECS scope prefix length; `null` when the reply carries no client subnet.
    pub scope: Option<u8>,
    /// The clients who share the answer, as a prefix.
    pub shared_by: Option<String>,
}
