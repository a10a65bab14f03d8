"""The private Postfix and OpenSMTPD do what tests rely on: seen with smtplib and a pipe."""

from __future__ import annotations

import smtplib
import subprocess

import pytest

from .corpus import body_of, simple
from .servers.opensmtpd import OpenSmtpd
from .servers.postfix import Postfix

pytestmark = pytest.mark.real

CASES = ("postfix_server", "opensmtpd_server")


@pytest.mark.parametrize("name", CASES)
def test_all_that_is_accepted_is_delivered_once(name: str, request: pytest.FixtureRequest) -> None:
    peer: Postfix | OpenSmtpd = request.getfixturevalue(name)
    peer.clear()
    with smtplib.SMTP(peer.host, peer.port) as client:
        for number in range(1, 4):
            client.sendmail("ann@example.net", ["bob@localhost"], simple(number))
    stored = [path.read_bytes() for path in peer.delivered()]
    assert sorted(map(body_of, stored)) == [body_of(simple(number)) for number in range(1, 4)]
    peer.clear()
    assert peer.delivered() == []


def test_the_sendmail_of_postfix_speaks_smtp_on_a_pipe(postfix_server: Postfix) -> None:
    postfix_server.clear()
    talk = subprocess.run(
        postfix_server.bs_argv,
        input=b"EHLO here\r\nMAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@localhost>\r\n"
        b"DATA\r\n" + simple() + b".\r\nQUIT\r\n",
        capture_output=True,
        check=True,
        timeout=30,
    )
    final = [line[:3] for line in talk.stdout.splitlines() if line[3:4] == b" "]
    assert final == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    [path] = postfix_server.delivered()
    assert body_of(path.read_bytes()) == body_of(simple())
