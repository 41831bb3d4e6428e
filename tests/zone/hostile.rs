//! No text and no octets make the parser, the data checks or the zone checks panic or run away.

use std::collections::HashSet;
use std::path::Path;

use meridian::wire::{Name, Type};
use meridian::zone::check::check;
use meridian::zone::master::parse_text;
use meridian::zone::rdata::{name_positions, parse_typed, validate};
use proptest::prelude::*;

const FILES: [&[u8]; 9] = [
    include_bytes!("../zones/types.zone"),
    include_bytes!("../zones/types-generic.zone"),
    include_bytes!("../zones/company.zone"),
    include_bytes!("../zones/signed.zone"),
    include_bytes!("../zones/odd.zone"),
    include_bytes!("../zones/directives.zone"),
    include_bytes!("../zones/generate.zone"),
    include_bytes!("../zones/octets.zone"),
    include_bytes!("../zones/broken.zone"),
];

/// Reads and checks a text; whatever comes out must be bounded and well-formed.
fn digest(text: &[u8]) {
    match parse_text(text, Path::new("hostile.zone"), Name::root()) {
        Ok(zone) => {
            for record in &zone.records {
                assert_eq!(validate(record.rtype, &record.rdata), Ok(()), "{record:?}");
                for (at, _) in name_positions(record.rtype, &record.rdata) {
                    assert!(at < record.rdata.len());
                }
            }
            let checked = check(&zone.apex, zone.records, &HashSet::new());
            assert!(checked.errors.len() <= 20 && checked.warnings.len() <= 20);
        }
        Err(errors) => {
            assert!((1..=21).contains(&errors.len()), "{}", errors.len());
            for error in errors {
                assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                assert!(error.site.line >= 1 && error.site.column >= 1);
                assert!(error.to_string().len() < 1000, "{error}");
            }
        }
    }
}

/// `$GENERATE` makes bounded work of few octets, but a million records in each of many cases
/// is no test of anything.
fn tame(mut text: Vec<u8>) -> Vec<u8> {
    for at in 0..text.len().saturating_sub(9) {
        if text[at..].starts_with(b"-") && text[at + 1..at + 7].iter().all(u8::is_ascii_digit) {
            text[at] = b' ';
        }
    }
    text
}

#[test]
fn every_beginning_of_a_file_is_read() {
    for file in FILES {
        // Line by line and, near the ends of lines, octet by octet.
        for (at, &octet) in file.iter().enumerate() {
            if octet == b'\n' || at % 13 == 0 {
                digest(&file[..at]);
            }
        }
    }
}

#[test]
fn much_of_one_thing_is_read_in_its_time() {
    for piece in [
        "(", ")", "\"", "\\", "\n", " ", ";", "@", "$", "a", "a.", "a ", "( ", "\\1", "\\\n",
        "$TTL",
    ] {
        digest(&piece.repeat(300_000).into_bytes());
        digest(format!("a 1 TXT {}", piece.repeat(300_000)).as_bytes());
        digest(format!("a 1 NSEC a {}", piece.repeat(300_000)).as_bytes());
        digest(format!("a 1 DNSKEY 1 1 1 {}", piece.repeat(300_000)).as_bytes());
        digest(format!("a 1 SVCB 1 . {}", piece.repeat(300_000)).as_bytes());
        digest(format!("$GENERATE 1-3 {} A 192.0.2.1", piece.repeat(300_000)).as_bytes());
    }
    let names: String = (0..100_000).map(|n| format!("a{n} 1 CNAME a{}\n", n + 1)).collect();
    digest(names.as_bytes());
    let rrset: String = (0..100_000).map(|n| format!("a 1 TXT {n}\n")).collect();
    digest(rrset.as_bytes());
    let deep = "a.".repeat(120);
    let cuts: String = (0..20_000).map(|n| format!("{n}.{deep} 1 NS b.{n}.{deep}\n")).collect();
    digest(cuts.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_octets_are_read(text in prop::collection::vec(any::<u8>(), 0..400)) {
        digest(&tame(text));
    }

    #[test]
    fn random_words_are_read(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "@", ".", "$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE", "1-3", "1", "IN", "A",
            "NS", "SOA", "TXT", "LOC", "APL", "HIP", "SVCB", "HTTPS", "NSEC", "IPSECKEY", "CNAME",
            "\\#", "4", "c0000201", "192.0.2.1", "::1", "\"x\"", "\"", "(", ")", ";", "\n", "\n ",
            "alpn=\"h2\"", "mandatory=alpn", "N", "E", "1m", "$", "${1,2,n}", "*", "\\", "\\300",
            "TYPE1", "CLASS1", "AA==", "-",
        ]), 0..60),
    ) {
        digest(words.join(" ").as_bytes());
    }

    #[test]
    fn files_with_octets_changed_lost_and_doubled_are_read(
        file in prop::sample::select(FILES.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..12),
    ) {
        let mut text = file.to_vec();
        for (at, octet, kind) in changes {
            let at = at.index(text.len());
            match kind {
                0 => text[at] = octet,
                1 => drop(text.remove(at)),
                2 => text.insert(at, octet),
                _ => {
                    let end = (at + usize::from(octet)).min(text.len());
                    let copy = text[at..end].to_vec();
                    text.splice(at..at, copy);
                }
            }
        }
        digest(&tame(text));
    }

    #[test]
    fn random_data_of_every_type_is_checked(
        number in prop_oneof![0..110u16, Just(256), Just(257), any::<u16>()],
        data in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let rtype = Type(number);
        let positions: Vec<_> = name_positions(rtype, &data).collect();
        if validate(rtype, &data).is_ok() {
            for (at, _) in positions {
                prop_assert!(at < data.len());
            }
            // Well-formed data reads back from its text as octets, digests of a fixed length apart.
            let digits: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
            let text = format!("{rtype} \\# {} {digits}", data.len());
            if let Ok((_, read)) = parse_typed(&text, &Name::root()) {
                prop_assert_eq!(&read[..], &data[..]);
            }
        }
    }
}
