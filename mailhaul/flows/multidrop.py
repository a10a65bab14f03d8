"""Whom a message is for in a mailbox of several people: the rules, and the look-ups they ask for.

The rules stand in protocols.message.recipients and never guess. Here it is decided what follows:
a message that does not say for whom it came is kept, unless the user chose guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..protocols.message.addresses import first_address
from ..protocols.message.header import Field
from ..protocols.message.recipients import (
    LocalNames,
    LookUp,
    NoEnvelope,
    NoMatch,
    Recipients,
    envelope_recipients,
    guessed_recipients,
    matching_recipients,
)
from .requests import Call

LOOK_UPS = 20
"""Hosts that are asked about for one message; a stranger wrote them."""

IsServer = Callable[[bytes], bool]
"""Whether a host is another name of the mail server; raises LookUpFailed."""


class LookUpFailed(Exception):
    """The name service gives no answer now. ``str()`` is one sentence for the user."""


class Multidrop:
    """The mailbox of several people.

    ``envelope`` is the field that tells the recipient, behind ``skip`` others of its name; None
    says that it is guessed from what was written for people. ``postmaster`` gets what is for
    nobody here; "" for no such person. ``is_server`` may block; None if nobody is to be asked.
    """

    def __init__(
        self,
        names: LocalNames,
        envelope: str | None,
        skip: int,
        postmaster: str,
        is_server: IsServer | None = None,
    ) -> None:
        self.postmaster = postmaster
        self._names = names
        self._envelope = envelope
        self._skip = skip
        self._is_server = is_server
        self._known: dict[bytes, bool] | None = None if is_server is None else {}

    async def find(
        self, fields: Sequence[Field], told: bytes | None
    ) -> Recipients | NoMatch | NoEnvelope:
        """Find out who it is. ``told`` is the address that the server itself names (SDPS).

        Raises LookUpFailed.
        """
        asked = 0
        while True:
            match self._ask(fields, told):
                case LookUp(hosts):
                    for host in hosts:
                        await self._look_up(host, allowed=asked < LOOK_UPS)
                        asked += 1
                case found:
                    return found

    def _ask(
        self, fields: Sequence[Field], told: bytes | None
    ) -> Recipients | NoMatch | NoEnvelope | LookUp:
        if told is not None:
            address = first_address(told)
            return matching_recipients([address] if address else [], self._names, self._known)
        if self._envelope is None:
            return guessed_recipients(fields, self._names, self._known)
        return envelope_recipients(fields, self._envelope, self._skip, self._names, self._known)

    async def _look_up(self, host: bytes, *, allowed: bool) -> None:
        ask, known = self._is_server, self._known
        if ask is None or known is None:
            raise AssertionError("nothing is to be looked up")
        known[host] = allowed and await Call(lambda: ask(host))
