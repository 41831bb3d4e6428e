"""Clients of every country of a GeoIP database, the same each time."""

import collections
import csv
import ipaddress
import pathlib
import random
import subprocess
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent

# Where nobody is: private, documentation, and what the configurations of these tests single out.
PLACELESS = ["10.0.0.0/24", "10.1.2.0/24", "192.0.2.0/24", "203.0.113.0/24", "100.64.1.0/24",
             "2001:db8:1::/56", "fd00:1::/56", "2001:db8::/48"]

# Subdivisions that the default database knows, so that they are among the places.
SUBDIVISIONS = ["US-CA", "US-NY", "US-TX", "US-WA", "CA-ON", "AU-NSW", "BR-SP", "IN-MH"]


def clients(meridian, database, count):
    """Networks as resolvers send them, and the place of each: `count`, spread over all countries."""
    draw = random.Random(1)
    drawn = collections.defaultdict(list)
    for prefix, place in prefixes(meridian, database):
        drawn[place, prefix.version].append(prefix)
    for found in drawn.values():
        draw.shuffle(found)
    places = sorted(drawn)
    found = [(ipaddress.ip_network(text), "nowhere") for text in PLACELESS]
    turn = 0
    while len(found) < count:
        for place in places:
            prefixes_of = drawn[place]
            if len(found) < count and turn < 50:
                prefix = prefixes_of[turn % len(prefixes_of)]
                found.append((within(prefix, usual(prefix.version, draw), draw), place[0]))
        turn += 1
    return found


def usual(version, draw):
    """How much of an address a resolver tells: mostly /24 and /56 (RFC 7871 section 11.1)."""
    lengths = {4: [24] * 8 + [32, 20], 6: [56] * 8 + [128, 48]}
    return draw.choice(lengths[version])


def within(prefix, length, draw):
    """A random network of this length in a prefix; the one around it when the prefix is smaller."""
    bits = prefix.max_prefixlen
    address = int(prefix.network_address) + draw.getrandbits(bits - prefix.prefixlen)
    mask = (1 << bits) - (1 << bits - length)
    return ipaddress.ip_network((address & mask, length))


def prefixes(meridian, database):
    """Every prefix of a database with its country or subdivision."""
    with open(PROJECT / "src/geo/data/countries.csv", encoding="utf-8") as file:
        codes = [f"country:{row['code']}" for row in csv.DictReader(file)]
    codes += [f"subdivision:{code}" for code in SUBDIVISIONS]
    # One pool for each place: then the map of the policy is the map of places.
    pools = {code: code.replace(":", "-").lower() for code in codes}
    pools["nowhere"] = "nowhere"
    rules = "".join(f'{{ match = "{code}", to = "{pool}" }},\n'
                    for code, pool in pools.items() if code != "nowhere")
    with tempfile.TemporaryDirectory() as directory:
        files = {
            "meridian.toml": f'[server]\nzones = ["*.zone"]\npolicies = ["policies.toml"]\n'
                             f'[geoip]\ndatabases = ["{database}"]\n',
            "example.com.zone": "$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns1.example.net.\n",
            "policies.toml": "".join(
                f'[pool.{pool}]\nmembers = ["192.0.2.1"]\n' for pool in pools.values())
            + f'[policy.world]\nkind = "geo"\ndefault = "nowhere"\nrules = [\n{rules}]\n'
            + '[record."www.example.com"]\nuse = "world"\n',
        }
        for name, text in files.items():
            (pathlib.Path(directory) / name).write_text(text, encoding="utf-8")
        table = subprocess.run([meridian, "export", "map", "www.example.com", "--config",
                                f"{directory}/meridian.toml"],
                               check=True, capture_output=True, text=True).stdout
    for line in table.splitlines()[1:]:
        prefix, place = line.split(",")
        if place != "nowhere":
            yield ipaddress.ip_network(prefix), place
