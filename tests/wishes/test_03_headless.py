"""Wish 3: sign in on a machine without a browser, which nobody can reach from outside.

A code is entered on a telephone (RFC 8628), or the address of the consent is opened anywhere and
the address where that ends is pasted back. getmail6#136, freescout#4031, email-oauth2-proxy#78,
email-oauth2-proxy#348.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mailhaul.flows.outcome import ExitCode
from tests.wishes.signing_world import SigningWorld

USER = "joe@contoso.example"
TEXT = b"From: ann@x.example\r\nSubject: hello\r\n\r\nHello.\r\n"
MINUTE = 60.0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SigningWorld:
    """A world whose user is at a server without a desktop."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    world = SigningWorld(tmp_path, monkeypatch)
    world.write(
        "poll outlook.office365.com protocol IMAP auth oauth oauthissuer microsoft no dns\n"
        '    oauthclient "00000000-1111-2222-3333-444444444444"\n'
        f'    user "{USER}" ssl maildir "{tmp_path}/Mail"\n'
    )
    return world


def test_a_code_is_entered_on_a_telephone(world: SigningWorld) -> None:
    begun = world.time()
    world.issuer.consents = lambda: world.time() > begun + 3 * MINUTE
    assert world.log_in(USER, "--device") is ExitCode.SUCCESS
    said = "\n".join(world.shown)
    assert "Open https://issuer.example/activate on any device and enter the code WDJB-MJHT" in said
    # It is noticed at once, and the issuer is not asked more often than it wants.
    assert 3 * MINUTE < world.time() - begun < 3 * MINUTE + 10
    asked = world.issuer.times
    assert min(later - one for one, later in pairwise(asked)) >= 5
    world.inbox.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS
    assert len(world.delivered()) == 1


def test_the_address_where_the_consent_ends_is_pasted(world: SigningWorld) -> None:
    """email-oauth2-proxy#348: no address of this machine has to be known to the world."""
    assert world.log_in(USER, "--paste") is ExitCode.SUCCESS
    [address] = re.findall(r"https://login\S+", "\n".join(world.shown))
    back = parse_qs(urlsplit(address).query)["redirect_uri"][0]
    assert urlsplit(back).hostname == "localhost"
    [form] = world.issuer.forms
    assert (form["code"], form["redirect_uri"]) == ("the-code", back)
    world.inbox.append(TEXT)
    assert world.poll() is ExitCode.SUCCESS
    assert len(world.delivered()) == 1


def test_who_never_agrees_is_waited_for_no_longer_than_the_code_lasts(world: SigningWorld) -> None:
    begun = world.time()
    world.issuer.consents = lambda: False
    assert world.log_in(USER, "--device") is ExitCode.AUTHFAIL
    assert world.time() - begun < 16 * MINUTE
    assert "gives no token" in world.err.getvalue()
    # Cron jobs that go on say what to type.
    assert world.poll() is ExitCode.AUTHFAIL
    assert f'type "mailhaul login {USER}"' in world.err.getvalue()
