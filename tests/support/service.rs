//! A small service, for tests of what is around it: `www.example.com` is in Europe, and in America
//! while Europe is out.

use super::dns::Ask;
use super::program::Serving;

pub const EU: &str = "192.0.2.10";
pub const US: &str = "198.51.100.10";

/// Its policy file; the table of the record is the last.
pub const POLICIES: &str = r#"
[pool.eu-west]
members = ["192.0.2.10"]
[pool.us-east]
members = ["198.51.100.10"]
[policy.www]
kind = "failover"
targets = ["eu-west", "us-east"]
[record."www.example.com"]
use = "www"
"#;

/// The one address that a client gets now.
pub fn www(serving: &Serving) -> String {
    Ask::new("www.example.com", "A").udp(serving.address()).one()
}
