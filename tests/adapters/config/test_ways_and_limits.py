"""Options about the way to a host, about alerts, and with units."""

from __future__ import annotations

import os

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.login.reach import address_of
from mailhaul.adapters.sinks.listeners import listener_address
from mailhaul.flows.requests import Tcp
from mailhaul.protocols.proxy.address import SOCKS5, Proxy

CALLER = Caller("me", os.getuid(), "/home/me", None, "/home/me")


def account(options: str) -> AccountSettings:
    [found] = load(["-f", "-"], CALLER, f"poll h.example proto imap {options}".encode).accounts
    return found


def complaint(options: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        account(options)
    [error] = caught.value.errors
    return str(error)


def test_server_and_listener_have_ways_of_their_own() -> None:
    found = account(
        "proxy 'socks5://joe@p.example:9' bindaddressout 192.0.2.7 user joe smtphost relay.example"
    )
    proxy = Proxy(SOCKS5, "p.example", 9, b"joe")
    assert address_of(found) == Tcp("h.example", 143, proxy)
    relay = Tcp("relay.example", 25, None, "192.0.2.7")
    assert listener_address(found, "relay.example") == (relay, False)


def test_a_password_goes_to_its_proxy() -> None:
    found = account("proxy 'http://joe@p.example' proxypassword sesame user joe")
    address = address_of(found)
    assert isinstance(address, Tcp)
    assert address.proxy
    assert address.proxy.password
    assert address.proxy.password.reveal() == b"sesame"
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("proxy 'socks5://joe:sesame@p.example'", "must not have a password"),
        ("proxyout 'http://joe:sesame@p.example'", 'write it with "proxyoutpassword"'),
        ("proxy 'ftp://joe:sesame@p.example'", "ftp:// is not supported"),
        ("proxy 'socks5://p.example' plugin 'nc %h %p'", '"proxy" together with "plugin"'),
        ("bindaddress eth0", '"eth0" is not an IP address'),
        ("bindaddressout 192.0.2.7 plugout cat", '"bindaddressout" together with "plugout"'),
    ],
)
def test_what_cannot_work_is_told_with_its_place_and_without_passwords(
    options: str, words: str
) -> None:
    said = complaint(options)
    assert words in said
    assert ":1:" in said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("options", "seconds"),
    [("every 90s", 90), ("every 5m", 300), ("every 1h", 3600), ("every 45", 45), ("", 0)],
)
def test_every_has_units(options: str, seconds: int) -> None:
    assert account(options).every == seconds


@pytest.mark.parametrize(
    ("text", "octets"), [("2500m", 2500 * 1024**2), ("1G", 1024**3), ("10k", 10240), ("7", 7)]
)
def test_daylimit_has_units(text: str, octets: int) -> None:
    assert account(f"user joe daylimit {text} keep").daylimit == octets


@pytest.mark.parametrize("options", ["every soon", "every 5x", "user joe daylimit -3", "every"])
def test_other_units_are_told(options: str) -> None:
    assert "a time, such as 90s" in complaint(options) or "such as 2500m" in complaint(options)


def test_fetchmails_files_keep_their_meaning() -> None:
    found = account("interval 3 aka every proxy user joe is daylimit here folder every")
    assert found.interval == 3
    assert found.every == 0
    assert found.aka == ("every", "proxy")
    assert found.folders == ("every",)
    assert found.local_names == (("daylimit", "daylimit"),)


def test_both_spellings_of_a_hook_are_one_option() -> None:
    found = account("user joe on-failure a onrecovery 'b c' on-delivery d alertafter 5")
    assert (found.onfailure, found.onrecovery, found.ondelivery) == ("a", "b c", "d")
    assert (found.alertafter, found.alertmail) == (5, True)
    assert not found.chose("alertmail")
    assert account("user joe no alertmail").chose("alertmail")
