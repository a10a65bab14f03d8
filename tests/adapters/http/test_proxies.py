"""Which proxy the environment names, and for which hosts it is not used."""

from __future__ import annotations

import pytest

from mailhaul.adapters.http.proxies import proxy_for
from mailhaul.flows.requests import Tcp
from mailhaul.protocols.http import parse_url
from mailhaul.protocols.proxy.address import BadProxy, Proxy

URL = parse_url("https://oauth2.googleapis.com/token")


def address(environment: dict[str, str], url: str = "https://oauth2.googleapis.com/") -> Tcp | None:
    found = proxy_for(parse_url(url), environment)
    return Tcp(found.host, found.port) if found else None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"https_proxy": ""}, None),
        ({"http_proxy": "http://p.example:1"}, None),
        ({"https_proxy": "http://p.example:1"}, Tcp("p.example", 1)),
        ({"HTTPS_PROXY": "http://p.example:1/"}, Tcp("p.example", 1)),
        ({"https_proxy": "p.example:3128"}, Tcp("p.example", 3128)),
        ({"https_proxy": "p.example"}, Tcp("p.example", 1080)),
        ({"https_proxy": "http://[::1]:3128"}, Tcp("::1", 3128)),
        ({"https_proxy": "a:1", "HTTPS_PROXY": "b:2"}, Tcp("a", 1)),
        ({"ALL_PROXY": "http://p.example:1"}, Tcp("p.example", 1)),
        ({"all_proxy": "a:1", "HTTPS_PROXY": "b:2"}, Tcp("b", 2)),
    ],
)
def test_the_proxy_is_taken_from_the_environment(
    environment: dict[str, str], expected: Tcp | None
) -> None:
    assert address(environment) == expected


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "https://a.example", True),
        ("a.example", "https://a.example", True),
        ("a.example", "https://A.EXAMPLE", True),
        ("a.example", "https://b.a.example", True),
        (".a.example", "https://b.a.example", True),
        ("*.a.example", "https://b.a.example", True),
        ("a.example", "https://ba.example", False),
        ("a.example:443", "https://a.example", True),
        ("a.example:8443", "https://a.example", False),
        ("x.example, a.example", "https://a.example", True),
        ("x.example a.example", "https://a.example", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("[fd00::1]", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00::1]", True),
        ("fd00::/8", "https://[fd00::1]", True),
        ("", "https://a.example", False),
        (",", "https://a.example", False),
        (".", "https://a.example", False),
        ("10.0.0.0/99", "https://10.1.2.3", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(exceptions: str, url: str, direct: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        environment = {"https_proxy": "p.example:1", name: exceptions}
        assert (address(environment, url) is None) is direct


def test_plain_http_is_on_this_machine_and_needs_no_proxy() -> None:
    environment = {"https_proxy": "p.example:1", "http_proxy": "p.example:1", "all_proxy": "p:1"}
    assert address(environment, "http://localhost:3000/") is None


def test_user_and_password_are_sent_as_they_are_meant() -> None:
    proxy = proxy_for(URL, {"https_proxy": "http://joe%40x:p%3A%25@p.example:1"})
    assert isinstance(proxy, Proxy)
    assert proxy.user == b"joe@x"
    assert proxy.password
    assert proxy.password.reveal() == b"p:%"
    assert "p:%" not in repr(proxy)


@pytest.mark.parametrize(
    "value",
    ["https://joe:secret@p.example", "socks4://joe:secret@p.example", "http://joe:secret@:1",
     "http://joe:secret@p.example:x", "http://joe:secret@[::1"],
)  # fmt: skip
def test_what_cannot_be_used_is_named_without_its_password(value: str) -> None:
    with pytest.raises(BadProxy, match="HTTPS_PROXY in the environment") as caught:
        proxy_for(URL, {"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)
