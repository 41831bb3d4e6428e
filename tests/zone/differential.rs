//! Our parser beside the `domain` crate's: the same files give the same records.
//!
//! Where the two differ on purpose, a test below names the RFC that decides.

use std::path::Path;

use domain::base::name::ToName;
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use meridian::wire::Name;
use meridian::zone::Record;
use meridian::zone::master::parse_text;
use proptest::prelude::*;

/// Owner, TTL, type and data, the names in wire form.
type Plain = (Vec<u8>, u32, u16, Vec<u8>);

const ORIGIN: &str = "origin.example.";

fn by_domain(text: &[u8]) -> Result<Vec<Plain>, String> {
    let origin: domain::base::Name<_> = ORIGIN.parse().expect("a name");
    let mut file = Zonefile::from(text);
    file.set_origin(origin);
    file.set_default_class(domain::base::iana::Class::IN);
    let mut records = Vec::new();
    while let Some(entry) = file.next_entry().map_err(|error| error.to_string())? {
        let Entry::Record(record) = entry else { return Err("an include".to_owned()) };
        let mut data = Vec::new();
        record.data().compose_rdata(&mut data).expect("a Vec takes all");
        let owner = record.owner().to_vec().as_slice().to_vec();
        records.push((owner, record.ttl().as_secs(), record.rtype().to_int(), data));
    }
    Ok(records)
}

fn by_us(text: &[u8]) -> Result<Vec<Plain>, String> {
    let plain = |record: Record| {
        (record.owner.as_wire().to_vec(), record.ttl, record.rtype.0, record.rdata.into_vec())
    };
    parse_text(text, Path::new("test.zone"), ORIGIN.parse().expect("a name"))
        .map(|zone| zone.records.into_iter().map(plain).collect())
        .map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect())
}

#[track_caller]
fn assert_same(text: &[u8]) -> usize {
    let (ours, theirs) = (by_us(text), by_domain(text));
    let ours = ours.unwrap_or_else(|error| panic!("ours: {error}"));
    let theirs = theirs.unwrap_or_else(|error| panic!("theirs: {error}"));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{}", Name::from_wire(&ours.0).expect("a name"));
    }
    assert_eq!(ours.len(), theirs.len());
    ours.len()
}

#[test]
fn files_as_people_and_signers_write_them_read_the_same() {
    for (file, records) in
        [("company.zone", 43), ("signed.zone", 15), ("odd.zone", 12), ("types-generic.zone", 106)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones").join(file);
        let text = std::fs::read(&path).expect("a file");
        assert_eq!(assert_same(&text), records, "{file}");
    }
}

/// Both parsers alone: what each says of a text on which they differ.
#[track_caller]
fn differ(text: &[u8]) -> (Result<Vec<Plain>, String>, Result<Vec<Plain>, String>) {
    let (ours, theirs) = (by_us(text), by_domain(text));
    assert_ne!(ours, theirs, "no longer a difference");
    (ours, theirs)
}

#[test]
fn units_of_time_are_ours_alone() {
    // BIND's units, allowed in every number of seconds; RFC 1035 knows only numbers.
    for text in ["a 1h A 192.0.2.1\n", "$TTL 1h\n", "@ 5 SOA a b 1 1h 1h 1h 1h\n"] {
        let (ours, theirs) = differ(text.as_bytes());
        assert!(ours.is_ok() && theirs.is_err(), "{text}");
    }
}

#[test]
fn octets_over_127_are_text_for_us() {
    // RFC 1035 section 5.1 speaks of octets; section 3.1 of labels of any octets.
    let (ours, theirs) = differ("caf\u{e9} 5 TXT \"\u{e9}\"\n".as_bytes());
    assert!(ours.is_ok() && theirs.is_err());
}

#[test]
fn a_record_without_any_ttl_is_an_error_for_us() {
    // RFC 1035 section 5.1 and RFC 2308 section 4 give no value; `domain` takes an hour.
    let (ours, theirs) = differ(b"a A 192.0.2.1\n");
    assert!(ours.is_err() && theirs.is_ok());
}

#[test]
fn the_negative_ttl_stands_in_for_a_missing_one() {
    // Before RFC 2308 the last field of SOA was the default TTL; BIND still takes it.
    let (ours, theirs) = differ(b"@ SOA a b 1 2 3 4 5\n");
    assert_eq!((ours.expect("good")[0].1, theirs.expect("good")[0].1), (5, 3600));
}

