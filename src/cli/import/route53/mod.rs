//! Amazon Route 53: record sets with routing policies, and health checks.
//!
//! Terraform files and the JSON of the command line say the same with other words; both become
//! [`RecordSet`]s and [`Check`](check::Check)s, and [`tree`] makes policies of them.

mod check;
mod expand;
mod json;
mod terraform;
mod traffic;
mod tree;

pub(super) use expand::is_inner;
pub(super) use json::json;
pub(super) use terraform::{KINDS, terraform};

use super::draft::Draft;
use super::node::Node;
use super::terraform::Terraform;

/// All record sets of documents, with those that traffic policies stand for, and whether each has a
/// health check that can be taken over.
pub(super) fn sets_of_json(documents: &[Node]) -> Vec<(RecordSet, bool)> {
    let read = json::read(documents, &mut Draft::default());
    let (mut sets, checks) = read.unwrap_or_default();
    sets.extend(json::of_policies(documents, &sets));
    with_checks((sets, checks))
}

/// Likewise, of Terraform files.
pub(super) fn sets_of_terraform(terraform: &Terraform) -> Vec<(RecordSet, bool)> {
    with_checks(terraform::read(terraform, &mut Draft::default()))
}

fn with_checks((sets, checks): (Vec<RecordSet>, check::Checks)) -> Vec<(RecordSet, bool)> {
    let has_check =
        |set: &RecordSet| set.check.as_ref().is_some_and(|key| checks.contains_key(key));
    sets.into_iter().map(|set| (set.clone(), has_check(&set))).collect()
}

/// One record set.
#[derive(Debug, Clone)]
pub(super) struct RecordSet {
    /// With the last dot.
    pub(super) name: String,
    pub(super) rtype: String,
    /// Seconds; `None` for an alias.
    ttl: Option<u32>,
    /// In presentation form.
    pub(super) values: Vec<String>,
    pub(super) alias: Option<Alias>,
    /// What sets it apart from others of its name and type.
    identifier: String,
    pub(super) routing: Routing,
    /// Key of its health check.
    pub(super) check: Option<String>,
    place: String,
}

/// Another name that answers for this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// With the last dot.
    pub(super) name: String,
    pub(super) evaluates_health: bool,
}

/// How Route 53 chooses among the sets of a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Routing {
    Simple,
    Weighted(u32),
    /// A region: `us-east-1`.
    Latency(String),
    Failover {
        is_primary: bool,
    },
    /// A place as Meridian writes it; `None` is everywhere else.
    Geolocation(Option<String>),
    Geoproximity {
        location: super::draft::Location,
        bias: i32,
    },
    Multivalue,
    /// Networks; none is everywhere else.
    Cidr(Vec<String>),
}

impl Routing {
    /// The word of Route 53's own for it.
    fn word(&self) -> &'static str {
        match self {
            Routing::Simple => "simple",
            Routing::Weighted(_) => "weighted",
            Routing::Latency(_) => "latency",
            Routing::Failover { .. } => "failover",
            Routing::Geolocation(_) => "geolocation",
            Routing::Geoproximity { .. } => "geoproximity",
            Routing::Multivalue => "multivalue answer",
            Routing::Cidr(_) => "IP-based",
        }
    }
}

/// A bias of Route 53 as one of Meridian: distances are shortened alike, and lengthened by
/// `1 / (1 + bias/100)` there and by `1 - bias/100` here. The second says whether it is exact.
fn bias(theirs: f64) -> (i32, bool) {
    if theirs >= 0.0 {
        return (theirs.min(99.0) as i32, theirs <= 99.0);
    }
    let wanted = 100.0 * (1.0 - 1.0 / (1.0 + theirs.max(-99.0) / 100.0));
    let ours = wanted.round().max(-99.0);
    (ours as i32, ours == wanted)
}

/// A location of Route 53's geolocation as a place: `continent:EU`; `None` for the default.
fn place(
    continent: Option<&str>,
    country: Option<&str>,
    subdivision: Option<&str>,
) -> Option<String> {
    match (continent, country, subdivision) {
        (_, Some("*"), _) | (Some("*"), ..) | (None, None, _) => None,
        (_, Some(country), Some(subdivision)) => {
            Some(format!("subdivision:{country}-{subdivision}"))
        }
        (_, Some(country), None) => Some(format!("country:{country}")),
        (Some(continent), None, _) => Some(format!("continent:{continent}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_lengthens_distances_as_much_as_there() {
        assert_eq!(bias(20.0), (20, true));
        assert_eq!(bias(-50.0), (-99, false));
        assert_eq!(bias(-20.0), (-25, true));
        assert_eq!(bias(-10.0), (-11, false));
    }

    #[test]
    fn the_default_location_is_written_in_two_ways() {
        assert_eq!(place(None, Some("*"), None), None);
        assert_eq!(place(Some("*"), None, None), None);
        assert_eq!(place(None, Some("US"), Some("CA")).unwrap(), "subdivision:US-CA");
        assert_eq!(place(Some("NA"), None, None).unwrap(), "continent:NA");
    }
}
