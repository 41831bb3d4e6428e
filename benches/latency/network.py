"""The program: what it says of addresses, and a server of it that answers as from its files."""

import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

DATABASE = pathlib.Path(__file__).resolve().parent.parent.parent / "geoip" / "dbip-region.mmdb"


def locate(sites, meridian):
    """Fills in what the region file says of the clients' addresses."""
    command = [meridian, "geoip", "lookup", "--database", DATABASE,
               *(site.address for site in sites.values())]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for site, block in zip(sites.values(), said.strip().split("\n\n")):
        says = lambda field: re.search(rf"^  {field} +(.*)", block, re.MULTILINE)[1]
        code = lambda field: "" if says(field).startswith("unknown") else says(field).split()[0]
        site.country, site.subdivision = code("country"), code("subdivision")
        place = site.subdivision or site.country
        if place != site.place:
            sys.exit(f"{DATABASE.name} puts {site.address} into {place}: give {site.code} another "
                     f"address of {site.place} in clients.csv")
        numbers = re.match(r"(-?[\d.]+), (-?[\d.]+)", says("coordinates"))
        site.located = float(numbers[1]), float(numbers[2])


class Server:
    """The program in a directory that `write` fills, while the context is open."""

    def __init__(self, meridian, write):
        self.meridian, self.write = meridian, write

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="latency-")
        root = pathlib.Path(self.directory.name)
        self.write(root)
        with (root / "log").open("w") as log:
            self.process = subprocess.Popen(
                [self.meridian, "serve", "--config", root / "meridian.toml"], stderr=log)
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.settimeout(2)
        self.count = 0
        try:
            self.socket.connect(("127.0.0.1", self.port(root / "log")))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.socket.close()
        self.directory.cleanup()

    def port(self, log):
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"on 127\.0\.0\.1:(\d+), UDP", log.read_text())
            if found:
                return int(found[1])
            time.sleep(0.05)
        sys.exit(f"the server does not answer: {log.read_text()}")

    def ask(self, name, client):
        """The address that a client is told, by EDNS Client Subnet, for a name of the zone."""
        self.count = (self.count + 1) & 0xffff
        labels = b"".join(bytes([len(label)]) + label.encode()
                          for label in f"{name}.example.com".split("."))
        subnet = struct.pack("!HBB", 1, 24, 0) + socket.inet_aton(client)[:3]
        option = struct.pack("!HH", 8, len(subnet)) + subnet
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
        self.socket.send(struct.pack("!HHHHHH", self.count, 0, 1, 0, 0, 1)
                         + labels + b"\0\0\1\0\1" + opt)
        reply = self.socket.recv(1232)
        number, flags, _, answers = struct.unpack("!HHHH", reply[:8])
        if number != self.count or flags & 15 or answers != 1:
            raise RuntimeError(f"no single answer for {name} and {client}: {reply.hex()}")
        # Header, question, then the answer: a pointer, ten octets, the address.
        start = 12 + len(labels) + 5 + 12
        return socket.inet_ntoa(reply[start:start + 4])
