//! Who may have a zone.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::wire::tsig::Key;

/// The clients that may have a zone: those that any entry lets in.
#[derive(Debug, Clone, Default)]
pub struct Access(pub Vec<Allow>);

/// Some clients. What is `None` asks nothing of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Where they are.
    pub net: Option<IpNet>,
    /// The key that they sign with, by its place in [`Transfers::keys`](super::Transfers::keys).
    pub key: Option<usize>,
}

impl Access {
    /// Whether the client at `address`, whose request is signed with `key`, may have the zone.
    pub(super) fn allows(&self, address: IpAddr, key: Option<&Key>, keys: &[Arc<Key>]) -> bool {
        self.0.iter().any(|allow| {
            let is_there = allow.net.is_none_or(|net| net.contains(&address));
            let has_key = allow.key.is_none_or(|wanted| {
                let wanted = keys.get(wanted).map(|key| key.name());
                wanted.is_some() && wanted == key.map(Key::name)
            });
            is_there && has_key
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tsig::Algorithm;

    #[test]
    fn an_entry_lets_in_who_is_there_and_has_the_key_where_it_asks_for_both() {
        let key = |name: &str| {
            Arc::new(Key::new(&name.parse().unwrap(), Algorithm::HmacSha256, b"secret"))
        };
        let keys = [key("one."), key("two.")];
        let access = |net: Option<&str>, key| {
            Access(vec![Allow { net: net.map(|net| net.parse().unwrap()), key }])
        };
        let inside = "192.0.2.7".parse().unwrap();
        let outside = "2001:db8::7".parse().unwrap();
        let net = access(Some("192.0.2.0/24"), None);
        assert!(net.allows(inside, None, &keys) && !net.allows(outside, Some(&keys[0]), &keys));
        let one = access(None, Some(0));
        assert!(one.allows(outside, Some(&keys[0]), &keys));
        assert!(!one.allows(inside, Some(&keys[1]), &keys) && !one.allows(inside, None, &keys));
        let both = access(Some("192.0.2.0/24"), Some(1));
        assert!(both.allows(inside, Some(&keys[1]), &keys));
        assert!(!both.allows(outside, Some(&keys[1]), &keys));
        assert!(
            !both.allows(inside, None, &keys) && !Access::default().allows(inside, None, &keys)
        );
    }
}
