//! Master files from text to records: directives, what a record leaves out, and mistakes.

use std::path::{Path, PathBuf};

use meridian::config::{Disk, Files};
use meridian::wire::{Name, Type};
use meridian::zone::Record;
use meridian::zone::master::{
    MasterFile, ParseError, Problem, default_origin, parse_file, parse_text,
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn zone_path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones").join(file)
}

fn parse(path: &Path, origin: Name) -> Result<MasterFile, Vec<ParseError>> {
    parse_file(path, origin, &|path, most| Disk.read_bounded(path, most))
}

fn from_file(file: &str) -> Result<MasterFile, Vec<ParseError>> {
    let path = zone_path(file);
    parse(&path, default_origin(&path).expect("a name"))
}

fn from_text(text: &str) -> Result<MasterFile, Vec<ParseError>> {
    parse_text(text.as_bytes(), Path::new("test.zone"), name("example."))
}

fn records(text: &str) -> Vec<Record> {
    from_text(text).unwrap_or_else(|errors| panic!("{errors:#?}")).records
}

/// What was wrong: `line:column message`.
fn mistakes(result: Result<MasterFile, Vec<ParseError>>) -> Vec<String> {
    let errors = result.expect_err("mistakes");
    let line =
        |error: &ParseError| format!("{}:{} {}", error.site.line, error.site.column, error.problem);
    errors.iter().map(line).collect()
}

#[track_caller]
fn mistake(text: &str, wanted: &str) {
    let mistakes = mistakes(from_text(text));
    assert!(mistakes.len() == 1 && mistakes[0].starts_with(wanted), "{mistakes:#?}");
}

/// Owner, TTL, type and place of records, one a line.
fn summary(records: &[Record]) -> Vec<String> {
    let line = |record: &Record| {
        let (owner, ttl, site) = (&record.owner, record.ttl, &record.site);
        format!("{owner} {ttl} {} {}:{}", record.rtype, site.line, site.column)
    };
    records.iter().map(line).collect()
}

#[test]
fn directives_change_what_follows_them() {
    let zone = from_file("directives.zone").expect("a good file");
    assert_eq!(zone.apex, name("directives.example."));
    assert_eq!(
        summary(&zone.records),
        [
            "directives.example. 3600 SOA 4:1",
            "directives.example. 3600 NS 10:2",
            "directives.example. 3600 NS 11:3",
            "ns1.directives.example. 300 A 12:1",
            "ns1.directives.example. 300 AAAA 13:2",
            "sub.directives.example. 3600 A 15:1",
            "host.sub.directives.example. 3600 A 16:1",
            "host.sub.directives.example. 129600 TXT 18:2",
            "root.directives.example. 129600 A 20:1",
        ]
    );
}

#[test]
fn included_files_have_their_own_origin_and_give_the_old_one_back() {
    let zone = from_file("include.zone").expect("good files");
    let place = |record: &Record| {
        let file = record.site.file.file_name().expect("a file").to_string_lossy().into_owned();
        format!("{} {file}:{}", record.owner, record.site.line)
    };
    assert_eq!(
        zone.records.iter().map(place).collect::<Vec<_>>(),
        [
            "include.example. include.zone:3",
            "include.example. include.zone:4",
            "www.include.example. include.zone:5",
            "ns1.include.example. hosts.inc:1",
            "deep.include.example. deeper.inc:1",
            "www.include.example. include.zone:7",
            "ns1.site2.include.example. hosts.inc:1",
            "deep.site2.include.example. deeper.inc:1",
            "after.include.example. include.zone:9",
        ]
    );
}

#[test]
fn files_that_include_themselves_or_are_missing_are_reported() {
    let mistakes = mistakes(from_file("loop/a.zone"));
    assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("2:3 the line starts with a blank"));
    assert!(mistakes[1].starts_with("3:10 ") && mistakes[1].contains("includes itself"));
    assert!(mistakes[2].starts_with("4:10 ") && mistakes[2].contains("missing.zone cannot be"));
    assert!(mistakes[3].starts_with("5:10 ") && mistakes[3].contains("not a regular file"));
    let missing = from_file("missing.zone").expect_err("no such file");
    assert!(matches!(&missing[..], [ParseError { problem: Problem::Unreadable { .. }, .. }]));
}

#[test]
fn a_zone_that_is_no_file_includes_none() {
    mistake("$INCLUDE directives.zone\n", "1:10 $INCLUDE has no meaning here");
}

