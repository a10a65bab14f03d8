"""The SMTP client and server, or the LMTP ones, talk over a line that changes octets.

An input of odd length is for LMTP. The server's user gives the answers that fit any command.
"""

from __future__ import annotations

from mailhaul.protocols.machine import Tap
from mailhaul.protocols.smtp.client import SmtpClient

from ..conversation import TIGHT
from ..pair import Pairing, talk
from .smtp_client import LETTERS as SAID
from .smtp_server import LETTERS, AnsweredServer, answer

ANSWERED = {letter: LETTERS[letter] for letter in b"nl"}


def pairing(lmtp: bool) -> Pairing:
    """Return the two machines."""
    return Pairing(
        lambda: SmtpClient(lmtp, TIGHT, Tap()),
        lambda: AnsweredServer(lmtp, TIGHT, Tap()),
        SAID,
        ANSWERED,
        answer,
    )


SMTP, LMTP = pairing(False), pairing(True)


def target(data: bytes) -> None:
    """Let them talk."""
    talk(LMTP if len(data) % 2 else SMTP, data)
