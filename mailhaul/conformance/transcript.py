"""What was said in a case: time, direction and octets, with every secret replaced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

CLIENT, SERVER, REMARK = "C", "S", "*"
MASK = b"***"


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of a dialogue.

    ``seconds`` counts from the beginning of the case. ``session`` is the number of the connection,
    ``who`` is "C" for the client, "S" for the server, and "*" for a remark such as "TLS started".
    """

    seconds: float
    session: int
    who: str
    octets: bytes


@dataclass
class Transcript:
    """The entries of one case, in the order in which they happened."""

    entries: list[Entry] = field(default_factory=list[Entry])
    secrets: list[bytes] = field(default_factory=list[bytes], repr=False)

    def hide(self, secrets: Iterable[bytes]) -> None:
        """Replace these octets in every later entry, the longest first."""
        known = {*self.secrets, *(secret for secret in secrets if secret)}
        self.secrets = sorted(known, key=lambda secret: (-len(secret), secret))

    def add(self, seconds: float, session: int, who: str, octets: bytes) -> None:
        """Add an entry, without its secrets."""
        for secret in self.secrets:
            octets = octets.replace(secret, MASK)
        self.entries.append(Entry(seconds, session, who, octets))

    def masked(self, text: str) -> str:
        """Return text without the secrets, in the forms in which responses are quoted."""
        for secret in self.secrets:
            for form in {secret.decode("utf-8", "replace"), repr(secret)[2:-1]}:
                text = text.replace(form, MASK.decode("ascii"))
        return text
