"""dnspython asks over every transport it has the libraries for. Arguments: the ports of DNS, TLS,
HTTPS and QUIC, and the certificate to believe."""

import ssl
import sys

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.quic
import dns.rcode

HERE = "127.0.0.1"
dns_port, dot, doh, doq = (int(port) for port in sys.argv[1:5])
certificate = sys.argv[5]


def transports():
    yield "UDP", lambda q: dns.query.udp(q, HERE, port=dns_port, timeout=5)
    yield "TCP", lambda q: dns.query.tcp(q, HERE, port=dns_port, timeout=5)
    trusting = ssl.create_default_context(cafile=certificate)
    yield "TLS", lambda q: dns.query.tls(q, HERE, port=dot, timeout=5, ssl_context=trusting,
                                         server_hostname="dns.example")
    if getattr(dns.query, "have_doh", False) or getattr(dns.query, "_have_http2", False):
        url = f"https://{HERE}:{doh}/dns-query"
        for post in (True, False):
            yield f"HTTPS, {'POST' if post else 'GET'}", lambda q, post=post: dns.query.https(
                q, url, timeout=5, verify=False, post=post)
    else:
        print("skipped: dnspython has no HTTP/2 library")
    if getattr(dns.quic, "have_quic", False):
        yield "QUIC", lambda q: dns.query.quic(q, HERE, port=doq, timeout=5, verify=False)
    else:
        print("skipped: dnspython has no QUIC library")


def query(name, rtype, options=()):
    return dns.message.make_query(name, rtype, use_edns=0, options=list(options))


QUESTIONS = [
    (query("static.example.com", "A"), "NOERROR"),
    (query("static.example.com", "AAAA"), "NOERROR"),
    (query("www.example.com", "A", [dns.edns.ECSOption("192.0.2.0", 24)]), "NOERROR"),
    (query("alias.example.com", "A"), "NOERROR"),
    (query("x.old.example.com", "TXT"), "NOERROR"),
    (query("nope.example.com", "A"), "NXDOMAIN"),
    (query("static.example.com", "MX"), "NOERROR"),
    (query("example.org", "A"), "REFUSED"),
]

told = {}
for transport, ask in transports():
    for index, (question, rcode) in enumerate(QUESTIONS):
        question.id = 0 if transport == "QUIC" else index + 1
        reply = ask(question)
        assert question.is_response(reply), (transport, question)
        assert dns.rcode.to_text(reply.rcode()) == rcode, (transport, question, reply)
        sections = [sorted(rrset.to_text() for rrset in section) for section in reply.sections]
        scopes = [option.to_text() for option in reply.options
                  if option.otype == dns.edns.OptionType.ECS]
        flags = reply.flags & ~dns.flags.TC
        assert told.setdefault(index, (flags, sections, scopes)) == (flags, sections, scopes), (
            transport, question, reply, told[index])
    print(f"{transport}: {len(QUESTIONS)} answers")
print("all is well")
