"""Measured round-trip times between regions, and where the regions are.

Knows no policy and no server.
"""

import csv
import dataclasses
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
REGIONS = HERE.parent.parent / "src" / "geo" / "data" / "cloud_regions.csv"
COUNTRIES = REGIONS.with_name("countries.csv")


@dataclasses.dataclass
class Site:
    """A region as a client, and as the place of a pool."""

    code: str
    # Of the region itself; what a pool's `location` stands for.
    point: tuple
    # Of its country.
    centroid: tuple
    # The client's, and what the file should say of it: `US-CA` or `DE`.
    address: str
    place: str
    # What the region file does say of the address: filled in by `network.locate`.
    country: str = ""
    subdivision: str = ""
    located: tuple = ()


def read(path):
    """The times of one file in ms, by provider, then by source and destination."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = next((name for name in ("rtt_ms", "rtt_avg_ms") if rows and name in rows[0]), None)
    if not column or not {"provider", "src", "dst"} <= rows[0].keys():
        sys.exit(f"{path} is no matrix: it needs the columns provider, src, dst and rtt_ms "
                 "(or rtt_avg_ms)")
    found = {}
    for row in rows:
        if row["src"] != row["dst"]:
            way = tuple(f"{row['provider']}:{row[end]}" for end in ("src", "dst"))
            found.setdefault(row["provider"], {})[way] = float(row[column])
    return found


def sites(provider, measured):
    """The regions with ways to and from most others, by code."""
    codes = {code for way in measured for code in way}
    often = lambda end, code: sum(way[end] == code for way in measured) > len(codes) / 2
    regions = by_key(REGIONS, "code")
    clients = by_key(HERE / "clients.csv", "region")
    countries = by_key(COUNTRIES, "code")
    found = {}
    for code in sorted(codes):
        if not often(0, code) or not often(1, code):
            continue
        if code not in regions:
            sys.exit(f"{REGIONS.name} knows no region {code} of {provider}")
        region = regions[code]
        found[code] = Site(code, point(region), point(countries[region["country"]]),
                           clients[code]["address"], clients[code]["place"])
    return found


def km(a, b):
    """Great-circle distance of two points, by the haversine formula."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, point)) for point in (a, b))
    h = (math.sin((lat2 - lat1) / 2) ** 2
         + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2)
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(h)))


def by_key(path, key):
    with path.open(newline="", encoding="utf-8") as file:
        # Fields are not quoted; the last may hold commas.
        lines = file.read().splitlines()
    heading = lines[0].split(",")
    rows = [dict(zip(heading, line.split(",", len(heading) - 1))) for line in lines[1:]]
    return {row[key]: row for row in rows}


def point(row):
    return float(row["latitude"]), float(row["longitude"])
