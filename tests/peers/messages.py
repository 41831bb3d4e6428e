"""Messages of every kind, well-formed and not: names times types, flags, EDNS, broken octets."""

import itertools
import random
import struct

NAMES = """
@ ns1 mail www WwW alias alias2 outside dangling towild tosub toold loop1
wild x.wild y.x.wild stop.wild x.stop.wild *.wild x.walias x.*.wild
ent.here here deep.ent.here x.deep.ent.here
old x.old a.old x.y.old new a.new x.away away
sub ns.sub host.sub x.ns.sub other host.other
_sip._tcp _tcp svc naptr ptr big nowhere x.nowhere x.www
""".split()

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
    "DNAME": 39, "DS": 43, "HTTPS": 65,
}

# Asked of a few names alone: types that are not types of data, unassigned or obsolete.
UNUSUAL = {
    "TYPE0": 0, "MD": 3, "MF": 4, "NULL": 10, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50,
    "OPT": 41, "TYPE127": 127, "NXNAME": 128, "TYPE200": 200, "TKEY": 249, "TSIG": 250,
    "IXFR": 251, "AXFR": 252, "MAILB": 253, "MAILA": 254, "ANY": 255, "TYPE731": 731,
    "TYPE32768": 32768, "TYPE65280": 65280, "TYPE65535": 65535,
}

FLAGS = {"QR": 0x8000, "AA": 0x0400, "TC": 0x0200, "RD": 0x0100, "RA": 0x0080, "Z": 0x0040,
         "AD": 0x0020, "CD": 0x0010}


def name(text):
    """A name of example.com, or an absolute one with a dot at its end."""
    if text == "@":
        text = "example.com."
    elif not text.endswith("."):
        text += ".example.com."
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(owner="www", rtype=1, rclass=1):
    return name(owner) + struct.pack("!HH", rtype, rclass)


def header(flags=0, counts=(1, 0, 0, 0)):
    return struct.pack("!HHHHHH", 0x4242, flags, *counts)


def opt(options=b"", size=1232, extended=0, version=0, flags=0, owner=b"\0"):
    return (owner + struct.pack("!HHBBHH", 41, size, extended, version, flags, len(options))
            + options)


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def record(owner, rtype, rclass, ttl, data):
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


def messages():
    """All of them, as (what, octets)."""
    return itertools.chain(
        plain(), flags(), opcodes(), classes(), counts(), edns(), subnets(), names(), extra(),
        broken())


def plain():
    """Names times types, without EDNS and with DO."""
    for owner, (kind, rtype) in itertools.product(NAMES, TYPES.items()):
        yield f"{owner} {kind}", header() + question(owner, rtype)
        yield (f"{owner} {kind} +do",
               header(counts=(1, 0, 0, 1)) + question(owner, rtype) + opt(flags=0x8000))
    owners = ["@", "www", "alias", "nowhere", "x.wild", "sub", "host.sub", "x.old", "other.test."]
    for owner, (kind, rtype) in itertools.product(owners, UNUSUAL.items()):
        yield f"{owner} {kind}", header() + question(owner, rtype)
        yield (f"{owner} {kind} +edns",
               header(counts=(1, 0, 0, 1)) + question(owner, rtype) + opt())
    for owner in [".", "com.", "example.net.", "www.example.net.", "notexample.com."]:
        for kind in ["A", "NS", "SOA", "DS"]:
            yield f"{owner} {kind}", header() + question(owner, TYPES[kind])


def flags():
    """Each header flag, and pairs, at a name that is there and one that is not."""
    for owner in ["www", "nowhere", "sub", "other.test."]:
        for (one, bit), (two, more) in itertools.combinations_with_replacement(FLAGS.items(), 2):
            yield f"{owner} A flags {one} {two}", header(bit | more) + question(owner)
        for rcode in range(1, 16):
            yield f"{owner} A rcode {rcode}", header(rcode) + question(owner)


