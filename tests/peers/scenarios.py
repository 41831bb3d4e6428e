"""The scenario files of tests/scenarios: read, asked, compared. The format stands in README.md
there.

Where the RFCs leave a server a choice, any choice is right here: `may=`, `au?`, `ad?`, addresses in
the additional section, the question in an error. `choice` is asked of nobody but Meridian.
"""

import ipaddress
import pathlib
import re
import tomllib
import types

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.RP

from messages import header, option, opt
from servers import ask_tcp, ask_udp, is_silent

HERE = pathlib.Path(__file__).resolve().parent
FILES = HERE.parent / "scenarios"

BITS = {"aa": 0x0400, "tc": 0x0200, "rd": 0x0100, "ra": 0x80, "z": 0x40, "ad": 0x20, "cd": 0x10}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5,
          "YXDOMAIN": 6, "NOTAUTH": 9, "BADVERS": 16, "BADCOOKIE": 23}
# Errors whose message could not be read in full, its OPT record neither.
UNREADABLE = {1, 4}
SUBNET = 8
ADDRESSES = {dns.rdatatype.A, dns.rdatatype.AAAA}


# Old types that dnspython does not read, in the form of others: one name, and two.
for _name in ("MB", "MG", "MR"):
    dns.rdata.register_type(types.SimpleNamespace(**{_name: dns.rdtypes.ANY.PTR.PTR}),
                            dns.rdatatype.from_text(_name), _name)
dns.rdata.register_type(types.SimpleNamespace(MINFO=dns.rdtypes.ANY.RP.RP),
                        dns.rdatatype.from_text("MINFO"), "MINFO")


class Wrong(Exception):
    """What is not as expected."""


class Scenario:
    """A file."""

    def __init__(self, path):
        self.name = path.stem
        self.zones = {}
        self.policies = ""
        self.cases = []
        parts = re.split(r"^=== (.*)\n", path.read_text(), flags=re.M)[1:]
        server, line, rfc = "", 1, ""
        for title, text in zip(parts[::2], parts[1::2]):
            line += 1
            if title.startswith("zone "):
                origin = re.match(r"\$ORIGIN (\S+)", text)
                apex = origin[1] if origin else f"{title[5:]}."
                self.zones[apex] = generated(text)
            elif title == "server":
                server = text
            elif title == "policies":
                self.policies = text
            else:
                for number, content in enumerate(text.splitlines(), line):
                    if content.startswith("# RFC "):
                        rfc = content[2:].split(":")[0]
                    elif content.startswith("> "):
                        self.cases.append(Case(number, rfc, content[2:].split()))
                    elif content and not content.startswith("#"):
                        self.cases[-1].expect(content)
            line += text.count("\n")
        self.settings = tomllib.loads(f"[server]\n{server}")
        self.server = server


def generated(text):
    """A zone with its $GENERATE lines written out: only BIND and Meridian know them."""
    def lines(match):
        numbers = range(int(match[1]), int(match[2]) + 1)
        return "\n".join(match[3].replace("$", str(number)) for number in numbers)
    return re.sub(r"^\$GENERATE (\d+)-(\d+) (.*)$", lines, text, flags=re.M)


