//! What is checked: a target, and the monitor that says how.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::monitor::{Kind, Monitor};

/// One check: shared by all pools that name the same address, port and monitor.
#[derive(Debug, Clone)]
pub struct Check {
    /// Where.
    pub target: Target,
    /// How.
    pub monitor: Arc<Monitor>,
}

impl Check {
    /// The checks it goes by, when it is a composite; none when it is not.
    pub fn parts(&self) -> &[Identity] {
        match &self.monitor.kind {
            Kind::Composite(composite) => &composite.parts,
            _ => &[],
        }
    }

    /// What makes this check the same one after a reload or a restart.
    pub fn identity(&self) -> Identity {
        Identity {
            target: self.target.to_string(),
            monitor: self.monitor.name.clone(),
            fingerprint: self.monitor.fingerprint(),
        }
    }
}

/// What makes two checks the same: target, monitor, and what the monitor asks and expects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The target, as `host:port` or `host`.
    pub target: String,
    /// The monitor's name.
    pub monitor: String,
    /// [`Monitor::fingerprint`].
    pub fingerprint: u64,
}

impl fmt::Display for Identity {
    /// `web of 192.0.2.1:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.monitor, self.target)
    }
}

/// Where a check goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    host: Host,
    port: u16,
}

/// The host of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A member given by its address.
    Address(IpAddr),
    /// A member given by its name (lower case, no final dot), resolved by the system's resolver
    /// at each check.
    Name(String),
    /// A member given by its name (lower case, no final dot) at one of the addresses that were found
    /// for it: the check goes to the address, and speaks of the name.
    Placed(String, IpAddr),
}

/// Not a target that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither an address nor a host name.
    #[error("`{0}` is neither an IP address nor a host name")]
    Host(String),
    /// Port 0 cannot be connected to.
    #[error("port 0 cannot be checked; give a port from 1 to 65535")]
    Port,
}

impl Target {
    /// A target from an address or a host name, and a port.
    ///
    /// # Errors
    /// When `host` is neither an IP address nor a host name, or `port` is 0.
    pub fn new(host: &str, port: u16) -> Result<Target, TargetError> {
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(host_name(host).ok_or_else(|| TargetError::Host(host.into()))?),
        };
        Target { host, port: 0 }.on(port)
    }

    /// A host name at one of its addresses, as a whole.
    ///
    /// # Errors
    /// When `name` is no host name.
    pub fn placed(name: &str, address: IpAddr) -> Result<Target, TargetError> {
        let host = host_name(name).ok_or_else(|| TargetError::Host(name.into()))?;
        Ok(Target { host: Host::Placed(host, address), port: 0 })
    }

    /// A host as a whole: what scripts without a port, reports and composites are about.
    ///
    /// # Errors
    /// When `host` is neither an IP address nor a host name.
    pub fn whole(host: &str) -> Result<Target, TargetError> {
        Ok(Target { port: 0, ..Target::new(host, 1)? })
    }

    /// The same host at a port.
    ///
    /// # Errors
    /// When `port` is 0.
    pub fn on(&self, port: u16) -> Result<Target, TargetError> {
        if port == 0 { Err(TargetError::Port) } else { Ok(self.at(port)) }
    }

    /// The same host at another port, 1 to 65535.
    pub(super) fn at(&self, port: u16) -> Target {
        Target { host: self.host.clone(), port }
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 1 to 65535; 0 when it is the host as a whole.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Host {
    /// What a URL calls it: an IPv6 address stands in brackets.
    pub(super) fn in_url(&self) -> String {
        match self {
            Host::Placed(name, _) => name.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    /// As in a URL: an IPv6 address stands in brackets. A name at an address has that in brackets
    /// behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Name(name) => f.write_str(name),
            Host::Placed(name, address) => write!(f, "{name}[{address}]"),
        }
    }
}

/// `text` as a host name in lower case without its final dot; `None` if it is none.
///
/// Letters, digits, hyphens and underscores. A last label of digits alone is refused, because
/// URLs take such a name for an IPv4 address (WHATWG URL, "ends in a number").
pub(super) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = name.rsplit('.').next()?;
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    (name.len() <= 253 && name.split('.').all(label) && !numeric).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_or_a_name_with_a_port() {
        let shown = |host: &str| Target::new(host, 80).map(|t| t.to_string());
        assert_eq!(shown("192.0.2.1").unwrap(), "192.0.2.1:80");
        assert_eq!(shown("2001:db8::1").unwrap(), "[2001:db8::1]:80");
        assert_eq!(shown("LB.Example.net.").unwrap(), "lb.example.net:80");
        assert_eq!(shown("_lb.example.net").unwrap(), "_lb.example.net:80");
        let placed = |address: &str| {
            Target::placed("LB.test.", address.parse().unwrap()).and_then(|host| host.on(80))
        };
        assert_eq!(placed("192.0.2.1").unwrap().to_string(), "lb.test[192.0.2.1]:80");
        assert_eq!(placed("2001:db8::1").unwrap().to_string(), "lb.test[2001:db8::1]:80");
        assert_eq!(Target::whole("2001:db8::1").unwrap().to_string(), "[2001:db8::1]");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for host in ["", ".", "a b", "a..b", "a/b", "user@host", "1.2.3", "0x7f", "host:80", "é"] {
            assert_eq!(Target::new(host, 80), Err(TargetError::Host(host.into())), "{host:?}");
        }
        assert_eq!(Target::new("192.0.2.1", 0), Err(TargetError::Port));
    }
}