def opcodes():
    """All opcodes: with a question, with EDNS, and the header alone."""
    for opcode in range(16):
        asked = question("@", 6)
        yield f"opcode {opcode}", header(opcode << 11) + asked
        yield f"opcode {opcode} RD", header(opcode << 11 | 0x0100) + asked
        yield f"opcode {opcode} +edns", header(opcode << 11, (1, 0, 0, 1)) + asked + opt()
        yield f"opcode {opcode} header alone", header(opcode << 11, (0, 0, 0, 0))
        yield f"opcode {opcode} header that promises", header(opcode << 11)
        yield f"opcode {opcode} of elsewhere", header(opcode << 11) + question("other.test.", 6)
    added = record(name("new"), 1, 1, 60, b"\xc0\0\2\1")
    yield "UPDATE that adds", header(5 << 11, (1, 0, 1, 0)) + question("@", 6) + added
    soa = record(b"\xc0\x0c", 6, 1, 60, b"\0\0" + bytes(20))
    yield "NOTIFY with SOA", header(4 << 11 | 0x400, (1, 1, 0, 0)) + question("@", 6) + soa


def classes():
    for rclass in [0, 2, 3, 4, 254, 255, 256, 65280]:
        for owner in ["www", "alias", "nowhere", "sub", "other.test."]:
            yield f"{owner} A class {rclass}", header() + question(owner, 1, rclass)
            yield (f"{owner} A class {rclass} +edns",
                   header(counts=(1, 0, 0, 1)) + question(owner, 1, rclass) + opt())


def counts():
    """Counts of the header that do not say what is there (RFC 9619 among them)."""
    asked = question()
    for several in [0, 2, 3, 65535]:
        yield f"QDCOUNT {several}, one there", header(counts=(several, 0, 0, 0)) + asked
        yield (f"QDCOUNT {several}, one there +edns",
               header(counts=(several, 0, 0, 1)) + asked + opt())
    yield "QDCOUNT 2, two there", header(counts=(2, 0, 0, 0)) + asked + question("mail")
    yield "QDCOUNT 2, twice the same", header(counts=(2, 0, 0, 0)) + asked + asked
    yield "QDCOUNT 0, nothing", header(counts=(0, 0, 0, 0))
    yield "QDCOUNT 0, OPT alone", header(counts=(0, 0, 0, 1)) + opt()
    yield ("QDCOUNT 0, OPT with cookie",
           header(counts=(0, 0, 0, 1)) + opt(option(10, b"12345678")))
    for section in (1, 2, 3):
        said = [1, 0, 0, 0]
        said[section] = 1
        yield f"count {section} promises one", header(counts=said) + asked
        said[section] = 65535
        yield f"count {section} promises many", header(counts=said) + asked
    yield "octets behind", header() + asked + b"\0"
    yield "octets behind OPT", header(counts=(1, 0, 0, 1)) + asked + opt() + b"x"
    a = record(b"\xc0\x0c", 1, 1, 60, b"\xc0\0\2\1")
    yield "an answer in the query", header(counts=(1, 1, 0, 0)) + asked + a
    yield "an authority in the query", header(counts=(1, 0, 1, 0)) + asked + a
    yield "an additional in the query", header(counts=(1, 0, 0, 1)) + asked + a
    yield "an additional and OPT", header(counts=(1, 0, 0, 2)) + asked + a + opt()
    yield "OPT and an additional", header(counts=(1, 0, 0, 2)) + asked + opt() + a