class Case:
    """A question and its answer."""

    def __init__(self, line, rfc, words):
        self.line, self.rfc, self.words = line, rfc, words
        self.raw = words[0] == "message"
        self.given = dict(word.split("=", 1) for word in words if re.match(r"[a-z]+=", word)
                          and not word.startswith("opt="))
        self.options = [word[4:] for word in words if word.startswith("opt=")]
        self.flags = set() if self.raw else set(words[2:])
        self.over = self.given.get("over", "udp,tcp,tls,post,get,quic").split(",")
        self.transfer = "transfer" in words
        self.records = {"an": [], "au": [], "ad": [], "au?": []}
        self.said = set()
        self.any_additional = False
        self.rcode, self.answer = None, {}
        self.expected_options = []
        self.query = self.octets()

    def octets(self):
        if self.raw:
            parts = [word for word in self.words[1:] if "=" not in word and word != "transfer"]
            return b"".join(dns.name.from_text(part).to_wire() if part.endswith(".")
                            else bytes.fromhex(part) for part in parts)
        flags = int(self.given.get("opcode", 0)) << 11 | int(self.given.get("rcode", 0))
        for flag, bit in {"qr": 0x8000, **BITS}.items():
            flags |= bit if flag in self.flags else 0
        has_opt = "noedns" not in self.flags
        owner = dns.name.from_text(self.words[0]).to_wire()
        rtype = dns.rdatatype.from_text(self.words[1])
        query = (header(flags, (1, 0, 0, int(has_opt)))[2:] + owner + rtype.to_bytes(2, "big")
                 + int(self.given.get("class", 1)).to_bytes(2, "big"))
        if has_opt:
            options = subnet(self.given["subnet"]) if "subnet" in self.given else b""
            for text in self.options:
                code, _, data = text.partition(":")
                options += option(int(code), bytes.fromhex(data))
            query += opt(options, int(self.given.get("size", 1232)),
                         version=int(self.given.get("version", 0)),
                         flags=int(self.given.get("flags", 0)) | 0x8000 * ("do" in self.flags))
        return b"\0\0" + query

    def expect(self, line):
        mark, rest = line.split(" ", 1)
        if mark == "<":
            self.rcode, *words = rest.split()
            self.said = {word for word in words if "=" not in word}
            self.answer = dict(word.split("=", 1) for word in words if "=" in word)
            self.expected_options = [word[4:] for word in words if word.startswith("opt=")]
        elif rest == "*":
            self.any_additional = True
        elif mark in self.records:
            owner, ttl, rclass, rtype, data = rest.split(" ", 4)
            rclass, rtype = dns.rdataclass.from_text(rclass), dns.rdatatype.from_text(rtype)
            data = dns.rdata.from_text(rclass, rtype, data, relativize=False)
            owner = dns.name.from_text(owner)
            self.records[mark].append(comparable(
                owner, int(ttl), int(rclass), int(rtype), data, self.transfer))

    @property
    def is_choice(self):
        return "choice" in self.said

    def ask(self, port, transport):
        """Asks over `udp` or `tcp`; raises Wrong with what is not as expected."""
        if self.rcode == "silence":
            if not is_silent(port, self.query, transport):
                raise Wrong("not silent")
            return
        if transport == "udp":
            reply = ask_udp(port, self.query, 1.0)
        else:
            reply = ask_tcp(port, self.query, 1.0, is_whole if self.transfer else None)
        replies = reply if self.transfer else [reply]
        if not replies or not replies[0]:
            if "silence" in self.answer.get("may", "").split(","):
                return
            raise Wrong("silence")
        self.compare(replies, transport == "udp")

    def compare(self, replies, is_udp):
        try:
            told = [Message(reply, self.transfer) for reply in replies]
        except (dns.exception.DNSException, ValueError) as error:
            raise Wrong(f"unreadable: {type(error).__name__} {error}") from error
        message = told[0]
        same("ID", message.id, int.from_bytes(self.query[:2], "big"))
        same("QR", message.flags >> 15, 1)
        same("opcode", message.flags >> 11 & 15, self.query[2] >> 3 & 15)
        may = self.answer.get("may", "").split(",")
        if message.rcode not in [RCODES.get(text) for text in [self.rcode, *may]]:
            raise Wrong(f"response code {message.rcode}, not {self.rcode}")
        is_other = message.rcode != RCODES[self.rcode]
        self.question(message)
        self.edns(message, is_other)
        if is_other:
            return
        if "tsig" in self.answer:
            same("TSIG error", message.tsig, int(self.answer["tsig"]))
        if is_udp and len(replies[0]) > self.size():
            raise Wrong(f"{len(replies[0])} octets for {self.size()}")
        if is_udp and self.answer.get("udp") == "tc":
            same("TC", message.flags & BITS["tc"], BITS["tc"])
            return
        for flag, bit in BITS.items():
            if f"no{flag}" not in may:
                same(flag, bool(message.flags & bit), flag in self.said)
        answer = [record for one in told for record in one.answer]
        if "records" in self.answer:
            same("records", len(answer), int(self.answer["records"]))
        else:
            same("answer", sorted(answer), sorted(self.records["an"]))
        self.others(message)

    def others(self, message):
        free = self.records["au?"]
        same("authority", sorted(record for record in message.authority if record not in free),
             sorted(self.records["au"]))
        missing = [record for record in self.records["ad"] if record not in message.additional]
        if missing:
            raise Wrong(f"missing from the additional section: {missing}")
        for record in message.additional:
            if record[3] not in ADDRESSES and not self.any_additional:
                raise Wrong(f"in the additional section: {record}")

    def question(self, message):
        is_error = message.rcode not in (RCODES["NOERROR"], RCODES["NXDOMAIN"])
        if is_error and (message.count == 0 or "noquestion" in self.said):
            return
        if "noquestion" in self.said:
            same("questions", message.count, 0)
        elif message.count != 1 or not self.query[12:].startswith(message.question):
            raise Wrong("another question")

    def edns(self, message, is_other):
        has_opt = "opt" in self.said or not self.raw and "noedns" not in self.flags
        if not is_other and message.rcode not in UNREADABLE:
            same("OPT", message.opt is not None, has_opt and "noopt" not in self.said)
        if message.opt is None:
            return
        same("EDNS version", message.opt >> 16 & 255, 0)
        same("EDNS flags", message.opt & 0x7fff, 0)
        if is_other:
            return
        if "do" in self.said:
            same("DO", message.opt & 0x8000, 0x8000)
        for expected in self.expected_options:
            code, _, value = expected.partition(":")
            if code.startswith("!"):
                if int(code[1:]) in message.options:
                    raise Wrong(f"option {code[1:]}")
                continue
            found = message.options.get(int(code))
            if int(code) == SUBNET and found is None:
                continue  # RFC 7871 is for those who want it.
            if found is None:
                raise Wrong(f"no option {code}")
            front = bytes.fromhex(value.rstrip("*"))
            if value and not (found.startswith(front) if value.endswith("*") else found == front):
                raise Wrong(f"option {code} is {found.hex()}")

    def size(self):
        if self.raw or "noedns" in self.flags:
            return 1232 if self.raw else 512
        return max(512, int(self.given.get("size", 1232)))


