"""The URLs of proxies."""

from __future__ import annotations

import pytest

from mailhaul.protocols.proxy.address import HTTP, SOCKS5, BadProxy, Proxy, parse_proxy
from mailhaul.protocols.secret import Secret


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("socks5://joe@p.example:1", Proxy(SOCKS5, "p.example", 1, b"joe")),
        ("socks5h://p.example", Proxy(SOCKS5, "p.example", 1080)),
        ("SOCKS5://[::1]:9", Proxy(SOCKS5, "::1", 9)),
        ("http://p.example:3128/", Proxy(HTTP, "p.example", 3128)),
        ("p.example:3128", Proxy(HTTP, "p.example", 3128)),
        ("http://j%40x@p.example:1", Proxy(HTTP, "p.example", 1, b"j@x")),
    ],
)
def test_a_url_names_kind_place_and_user(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://joe:sesame@p.example", "https:// is not supported, only socks5"),
        ("socks4://joe:sesame@p.example", "socks4:// is not supported"),
        ("socks5://joe:sesame@:1", "not the URL"),
        ("socks5://joe:sesame@p.example:x", "not the URL"),
        ("socks5://joe:sesame@p.example:0", "not the URL"),
        ("http://joe:sesame@[::1", "not the URL"),
        ("http://joe:sesame@p.example/path", "ends after the port"),
        ("http://j%3Aoe:sesame@p.example", "colon"),
        (f"socks5://{'j' * 256}:sesame@p.example", "255 octets"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(BadProxy, match=words) as caught:
        parse_proxy(url)
    assert "sesame" not in str(caught.value)


def test_a_password_is_hidden_and_does_not_make_another_proxy() -> None:
    proxy = parse_proxy("socks5://joe:sesame@p.example")
    assert proxy.password
    assert proxy.password.reveal() == b"sesame"
    assert "sesame" not in repr(proxy)
    without = Proxy(SOCKS5, "p.example", 1080, b"joe")
    assert proxy == without
    assert hash(proxy) == hash(without)
    assert proxy != Proxy(SOCKS5, "p.example", 1080, b"ann", Secret(b"sesame"))
