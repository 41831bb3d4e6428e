//! `[pool.NAME]`: a region, its load balancers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, IntegerOrString, Spanned, StringOr};

/// A `[pool.NAME]` table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// The monitor that checks the members; without one they are always up.
    pub monitor: Option<Spanned<String>>,
    /// Where it is: a cloud region such as "aws:us-east-1", or a table.
    pub location: Option<Spanned<StringOr<LocationSpec>>>,
    /// The load balancers: addresses, names or any record data.
    #[schemars(length(min = 1))]
    pub members: Spanned<Vec<Spanned<StringOr<MemberSpec>>>>,
    /// How an answer is made of the members that are up.
    #[schemars(extend("default" = "round-robin"))]
    pub balance: Option<Spanned<Balance>>,
    /// At most so many addresses in one answer: 8; 1 where `balance` is weighted or sticky. More
    /// than 1 there: the one that was chosen comes first, the next ones of the list follow.
    #[schemars(range(min = 1, max = 255))]
    pub answers: Option<Spanned<i64>>,
    /// Members that must be up for the pool to be up: a count, or a share such as "50%".
    #[schemars(extend("default" = 1))]
    pub min_healthy: Option<Spanned<IntegerOrString>>,
    /// `auto` follows the checks; the others are the operator's word.
    #[schemars(extend("default" = "auto"))]
    pub state: Option<Spanned<PoolState>>,
    /// How much it can serve, in any unit; 0 is not limited. With `load` reports, a region that
    /// is over 90 % of it passes clients on to regions that have room.
    #[schemars(range(min = 0), extend("default" = 0))]
    pub capacity: Option<Spanned<i64>>,
    /// What serving from it costs, in any unit. Latency policies with `prefer = "cheapest"` look
    /// at it.
    #[schemars(range(min = 0), extend("default" = 0.0))]
    pub cost: Option<Spanned<f64>>,
    /// How long its clients take to return after it came back up: a tenth of them at once, the
    /// others evenly over this time.
    #[schemars(extend("default" = "0s"))]
    pub ramp: Option<Spanned<DurationText>>,
}

/// A place: coordinates, or a country.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationSpec {
    /// Degrees, north is positive.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: Option<Spanned<f64>>,
    /// Degrees, east is positive.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: Option<Spanned<f64>>,
    /// ISO 3166-1, two letters: the centre of its population.
    pub country: Option<Spanned<String>>,
}

/// A member in its long form: one of `address`, `cname`, `host` and `rdata`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberSpec {
    /// An IPv4 or IPv6 address: an A or AAAA record.
    pub address: Option<Spanned<String>>,
    /// A name: a CNAME record.
    pub cname: Option<Spanned<String>>,
    /// A name that this server looks up itself: A and AAAA records of its addresses, each a member.
    pub host: Option<Spanned<String>>,
    /// Type and data of any other record, as in a zone file: `HTTPS 1 . alpn=h2`.
    pub rdata: Option<Spanned<String>>,
    /// Share of the clients when `balance` is weighted or sticky.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1))]
    pub weight: Option<Spanned<i64>>,
    /// Where its checks connect, if not at the monitor's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<i64>>,
    /// Address and port where its checks connect, if not at the member itself: 10.0.0.5:8080.
    pub check: Option<Spanned<String>>,
}

/// How an answer is made of the members that are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Balance {
    /// All of them, rotated by one with every query.
    #[default]
    RoundRobin,
    /// One, drawn by weight for each query.
    Weighted,
    /// One, by weight, and always the same for the same client.
    Sticky,
}

/// What the operator says of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PoolState {
    /// The checks decide.
    #[default]
    Auto,
    /// Up, whatever the checks say.
    Up,
    /// Down, whatever the checks say.
    Down,
    /// Gets no new clients while another is up.
    Drain,
}
