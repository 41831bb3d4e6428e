"""dnspython as a client that signs: python3 tsig.py PORT SECRET"""

import sys
import time

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.zone

port, secret = int(sys.argv[1]), sys.argv[2]
where = {"where": "127.0.0.1", "port": port, "timeout": 10}


def ring(name="transfer.example.com.", secret=secret, algorithm="hmac-sha256"):
    return dns.tsigkeyring.from_text({name: (algorithm, secret)})


def ask(keyring, ask_over=dns.query.udp, **options):
    query = dns.message.make_query("example.com.", "SOA", **options)
    query.use_tsig(keyring)
    return ask_over(query, **where)


def expect(error, keyring):
    try:
        ask(keyring)
    except error:
        return
    raise SystemExit(f"no {error.__name__}")


for ask_over in (dns.query.udp, dns.query.tcp):
    for options in ({}, {"use_edns": 0}):
        answer = ask(ring(), ask_over, **options)
        assert answer.had_tsig and answer.answer[0][0].serial == 2

expect(dns.tsig.PeerBadKey, ring(name="nobody."))
expect(dns.tsig.PeerBadKey, ring(algorithm="hmac-sha512"))
expect(dns.tsig.PeerBadSignature, ring(secret="b3RoZXI="))

real_time = time.time
time.time = lambda: real_time() - 1000
expect(dns.tsig.PeerBadTime, ring())
time.time = real_time

transfer = dns.query.xfr(
    "127.0.0.1", "example.com.", port=port, keyring=ring(), relativize=False, lifetime=20
)
zone = dns.zone.from_xfr(transfer, relativize=False)
assert len(zone.nodes) > 3000
print("dnspython believes it, and is believed")
