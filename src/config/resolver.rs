//! How members given by host name are looked up: `[resolver]`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::reader::Reader;
use super::spec::Spanned;
use super::spec::resolver::ResolverSpec;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// How members given by host name are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Who is asked, in this order; empty: the system's resolvers.
    pub servers: Vec<SocketAddr>,
    /// How long addresses are kept after their time to live, up to a week.
    pub stale: Duration,
    /// A name is not looked up again sooner than this: 1 s to an hour.
    pub refresh_min: Duration,
    /// And not later than this: `refresh_min` to a day.
    pub refresh_max: Duration,
}

impl Resolver {
    pub(super) fn resolve(spec: ResolverSpec, reader: &mut Reader<'_>) -> Resolver {
        let mut servers = Vec::new();
        for text in spec.servers.iter().flat_map(|list| &list.value) {
            servers.extend(server(text, reader));
        }
        let (least, most) = (5 * SECOND, 300 * SECOND);
        let day = 24 * HOUR;
        let stale = reader.duration("stale", spec.stale.as_ref(), Duration::ZERO..=WEEK, HOUR);
        let refresh_min =
            reader.duration("refresh_min", spec.refresh_min.as_ref(), SECOND..=HOUR, least);
        let refresh_max = reader.duration(
            "refresh_max",
            spec.refresh_max.as_ref(),
            refresh_min..=day,
            most.max(refresh_min),
        );
        Resolver { servers, stale, refresh_min, refresh_max }
    }
}

fn server(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let at = match text.value.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, 53)),
        Err(_) => text.value.parse().ok(),
    };
    if at.is_none_or(|at: SocketAddr| at.port() == 0 || at.ip().is_unspecified()) {
        let message = format!("`{}` is not the address of a resolver", text.value);
        reader.invalid(&text.range, message, "write it like \"192.0.2.53\" or \"127.0.0.1:5353\"");
        return None;
    }
    at
}
