"""The servers that judge, and ours: how each is started with zones and what goes with them.

Each runs on a free port of 127.0.0.1 in a directory that vanishes with it. Nothing is installed;
what is not here is skipped.
"""

import os
import pathlib
import socket

from process import Process, ask_udp, fill, find
from process import version as version_of

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

MERIDIAN = """
[server]
listen = ["127.0.0.1:@PORT@"]
zones = ["*.zone"]
policies = []
@SERVER@
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
    check-names primary ignore;
    max-records-per-type 0;
    @SERVER@
};
controls { };
@KEYS@
@ZONES@
"""
BIND_ZONE = """zone "@APEX@" {
    type primary; file "@FILE@"; check-integrity no; allow-transfer { @ALLOW@ };
};
"""

KNOT = """
server:
    listen: 127.0.0.1@@PORT@
    rundir: @DIR@
    edns-client-subnet: on
@SERVER@
log:
  - target: stderr
    any: warning
database:
    storage: @DIR@/db
control:
    listen: @DIR@/control
@KEYS@
template:
  - id: default
    storage: @DIR@
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
@TEMPLATE@
zone:
@ZONES@
"""
KNOT_ZONE = """
  - domain: @APEX@
    file: @FILE@
@ALLOW@
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
@SERVER@
remote-control:
    control-enable: no
@KEYS@
@ZONES@
"""
NSD_ZONE = """
zone:
    name: "@APEX@"
    zonefile: "@FILE@"
@ALLOW@
"""


def meridian(_zones, settings):
    """meridian.toml: keys of `[server]`, or `text` as it stands."""
    keys = (f'{key} = "{value}"' for key, value in settings.get("server", {}).items())
    text = settings.get("text", "\n".join(keys))
    return fill(MERIDIAN, server=f"{text}\n[geoip]\ndatabases = []\n[admin]\nlisten = \"\"\n")


def bind(zones, settings):
    """named.conf for zones, by their files, and what `[server]`, `[keys]` and `[transfer]` say."""
    server, allow = settings.get("server", {}), []
    lines = ['version none;', 'hostname none;']
    if "nsid" in server:
        lines += [f'server-id "{server["nsid"]}";']
    if "cookie_secret" in server:
        lines += ["cookie-algorithm siphash24;", f'cookie-secret "{server["cookie_secret"]}";']
    keys = [f'key "{key}" {{ algorithm {one["algorithm"]}; secret "{one["secret"]}"; }};'
            for key, one in settings.get("keys", {}).items()]
    for one in settings.get("transfer", {}).get("allow", []):
        allow.append(one.replace("key:", "key ") + "; ")
    return fill(BIND, server="\n".join(lines), keys="\n".join(keys), zones="".join(
        fill(BIND_ZONE, apex=apex, file=file, allow="".join(allow) or "none; ")
        for apex, file in zones.items()))


def knot(zones, settings):
    """knot.conf, as above."""
    server = settings.get("server", {})
    lines = [f"    nsid: {server['nsid']}"] if "nsid" in server else []
    keys, acl = [], []
    if settings.get("keys"):
        keys.append("key:")
    for key, one in settings.get("keys", {}).items():
        keys += [f"  - id: {key}", f"    algorithm: {one['algorithm']}",
                 f"    secret: {one['secret']}"]
    allow = settings.get("transfer", {}).get("allow", [])
    if allow:
        acl.append("acl:")
    for number, one in enumerate(allow):
        who = f"key: {one[4:]}" if one.startswith("key:") else f"address: {one}"
        acl += [f"  - id: acl{number}", f"    {who}", "    action: transfer"]
    template = ""
    if "cookie_secret" in server:
        acl += ["mod-cookies:", "  - id: default", f"    secret: 0x{server['cookie_secret']}"]
        template = "    global-module: mod-cookies/default"
    names = ", ".join(f"acl{number}" for number in range(len(allow)))
    return fill(KNOT, server="\n".join(lines), keys="\n".join(keys + acl), template=template,
                zones="".join(fill(KNOT_ZONE, apex=apex, file=file,
                                   allow=f"    acl: [{names}]" if allow else "")
                              for apex, file in zones.items()))