#[test]
fn a_ttl_over_31_bits_is_an_error_for_us() {
    // RFC 2181 section 8.
    let (ours, theirs) = differ(b"a 2147483648 A 192.0.2.1\n");
    assert!(ours.is_err() && theirs.is_ok());
}

#[test]
fn a_free_standing_at_sign_is_the_origin_in_data_too() {
    // RFC 1035 section 5.1 makes no difference between owner and data.
    let (ours, theirs) = differ(b"www 5 CNAME @\n");
    let origin: Name = ORIGIN.parse().expect("a name");
    assert_eq!(ours.expect("good")[0].3, origin.as_wire());
    assert!(theirs.expect("good")[0].3.starts_with(b"\x01@"));
}

#[test]
fn only_a_blank_at_the_start_of_a_line_leaves_the_owner_out() {
    // RFC 1035 section 5.1: "entries that begin with blanks"; a parenthesis is none.
    let (ours, theirs) = differ(b"b 5 A 192.0.2.1\n( a ) 5 A 192.0.2.2\n");
    assert!(ours.is_ok() && theirs.is_err());
}

#[test]
fn digests_have_the_length_of_their_kind_for_us() {
    // RFC 4509 section 2.1.
    let (ours, theirs) = differ(b"a 5 DS 1 13 2 00\n");
    assert!(ours.is_err() && theirs.is_ok());
}

/// A field as text, and the octets it stands for.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    wire: Vec<u8>,
}

fn field(text: impl Into<String>, wire: impl Into<Vec<u8>>) -> Field {
    Field { text: text.into(), wire: wire.into() }
}

fn u8s() -> BoxedStrategy<Field> {
    any::<u8>().prop_map(|n| field(n.to_string(), [n])).boxed()
}

fn u16s() -> BoxedStrategy<Field> {
    any::<u16>().prop_map(|n| field(n.to_string(), n.to_be_bytes())).boxed()
}

fn u32s() -> BoxedStrategy<Field> {
    any::<u32>().prop_map(|n| field(n.to_string(), n.to_be_bytes())).boxed()
}

fn fixed(text: &'static str, wire: &'static [u8]) -> BoxedStrategy<Field> {
    Just(field(text, wire)).boxed()
}

/// Octets that are mostly letters, and now and then anything.
fn octets(len: std::ops::RangeInclusive<usize>) -> BoxedStrategy<Vec<u8>> {
    let octet =
        prop_oneof![4 => proptest::char::range('!', '~').prop_map(|c| c as u8), 1 => any::<u8>()];
    prop::collection::vec(octet, len).boxed()
}

/// A name, written absolute or relative to the origin.
fn names() -> BoxedStrategy<Field> {
    let labels = prop::collection::vec(octets(1..=12), 0..=4);
    (labels, any::<bool>())
        .prop_map(|(labels, absolute)| {
            let mut wire = Vec::new();
            for label in &labels {
                wire.push(label.len() as u8);
                wire.extend_from_slice(label);
            }
            wire.push(0);
            let name = Name::from_wire(&wire).expect("short labels");
            let text = name.to_string();
            if absolute || labels.is_empty() {
                return field(text, wire);
            }
            wire.pop();
            let origin: Name = ORIGIN.parse().expect("a name");
            wire.extend_from_slice(origin.as_wire());
            field(&text[..text.len() - 1], wire)
        })
        .boxed()
}

fn quote(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for &octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', octet as char]),
            b' '..=b'~' => text.push(octet as char),
            _ => text.push_str(&format!("\\{octet:03}")),
        }
    }
    text + "\""
}

fn string() -> BoxedStrategy<Field> {
    let counted = |octets: Vec<u8>| {
        let mut wire = vec![octets.len() as u8];
        wire.extend_from_slice(&octets);
        field(quote(&octets), wire)
    };
    octets(0..=40).prop_map(counted).boxed()
}

fn strings() -> BoxedStrategy<Field> {
    prop::collection::vec(string(), 1..=4).prop_map(|fields| join(&fields)).boxed()
}