#[test]
fn files_include_each_other_only_so_deep_and_so_often() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |number: usize| folder.path().join(format!("{number}.zone"));
    for number in 0..20 {
        let text = format!("$INCLUDE {}.zone\n", number + 1);
        std::fs::write(file(number), text).expect("a file");
    }
    let errors = parse(&file(0), Name::root()).expect_err("too deep");
    assert!(matches!(&errors[..], [ParseError { problem: Problem::IncludeDepth(16), .. }]));
    // Every file includes the next eight times: without a bound that is 8^16 files.
    for number in 0..16 {
        let text = format!("$INCLUDE {}.zone\n", number + 1).repeat(8);
        std::fs::write(file(number), text).expect("a file");
    }
    std::fs::write(file(16), "").expect("a file");
    let errors = parse(&file(0), Name::root()).expect_err("too many");
    assert_eq!(errors.len(), 20);
    assert!(errors.iter().all(|error| matches!(error.problem, Problem::IncludeCount(10_000))));
}

#[test]
fn generate_makes_a_record_for_every_value() {
    let zone = from_file("generate.zone").expect("a good file");
    let text = |record: &Record| {
        let data = match record.rtype {
            Type::PTR | Type::CNAME => Name::from_wire(&record.rdata).expect("one").to_string(),
            _ => String::from_utf8_lossy(&record.rdata).into_owned(),
        };
        let owner = record.owner.to_string().replace(".2.0.192.in-addr.arpa.", "");
        format!("{owner} {} {} {data}", record.ttl, record.rtype)
    };
    assert_eq!(
        zone.records[2..].iter().map(text).collect::<Vec<_>>(),
        [
            "1 300 PTR host-001.example.",
            "2 300 PTR host-002.example.",
            "3 300 PTR host-003.example.",
            "100 60 CNAME 0.10.2.0.192.in-addr.arpa.",
            "104 60 CNAME 4.14.2.0.192.in-addr.arpa.",
            "108 60 CNAME 8.18.2.0.192.in-addr.arpa.",
            "a.0.0.0.ip6 60 TXT \u{1}a\u{2}10\u{1}$\u{1}b",
            "b.0.0.0.ip6 60 TXT \u{1}a\u{2}11\u{1}$\u{1}b",
            "mx 300 MX \0\u{7}\u{6}mail10\u{1}2\u{1}0\u{3}192\u{7}in-addr\u{4}arpa\0",
            "s1 300 TXT \u{5}one 1\u{5}two $",
            "s2 300 TXT \u{5}one 2\u{5}two $",
            "2.0.192.in-addr.arpa. 300 TXT %the owner is the last one written out",
        ]
    );
}

#[test]
fn generate_is_bounded_and_says_what_is_wrong() {
    let head = "$TTL 5\n";
    let bounded = from_text(&format!("{head}$GENERATE 0-2147483647 a$ A 192.0.2.1\n"));
    assert!(mistakes(bounded)[0].starts_with("2:11 the $GENERATE directives of this zone make"));
    let wide = format!("{head}$GENERATE 0-999999 a{} A 192.0.2.1\n", "${0,255}".repeat(100));
    assert!(mistakes(from_text(&wide))[0].contains("a label is longer than 63 octets"));
    for (line, wanted) in [
        ("$GENERATE", "2:10 the directive ends where the range"),
        ("$GENERATE 5-1 a A 192.0.2.1", "2:11 `5-1` is not a range"),
        ("$GENERATE 1-5 a${1,2,z} A 192.0.2.1", "2:15 `${1,2,z}` is not a replacement"),
        ("$GENERATE 1-5 a$ A", "2:19 the directive ends where the data"),
        ("$GENERATE 1-5 a$ B 192.0.2.1", "2:18 `B` is not a record type"),
        ("$GENERATE 254-256 a$ A 192.0.2.$", "2:24 A: `192.0.2.256` cannot be"),
        ("$GENERATE 1-5 a${-2} A 192.0.2.$", "2:15 for 1 the replacement"),
        ("$GENERATE 1-5 a$ A \"192.0.2.1 )\"", "2:20 there is no open parenthesis"),
    ] {
        mistake(&format!("{head}{line}\n"), wanted);
    }
}

#[test]
fn class_and_ttl_stand_in_either_order() {
    let zone = records("a 60 IN A 192.0.2.1\na IN 60 A 192.0.2.1\na in 1M a 192.0.2.1\n");
    assert!(zone.iter().all(|record| record.ttl == 60));
    for class in ["CH", "hs", "CS", "CLASS2"] {
        mistake(&format!("a 60 {class} A 192.0.2.1"), &format!("1:6 class {class} is not served"));
    }
}

