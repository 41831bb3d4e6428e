"""Looks at the dashboard with Chromium, over its debugging protocol, and compares."""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PATIENCE = 60  # seconds, for what is to happen at all
QUERIES = 120


def main():
    browser, profile, url, region, dns = sys.argv[1:6]
    pictures = Path(sys.argv[6]) if len(sys.argv) > 6 else None
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
               "--disable-background-networking", "--remote-debugging-port=0",
               f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        compare(Page(profile, url), url, region, dns, pictures)
    finally:
        process.kill()
        process.wait()


def compare(page, url, region, dns, pictures):
    get = lambda path: urllib.request.urlopen(url + path).read().decode()
    until("the page is filled", lambda: page.text("state") == "All is well")
    status = json.loads(get("v1/status"))
    for element, wanted in [("zones", status["zone_count"]), ("records", status["record_count"]),
                            ("generation", status["generation"])]:
        assert page.text(element) == str(wanted), element

    for _ in range(QUERIES):
        ask(dns, "www.example.com")
    metric = lambda: sum(float(line.rsplit(" ", 1)[1]) for line in get("metrics").splitlines()
                         if line.startswith("meridian_queries_total{"))
    assert metric() == QUERIES
    until("queries are those of the metrics", lambda: page.text("queries") == str(QUERIES))

    pools = [pool["name"] for pool in json.loads(get("v1/health"))["pools"]]
    shown = page.run("[...document.querySelectorAll('.pool h3 span:first-child')].map((e) => e.textContent).filter(Boolean)")
    assert [name for name in shown if name in pools] == pools, shown
    answered = dict.fromkeys(pools, 0)
    for line in get("metrics").splitlines():
        if line.startswith("meridian_answers_total{"):
            answered[line.split(',pool="')[1].split('"')[0]] += int(line.rsplit(" ", 1)[1])
    assert sum(answered.values()) == QUERIES, answered
    part = lambda pool: f"{int(100 * answered[pool] / QUERIES + 0.5)} % of answers lately"
    headings = lambda: page.run("[...document.querySelectorAll('.pool h3')].map((e) => e.textContent)")
    until("parts of the answers are those of the metrics",
          lambda: all(part(pool) in heading for pool, heading in zip(pools, headings(), strict=True)))

    name = page.run("document.getElementById('names').value")
    countries = json.loads(get(f"v1/world?name={name}"))["countries"]
    most = lambda country: max(countries[country].items(), key=lambda item: item[1])[0]
    title = lambda country: page.run(f"document.querySelector('[data-country={country}] title').textContent")
    until("the map is coloured", lambda: title("US"))
    for country in ("US", "DE", "JP"):
        assert most(country) in title(country), (country, title(country))
    assert len(set(page.run(f"document.querySelector('[data-country={c}]').style.fill") for c in ("US", "DE", "JP"))) == 3
    assert page.run("document.getElementById('countries').children.length") == len(countries)
    if pictures:
        page.picture(pictures / "dashboard.png", 1200, 1500, "light")
        page.picture(pictures / "dashboard-dark.png", 390, 844, "dark")

    # By the keyboard, as somebody who has no mouse.
    page.run("document.querySelector('#explain [name=name]').focus()")
    page.type(name)
    page.run("document.querySelector('#explain [name=client]').focus()")
    page.type("81.2.69.160")
    page.press("Enter")
    until("the answer is explained", lambda: "answer    NOERROR" in page.text("explained"))

    urllib.request.urlopen(urllib.request.Request(region, method="POST"))
    until("the page says that a region is down",
          lambda: page.run("[...document.querySelectorAll('.pool .down')].length") > 0)
    until("the map follows", lambda: "eu " not in title("DE"))
    until("it is among the events", lambda: "pool eu" in page.text("events"))
    loaded = page.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded and all(entry.startswith(url) or entry.startswith("data:") for entry in loaded), loaded
    wide = page.run("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.size(390, 844, "dark")
    assert not wide and not page.run("document.documentElement.scrollWidth > innerWidth"), "wider than a phone"
    print("the dashboard shows what the API and the metrics say")


def ask(server, name):
    """One question for an IPv4 address, over UDP."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = bytes.fromhex("12340000 0001 0000 0000 0000") + labels + bytes.fromhex("00 0001 0001")
    host, port = server.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(PATIENCE)
        udp.sendto(question, (host, int(port)))
        assert udp.recv(512)[:2] == question[:2]


def until(what, is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.1)


class Page:
    """A tab, and the connection to it: a WebSocket (RFC 6455) as far as it is needed."""

    def __init__(self, profile, url):
        active = Path(profile) / "DevToolsActivePort"
        until("the browser listens", lambda: active.exists() and "\n" in active.read_text())
        self.port = int(active.read_text().split("\n")[0])
        listing = f"http://127.0.0.1:{self.port}/json"
        until("there is a tab", lambda: self.tabs(listing))
        path = self.tabs(listing)[0]["webSocketDebuggerUrl"].split(str(self.port), 1)[1]
        self.socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                             "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        while self.stream.readline().strip():
            pass
        self.number = 0
        self.size(1200, 900, "light")
        self.call("Page.navigate", url=url)

    @staticmethod
    def tabs(listing):
        try:
            tabs = json.load(urllib.request.urlopen(listing))
        except OSError:
            return []
        return [tab for tab in tabs if tab["type"] == "page"]

    def call(self, method, **parameters):
        self.number += 1
        message = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        mask = os.urandom(4)
        masked = bytes(octet ^ mask[i % 4] for i, octet in enumerate(message))
        self.socket.sendall(struct.pack("!BBQ", 0x81, 0xFF, len(message)) + mask + masked)
        while True:
            reply = json.loads(self.receive())
            if reply.get("id") == self.number:
                assert "error" not in reply, reply
                return reply["result"]

    def receive(self):
        message = b""
        while True:
            first, length = self.stream.read(2)
            if length >= 126:
                width = 2 if length == 126 else 8
                length = int.from_bytes(self.stream.read(width), "big")
            message += self.stream.read(length)
            if first & 0x80:
                return message

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self, element):
        return self.run(f"document.getElementById('{element}')?.textContent ?? ''")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text="\r",
                      windowsVirtualKeyCode=13)

    def size(self, width, height, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, width, height, scheme):
        self.size(width, height, scheme)
        time.sleep(1)  # for the eye only: colours have settled
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
        self.size(1200, 900, "light")


main()
