"""Where the mail of an address is looked for: the table, DNS, autoconfig, guesses."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import pytest

from mailhaul.adapters.discovery.names import (
    DnsResolver,
    Service,
    is_within,
    places_by_srv,
    provider_by_mx,
)
from mailhaul.adapters.discovery.places import IMAP, POP3, Place, split_address, split_host
from mailhaul.adapters.discovery.probe import guesses
from mailhaul.adapters.discovery.providers import (
    PROVIDERS,
    provider_of_domain,
    provider_of_exchanger,
)
from mailhaul.adapters.discovery.search import NotFound, Tools, Unsupported, find_place

BOTH = (IMAP, POP3)
JOE = "joe@example.org"


class Records:
    """A name service with a few records."""

    def __init__(
        self, srv: Mapping[str, Sequence[Service]] | None = None, mx: Sequence[str] = ()
    ) -> None:
        self.srv = dict(srv or {})
        self.mx = mx
        self.asked: list[str] = []

    def services(self, name: str) -> Sequence[Service]:
        self.asked.append(name)
        return self.srv.get(name, ())

    def exchangers(self, domain: str) -> Sequence[str]:
        self.asked.append(domain)
        return self.mx


def only(*usable: str) -> Tools:
    """Return tools by which nothing but these hosts can be reached."""
    return Tools(None, None, lambda places: probed(places, usable))


def probed(places: Sequence[Place], usable: Sequence[str]) -> list[str]:
    return ["" if place.host in usable else f"{place.host}: no" for place in places]


# Addresses


@pytest.mark.parametrize("address", ["joe", "@example.org", "joe@", "a b@example.org", "", "j\n@x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"joe@example\.org"):
        split_address(address)


def test_the_domain_is_what_follows_the_last_at() -> None:
    assert split_address('"a@b"@Example.ORG.') == ('"a@b"', "example.org")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail.example.org", ("mail.example.org", None)),
        ("mail.example.org:1993", ("mail.example.org", 1993)),
        ("[::1]:143", ("::1", 143)),
        ("[::1]", ("::1", None)),
        ("::1", ("::1", None)),
    ],
)
def test_a_host_may_have_a_port(text: str, found: tuple[str, int | None]) -> None:
    assert split_host(text) == found


@pytest.mark.parametrize("text", ["", ":143", "h:0", "h:65536", "h:x", "[::1", "[::1]x", "a b"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither HOST nor|not a port number"):
        split_host(text)


# The table


def test_each_domain_has_one_provider() -> None:
    domains = [domain for one in PROVIDERS for domain in one.domains]
    assert len(domains) == len({*domains})
    assert all(re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", domain) for domain in domains)
    ends = [end for one in PROVIDERS for end in one.exchangers]
    assert len(ends) == len({*ends})


@pytest.mark.parametrize(
    "domain",
    [
        *("gmail.com", "outlook.com", "yahoo.com", "icloud.com", "aol.com", "gmx.net", "web.de"),
        *("fastmail.com", "zohomail.com", "yandex.ru", "mailbox.org", "posteo.de", "t-online.de"),
        *("proton.me", "gmx.de", "hotmail.com", "live.com", "me.com"),
    ],
)
def test_the_large_providers_are_known(domain: str) -> None:
    place = find_place(f"joe@{domain}", BOTH, only())
    assert place.protocol == IMAP
    assert place.provider == provider_of_domain(domain)
    assert place.wrapped == (domain != "proton.me")


def test_a_provider_without_the_protocol_says_so() -> None:
    with pytest.raises(Unsupported, match="neither IMAP nor POP3"):
        find_place("joe@tuta.com", BOTH, only())
    with pytest.raises(Unsupported):
        find_place("joe@icloud.com", (POP3,), only())


def test_the_login_is_the_address_or_its_first_part() -> None:
    assert find_place("joe@gmail.com", BOTH, only()).login == "joe@gmail.com"
    assert find_place("joe@me.com", BOTH, only()).login == "joe"


def test_a_provider_without_passwords_is_known() -> None:
    place = find_place("joe@hotmail.com", (POP3,), only())
    assert (place.wants_token, place.port) == (True, 995)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("aspmx.l.google.com.", "Gmail"),
        ("SMTP.GOOGLE.COM.", "Gmail"),
        ("contoso-com.mail.protection.outlook.com.", "Microsoft"),
        ("in1-smtp.messagingengine.com.", "Fastmail"),
        ("mxext1.mailbox.org", "mailbox.org"),
        ("notgoogle.com.", None),
        (".", None),
    ],
)
def test_a_provider_is_known_by_the_hosts_that_receive_mail(host: str, name: str | None) -> None:
    found = provider_of_exchanger(host)
    assert (found.name if found else None) == name


# DNS


def test_srv_records_are_taken_by_priority_and_weight() -> None:
    records = Records(
        {
            "_imaps._tcp.example.org": [
                Service(20, 0, 993, "later.example.org."),
                Service(10, 1, 993, "light.example.org."),
                Service(10, 9, 1993, "Heavy.example.org."),
            ],
            "_imap._tcp.example.org": [Service(0, 0, 143, "plain.example.org.")],
            "_pop3s._tcp.example.org": [Service(0, 0, 0, ".")],
        }
    )
    places = places_by_srv(records, "example.org", JOE, BOTH)
    assert [(one.host, one.port, one.wrapped) for one in places] == [
        ("heavy.example.org", 1993, True),
        ("light.example.org", 993, True),
        ("later.example.org", 993, True),
        ("plain.example.org", 143, False),
    ]
    assert all(one.certain for one in places)


def test_a_host_outside_the_domain_is_not_certain() -> None:
    records = Records({"_imaps._tcp.example.org": [Service(0, 0, 993, "mail.hoster.example.")]})
    [place] = places_by_srv(records, "example.org", JOE, BOTH)
    assert not place.certain
    assert is_within("a.Example.org", "example.org")
    assert is_within("example.org", "example.org")
    assert not is_within("notexample.org", "example.org")


def test_a_domain_in_another_alphabet_is_asked_for_in_ascii() -> None:
    records = Records()
    assert places_by_srv(records, "bücher.example", JOE, (IMAP,)) == []
    assert provider_by_mx(records, "bücher.example") is None
    assert records.asked[0] == "_imaps._tcp.xn--bcher-kva.example"
    assert places_by_srv(records, "bü cher.example", JOE, BOTH) == []


# The order


def tools(records: Records, auto: Sequence[Place], *usable: str) -> Tools:
    return Tools(records, lambda address: auto, lambda places: probed(places, usable))


AUTO = Place(IMAP, "auto.example.org", 993, True, "joe", "from autoconfig.example.org")
SRV = {"_imaps._tcp.example.org": [Service(0, 0, 993, "srv.example.org.")]}


@pytest.mark.parametrize(
    ("usable", "host"),
    [
        (["srv.example.org", "auto.example.org", "imap.example.org"], "srv.example.org"),
        (["auto.example.org", "imap.example.org"], "auto.example.org"),
        (["imap.example.org", "mail.example.org"], "imap.example.org"),
        (["mail.example.org", "pop.example.org"], "mail.example.org"),
        (["pop.example.org"], "pop.example.org"),
    ],
)
def test_the_first_place_that_answers_is_taken(usable: list[str], host: str) -> None:
    assert find_place(JOE, BOTH, tools(Records(SRV), [AUTO], *usable)).host == host


def test_a_domain_at_a_known_provider_is_there() -> None:
    records = Records(mx=["aspmx.l.google.com."])
    place = find_place(JOE, BOTH, tools(records, [AUTO], "imap.gmail.com", AUTO.host))
    assert (place.host, place.login) == ("imap.gmail.com", JOE)
    assert "MX record of example.org (Gmail)" in place.found_by


def test_pop3_can_be_wanted() -> None:
    pop = Place(POP3, "auto.example.org", 995, True, "joe", "from autoconfig.example.org")
    found = find_place(JOE, (POP3,), tools(Records(), [AUTO, pop], "auto.example.org"))
    assert found == pop
    assert find_place(JOE, BOTH, tools(Records(), [pop, AUTO], "auto.example.org")) == AUTO


def test_without_any_answer_the_reasons_are_given() -> None:
    with pytest.raises(NotFound) as missing:
        find_place(JOE, (IMAP,), only())
    assert missing.value.reasons == ("imap.example.org: no", "mail.example.org: no")


def test_a_host_that_is_given_is_the_only_one() -> None:
    place = find_place(JOE, BOTH, only("localhost"), "localhost", 1143)
    assert (place.host, place.port, place.login) == ("localhost", 1143, JOE)
    tried = guesses("example.org", JOE, (IMAP,), "localhost")
    assert [(one.port, one.wrapped) for one in tried] == [(993, True), (143, False)]
    # Gmail's table is not asked.
    with pytest.raises(NotFound):
        find_place("joe@gmail.com", BOTH, only("imap.gmail.com"), "localhost")


# dnspython, with a name server of our own


@contextmanager
def name_server(answers: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[int]:
    """Answer questions on a loopback port; a name without answers does not exist."""
    message = pytest.importorskip("dns.message")
    rrset = pytest.importorskip("dns.rrset")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, client = sock.recvfrom(4096)
                if not data:
                    return
                query = message.from_wire(data)
                [question] = query.question
                reply = message.make_response(query)
                kind = question.to_text().split()[-1]
                found = answers.get((question.name.to_text(), kind), ())
                if found:
                    reply.answer.append(rrset.from_text(question.name, 60, "IN", kind, *found))
                else:
                    reply.set_rcode(3)
                sock.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(sock.getsockname()[1])
        finally:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as ender:
                ender.sendto(b"", sock.getsockname())
            thread.join()


def test_dnspython_asks_the_name_servers() -> None:
    answers = {
        ("_imaps._tcp.example.org.", "SRV"): ["5 1 993 mail.example.org."],
        ("example.org.", "MX"): ["20 b.example.org.", "10 a.example.org."],
    }
    with name_server(answers) as port:
        resolver = DnsResolver(["127.0.0.1"], port)
        assert resolver.services("_imaps._tcp.example.org") == [
            Service(5, 1, 993, "mail.example.org.")
        ]
        assert resolver.services("_imap._tcp.example.org") == []
        assert resolver.exchangers("example.org") == ["a.example.org.", "b.example.org."]
        assert resolver.services("a..b") == []
