"""Autoconfig documents: what is read from them, and where they are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.discovery import autoconfig
from mailhaul.adapters.discovery.autoconfig import (
    addresses_to_ask,
    ask_autoconfig,
    read_autoconfig,
)
from mailhaul.adapters.discovery.places import IMAP, POP3, Place
from mailhaul.adapters.http.client import HttpFailed, HttpOptions
from mailhaul.protocols.http import HttpRequest, HttpResponse
from mailhaul.runtimes import blocking

JOE = "joe@example.org"


def server(**changes: str) -> str:
    values = {
        "type": "imap",
        "hostname": "mail.%EMAILDOMAIN%",
        "port": "993",
        "socketType": "SSL",
        "username": "%EMAILLOCALPART%",
        "authentication": "password-cleartext",
    } | changes
    kind = values.pop("type")
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value)
    return f'<incomingServer type="{kind}">{inner}</incomingServer>'


def document(*servers: str) -> bytes:
    return (
        '<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.org">'
        f"{''.join(servers)}</emailProvider></clientConfig>"
    ).encode()


def read(*servers: str) -> list[Place]:
    return read_autoconfig(document(*servers), JOE, "autoconfig.example.org")


def test_the_parts_of_the_address_are_filled_in() -> None:
    [place] = read(server())
    assert place == Place(IMAP, "mail.example.org", 993, True, "joe", "from autoconfig.example.org")
    assert read(server(username="%EMAILADDRESS%"))[0].login == JOE
    assert read(server(username=""))[0].login == JOE


def test_of_a_document_with_very_many_servers_the_first_ones_are_taken() -> None:
    found = read(*(server(hostname=f"mail{number}.example.org") for number in range(100)))
    assert [place.host for place in found] == [f"mail{number}.example.org" for number in range(24)]


def test_pop3_and_starttls_are_read() -> None:
    places = read(server(type="pop3", port="110", socketType="STARTTLS"), server())
    assert [(one.protocol, one.port, one.wrapped) for one in places] == [
        (POP3, 110, False),
        (IMAP, 993, True),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"socketType": "plain"},
        {"socketType": ""},
        {"type": "exchange"},
        {"port": "0"},
        {"port": "x"},
        {"port": "70000"},
        {"hostname": ""},
        {"hostname": "a b"},
        {"hostname": "a&#10;b"},
    ],
)
def test_a_server_that_cannot_be_used_is_left_out(changes: dict[str, str]) -> None:
    assert read(server(**changes)) == []


def test_a_server_that_takes_only_tokens_is_marked() -> None:
    assert read(server(authentication="OAuth2"))[0].wants_token
    both = server(authentication="OAuth2</authentication><authentication>password-cleartext")
    assert not read(both)[0].wants_token


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff\xfe<\0",
        document(server()).replace(
            b"<clientConfig", b'<!DOCTYPE x [<!ENTITY a "b">]><clientConfig'
        ),
        document(server()).decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="nonsense"?><clientConfig></clientConfig>\xff',
    ],
)
def test_what_is_no_document_has_no_servers(data: bytes) -> None:
    assert read_autoconfig(data, JOE, "h") == []


@given(st.binary() | st.text().map(document))
def test_nothing_in_a_document_is_a_fault(data: bytes) -> None:
    read_autoconfig(data, JOE, "h")


def test_only_the_domain_itself_is_asked_over_tls() -> None:
    assert addresses_to_ask("jo+e@Bücher.example") == (
        "https://autoconfig.xn--bcher-kva.example/mail/config-v1.1.xml"
        "?emailaddress=jo%2Be@B%C3%BCcher.example",
        "https://xn--bcher-kva.example/.well-known/autoconfig/mail/config-v1.1.xml"
        "?emailaddress=jo%2Be@B%C3%BCcher.example",
    )


Answers = dict[str, HttpResponse | None]


def web(answers: Answers) -> tuple[list[str], Callable[..., Awaitable[HttpResponse]]]:
    asked: list[str] = []

    async def fetch(request: HttpRequest, options: HttpOptions) -> HttpResponse:
        asked.append(request.url)
        answer = answers.get(request.url)
        if answer is None:
            raise HttpFailed("there is no such host", sent=False)
        return answer

    return asked, fetch


def moved(place: str) -> HttpResponse:
    return HttpResponse(302, (("location", place),))


GOOD = HttpResponse(200, (), document(server()))


@pytest.mark.parametrize(
    ("answers", "hosts"),
    [
        ({"https://a/": GOOD}, ["mail.example.org"]),
        ({"https://b/": GOOD}, ["mail.example.org"]),
        ({"https://a/": HttpResponse(404), "https://b/": GOOD}, ["mail.example.org"]),
        (
            {"https://a/": HttpResponse(200, (), b"nothing"), "https://b/": GOOD},
            ["mail.example.org"],
        ),
        ({"https://a/": moved("/c"), "https://a/c": GOOD}, ["mail.example.org"]),
        ({"https://a/": moved("https://d/"), "https://d/": GOOD}, ["mail.example.org"]),
        ({"https://a/": moved("http://d/"), "http://d/": GOOD}, []),
        ({"https://a/": moved("https://a/"), "https://b/": HttpResponse(500)}, []),
        ({}, []),
    ],
)
def test_the_addresses_are_asked_in_turn_and_redirects_followed(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, hosts: list[str]
) -> None:
    asked, fetch = web(answers)
    monkeypatch.setattr(autoconfig, "fetch", fetch)
    places = blocking.run(ask_autoconfig(["https://a/", "https://b/"], JOE))
    assert [place.host for place in places] == hosts
    assert len(asked) <= 6