def edns():
    def with_opt(*records, owner="www", rtype=1):
        return (header(counts=(1, 0, 0, len(records))) + question(owner, rtype)
                + b"".join(records))
    for size in [0, 1, 511, 512, 513, 1232, 4096, 65535]:
        yield f"size {size}", with_opt(opt(size=size))
        yield f"size {size} big TXT", with_opt(opt(size=size), owner="big", rtype=16)
    for version in [1, 2, 100, 255]:
        yield f"version {version}", with_opt(opt(version=version))
        yield f"version {version} +do", with_opt(opt(version=version, flags=0x8000))
        yield f"version {version} option", with_opt(opt(option(100, b"xx"), version=version))
        yield f"version {version} nowhere", with_opt(opt(version=version), owner="nowhere")
        yield f"version {version} elsewhere", with_opt(opt(version=version), owner="a.test.")
        yield f"version {version} broken option", with_opt(opt(b"\0\1\0\xff", version=version))
    for extended in [1, 255]:
        yield f"extended rcode {extended}", with_opt(opt(extended=extended))
    for bits in [0x4000, 0x0001, 0x7fff, 0xffff, 0x0040]:
        yield f"flags {bits:#x}", with_opt(opt(flags=bits))
    for code in [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 100, 26946, 65001, 65535]:
        yield f"option {code} empty", with_opt(opt(option(code)))
    for code in [0, 4, 13, 14, 16, 17, 20, 100, 65001]:
        yield f"option {code} with data", with_opt(opt(option(code, b"abcdefgh")))
    for length in [0, 1, 7, 8, 9, 15, 16, 24, 40, 41, 100]:
        yield f"cookie of {length}", with_opt(opt(option(10, bytes(range(1, length + 1)))))
    yield "two cookies", with_opt(opt(option(10, b"12345678") + option(10, b"87654321")))
    yield "nsid with data", with_opt(opt(option(3, b"x")))
    yield "keepalive of 1", with_opt(opt(option(11, b"\0")))
    yield "keepalive of 2", with_opt(opt(option(11, b"\0\1")))
    yield "chain", with_opt(opt(option(13, name("www"))))
    yield "key tag", with_opt(opt(option(14, b"\x4f\x66")))
    several = option(3) + option(10, b"12345678") + option(11) + option(12, bytes(9))
    subnet = option(8, b"\0\1\x18\0\xc0\0\2")
    for owner in ["www", "nowhere", "host.sub", "a.test."]:
        for rtype in (1, 6):
            yield f"many options {owner} {rtype}", with_opt(
                opt(several + subnet + option(65001, b"x")), owner=owner, rtype=rtype)
        for kind, one in [("NSID", option(3)), ("cookie", option(10, b"12345678")),
                          ("bad cookie", option(10, b"1234567890123456")), ("subnet", subnet),
                          ("keepalive", option(11)), ("padding", option(12, bytes(9)))]:
            yield f"{kind} {owner}", with_opt(opt(one), owner=owner)
    yield "padding", with_opt(opt(option(12, bytes(64))))
    yield "padding not zero", with_opt(opt(option(12, b"\1" * 64)))
    yield "extended error in query", with_opt(opt(option(15, b"\0\1why")))
    yield "several options", with_opt(opt(option(3) + option(10, b"12345678") + option(100)))
    yield "two OPT", with_opt(opt(), opt())
    yield "two OPT of two sizes", with_opt(opt(size=512), opt(size=4096))
    yield "OPT not at the root", with_opt(opt(owner=name("www")))
    yield "OPT at a pointer to the root", with_opt(opt(owner=b"\xc0\x1c"))
    yield ("OPT in answer", header(counts=(1, 1, 0, 0)) + question() + opt())
    yield ("OPT in authority", header(counts=(1, 0, 1, 0)) + question() + opt())
    good = opt(option(100, b"abcd"))
    for change in [-4, -1, 1, 4, 100]:
        moved = bytearray(good)
        moved[9:11] = struct.pack("!H", 8 + change)
        yield f"RDLEN of OPT off by {change}", with_opt(bytes(moved))
    for said in [0, 3, 5, 65535]:
        yield f"option says {said}, has 4", with_opt(opt(struct.pack("!HH", 100, said) + b"abcd"))
    for octets in [b"\0", b"\0\1", b"\0\1\0"]:
        yield f"{len(octets)} octets of option", with_opt(opt(octets))


def subnets():
    def ask(data, owner="www"):
        return (header(counts=(1, 0, 0, 1)) + question(owner) + opt(option(8, data)))
    for owner in ["www", "nowhere", "sub"]:
        yield f"{owner} subnet 192.0.2/24", ask(b"\0\1\x18\0\xc0\0\2", owner)
        yield f"{owner} subnet 0/0", ask(b"\0\1\0\0", owner)
        yield f"{owner} subnet v6 /56", ask(b"\0\2\x38\0\x20\1\x0d\xb8\0\0\0", owner)
    yield "subnet empty", ask(b"")
    yield "subnet of 3", ask(b"\0\1\x18")
    yield "subnet family 0, /0", ask(b"\0\0\0\0")
    yield "subnet family 0, /8", ask(b"\0\0\x08\0\x0a")
    yield "subnet family 3", ask(b"\0\3\x18\0\xc0\0\2")
    yield "subnet /33", ask(b"\0\1\x21\0\xc0\0\2\0\x80")
    yield "subnet v6 /129", ask(b"\0\2\x81\0" + bytes(17))
    yield "subnet scope set", ask(b"\0\1\x18\x18\xc0\0\2")
    yield "subnet too short", ask(b"\0\1\x18\0\xc0\0")
    yield "subnet too long", ask(b"\0\1\x18\0\xc0\0\2\0")
    yield "subnet host bits", ask(b"\0\1\x17\0\xc0\0\3")


