"""A server as an ordinary process: on a free port of 127.0.0.1, in a directory that vanishes with it.

Knows nothing of what it serves. The benches use it too.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def find(program):
    """The path of a program that is here; servers are often where only root looks."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def version(path, arguments):
    """The version that a program says it is."""
    run = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", run.stdout + run.stderr)
    return found[0] if found else "?"


def fill(text, **values):
    """Puts values where their names stand in capitals, as `@PORT@`."""
    return re.sub("@([A-Z]+)@", lambda found: str(values.get(found[1].lower(), found[0])), text)


class Process:
    """A server that runs, until `stop`.

    `files` are by path in its directory; in them and in the command are `@PORT@`, `@DIR@` and the
    names of `values`. `answers` says whether it does, given its port.
    """

    def __init__(self, name, command, files, answers, *, values=None, core=None, within=60):
        self.name = name
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"peers-{name}-"))
        values = {"port": self.port, "dir": self.directory, **(values or {})}
        for file, text in files.items():
            path = self.directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fill(text, **values), encoding="utf-8")
        for directory in ("db", "run", "state"):
            (self.directory / directory).mkdir(exist_ok=True)
        self.log = self.directory / "log"
        began = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [fill(part, **values) for part in command], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # The whole server on one core, its control threads too.
                preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None)
        try:
            until = began + within
            while not answers(self.port):
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{name} does not answer:\n{self.log.read_text()}")
                time.sleep(0.005)
            # From the start of the process to its first answer, in seconds.
            self.start_time = time.monotonic() - began
        except BaseException:
            self.stop()
            raise

    def memory(self):
        """Resident memory of all its processes, in octets; what they share counts for each."""
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        found = [re.search(r"^VmRSS:\s+(\d+) kB", text, re.M) for text in texts]
        return sum(int(one[1]) * 1024 for one in found if one)

    def cpu(self):
        """Seconds of processor time that all its processes have taken so far."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

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
            # The reflector of the benches prints what it did when it is interrupted.
            self.process.send_signal(
                signal.SIGINT if self.name == "reflector" else signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


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
            reply = udp.recv(65535)
            # A socket whose own port is the one asked hears its question.
            return b"" if reply == message else reply
        except OSError:
            return b""
