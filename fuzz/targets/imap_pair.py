"""The IMAP client and server talk to each other over a line that changes octets."""

from __future__ import annotations

from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.machine import Tap

from ..conversation import TIGHT
from ..pair import Pairing, talk
from .imap_client import LETTERS as SAID
from .imap_server import LETTERS as ANSWERED
from .imap_server import AnsweredServer, answer

PAIRING = Pairing(
    lambda: ImapClient(TIGHT, Tap()),
    lambda: AnsweredServer(TIGHT, Tap()),
    SAID,
    ANSWERED,
    answer,
)


def target(data: bytes) -> None:
    """Let them talk."""
    talk(PAIRING, data)
