"""The addresses of the entries in a hunt list."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.sinks.listeners import domain_of, listener_address
from mailhaul.flows.requests import Tcp, UnixSocket


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("a", Tcp("a", 25)),
        ("a/", Tcp("a", 25)),
        ("a/2525", Tcp("a", 2525)),
        ("a/submission", Tcp("a", "submission")),
        # A digit that is none to the system either.
        ("a/\xb2", Tcp("a", "\xb2")),
        ("/run/lmtp", UnixSocket("/run/lmtp")),
    ],
)
def test_an_entry_is_a_host_with_a_port_or_a_path(host: str, address: object) -> None:
    settings = AccountSettings({"pollname": "h", "skip": False})
    assert listener_address(settings, host)[0] == address


def test_the_domain_at_a_host_is_its_name_in_ascii() -> None:
    assert domain_of("stra\xdfe.example/25") == "xn--strae-oqa.example"
    assert domain_of("/run/lmtp") == "localhost"
