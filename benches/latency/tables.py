"""What an operator would write: the policies, and the latency tables from what was measured.

Tables are made of the times from the pool to the client, as regions would measure; policies are
judged by the times from the client to the pool. What is known of a client's place is what the
region file says.
"""

import math
import statistics

from matrix import km

ZONE = """$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 60
@ NS ns1
ns1 A 192.0.2.53
"""

# The region file's networks, cut to those of the clients: thousands of policies compile in
# seconds then, and say the same.
SERVER = """[server]
listen = ["127.0.0.1:0"]
workers = 1
zones = ["example.com.zone"]
policies = ["policies.toml"]
[geoip]
databases = []
[admin]
listen = ""
[geoip.networks]
"""

# How far what was measured at a site speaks for its surroundings, in km.
REACH_KM = 1000


class Files:
    """The files of one server, with all sets of pools of one size."""

    def __init__(self, sites, measured, groups, count):
        self.sites, self.measured, self.groups, self.count = sites, measured, groups, count
        self.codes = sorted(sites)
        self.text = [self.pool_text(code) for code in self.codes]
        self.files = {}

    def address(self, code):
        return f"198.18.0.{self.codes.index(code) + 1}"

    def pool(self, address):
        """The region whose pool has an address."""
        return self.codes[int(address.rsplit(".", 1)[1]) - 1]

    def add(self, number, pools):
        """All policies for one set of pools."""
        self.policy(f"s{number}.country", geo(self.by_country(pools), pools))
        self.policy(f"s{number}.region", geo(self.by_region(pools), pools))
        self.policy(f"s{number}.nearest", among("nearest", pools))
        self.latency(f"s{number}.formula", pools, {})
        self.latency(f"s{number}.place", pools, self.by_place(pools, self.codes))
        self.latency(f"s{number}.net", pools, self.by_network(pools))
        for group in range(self.count):
            known = [code for code in self.codes if self.groups[code] != group]
            self.latency(f"s{number}.others-{group}", pools, self.by_place(pools, known))
            self.latency(f"s{number}.drawn-{group}", pools, self.drawn(pools, known))

    def write(self, root):
        networks = [self.network_text(site) for site in self.sites.values()]
        (root / "meridian.toml").write_text(SERVER + "".join(networks))
        (root / "example.com.zone").write_text(ZONE)
        (root / "policies.toml").write_text("".join(self.text))
        for name, rows in self.files.items():
            (root / name).write_text(rows)

    def pool_text(self, code):
        return (f'[pool."{name(code)}"]\nlocation = "{code}"\n'
                f'members = ["{self.address(code)}"]\n')

    def network_text(self, site):
        subdivision = f', subdivision = "{site.subdivision}"' if site.subdivision else ""
        latitude, longitude = site.located
        return (f'"{net(site)}" = {{ country = "{site.country}"{subdivision}, '
                f"latitude = {latitude}, longitude = {longitude} }}\n")

    def policy(self, label, body):
        self.text.append(f'[policy."{label}"]\n{body}[record."{label}.example.com"]\n'
                         f'use = "{label}"\n')

    def latency(self, label, pools, rows):
        body = among("latency", pools)
        # A table without rows is an error: none is named then.
        if rows:
            body += f'table = "{label}.csv"\n'
            self.files[f"{label}.csv"] = "match,pool,ms\n" + "".join(
                f"{place},{name(pool)},{max(ms, 0.1):.1f}\n" for (place, pool), ms in rows.items())
        self.policy(label, body)

    # The operator's map: a place goes to the pool nearest to its middle.

    def by_country(self, pools):
        return {f"country:{site.country}": self.closest(site.centroid, pools)
                for site in self.sites.values()}

    def by_region(self, pools):
        return {**self.by_country(pools),
                **{f"subdivision:{site.subdivision}": self.closest(site.located, pools)
                   for site in self.sites.values() if site.subdivision}}

    def closest(self, point, pools):
        return min(pools, key=lambda pool: km(point, self.sites[pool].point))

    # The operator's tables, from what the pools measured to some sites.

    def by_network(self, pools):
        return {(f"net:{net(site)}", pool): self.measured[pool, site.code]
                for site in self.sites.values() for pool in pools
                if (pool, site.code) in self.measured}

    def by_place(self, pools, known):
        """The median of the sites known in each country, state and province."""
        found = {}
        for code in known:
            for place in places(self.sites[code]):
                for pool in pools:
                    if (pool, code) in self.measured:
                        found.setdefault((place, pool), []).append(self.measured[pool, code])
        return {row: statistics.median(times) for row, times in found.items()}

    def drawn(self, pools, known):
        """For every place the formula, and what the sites around it have above it or below."""
        rows = {}
        for site in self.sites.values():
            for pool in pools:
                sought = estimate(km(site.located, self.sites[pool].point))
                weights = total = 0
                for code in known:
                    if (pool, code) in self.measured:
                        other = self.sites[code].point
                        weight = math.exp(-km(site.located, other) / REACH_KM)
                        above = self.measured[pool, code] - estimate(
                            km(other, self.sites[pool].point))
                        weights += weight
                        total += weight * above
                if weights:
                    rows[places(site)[0], pool] = sought + total / weights
        return rows


def estimate(distance):
    """The program's own estimate in ms for so many km (steering: latency)."""
    return 8 + 0.0155 * distance


def places(site):
    """How the region file names a client's place, the narrowest first."""
    country = f"country:{site.country}"
    return [f"subdivision:{site.subdivision}", country] if site.subdivision else [country]


def net(site):
    return site.address.rsplit(".", 1)[0] + ".0/24"


def name(code):
    """The name of a region's pool."""
    return code.replace(":", "-")


def among(kind, pools):
    targets = ", ".join(f'"{name(pool)}"' for pool in pools)
    return f'kind = "{kind}"\ntargets = [{targets}]\n'


def geo(rules, pools):
    lines = "".join(f'{{ match = "{place}", to = "{name(pool)}" }},\n'
                    for place, pool in rules.items())
    return f'kind = "geo"\nrules = [\n{lines}]\ndefault = "{name(pools[0])}"\n'
