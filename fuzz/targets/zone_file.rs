//! Any text as a master file (RFC 1035 section 5), through its checks to the name table.

use std::collections::HashSet;
use std::path::Path;

use meridian::wire::Name;
use meridian::zone::check::check;
use meridian::zone::master::parse_text;
use meridian::zone::rdata::validate;
use meridian::zone::{ZoneSource, Zones};

/// `data` is the text. What would generate more than some hundred records is passed over: that
/// is bounded work, and long work for a fuzzer.
pub fn run(data: &[u8]) {
    if has_long_range(data) {
        return;
    }
    let origin = Name::parse(b"example.com.", &Name::root()).unwrap();
    let zone = match parse_text(data, Path::new("fuzz.zone"), origin) {
        Ok(zone) => zone,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.span.start <= error.span.end && error.span.end <= data.len());
                assert!(error.site.line >= 1 && error.site.column >= 1);
                drop(error.to_string());
            }
            return;
        }
    };
    for record in &zone.records {
        assert_eq!(validate(record.rtype, &record.rdata), Ok(()), "{record:?}");
    }
    let checked = check(&zone.apex, zone.records, &HashSet::new());
    if checked.errors.is_empty() {
        let source = ZoneSource::new(zone.apex, &checked.records);
        // What the checks pass may still be too much for a table; that is said, not panicked at.
        drop(Zones::build(vec![source], Vec::new()));
    }
}

/// Whether a range as `$GENERATE` has it may be long: `-` and three digits.
fn has_long_range(data: &[u8]) -> bool {
    data.windows(4).any(|w| w[0] == b'-' && w[1..].iter().all(u8::is_ascii_digit))
}
