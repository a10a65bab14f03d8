"""fetchmail and mailhaul with mimedecode, side by side: what both understand, both decode alike.

fetchmail leaves blanks where the longer name of an encoding stood, and does not say of a multipart
that there is 8-bit text in it now.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .corpus import unix
from .mailhaul import mailhaul
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.fetchmail import fetchmail

pytestmark = pytest.mark.real

START = (
    b"From: =?utf-8?Q?J=C3=BCrgen?= <ann@example.net>\r\nTo: bob@example.org\r\n"
    b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= und mehr\r\n"
    b"Date: Mon, 02 Mar 2020 10:00:00 +0000\r\nMessage-ID: <qp@example.org>\r\n"
    b"MIME-Version: 1.0\r\n"
)
SINGLE = START + (
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe aus =\r\nK=C3=B6ln, 1=3D1\r\nzweite Zeile\r\n"
)
MULTIPART = START + (
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"AAAA\r\n--b--\r\n"
)
SIGNED = MULTIPART.replace(b"mixed", b"signed")
PLAIN = START + b"\r\nGr=C3=BC=C3=9Fe\r\n"


def rc(dovecot: Dovecot, user: str, exim: Exim) -> str:
    return (
        "set invisible\n"
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port} auth password\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' mimedecode\n"
        f"  no rewrite smtphost localhost/{exim.port}\n"
    )


LABEL = b"Content-Transfer-Encoding: 8bit\n"


class Stage:
    """A mailbox and a sink for one message, which each program brings from one to the other."""

    def __init__(self, dovecot: Dovecot, exim: Exim, home: Path) -> None:
        self._dovecot = dovecot
        self._exim = exim
        self._home = home

    def play(self, program: Callable[[str, Path], object], name: str, message: bytes) -> bytes:
        """Return what arrived, from its From field on and without blanks at the end of lines."""
        home = self._home / name
        home.mkdir()
        user = self._dovecot.new_user()
        self._exim.clear()
        self._dovecot.deliver(user, message)
        program(rc(self._dovecot, user, self._exim), home)
        assert self._dovecot.messages(user) == []
        (arrived,) = (unix(one.data) for one in self._exim.delivered())
        lines = arrived[arrived.find(b"From: ") :].split(b"\n")
        return b"\n".join(line.rstrip(b" ") for line in lines)

    def theirs(self, message: bytes) -> bytes:
        return self.play(fetchmail, "theirs", message)

    def ours(self, message: bytes) -> bytes:
        return self.play(mailhaul, "ours", message)


@pytest.fixture
def stage(dovecot: Dovecot, exim: Exim, tmp_path: Path) -> Stage:
    return Stage(dovecot, exim, tmp_path)


@pytest.mark.parametrize("message", [SINGLE, SIGNED, PLAIN], ids=["text", "signed", "plain"])
def test_both_decode_alike(stage: Stage, message: bytes) -> None:
    found = stage.ours(message)
    assert b"Subject: Gr\xc3\xbc\xc3\x9fe und mehr\n" in found
    assert found == stage.theirs(message)


def test_both_decode_a_multipart_alike_but_for_its_label(stage: Stage) -> None:
    found = stage.ours(MULTIPART)
    assert found.count(LABEL) == 2
    assert found.replace(LABEL, b"", 1) == stage.theirs(MULTIPART)


def field(name: bytes, text: bytes) -> bytes:
    return next(line for line in text.split(b"\n") if line.startswith(name))


def test_a_hidden_comma_makes_two_addresses_with_fetchmail_only(stage: Stage) -> None:
    message = START.replace(b"J=C3=BCrgen", b"Ott=2C_J=C3=BCrgen") + b"\r\nx\r\n"
    assert field(b"From", stage.theirs(message)) == b"From: Ott, J\xc3\xbcrgen <ann@example.net>"
    assert field(b"From", stage.ours(message)) == b'From: "Ott, J\xc3\xbcrgen" <ann@example.net>'


def test_a_subject_in_latin_1_is_utf_8_here(stage: Stage) -> None:
    message = START.replace(b"utf-8?Q?Gr=C3=BC=C3=9Fe", b"iso-8859-1?Q?Gr=FC=DFe") + b"\r\nx\r\n"
    assert field(b"Subject", stage.theirs(message)) == b"Subject: Gr\xfc\xdfe und mehr"
    assert field(b"Subject", stage.ours(message)) == "Subject: Grüße und mehr".encode()


def test_a_text_in_base64_is_decoded_here(stage: Stage) -> None:
    body = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
    assert b"\n\naGVsbG8=\n" in stage.theirs(START + body)
    assert b"7bit\n\nhello" in stage.ours(START + body)
