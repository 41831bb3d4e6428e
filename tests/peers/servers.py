"""The servers that judge, and ours: how each is started with the zone beside this file.

Each runs on a free port of 127.0.0.1 in a directory that vanishes with it. Nothing is installed;
what is not here is skipped.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
ZONE = HERE / "example.com.zone"

MERIDIAN = """
[server]
listen = ["127.0.0.1:@PORT@"]
zones = ["example.com.zone"]
policies = []
[geoip]
databases = []
"""

BIND = """
options {
    directory "@DIR@";
    listen-on port @PORT@ { 127.0.0.1; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile "@DIR@/session.key";
    recursion no;
    minimal-responses yes;
};
controls { };
zone "example.com" { type primary; file "example.com.zone"; allow-transfer { none; }; };
"""

KNOT = """
server:
    listen: 127.0.0.1@@PORT@
    rundir: @DIR@
    edns-client-subnet: on
log:
  - target: stderr
    any: warning
database:
    storage: @DIR@/db
control:
    listen: @DIR@/control
zone:
  - domain: example.com
    storage: @DIR@
    file: example.com.zone
    zonefile-sync: -1
    journal-content: none
"""

NSD = """
server:
    server-count: 1
    ip-address: 127.0.0.1@@PORT@
    username: ""
    zonesdir: "@DIR@"
    database: ""
    zonelistfile: "@DIR@/zone.list"
    xfrdfile: ""
    xfrdir: "@DIR@"
    pidfile: ""
    minimal-responses: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "example.com"
    zonefile: "example.com.zone"
"""

# Name, program, arguments, name of the configuration file, its text.
SERVERS = [
    ("bind", "named", ["-f", "-n", "1", "-c", "@CONFIG@"], "named.conf", BIND),
    ("knot", "knotd", ["-c", "@CONFIG@"], "knot.conf", KNOT),
    ("nsd", "nsd", ["-d", "-c", "@CONFIG@"], "nsd.conf", NSD),
]


class Server:
    """A server that runs, until `stop`."""

    def __init__(self, name, program, arguments, file, text):
        self.name = name
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"peers-{name}-"))
        shutil.copy(ZONE, self.directory)
        (self.directory / "db").mkdir()
        config = self.directory / file
        config.write_text(
            text.replace("@PORT@", str(self.port)).replace("@DIR@", str(self.directory)))
        self.log = self.directory / "log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [program, *(part.replace("@CONFIG@", str(config)) for part in arguments)],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        """Waits until it answers a question for the zone."""
        question = (b"\0\1\0\0\0\1\0\0\0\0\0\0\7example\3com\0\0\6\0\1")
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            reply = ask_udp(self.port, question, 0.5)
            if reply and reply[3] & 15 == 0 and reply[7] == 1:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer:\n{self.log.read_text()}")

    def stop(self):
        """Ends the process, politely at first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def start():
    """Ours and every peer that is installed; says what is not."""
    meridian = os.environ.get("MERIDIAN_BINARY", PROJECT / "target/debug/meridian")
    running = []
    try:
        running.append(Server("meridian", str(pathlib.Path(meridian).resolve()),
                              ["serve", "--config", "@CONFIG@"], "meridian.toml", MERIDIAN))
        for name, program, arguments, file, text in SERVERS:
            path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
            if path:
                running.append(Server(name, path, arguments, file, text))
            else:
                print(f"{name}: skipped, {program} is not here")
    except BaseException:
        for server in running:
            server.stop()
        raise
    return running


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


def ask_udp(port, message, patience=1.0):
    """The reply over UDP; empty when there is none."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(patience)
        try:
            udp.connect(("127.0.0.1", port))
            udp.send(message)
            return udp.recv(65535)
        except OSError:
            return b""


def ask_tcp(port, message, patience=1.0):
    """The reply over TCP; empty when there is none or the connection ends."""
    try:
        with socket.create_connection(("127.0.0.1", port), patience) as tcp:
            tcp.sendall(len(message).to_bytes(2, "big") + message)
            stream = tcp.makefile("rb")
            length = stream.read(2)
            return stream.read(int.from_bytes(length, "big")) if len(length) == 2 else b""
    except OSError:
        return b""
