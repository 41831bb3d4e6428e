"""A question with EDNS Client Subnet over UDP, and what came back, without any library.

Knows the record types that steered names have: A, AAAA, CNAME and TXT.
"""

import collections
import ipaddress

from process import ask_udp

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "TXT": 16, "AAAA": 28}
ECS = 8

# The response code, records as `(owner, ttl, type, data)` sorted by type and data, and the scope
# prefix length; None when the reply has no such option.
Reply = collections.namedtuple("Reply", "rcode records scope")


def ask(port, name, rtype, client=None):
    """Asks until there is a reply; `client` is a network. None when there never is one."""
    for _ in range(3):
        message = ask_udp(port, question(name, rtype, client))
        if message:
            return reply(message)
    return None


def question(name, rtype, client=None):
    option = b""
    if client is not None:
        octets = client.network_address.packed[:(client.prefixlen + 7) // 8]
        family = b"\0\1" if client.version == 4 else b"\0\2"
        option = family + bytes([client.prefixlen, 0]) + octets
        option = ECS.to_bytes(2, "big") + len(option).to_bytes(2, "big") + option
    return (b"\x12\x34\0\0\0\1\0\0\0\0\0\1" + encoded(name) + TYPES[rtype].to_bytes(2, "big")
            + b"\0\1\0\0\x29\x04\xd0\0\0\0\0" + len(option).to_bytes(2, "big") + option)


def encoded(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def reply(message):
    counts = [int.from_bytes(message[at:at + 2], "big") for at in (4, 6, 8, 10)]
    at = 12
    for _ in range(counts[0]):
        at = decoded(message, at)[1] + 4
    records, scope = [], None
    for number in range(sum(counts[1:])):
        owner, at = decoded(message, at)
        rtype, ttl = int.from_bytes(message[at:at + 2], "big"), message[at + 4:at + 8]
        length = int.from_bytes(message[at + 8:at + 10], "big")
        begin, at = at + 10, at + 10 + length
        if rtype == 41:
            scope = scope_of(message[begin:at])
        elif number < counts[1]:
            records.append((owner, int.from_bytes(ttl, "big"), *data(message, begin, at, rtype)))
    return Reply(message[3] & 15, tuple(sorted(records, key=lambda one: one[2:])), scope)


def data(message, begin, end, rtype):
    name = next((name for name, number in TYPES.items() if number == rtype), f"TYPE{rtype}")
    if name in ("A", "AAAA"):
        return name, str(ipaddress.ip_address(message[begin:end]))
    if name == "CNAME":
        return name, decoded(message, begin)[0]
    return name, message[begin:end].hex()


def decoded(message, at):
    """A name in lower case with its last dot, and where what follows it begins."""
    labels, after = [], None
    while message[at]:
        if message[at] >= 192:
            after = after or at + 2
            at = int.from_bytes(message[at:at + 2], "big") & 0x3fff
        else:
            labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1").lower())
            at += 1 + message[at]
    return ".".join(labels) + ".", after or at + 1


def scope_of(options):
    while options:
        code, length = (int.from_bytes(options[at:at + 2], "big") for at in (0, 2))
        if code == ECS:
            return options[7]
        options = options[4 + length:]
    return None
