"""The servers side by side: how each is started with the same zone and the same policy.

Each runs as an ordinary process on a free port of 127.0.0.1, with one worker thread, pinned to
one core, from a directory that vanishes with it. Nothing is installed; what is not here is
skipped. The regions' load balancers are small HTTP servers in this process.
"""

import dataclasses
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
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
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

    def version_text(self):
        if not self.version:
            return ""
        run = subprocess.run([self.path(), *self.version], capture_output=True, text=True)
        found = re.search(r"\d+\.\d+(\.\d+)?", run.stdout + run.stderr)
        return found.group() if found else "?"


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


class Running:
    """A peer that runs, until `stop`."""

    def __init__(self, peer, health_port, core=None, before=(), within=60):
        self.peer = peer
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"peers-{peer.name}-"))
        values = {"@PORT@": str(self.port), "@DIR@": str(self.directory),
                  "@MMDB@": str(DATABASE), "@HEALTH@": str(health_port)}

        def fill(text):
            return re.sub("@(PORT|DIR|MMDB|HEALTH)@", lambda name: values[name.group()], text)

        source = HERE / (peer.files or peer.name)
        for file in source.rglob("*") if source.exists() else ():
            if file.is_file():
                target = self.directory / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(fill(file.read_text()))
        for directory in ("db", "run", "state"):
            (self.directory / directory).mkdir(exist_ok=True)
        self.log = self.directory / "log"
        command = [*before, peer.path(), *map(fill, peer.arguments)]
        command = [part.replace("@DIR@", str(self.directory)) for part in command]
        began = time.monotonic()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # The whole server on one core, its control threads too.
                preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None)
        try:
            self.wait(within)
            # From the start of the process to its first answer, in seconds.
            self.start_time = time.monotonic() - began
        except BaseException:
            self.stop()
            raise

    def wait(self, within):
        """Waits until it answers."""
        until = time.monotonic() + within
        while not ask(self.port, "static.example.com"):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.peer.name} does not answer:\n{self.log.read_text()}")
            time.sleep(0.005)

    def memory(self):
        """Resident memory of all its processes, in octets; what they share counts for each."""
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        found = [re.search(r"^VmRSS:\s+(\d+) kB", text, re.M) for text in texts]
        return sum(int(one[1]) * 1024 for one in found if one)

    def pids(self):
        """The process and all that come from it."""
        parents = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def stop(self):
        """Ends the process, politely at first."""
        if self.process.poll() is None:
            self.process.send_signal(
                signal.SIGINT if self.peer.name == "reflector" else signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


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


def free_port():
    """A port free for UDP and TCP on loopback."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


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
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(wait)
        try:
            udp.connect(("127.0.0.1", port))
            udp.send(query(name, client))
            reply = udp.recv(4096)
            # A socket whose own port is the one asked hears its question.
            return reply if reply[2] & 0x80 else b""
        except OSError:
            return b""
