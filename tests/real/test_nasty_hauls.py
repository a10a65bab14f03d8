"""The nasty corpus by every way out, and what smugglers hide in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from .hauling import REFUSED, Haul, Source, check, fate
from .nasty_corpus import END_LIKE, NASTY, smuggling
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.opensmtpd import OpenSmtpd
from .servers.postfix import Postfix
from .ways_out import NAMES, WaysOut

pytestmark = pytest.mark.real

Hauls = Callable[[str, str], Haul]
PAGE = Path(__file__).parents[2] / "docs" / "corpus.py"
CASES = [*((name, "IMAP") for name in NAMES), ("Postfix", "POP3"), ("Maildir", "POP3")]


@pytest.fixture(scope="module")
def hauls(
    postfix_server: Postfix,
    exim_server: Exim,
    opensmtpd_server: OpenSmtpd,
    dovecot: Dovecot,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hauls]:
    """Each haul is made once, when it is first asked for, even if it fails."""
    good = certificates.good
    ways, source = (
        WaysOut(postfix_server, exim_server, opensmtpd_server, dovecot, good),
        Source(good),
    )

    tried: set[tuple[str, str]] = set()

    @cache
    def haul(name: str, protocol: str) -> Haul:
        assert (name, protocol) not in tried, "this haul has failed before"
        tried.add((name, protocol))
        home = tmp_path_factory.mktemp("haul")
        return source.haul(ways.way(name, home), home, protocol)

    with ways.running(), source.running():
        yield haul


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(("way", "protocol"), CASES)
def test_a_message_arrives_whole_or_is_refused_and_kept(
    hauls: Hauls, way: str, protocol: str, name: str
) -> None:
    check(name, hauls(way, protocol))


@pytest.mark.parametrize(("way", "protocol"), CASES)
def test_nothing_arrives_that_nobody_sent(hauls: Hauls, way: str, protocol: str) -> None:
    haul = hauls(way, protocol)
    assert haul.copies.keys() <= NASTY.keys()
    assert haul.run.code == 0
    refusals = [reply for (receiver, _), reply in REFUSED.items() if receiver == haul.way.receiver]
    assert sorted(haul.run.err.splitlines()) == sorted(
        f"mailhaul: SMTP error: {reply}; the message stays on the server" for reply in refusals
    )


SMTP = ("Postfix", "Postfix -bs", "Exim", "Exim -bs", "OpenSMTPD", "aiosmtpd", "LMTP", "BSMTP")


@pytest.mark.parametrize("end", END_LIKE)
@pytest.mark.parametrize("way", SMTP)
def test_what_looks_like_an_end_of_text_lets_no_second_message_in(
    hauls: Hauls, way: str, end: str
) -> None:
    haul = hauls(way, "IMAP")
    assert "smuggled" not in haul.copies
    assert len(haul.copies.get(f"end_{end}", [])) == 1


def test_this_postfix_can_be_smuggled_into_by_who_sends_texts_as_they_are(
    postfix_server: Postfix,
) -> None:
    postfix_server.clear()
    text = smuggling("end_lf_dot_crlf", END_LIKE["lf_dot_crlf"])
    with (
        socket.create_connection(("127.0.0.1", postfix_server.port), 30) as stream,
        stream.makefile("rb") as replies,
    ):
        replies.readline()
        for words in (
            *(b"HELO here\r\n", b"MAIL FROM:<ann@example.net>\r\n"),
            *(b"RCPT TO:<bob@localhost>\r\n", b"DATA\r\n"),
        ):
            stream.sendall(words)
            replies.readline()
        stream.sendall(text + b".\r\nQUIT\r\n")
        # Postfix takes what is behind the second message for commands, and may hang up on them.
        with suppress(ConnectionResetError):
            replies.read()
    assert len(postfix_server.delivered()) == 2


def test_the_page_says_what_becomes_of_each_message(hauls: Hauls, tmp_path: Path) -> None:
    fates = {way: {name: fate(name, hauls(way, "IMAP")) for name in NASTY} for way in NAMES}
    path = Path(os.environ.get("MAILHAUL_FATES", tmp_path / "fates"))
    path.write_text(json.dumps(fates))
    if "MAILHAUL_FATES" not in os.environ:
        done = subprocess.run(
            [sys.executable, str(PAGE), "--check", str(path)],
            capture_output=True,
            check=False,
            text=True,
        )
        assert (done.returncode, done.stdout) == (0, "")
