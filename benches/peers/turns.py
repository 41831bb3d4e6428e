"""One server's turn under load, by the load generator of this project."""

import os
import re
import subprocess

# Queries in flight on each of 32 sockets: 192 in all are what a receive buffer of Linux's default
# size holds, so that no server loses any for having left it as it is.
WINDOW = 6

# What the load generator prints for a server's turn.
LINE = re.compile(r": (\d+) answers/s +wrong (\d+) +lost (\d+) +late \d+ +server ([\d.]+) cores, "
                  r"([\d.]+) us/answer \(user ([\d.]+), system ([\d.]+)\) +generator ([\d.]+) cores +"
                  r"p50 ([\d.]+|NaN) p99 ([\d.]+|NaN) p99\.9 ([\d.]+|NaN) us")


class Turn:
    """One server's turn under load."""

    def __init__(self, line):
        found = LINE.search(line)
        if not found:
            raise RuntimeError(f"not understood: {line}")
        self.rate, self.wrong, self.lost = (int(found[group]) for group in (1, 2, 3))
        self.busy, self.cost, self.user, self.system, self.generator = (
            float(found[group]) for group in (4, 5, 6, 7, 8))
        # Microseconds not exceeded by half, 99 % and 99.9 % of the answers.
        self.times = [float(found[group]) for group in (9, 10, 11)]


def fire(load, server, scenario, file, options, rate=None, answers=1):
    """Loads one server for one turn; at a fixed rate where one is given.

    `answers` is how many a right reply has at least. Of `options` it needs `seconds` and
    `generator_cores`.
    """
    pids = ",".join(map(str, server.pids()))
    command = [load, "fire", f"{server.name}=127.0.0.1:{server.port}/{pids}",
               "--seconds", str(options.seconds), "--warm-up", "1", "--answers", str(answers)]
    command += ["--rate", str(rate)] if rate else ["--window", str(WINDOW)]
    if scenario == "static":
        command += ["--name", "static.example.com"]
    else:
        command += ["--name", "www.example.com", "--ecs", "24", "--clients", file]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, options.generator_cores))
    return Turn(said.stdout)