fn join(fields: &[Field]) -> Field {
    let texts: Vec<_> = fields.iter().map(|field| &field.text[..]).collect();
    field(texts.join(" "), fields.iter().flat_map(|field| field.wire.clone()).collect::<Vec<_>>())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn hexes(len: std::ops::RangeInclusive<usize>) -> BoxedStrategy<Field> {
    (prop::collection::vec(any::<u8>(), len), 0..100usize)
        .prop_map(|(octets, split)| {
            let mut text = hex(&octets);
            let at = split.min(text.len() - 1);
            if at > 0 {
                text.insert(at, ' ');
            }
            field(text, octets)
        })
        .boxed()
}

fn base64s() -> BoxedStrategy<Field> {
    prop::collection::vec(any::<u8>(), 1..=60)
        .prop_map(|octets| field(domain::utils::base64::encode_string(&octets), octets))
        .boxed()
}

fn hashes() -> BoxedStrategy<Field> {
    prop::collection::vec(any::<u8>(), 1..=40)
        .prop_map(|octets| {
            let text = domain::utils::base32::encode_string_hex(&octets);
            field(text, [&[octets.len() as u8][..], &octets].concat())
        })
        .boxed()
}

fn salts() -> BoxedStrategy<Field> {
    prop::collection::vec(any::<u8>(), 0..=20)
        .prop_map(|octets| {
            let text = if octets.is_empty() { "-".to_owned() } else { hex(&octets) };
            field(text, [&[octets.len() as u8][..], &octets].concat())
        })
        .boxed()
}

fn addresses() -> (BoxedStrategy<Field>, BoxedStrategy<Field>) {
    let v4 = any::<std::net::Ipv4Addr>().prop_map(|ip| field(ip.to_string(), ip.octets()));
    let v6 = any::<std::net::Ipv6Addr>().prop_map(|ip| field(ip.to_string(), ip.octets()));
    (v4.boxed(), v6.boxed())
}

/// A bitmap built the slow way: one bit after another.
fn bitmaps() -> BoxedStrategy<Field> {
    prop::collection::btree_set(1u16..2000, 1..=12)
        .prop_map(|types| {
            let text: Vec<_> = types.iter().map(|number| format!("TYPE{number}")).collect();
            let mut wire = Vec::new();
            for window in 0..=7u16 {
                let bits: Vec<u16> = types.iter().filter(|t| *t / 256 == window).copied().collect();
                let Some(last) = bits.last() else { continue };
                let mut octets = vec![0u8; usize::from(last % 256 / 8) + 1];
                for bit in bits {
                    octets[usize::from(bit % 256 / 8)] |= 1 << (7 - bit % 8);
                }
                wire.extend([window as u8, octets.len() as u8]);
                wire.extend(octets);
            }
            field(text.join(" "), wire)
        })
        .boxed()
}

fn params() -> BoxedStrategy<Field> {
    let (v4, v6) = addresses();
    let alpn = fixed("alpn=h2,h3", b"\0\x01\0\x06\x02h2\x02h3");
    let port = any::<u16>().prop_map(|port| {
        field(format!("port={port}"), [&[0, 3, 0, 2][..], &port.to_be_bytes()].concat())
    });
    let v4 = v4.prop_map(|ip| {
        field(format!("ipv4hint={}", ip.text), [&[0, 4, 0, 4][..], &ip.wire].concat())
    });
    let v6 = v6.prop_map(|ip| {
        field(format!("ipv6hint=\"{}\"", ip.text), [&[0, 6, 0, 16][..], &ip.wire].concat())
    });
    let some = |all: BoxedStrategy<Field>| prop::option::of(all);
    (some(alpn), some(port.boxed()), some(v4.boxed()), some(v6.boxed()))
        .prop_map(|(a, b, c, d)| join(&[a, b, c, d].into_iter().flatten().collect::<Vec<_>>()))
        .boxed()
}

/// A type's mnemonic and number, and its data.
fn typed() -> BoxedStrategy<(&'static str, u16, Field)> {
    let (v4, v6) = addresses();
    let kinds: Vec<(&'static str, u16, Vec<BoxedStrategy<Field>>)> = vec![
        ("A", 1, vec![v4.clone()]),
        ("AAAA", 28, vec![v6]),
        ("NS", 2, vec![names()]),
        ("CNAME", 5, vec![names()]),
        ("DNAME", 39, vec![names()]),
        ("PTR", 12, vec![names()]),
        ("MX", 15, vec![u16s(), names()]),
        ("SOA", 6, vec![names(), names(), u32s(), u32s(), u32s(), u32s(), u32s()]),
        ("TXT", 16, vec![strings()]),
        ("HINFO", 13, vec![string(), string()]),
        ("MINFO", 14, vec![names(), names()]),
        ("RP", 17, vec![names(), names()]),
        ("SRV", 33, vec![u16s(), u16s(), u16s(), names()]),
        ("NAPTR", 35, vec![u16s(), u16s(), string(), string(), string(), names()]),
        (
            "CAA",
            257,
            vec![u8s(), fixed("issue", b"\x05issue"), {
                octets(1..=60).prop_map(|octets| field(quote(&octets), octets)).boxed()
            }],
        ),
        ("DS", 43, vec![u16s(), u8s(), fixed("2", &[2]), hexes(32..=32)]),
        ("CDS", 59, vec![u16s(), u8s(), fixed("9", &[9]), hexes(1..=32)]),
        ("DNSKEY", 48, vec![u16s(), fixed("3", &[3]), u8s(), base64s()]),
        ("CDNSKEY", 60, vec![u16s(), fixed("3", &[3]), u8s(), base64s()]),
        ("SSHFP", 44, vec![u8s(), fixed("1", &[1]), hexes(20..=20)]),
        ("TLSA", 52, vec![u8s(), u8s(), fixed("0", &[0]), hexes(1..=60)]),
        ("ZONEMD", 63, vec![u32s(), u8s(), fixed("1", &[1]), hexes(48..=48)]),
        ("OPENPGPKEY", 61, vec![base64s()]),
        ("NSEC", 47, vec![names(), bitmaps()]),
        ("NSEC3", 50, vec![u8s(), u8s(), u16s(), salts(), hashes(), bitmaps()]),
        ("NSEC3PARAM", 51, vec![u8s(), u8s(), u16s(), salts()]),
        (
            "RRSIG",
            46,
            vec![
                fixed("MX", &[0, 15]),
                u8s(),
                u8s(),
                u32s(),
                u32s(),
                fixed("20040509183619", b"@\x9ez#"),
                u16s(),
                names(),
                base64s(),
            ],
        ),
        ("IPSECKEY", 45, vec![u8s(), fixed("1 2", &[1, 2]), v4, base64s()]),
        ("IPSECKEY", 45, vec![u8s(), fixed("3 2", &[3, 2]), names(), base64s()]),
        ("SVCB", 64, vec![u16s(), names(), params()]),
        ("HTTPS", 65, vec![u16s(), names(), params()]),
    ];
    let strategies = kinds.into_iter().map(|(name, number, fields)| {
        fields.prop_map(move |fields| (name, number, join(&fields))).boxed()
    });
    proptest::strategy::Union::new(strategies).boxed()
}

/// One record as text, with one of the layouts people use, and as octets.
fn record() -> BoxedStrategy<(String, Plain)> {
    (names(), 0..=2_147_483_647u32, typed(), 0..6)
        .prop_map(|(owner, ttl, (name, number, data), layout)| {
            let (o, d) = (&owner.text, &data.text);
            let text = match layout {
                0 => format!("{o} {ttl} {name} {d}\n"),
                1 => format!("{o}\t{ttl}\tIN\t{name}\t{d} ; comment \" (\n"),
                2 => format!("{o} IN {ttl} {name} ( {d} )\r\n"),
                3 => format!("{o} {ttl} (\n {} ; (\n\n {d}\n)\n", name.to_ascii_lowercase()),
                4 => format!("{o} {ttl} TYPE{number} {d}\n"),
                _ => {
                    let (len, hex) = (data.wire.len(), hex(&data.wire));
                    format!("{o} {ttl} CLASS1 TYPE{number} \\# {len} {hex}\n")
                }
            };
            (text, (owner.wire, ttl, number, data.wire))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_records_read_as_they_were_made(records in prop::collection::vec(record(), 1..20)) {
        let text: String = records.iter().map(|(text, _)| &text[..]).collect();
        let expected: Vec<Plain> = records.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(by_us(text.as_bytes()), Ok(expected.clone()), "ours:\n{}", text);
        prop_assert_eq!(by_domain(text.as_bytes()), Ok(expected), "theirs:\n{}", text);
    }
}