def same(what, found, expected):
    if found != expected:
        raise Wrong(f"{what}: {found}, not {expected}")


def subnet(text):
    """The option of a client's subnet (RFC 7871 section 6)."""
    net = ipaddress.ip_interface(text)
    length = net.network.prefixlen
    octets = net.network.network_address.packed[:(length + 7) // 8]
    return option(8, bytes([0, 1 if net.version == 4 else 2, length, 0]) + octets)


def comparable(owner, ttl, rclass, rtype, data, is_exact):
    """A record; `is_exact`: names in their case (RFC 5936 section 3.4)."""
    if is_exact:
        return (owner.to_wire(), ttl, rclass, rtype, data.to_wire())
    return (owner.canonicalize().to_wire(), ttl, rclass, rtype, data.to_digestable())


class Message:
    """A reply, read as far as every message can be."""

    def __init__(self, octets, is_exact=False):
        self.octets, self.at, self.is_exact = octets, 12, is_exact
        if len(octets) < 12:
            raise Wrong("less than a header")
        words = [int.from_bytes(octets[at:at + 2], "big") for at in range(0, 12, 2)]
        self.id, self.flags, *counts = words
        self.count = counts[0]
        for _ in range(counts[0]):
            self.name()
            self.at += 4
        self.question = octets[12:self.at]
        self.opt = self.options = self.tsig = None
        self.rcode = self.flags & 15
        self.answer, self.authority, self.additional = (
            [record for record in (self.record() for _ in range(count)) if record]
            for count in counts[1:])
        if self.at != len(octets):
            raise Wrong("octets behind the last record, or missing")

    def name(self):
        name, length = dns.name.from_wire(self.octets, self.at)
        self.at += length
        return name

    def word(self, length=2):
        self.at += length
        return int.from_bytes(self.octets[self.at - length:self.at], "big")

    def record(self):
        owner, rtype, rclass, ttl, length = (
            self.name(), self.word(), self.word(), self.word(4), self.word())
        start = self.at
        self.at += length
        data = self.octets[start:self.at]
        if rtype == dns.rdatatype.OPT:
            self.opt, self.options = ttl, dict(options(data))
            self.rcode |= ttl >> 24 << 4
            return None
        if rtype == dns.rdatatype.TSIG:
            mac = dns.name.from_wire(data, 0)[1] + 8
            error = mac + 4 + int.from_bytes(data[mac:mac + 2], "big")
            self.tsig = int.from_bytes(data[error:error + 2], "big")
            return None
        data = dns.rdata.from_wire(rclass, rtype, self.octets, start, length)
        return comparable(owner, ttl, rclass, rtype, data, self.is_exact)


def options(data):
    while data:
        code, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        yield code, data[4:4 + length]
        data = data[4 + length:]


def is_whole(replies):
    """Whether these are all messages of a transfer: an error, or two SOA records."""
    told = [Message(reply) for reply in replies]
    soas = sum(record[3] == dns.rdatatype.SOA for one in told for record in one.answer)
    return told[0].rcode != 0 or soas >= 2


def all_of_them():
    """Those whose answers do not depend on steering."""
    scenarios = [Scenario(path) for path in sorted(FILES.glob("*.scenario"))]
    return [scenario for scenario in scenarios if not scenario.policies]
