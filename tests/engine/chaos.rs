//! What the server tells of itself in class CHAOS.

use hickory_proto::op::Message;
use hickory_proto::rr::DNSClass;
use meridian::engine::{Settings, Snapshot, Transport};

use crate::support::bed::{Bed, edns_query, query};

fn bed(version: &str, nsid: &str) -> Bed {
    let settings = Settings {
        version: version.as_bytes().into(),
        nsid: nsid.as_bytes().into(),
        ..Settings::default()
    };
    Bed::with(Snapshot { settings, ..Snapshot::default() }, Vec::new())
}

fn chaos(mut message: Message) -> Message {
    message.queries[0].query_class = DNSClass::CH;
    message
}

#[test]
fn version_and_identifier_are_told_at_their_two_names_each() {
    let bed = bed("meridian 1", "fra-2");
    for (name, text) in [
        ("version.bind.", "meridian 1"),
        ("VERSION.Server.", "meridian 1"),
        ("id.server.", "fra-2"),
        ("hostname.bind.", "fra-2"),
    ] {
        for qtype in ["TXT", "ANY"] {
            let told = bed.send(&chaos(query(&format!("{name} {qtype}"))), Transport::Udp);
            assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", ""));
            assert_eq!(told.answer(), [format!("{name} 0 TXT {text}")]);
            assert_eq!(told.message.answers[0].dns_class, DNSClass::CH);
            assert!(told.authority().is_empty() && told.additional().is_empty());
        }
    }
}

#[test]
fn what_is_not_configured_is_refused_like_all_else_of_the_class() {
    let silent = bed("", "");
    for name in ["version.bind.", "version.server.", "id.server.", "hostname.bind."] {
        let told = silent.send(&chaos(edns_query(&format!("{name} TXT"), 1232)), Transport::Udp);
        assert_eq!((told.rcode().as_str(), told.answer().len()), ("Refused", 0));
        assert_eq!(told.extended_error(), Some((20, String::new())));
    }
    let bed = bed("meridian 1", "fra-2");
    for question in
        ["version.bind. A", "authors.bind. TXT", "bind. TXT", ". NS", "x.id.server. TXT"]
    {
        let told = bed.send(&chaos(query(question)), Transport::Udp);
        assert_eq!((told.rcode().as_str(), told.answer().len()), ("Refused", 0), "{question}");
    }
    assert_eq!(bed.ask("version.bind. TXT").rcode(), "Refused");
}

#[test]
fn the_longest_version_fits() {
    let told = bed(&"v".repeat(255), "").send(&chaos(query("version.bind. TXT")), Transport::Udp);
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("NoError", 1));
}