#[test]
fn a_missing_ttl_is_the_default_the_last_one_or_the_negative_ttl() {
    let ttls = |text: &str| records(text).iter().map(|record| record.ttl).collect::<Vec<_>>();
    let soa = "SOA a b 1 2 3 4 5";
    // `$TTL` wins over the last TTL (RFC 2308 section 4) and holds from where it stands.
    assert_eq!(ttls("$TTL 9\na 60 A 192.0.2.1\na A 192.0.2.2\n"), [60, 9]);
    assert_eq!(ttls("a 60 A 192.0.2.1\na A 192.0.2.2\n$TTL 9\na A 192.0.2.3\n"), [60, 60, 9]);
    assert_eq!(ttls(&format!("@ {soa}\na A 192.0.2.1\n")), [5, 5]);
    assert_eq!(ttls(&format!("@ 60 {soa}\na A 192.0.2.1\n")), [60, 60]);
    assert_eq!(ttls("a 2147483647 A 192.0.2.1\n"), [2_147_483_647]);
    mistake("a A 192.0.2.1\na A 192.0.2.2\n", "1:3 the record has no TTL");
    mistake("a 2147483648 A 192.0.2.1\n", "1:3 `2147483648` is not a TTL");
    mistake("$TTL 1h30\n", "1:6 `1h30` is not a TTL");
}

#[test]
fn the_apex_is_where_the_first_soa_stands() {
    let apex = |text: &str| from_text(text).expect("a good text").apex;
    let soa = "60 SOA a b 1 2 3 4 5";
    assert_eq!(apex(&format!("@ {soa}\n$ORIGIN org.\nb {soa}\n")), name("example."));
    assert_eq!(apex(&format!("$ORIGIN com.\nexample {soa}\n")), name("example.com."));
    assert_eq!(apex("$ORIGIN com.\na 60 A 192.0.2.1\n$ORIGIN net.\n"), name("com."));
    assert_eq!(apex("; nothing\n"), name("example."));
    assert_eq!(default_origin(Path::new("zones/Example.com.zone")), Ok(name("example.com.")));
    assert_eq!(default_origin(Path::new("example.com")), Ok(name("example.com.")));
    assert!(default_origin(Path::new("zones/a..b.zone")).is_err());
}

#[test]
fn octets_of_every_kind_and_line_ends_of_both_kinds_are_read() {
    let zone = from_file("octets.zone").expect("a good file");
    assert_eq!(
        summary(&zone.records),
        [
            "octets.example. 300 SOA 3:1",
            r"caf\195\169.octets.example. 300 TXT 7:1",
            r"\195\169.x\.y.octets.example. 300 A 8:1",
        ]
    );
    assert_eq!(&zone.records[1].rdata[..], b"\x05\xff\x80 \xc3\xa9");
    let marked = records("\u{feff}a 60 A 192.0.2.1");
    assert_eq!(marked[0].owner, name("a.example."));
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let expected = [
        "1:2 the line starts with a blank, but no record before it has an owner",
        "3:29 SOA: the record ends where the negative TTL should stand",
        "4:6 `forever` is not a TTL",
        "5:7 A: `192.0.2` cannot be the IPv4 address",
        "6:7 AAAA: `2001:db8::g` cannot be the IPv6 address",
        "7:9 MX: `ten` cannot be the preference",
        "8:1 `a..b` is not a domain name: a label is empty",
        "10:1 `$INCLDUE` is no directive",
        "11:6 class CH is not served",
        "12:6 `AA` is not a record type",
        "13:9 this quote is not closed on its line",
        "14:8 there is no open parenthesis to close",
        "15:1 an owner name is written without quotes",
        "16:5 ANY records cannot stand in a zone",
        "18:1 A: `after` stands behind the end of the data",
        "17:8 this parenthesis is never closed",
    ];
    let mistakes = mistakes(from_file("broken.zone"));
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, expected) in mistakes.iter().zip(expected) {
        assert!(mistake.starts_with(expected), "{mistake}\n{expected}");
    }
}

#[test]
fn spans_and_messages_point_into_the_file() {
    let text = "$TTL 5\nwww A 192.0.2.256 ; far\n";
    let errors = from_text(text).expect_err("a mistake");
    assert_eq!(&text[errors[0].span.clone()], "192.0.2.256");
    assert_eq!(
        errors[0].to_string(),
        "test.zone:2:7: A: `192.0.2.256` cannot be the IPv4 address: write four numbers: 192.0.2.1"
    );
}

#[test]
fn reading_stops_at_the_twentieth_mistake() {
    let errors = from_text(&"a A x\n".repeat(1000)).expect_err("mistakes");
    assert_eq!(errors.len(), 20);
}

#[test]
fn blank_lines_and_comments_are_no_records() {
    assert_eq!(records("\n  \n\t; a\n;b\n ( \n ; c\n ) \n()\n").len(), 0);
    assert_eq!(records("").len(), 0);
}
