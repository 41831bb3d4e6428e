"""The servers side by side: how each is started with the same zone and the same policy.

Each runs as an ordinary process on a free port of 127.0.0.1, with one worker thread, pinned to
one core, from a directory that vanishes with it. Nothing is installed; what is not here is
skipped. The regions' load balancers are small HTTP servers in this process.
"""

import dataclasses
import http.server
import json
import pathlib
import random
import re
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
sys.path.insert(0, str(PROJECT / "tests" / "peers"))

from process import Process, ask_udp, find, free_port, version  # noqa: E402

DATABASE = PROJECT / "geoip" / "dbip-region.mmdb"

# The addresses of the regions: all of 127.0.0.0/8 is this machine, so they can be checked.
REGIONS = {"na": "127.0.1.1", "eu": "127.0.2.1", "ap": "127.0.3.1"}


@dataclasses.dataclass
class Peer:
    """A server that may be here."""

    name: str
    program: str
    arguments: list[str]
    version: list[str] = dataclasses.field(default_factory=list)
    # Whether it steers www.example.com by EDNS Client Subnet.
    steers: bool = False
    # How it checks the regions, in words.
    health: str = "none"
    # How many answers a right reply has at least.
    answers: int = 1
    # The directory of its configuration, where that is not its name.
    files: str = ""

    def path(self):
        return find(self.program)

    def version_text(self):
        return version(self.path(), self.version) if self.version else ""


def peers(meridian, load):
    """All of them; `meridian` and `load` are the programs of this project."""
    return [
        Peer("reflector", load, ["reflect", "--listen", "127.0.0.1:@PORT@", "--workers", "1"],
             steers=True, answers=0),
        Peer("meridian", meridian, ["serve", "--config", "@DIR@/meridian.toml"], ["--version"],
             steers=True, health="HTTP every 2 s"),
        Peer("gdnsd", "gdnsd", ["-c", "@DIR@", "start"], ["-V"],
             steers=True, health="HTTP every 2 s"),
        Peer("knot", "knotd", ["-c", "@DIR@/knot.conf"], ["--version"], steers=True),
        Peer("knot-static", "knotd", ["-c", "@DIR@/static.conf"], ["--version"], files="knot"),
        Peer("powerdns", "pdns_server", ["--config-dir=@DIR@"], ["--version"], steers=True),
        Peer("powerdns-lua", "pdns_server", ["--config-dir=@DIR@"], ["--version"], steers=True),
        Peer("nsd", "nsd", ["-d", "-c", "@DIR@/nsd.conf"], ["-v"]),
        Peer("bind", "named", ["-f", "-n", "1", "-c", "@DIR@/named.conf"], ["-v"]),
    ]


class Running(Process):
    """A peer that runs, until `stop`."""

    def __init__(self, peer, health_port, core=None, before=(), within=60):
        self.peer = peer
        source = HERE / (peer.files or peer.name)
        files = {file.relative_to(source): file.read_text()
                 for file in (source.rglob("*") if source.exists() else ()) if file.is_file()}
        super().__init__(peer.name, [*before, peer.path(), *peer.arguments], files,
                         lambda port: ask(port, "static.example.com"), core=core, within=within,
                         values={"mmdb": DATABASE, "health": health_port})


class Regions:
    """The load balancers of all regions, as far as health checks see them."""

    def __init__(self):
        class Healthy(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.healthy = Healthy
        self.port = free_port()
        self.servers = {}
        for name in REGIONS:
            self.start(name)

    def start(self, name):
        server = http.server.ThreadingHTTPServer((REGIONS[name], self.port), self.healthy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers[name] = server

    def stop(self, name):
        server = self.servers.pop(name)
        server.shutdown()
        server.server_close()


def build():
    """Builds this project's server and load generator, and returns the paths of both."""
    subprocess.run(["cargo", "build", "--release"], cwd=PROJECT, check=True)
    made = subprocess.run(["cargo", "bench", "--bench", "load", "--no-run",
                           "--message-format", "json-render-diagnostics"],
                          cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in made.splitlines()]

    def program(name):
        return next(message["executable"] for message in messages
                    if message.get("executable") and message["target"]["name"] == name)

    return program("meridian"), program("load")


def clients(meridian, count):
    """The same random IPv4 addresses each time, all of a continent the database knows."""
    draw = random.Random(1)
    found = []
    while len(found) < count:
        drawn = [".".join(map(str, draw.randint(1 << 24, (224 << 24) - 1).to_bytes(4, "big")))
                 for _ in range(4096)]
        said = subprocess.run([meridian, "geoip", "lookup", "--database", DATABASE, *drawn],
                              check=True, capture_output=True, text=True).stdout
        places = {place.split("\n", 1)[0].strip(): place for place in said.split("\n\n")}
        found += [address for address in drawn
                  if re.search(r"^ +continent +[A-Z]{2}\b", places[address], re.M)]
    return found[:count]


def query(name, client=None):
    """A query for an A record, with a client's /24 or without EDNS Client Subnet."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    option = b""
    if client:
        octets = bytes(map(int, client.split(".")))[:3]
        option = b"\0\x08\0\x07\0\x01\x18\0" + octets
    return (b"\x12\x34\0\0\0\1\0\0\0\0\0\1" + labels + b"\0\0\1\0\1"
            + b"\0\0\x29\x04\xd0\0\0\0\0" + len(option).to_bytes(2, "big") + option)


def ask(port, name, client=None, wait=0.5):
    """Asks once; the reply, or nothing."""
    reply = ask_udp(port, query(name, client), wait)
    return reply if reply[2:3] and reply[2] & 0x80 else b""


def says(port, name, address):
    """Whether a server says now that the name has this address."""
    return ask(port, name).find(bytes(map(int, address.split(".")))) > 0
