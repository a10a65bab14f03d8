"""The recipients of a message in a multidrop mailbox: the rules, and the look-ups they require.

The rules are in protocols.message.recipients. A message without an envelope field is kept, unless
the user has chosen to guess the recipients from the header.
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

MAX_LOOK_UPS = 20
"""Host names looked up for one message; the names come from an untrusted header."""

IsServer = Callable[[bytes], bool]
"""Whether a host is another name of the mail server; raises LookUpFailed."""


class LookUpFailed(Exception):
    """The name service does not answer at the moment. ``str()`` is one sentence for the user."""


class OnlyKnownHosts(Mapping[bytes, bool]):
    """The known hosts. Every other host counts as not being the mail server."""

    def __init__(self, known: Mapping[bytes, bool]) -> None:
        self._known = known

    def __getitem__(self, host: bytes) -> bool:
        return self._known.get(host, False)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Multidrop:
    """A mailbox shared by several local users.

    ``envelope`` is the name of the header field with the recipient; the first ``skip`` fields with
    that name are ignored. If it is None, the recipients are guessed from the address fields of the
    header. ``postmaster`` receives messages without a local recipient; it may be "". ``is_server``
    may block; if it is None, no host is looked up.
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
        self, fields: Sequence[Field], server_recipient: bytes | None
    ) -> Recipients | NoMatch | NoEnvelope | TooMany:
        """Find the recipients. ``server_recipient`` is the address reported by the server (SDPS).

        Raises LookUpFailed.
        """
        known: Mapping[bytes, bool] | None = self._known
        left = MAX_LOOK_UPS
        while True:
            match self._ask(fields, server_recipient, known):
                case LookUp(hosts) if self._known is not None:
                    for host in hosts[:left]:
                        await self._look_up(host, self._known)
                    left -= min(left, len(hosts))
                    # Names beyond the limit are neither looked up nor remembered.
                    known = self._known if left else OnlyKnownHosts(self._known)
                case LookUp():
                    raise AssertionError("no look-up is expected")
                case found:
                    return found

    def _ask(
        self,
        fields: Sequence[Field],
        server_recipient: bytes | None,
        known: Mapping[bytes, bool] | None,
    ) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
        if server_recipient is not None:
            address = first_address(server_recipient)
            return matching_recipients([address] if address else [], self._names, known)
        if self._envelope is None:
            return guessed_recipients(fields, self._names, known)
        return envelope_recipients(fields, self._envelope, self._skip, self._names, known)

    async def _look_up(self, host: bytes, known: dict[bytes, bool]) -> None:
        is_server = self._is_server
        if is_server is None:
            raise AssertionError("no look-up is expected")
        known[host] = await Call(lambda: is_server(host))
