//! Why a client gets its answer, asked over DNS: TXT at `_explain.` before a name.
//!
//! Knows who may ask, how often, and where the words go; what there is to say is said by whoever
//! is behind [`Explain`]. It is off the way of every other query: looked at only where a negative
//! answer was about to be written, and here alone memory is taken for an answer.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use ipnet::IpNet;

use super::limits::Exempt;
use crate::wire::Name;

/// The label that is asked with, in wire form.
const LABEL: &[u8] = b"\x08_explain";

/// Explanations in a second, at most, for all who ask together.
const RATE: u64 = 20;

/// Octets that a string of TXT has room for.
const STRING: usize = 255;

/// Strings of one answer, at most.
const STRINGS: usize = 40;

/// Says why a client gets its answer.
pub trait Explain: Debug + Send + Sync {
    /// A few short lines about `name`. `length` is how many bits of the client's address a
    /// resolver gave; 0 when the packet's source is the client.
    fn explain(&self, name: &Name, client: IpAddr, length: u8) -> Vec<String>;
}

/// Who may ask, and what answers.
#[derive(Debug)]
pub struct Insight {
    from: Exempt,
    by: ArcSwapOption<Box<dyn Explain>>,
    /// The second in hand, and in the last 8 bits how many explanations it has had.
    rate: AtomicU64,
}

impl Insight {
    /// For these networks; `None` when there are none.
    pub fn new(from: &[IpNet]) -> Option<Arc<Insight>> {
        let (by, rate) = (ArcSwapOption::empty(), AtomicU64::new(0));
        Some(Arc::new(Insight { from: Exempt::new(from)?, by, rate }))
    }

    /// Has `by` answer from now on.
    pub fn publish(&self, by: Box<dyn Explain>) {
        self.by.store(Some(Arc::new(by)));
    }

    /// The data of a TXT record that explains `name`; `None` when there were too many of late, or
    /// nobody knows yet.
    pub(super) fn explain(&self, name: &Name, client: IpAddr, length: u8) -> Option<Vec<u8>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if !self.takes(now.as_secs()) {
            return None;
        }
        let lines = self.by.load().as_ref()?.explain(name, client, length);
        let mut data = Vec::new();
        for line in lines.iter().take(STRINGS) {
            let mut end = line.len().min(STRING);
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            let text = &line[..end];
            data.push(text.len() as u8);
            data.extend_from_slice(text.as_bytes());
        }
        Some(data).filter(|data| !data.is_empty())
    }

    /// Whether the sender of a packet may ask.
    pub(super) fn admits(&self, sender: IpAddr) -> bool {
        self.from.contains(sender.to_canonical())
    }

    /// Counts one in a second, if there is room for it.
    fn takes(&self, second: u64) -> bool {
        let next = |before: u64| {
            let had = if before >> 8 == second { before & 0xff } else { 0 };
            (had < RATE).then_some(second << 8 | (had + 1))
        };
        self.rate.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

/// The name that is to be explained, when `asked`, in wire form and lower case, asks for that.
pub(super) fn subject(asked: &[u8]) -> Option<Name> {
    Name::from_wire(asked.strip_prefix(LABEL)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_so_many_and_the_next_one_again() {
        let insight = Insight::new(&["127.0.0.0/8".parse().unwrap()]).unwrap();
        let taken = |second| (0..100).filter(|_| insight.takes(second)).count() as u64;
        assert_eq!((taken(7), taken(7), taken(8)), (RATE, 0, RATE));
        assert!(insight.admits("127.0.0.9".parse().unwrap()));
        assert!(insight.admits("::ffff:127.0.0.9".parse().unwrap()));
        assert!(!insight.admits("192.0.2.1".parse().unwrap()));
        assert!(Insight::new(&[]).is_none());
    }

    #[test]
    fn the_name_stands_behind_the_label() {
        let lower = |text: &str| text.parse::<Name>().unwrap().to_lower();
        let subject = |text: &str| subject(lower(text).as_wire()).map(|name| name.to_string());
        assert_eq!(subject("_explain.www.example.com"), Some("www.example.com.".to_owned()));
        assert_eq!(subject("_explain"), Some(".".to_owned()));
        assert_eq!(subject("_explains.example.com"), None);
    }
}