def names():
    """Names at and beyond the limits, in odd case, with pointers and reserved label types."""
    long_label = "x" * 63
    yield "a label of 63", header() + question(long_label)
    for owner in ["wWw.ExAmPlE.cOm.", "NoWhere.eXample.com.", "HOST.sUb.Example.coM.",
                  "X.wILd.example.COM.", "Alias.eXAMPLE.com.", "a.Test.", "b.OLD.example.com."]:
        yield f"mixed case {owner}", header() + question(owner)
        yield (f"mixed case {owner} +edns", header(counts=(1, 0, 0, 1)) + question(owner) + opt())
        yield f"mixed case {owner} NOTIFY", header(4 << 11) + question(owner, 6)
        yield (f"mixed case {owner} version 1",
               header(counts=(1, 0, 0, 1)) + question(owner) + opt(version=1))
    ask = struct.pack("!HH", 1, 1)
    most = b"".join(b"\x3f" + b"a" * 63 for _ in range(3)) + b"\x31" + b"b" * 49
    yield "a name of 255", header() + most + name("@") + ask
    yield "a name of 256", header() + most.replace(b"\x31", b"\x32b") + name("@") + ask
    yield "a label of 64", header() + b"\x40" + b"x" * 64 + name("@") + ask
    yield "label type 10", header() + b"\x80x" + name("@") + ask
    yield "pointer in the question to itself", header() + b"\xc0\x0c" + ask
    yield "pointer in the question to the header", header() + b"\xc0\x00" + ask
    yield "pointer in the question forward", header() + b"\xc0\x12" + ask + name("www")
    yield "a name that does not end", header() + b"\3www\7example\3com"
    yield "a question without a class", header() + name("www") + b"\0\1"
    yield "a question without a type", header() + name("www")
    yield "octets of any value", header() + b"\4\0\xff. " + name("@") + ask
    yield "a name of 128 labels", header() + b"\1a" * 115 + name("@") + ask


def extra():
    """TSIG and SIG(0) where nothing is expected, and transfers that ask properly."""
    tsig = record(name("key."), 250, 255, 0,
                  name("hmac-sha256.") + bytes(6) + b"\x01\x2c" + b"\0\x20" + bytes(32)
                  + b"\x42\x42" + bytes(4))
    yield "TSIG of an unknown key", header(counts=(1, 0, 0, 1)) + question() + tsig
    yield "TSIG before OPT", header(counts=(1, 0, 0, 2)) + question() + tsig + opt()
    yield "OPT before TSIG", header(counts=(1, 0, 0, 2)) + question() + opt() + tsig
    yield ("AXFR with TSIG of an unknown key",
           header(counts=(1, 0, 0, 1)) + question("@", 252) + tsig)
    soa = record(b"\xc0\x0c", 6, 1, 0, b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, 5))
    yield "IXFR with SOA", header(counts=(1, 0, 1, 0)) + question("@", 251) + soa
    yield "IXFR elsewhere", header(counts=(1, 0, 1, 0)) + question("a.test.", 251) + soa


def broken():
    """A good query cut anywhere, and single octets changed."""
    whole = (header(0x0100, (1, 0, 0, 1)) + question() + opt(option(8, b"\0\1\x18\0\xc0\0\2")))
    for length in range(len(whole)):
        yield f"cut to {length}", whole[:length]
    draw = random.Random(3)
    for _ in range(300):
        changed = bytearray(whole)
        place = draw.randrange(2, len(whole))
        changed[place] ^= draw.randrange(1, 256)
        # Responses and other opcodes have their own cases.
        if changed[2] & 0xf8 == 0:
            yield f"octet {place} is {changed[place]:#04x}", bytes(changed)
