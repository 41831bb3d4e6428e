#!/usr/bin/env python3
"""Makes world.json from Natural Earth's countries at 1:110 million, which are in the public domain.

    world.py ne_110m_admin_0_countries     # the path of the .shp and .dbf without its ending

A line for each country: its code of ISO 3166-1, and its outline as the path of an SVG in half
degrees, from 180 W and 84 N on.
"""

import json
import struct
import sys
from pathlib import Path

STEPS = 2  # a degree
NORTH, SOUTH = 84, -58
# Countries whose code the data leaves out, by the name it has for them.
BY_NAME = {"Kosovo": "XK", "France": "FR", "Norway": "NO"}


def codes():
    """Codes of two letters by those of three."""
    import pycountry

    return {country.alpha_3: country.alpha_2 for country in pycountry.countries}


def attributes(path):
    data = path.with_suffix(".dbf").read_bytes()
    count, head, length = struct.unpack("<IHH", data[4:12])
    fields, at = [], 32
    while data[at] != 0x0D:
        fields.append((data[at : at + 11].rstrip(b"\0").decode().lower(), data[at + 16]))
        at += 32
    for number in range(count):
        row, at = {}, head + number * length + 1
        for name, size in fields:
            row[name] = data[at : at + size].decode("utf-8", "replace").strip()
            at += size
        yield row


def outlines(path):
    data = path.with_suffix(".shp").read_bytes()
    at = 100
    while at < len(data):
        (words,) = struct.unpack(">i", data[at + 4 : at + 8])
        shape = data[at + 8 : at + 8 + 2 * words]
        parts, points = struct.unpack("<ii", shape[36:44])
        begins = struct.unpack(f"<{parts}i", shape[44 : 44 + 4 * parts]) + (points,)
        flat = struct.unpack(f"<{2 * points}d", shape[44 + 4 * parts :])
        points = list(zip(flat[::2], flat[1::2]))
        yield [points[a:b] for a, b in zip(begins, begins[1:])]
        at += 8 + 2 * words


def draw(rings):
    path = ""
    for ring in rings:
        steps = []
        for longitude, latitude in ring:
            latitude = max(SOUTH, min(NORTH, latitude))
            step = (round((longitude + 180) * STEPS), round((NORTH - latitude) * STEPS))
            if not steps or steps[-1] != step:
                steps.append(step)
        # What is smaller than a step is a line; an island keeps a spot.
        if len(steps) < 4:
            x, y = steps[0]
            steps = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
        x, y = steps[0]
        path += f"M{x} {y}l"
        moves = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(steps, steps[1:])]
        path += " ".join(f"{dx} {dy}" for dx, dy in moves).replace(" -", "-") + "z"
    return path


def main():
    path = Path(sys.argv[1])
    two = codes()
    world = {}
    for row, rings in zip(attributes(path), outlines(path)):
        code = two.get(row["iso_a3"]) or BY_NAME.get(row["name"])
        if code and code != "AQ":
            world[code] = draw(rings)
    lines = (f"{json.dumps(code)}: {json.dumps(world[code])}" for code in sorted(world))
    Path(__file__).with_name("world.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
