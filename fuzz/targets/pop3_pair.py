"""The POP3 client and server talk to each other over a line that changes octets."""

from __future__ import annotations

from mailhaul.protocols.machine import Tap
from mailhaul.protocols.pop3.client import Pop3Client

from ..conversation import TIGHT
from ..pair import Pairing, talk
from .pop3_client import LETTERS as SAID
from .pop3_server import LETTERS as ANSWERED
from .pop3_server import AnsweredServer, answer

PAIRING = Pairing(
    lambda: Pop3Client(TIGHT, Tap()),
    lambda: AnsweredServer(TIGHT, Tap()),
    SAID,
    ANSWERED,
    answer,
)


def target(data: bytes) -> None:
    """Let them talk."""
    talk(PAIRING, data)
