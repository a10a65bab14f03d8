"""Nasty messages through every sink: each arrives whole by one rule, or is refused and kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .deliveries import Peers
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.opensmtpd import OpenSmtpd
from .servers.postfix import Postfix

pytestmark = pytest.mark.real

TABLE = Path(__file__).parents[2] / "docs" / "corpus.md"

SINKS = (
    *(
        "SMTP to Exim",
        "SMTP to Postfix",
        "SMTP to OpenSMTPD",
        "SMTP to aiosmtpd",
        "BDAT to mailhaul's own server",
    ),
    *("LMTP to Dovecot", "`exim -bs` on a pipe", "MDA", "Maildir", "mbox", "BSMTP"),
    "APPEND to Dovecot",
)

TOO_LONG = ["long_line", "long_field"]
KEPT = {"SMTP to OpenSMTPD": TOO_LONG, "SMTP to aiosmtpd": TOO_LONG}
"""What a server refuses: lines beyond what it takes."""


def in_the_table(name: str) -> dict[str, str]:
    """Return what docs/corpus.md says of a sink. ``python docs/corpus.py`` makes it anew."""
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in TABLE.read_text().splitlines()
    ]
    head = next(row for row in rows if row[0] == "message")
    place = head.index(name)
    return {
        row[0].strip("`"): row[place] for row in rows if len(row) == len(head) and "`" in row[0]
    }


@pytest.fixture(scope="module")
def servers(scratch: Path, certificates: Certificates) -> Iterator[tuple[Postfix, OpenSmtpd]]:
    postfix = Postfix(scratch / "postfix")
    opensmtpd = OpenSmtpd(scratch / "opensmtpd", certificates.good)
    with postfix.running(), opensmtpd.running():
        yield postfix, opensmtpd


@pytest.fixture
def peers(
    tmp_path: Path,
    certificates: Certificates,
    dovecot: Dovecot,
    exim: Exim,
    servers: tuple[Postfix, OpenSmtpd],
) -> Iterator[Peers]:
    peers = Peers(tmp_path, certificates, dovecot, exim, *servers)
    with peers.running():
        yield peers


@pytest.mark.parametrize("name", SINKS)
def test_each_message_arrives_whole_or_is_kept(name: str, peers: Peers, tmp_path: Path) -> None:
    sinks = peers.sinks(tmp_path)
    assert tuple(sinks) == SINKS
    run, fates = peers.carry(sinks[name], tmp_path)
    wrong = {message: fate for message, fate in fates.items() if fate not in {"whole", "kept"}}
    if path := os.environ.get("MAILHAUL_FATES"):
        with open(path, "a") as record:
            record.write(json.dumps([name, fates]) + "\n")
    else:
        assert in_the_table(name) == fates
    kept = [message for message, fate in fates.items() if fate == "kept"]
    assert (wrong, kept) == ({}, KEPT.get(name, []))
    assert bool(run.err) == bool(kept)
