//! Record data from text to octets, against an independent implementation and the RFCs' examples.

use std::path::Path;

use meridian::config::{Disk, Files};
use meridian::wire::{Name, Type};
use meridian::zone::Record;
use meridian::zone::master::{default_origin, parse_file};
use meridian::zone::rdata::{name_positions, parse_text, parse_typed, validate};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn records(file: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones").join(file);
    let origin = default_origin(&path).expect("a name");
    let errors =
        |errors: Vec<_>| panic!("{}", errors.iter().map(|e| format!("{e}\n")).collect::<String>());
    let fetch = |path: &Path, most| Disk.read_bounded(path, most);
    parse_file(&path, origin, &fetch).unwrap_or_else(errors).records
}

fn read(rtype: Type, text: &str) -> Box<[u8]> {
    parse_text(rtype, text, &name("example.")).unwrap_or_else(|e| panic!("{rtype} {text}: {e}"))
}

#[track_caller]
fn refused(text: &str, part: &str) {
    match parse_typed(text, &name("example.")) {
        Ok((rtype, data)) => panic!("{text} was taken as {rtype} {data:02x?}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}

#[test]
fn every_type_reads_as_another_implementation_reads_it() {
    let (texts, octets) = (records("types.zone"), records("types-generic.zone"));
    assert_eq!(texts.len(), octets.len());
    for (text, octets) in texts.iter().zip(&octets) {
        assert_eq!((&text.owner, text.rtype), (&octets.owner, octets.rtype));
        assert_eq!(text.rdata, octets.rdata, "{} at {}", text.rtype, text.site);
    }
}

#[test]
fn what_was_read_is_well_formed_and_no_part_of_it_is() {
    for record in records("types.zone") {
        assert_eq!(validate(record.rtype, &record.rdata), Ok(()), "{}", record.site);
        for len in 0..record.rdata.len() {
            // Some beginnings are whole data; none may be an error to look at.
            let _ = validate(record.rtype, &record.rdata[..len]);
            name_positions(record.rtype, &record.rdata[..len]).for_each(drop);
        }
    }
}

#[test]
fn names_stand_where_their_types_have_them() {
    let positions = |text: &str| {
        let (rtype, data) = parse_typed(text, &name("example.")).expect("good data");
        name_positions(rtype, &data).collect::<Vec<_>>()
    };
    assert_eq!(positions("NS a."), [(0, true)]);
    assert_eq!(positions("SOA a. b. 1 2 3 4 5"), [(0, true), (3, true)]);
    assert_eq!(positions("MX 1 a."), [(2, true)]);
    assert_eq!(positions("MINFO a. b."), [(0, true), (3, true)]);
    assert_eq!(positions("SRV 1 2 3 a."), [(6, false)]);
    assert_eq!(positions("NAPTR 1 2 u \"\" \"xy\" a."), [(10, false)]);
    assert_eq!(positions("SVCB 1 a. alpn=h2"), [(2, false)]);
    assert_eq!(positions("DNAME a."), [(0, false)]);
    assert_eq!(positions("RP a. b."), [(0, false), (3, false)]);
    assert_eq!(positions("PX 1 a. b."), [(2, false), (5, false)]);
    assert_eq!(positions("NSEC a. A"), [(0, false)]);
    assert_eq!(positions("IPSECKEY 1 3 0 a."), [(3, false)]);
    assert_eq!(positions("IPSECKEY 1 1 0 192.0.2.1"), []);
    assert_eq!(positions("HIP 2 00 AAAA a. b."), [(8, false), (11, false)]);
    assert_eq!(positions("TXT a"), []);
    assert_eq!(positions("TYPE731 \\# 3 016100"), []);
}

#[test]
fn text_forms_of_one_value_are_equal() {
    for (rtype, one, other) in [
        (Type::SOA, "a b 1 2h 30m 1w 5", "a.example. b.example. 1 7200 1800 604800 5"),
        (Type::TXT, r#""a b" c"#, r"a\ b \099"),
        (Type::AAAA, "2001:DB8:0:0::1", "2001:db8::1"),
        (Type::NSEC, "a MX A A", "a A MX"),
        (Type::DS, "1 13 1 00000000 00000000000000000000000000000000", {
            "1 ecdsap256sha256 1 0000000000000000000000000000000000000000"
        }),
        (
            Type::RRSIG,
            "A 13 1 5m 20040509183619 0 1 . AAAA",
            "TYPE1 13 1 300 1084127779 0 1 . AAAA",
        ),
        (Type::HTTPS, "1 . port=8443 alpn=h2", "1 . key1=\\002h2 key3=\\032\\251"),
        (Type::HTTPS, "1 . key1=\\002h2", "1 . key1=\"\\002h2\""),
        (Type::A, "192.0.2.1", "\\# 4 C000 0201"),
    ] {
        assert_eq!(read(rtype, one), read(rtype, other), "{rtype} {one}");
    }
}

#[test]
fn a_type_and_its_data_stand_in_one_text() {
    let (rtype, data) = parse_typed("HTTPS 1 . alpn=h2", &Name::root()).expect("good data");
    assert_eq!((rtype, &data[..]), (Type::HTTPS, &b"\0\x01\0\0\x01\0\x03\x02h2"[..]));
    refused("", "a record type and its data");
    refused("HTTPSS 1 .", "`HTTPSS` is not a record type");
    refused("ANY x", "cannot stand in a zone");
    refused("A 192.0.2.1\nA 192.0.2.2", "behind the end of the data");
    refused("A 192.0.2.1 192.0.2.2", "behind the end of the data");
    let error = parse_typed("MX 10 a..b", &Name::root()).expect_err("an empty label");
    assert_eq!(error.span, 6..10);
    let error = parse_typed("MX 10 ; mail", &Name::root()).expect_err("no exchange");
    assert_eq!(error.span, 5..5);
}

#[test]
fn fields_that_are_not_what_they_should_be_are_refused() {
    for (text, part) in [
        ("A 192.0.2", "cannot be the IPv4 address"),
        ("A 192.0.2.01", "cannot be the IPv4 address"),
        ("A \"192.0.2.1\"", "without quotes"),
        ("AAAA 192.0.2.1", "cannot be the IPv6 address"),
        ("MX 65536 a", "cannot be the preference"),
        ("MX +1 a", "cannot be the preference"),
        ("MX 10", "the mail exchange should stand"),
        ("NS a b", "`b` stands behind the end"),
        ("SOA a b 1 2 3 4", "the negative TTL should stand"),
        ("SOA a b 1 2 3 4 5x", "cannot be the negative TTL"),
        ("TXT", "the text should stand"),
        ("TXT \"a", "not closed on its line"),
        ("TXT a\"b\"", "within a word"),
        ("TXT \\256", "a backslash must be followed"),
        ("HINFO a", "the operating system should stand"),
        ("CAA 0 is-sue a", "cannot be the tag"),
        ("CAA 256 issue a", "cannot be the flags"),
        ("URI 1 1 \"\"", "the target should stand"),
        ("DS 1 13 2 00", "has 32 octets, 1 stand"),
        ("DS 1 13 2 0", "pairs of hexadecimal digits"),
        ("DS 1 NOALGORITHM 2 00", "mnemonic"),
        ("SSHFP 1 2 00", "has 32 octets"),
        ("TLSA 3 1 1 00", "has 32 octets"),
        ("ZONEMD 1 1 1 00", "has 48 octets"),
        ("DNSKEY 256 3 13", "the public key should stand"),
        ("DNSKEY 256 3 13 AAA", "base64"),
        ("RRSIG A 13 1 1 20041399000000 0 1 . AAAA", "YYYYMMDD"),
        ("NSEC a NOTYPE", "record types"),
        ("NSEC3 1 0 1 zz 00", "hexadecimal, or `-`"),
        ("NSEC3 1 0 1 - 0", "base32hex"),
        ("EUI48 00-00-5e-00-53", "six octets"),
        ("EUI48 0-00-5e-00-53-2a", "six octets"),
        ("NID 1 0014:4fff:ff20", "four groups"),
        ("NID 1 0014:4fff:ff20:ee64a", "four groups"),
        ("LOC 91 N 0 E 0m", "degrees (0 to 90)"),
        ("LOC 90 0 1 N 0 E 0m", "degrees (0 to 90)"),
        ("LOC 1 60 N 0 E 0m", "degrees (0 to 90)"),
        ("LOC 1 1 60 N 0 E 0m", "degrees (0 to 90)"),
        ("LOC 1 1 1 1 N 0 E 0m", "degrees (0 to 90)"),
        ("LOC 1 N 0 E", "the altitude should stand"),
        ("LOC 1 N 0 E 42849672.96m", "metres from -100000.00m"),
        ("LOC 1 N 0 E 0m 100000000m", "metres from 0m"),
        ("APL 1:192.0.2.0", "a prefix like"),
        ("IPSECKEY 1 0 0 a", "`.` for none"),
        ("IPSECKEY 1 4 0 a", "a gateway of type"),
        ("HIP 2 0 AAAA", "hexadecimal"),
        ("NSAP 47", "0x47"),
        ("WKS 10.0.0.1 6 25", "no text form here"),
        ("TYPE731 abc", "no text form here"),
        ("A \\# 3 c00002", "is no A: the IPv4 address is malformed"),
        ("A \\# 4 c00002", "announces 4 octets, 3 stand there"),
        ("A \\# 5 c000020101", "the end of the data is malformed"),
        ("NS \\# 2 c00c", "is no NS"),
        ("TXT \\# 0", "is no TXT"),
        ("DS \\# 5 0001 0d 02 00", "has 32 octets"),
        ("TYPE731 \\# 65536", "number from 0 to 65535"),
    ] {
        refused(text, part);
    }
    let long = format!("TXT {}", "x".repeat(256));
    refused(&long, "holds 256 octets and may hold 255");
    refused(&format!("TXT {}", format!("{} ", "x".repeat(255)).repeat(256)), "longer than 65,535");
    let fits = format!("{}{}", format!("{} ", "x".repeat(255)).repeat(255), "x".repeat(254));
    assert_eq!(read(Type::TXT, &fits).len(), 65_535);
}

#[test]
fn service_parameters_are_sorted_and_checked() {
    assert_eq!(
        read(Type::SVCB, "1 . port=53 alpn=h2 mandatory=port,alpn"),
        read(Type::SVCB, "1 . mandatory=alpn,port alpn=h2 port=53"),
    );
    // RFC 9460 appendix D.3.
    for (text, part) in [
        ("SVCB 1 . key123=abc key123=def", "stands twice"),
        ("SVCB 1 . mandatory", "takes keys"),
        ("SVCB 1 . alpn", "alpn"),
        ("SVCB 1 . port", "one number"),
        ("SVCB 1 . ipv4hint", "IPv4"),
        ("SVCB 1 . ipv6hint", "IPv6"),
        ("SVCB 1 . no-default-alpn=abc", "takes no value"),
        ("SVCB 1 . mandatory=key123", "not there"),
        ("SVCB 1 . mandatory=mandatory", "other keys"),
        ("SVCB 1 . mandatory=key123,key123 key123=abc", "each once"),
        ("SVCB 1 . no-default-alpn", "without `alpn`"),
        ("SVCB 1 . alpn=h2,,h3", "1 to 255 octets"),
        ("SVCB 1 . alpn=h2\\\\x", "a backslash is written"),
        ("SVCB 1 . port=65536", "one number"),
        ("SVCB 1 . ipv4hint=192.0.2.1,", "IPv4"),
        ("SVCB 1 . ech=x", "base64"),
        ("SVCB 1 . ech=", "base64"),
        ("SVCB 1 . dohpath=dns", "URI template"),
        ("SVCB 1 . nosuchkey=1", "no such key"),
        ("SVCB 1 . key65535=1", "reserved"),
        ("SVCB 1 . key01=1", "no such key"),
        ("SVCB 1 . \"alpn=h2\"", "quote only the value"),
        ("SVCB 1 . key4=abc", "IPv4"),
    ] {
        refused(text, part);
    }
}