def nsd(zones, settings):
    """nsd.conf, as above."""
    server = settings.get("server", {})
    lines = [f'    nsid: "ascii_{server["nsid"]}"'] if "nsid" in server else []
    if "cookie_secret" in server:
        lines += ["    answer-cookie: yes", f'    cookie-secret: "{server["cookie_secret"]}"']
    keys = [f'key:\n    name: "{key}"\n    algorithm: {one["algorithm"]}\n'
            f'    secret: "{one["secret"]}"' for key, one in settings.get("keys", {}).items()]
    allow = [f"    provide-xfr: 127.0.0.1 {one[4:]}" if one.startswith("key:")
             else f"    provide-xfr: {one} NOKEY"
             for one in settings.get("transfer", {}).get("allow", [])]
    return fill(NSD, server="\n".join(lines), keys="\n".join(keys), zones="".join(
        fill(NSD_ZONE, apex=apex, file=file, allow="\n".join(allow))
        for apex, file in zones.items()))


# Name, program, arguments, arguments that print the version, name and text of the configuration.
SERVERS = [
    ("meridian", None, ["serve", "--config", "@CONFIG@"], ["--version"], "meridian.toml", meridian),
    ("bind", "named", ["-f", "-n", "1", "-c", "@CONFIG@"], ["-v"], "named.conf", bind),
    ("knot", "knotd", ["-c", "@CONFIG@"], ["--version"], "knot.conf", knot),
    ("nsd", "nsd", ["-d", "-c", "@CONFIG@"], ["-v"], "nsd.conf", nsd),
]


def zone_file(apex):
    return f"{apex.rstrip('.') or 'root'}.zone"


def installed():
    """The programs that are here, by name; says what is not."""
    ours = os.environ.get("MERIDIAN_BINARY", PROJECT / "target/debug/meridian")
    found = {"meridian": str(pathlib.Path(ours).resolve())}
    for name, program, *_ in SERVERS[1:]:
        path = find(program)
        if path:
            found[name] = path
        else:
            print(f"{name}: skipped, {program} is not here")
    return found


def version(name, path):
    """The version that a program says it is."""
    return version_of(path, next(one[3] for one in SERVERS if one[0] == name))


def serves(apexes):
    """Whether a server answers a question for each of these zones, as a function of its port."""
    def answers(port):
        for apex in apexes:
            labels = [label.encode() for label in apex.split(".") if label]
            owner = b"".join(bytes([len(label)]) + label for label in labels)
            reply = ask_udp(port, b"\0\1\0\0\0\1\0\0\0\0\0\0" + owner + b"\0\0\6\0\1", 0.5)
            if not reply or reply[3] & 15 or reply[7] != 1:
                return False
        return True
    return answers


def start(programs, zones, settings=None):
    """Ours and its peers, with zones by their apex and what `meridian.toml` has beside them."""
    running = []
    settings = settings or {}
    files = {apex: zone_file(apex) for apex in zones}
    texts = {zone_file(apex): text for apex, text in zones.items()}
    try:
        for name, _, arguments, _, file, config in SERVERS:
            if name in programs:
                command = [programs[name], *(fill(one, config=f"@DIR@/{file}") for one in arguments)]
                running.append(Process(name, command, {**texts, file: config(files, settings)},
                                       serves(zones), within=15))
    except BaseException:
        for server in running:
            server.stop()
        raise
    return running


def ask_tcp(port, message, patience=1.0, all_of_it=None):
    """The reply over TCP; empty when there is none or the connection ends. With `all_of_it`, which
    says whether replies are all, those until then."""
    replies = []
    try:
        with socket.create_connection(("127.0.0.1", port), patience) as tcp:
            tcp.sendall(framed(message))
            stream = tcp.makefile("rb")
            while not replies or all_of_it and not all_of_it(replies):
                length = stream.read(2)
                if len(length) < 2:
                    break
                replies.append(stream.read(int.from_bytes(length, "big")))
    except OSError:
        pass
    return replies if all_of_it else replies[0] if replies else b""


def framed(message):
    return len(message).to_bytes(2, "big") + message


def is_silent(port, message, transport, patience=0.5):
    """Whether a message gets no answer before a question that is asked behind it."""
    after = b"\xff\xff\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1"
    try:
        if transport == "udp":
            with socket.socket(type=socket.SOCK_DGRAM) as udp:
                udp.settimeout(patience)
                udp.connect(("127.0.0.1", port))
                udp.send(message)
                udp.send(after)
                return udp.recv(65535)[:2] == after[:2]
        with socket.create_connection(("127.0.0.1", port), patience) as tcp:
            tcp.sendall(framed(message) + framed(after))
            reply = tcp.makefile("rb").read(4)
            return not reply or reply[2:] == after[:2]
    except OSError:
        return True
