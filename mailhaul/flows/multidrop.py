"""Whom a message is for in a mailbox of several people: the rules, and the look-ups they ask for.

The rules stand in protocols.message.recipients and never guess. Here it is decided what follows:
a message that does not say for whom it came is kept, unless the user chose guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..protocols.message.addresses import first_address
from ..protocols.message.header import Field
from ..protocols.message.recipients import (
    LocalNames,
    LookUp,
    NoEnvelope,
    NoMatch,
    Recipients,
    TooMany,
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


class OthersAreNot(Mapping[bytes, bool]):
    """What is known of hosts, where any other one is not the mail server."""

    def __init__(self, known: Mapping[bytes, bool]) -> None:
        self._known = known

    def __getitem__(self, host: bytes) -> bool:
        return self._known.get(host, False)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


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
    ) -> Recipients | NoMatch | NoEnvelope | TooMany:
        """Find out who it is. ``told`` is the address that the server itself names (SDPS).

        Raises LookUpFailed.
        """
        known: Mapping[bytes, bool] | None = self._known
        left = LOOK_UPS
        while True:
            match self._ask(fields, told, known):
                case LookUp(hosts) if self._known is not None:
                    for host in hosts[:left]:
                        await self._look_up(host, self._known)
                    left -= min(left, len(hosts))
                    # What a stranger names beyond that is neither asked about nor remembered.
                    known = self._known if left else OthersAreNot(self._known)
                case LookUp():
                    raise AssertionError("nothing is to be looked up")
                case found:
                    return found

    def _ask(
        self, fields: Sequence[Field], told: bytes | None, known: Mapping[bytes, bool] | None
    ) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
        if told is not None:
            address = first_address(told)
            return matching_recipients([address] if address else [], self._names, known)
        if self._envelope is None:
            return guessed_recipients(fields, self._names, known)
        return envelope_recipients(fields, self._envelope, self._skip, self._names, known)

    async def _look_up(self, host: bytes, known: dict[bytes, bool]) -> None:
        ask = self._is_server
        if ask is None:
            raise AssertionError("nothing is to be looked up")
        known[host] = await Call(lambda: ask(host))
