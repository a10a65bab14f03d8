"""The faults that a server can be asked for, by the name of a user, a mailbox or a recipient.

A fault is a list of rules on the wire (wire_faults.py). Some faults break no RFC: they are rare
and allowed, and clients fail on them all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .wire_faults import Rule

RulesOf = Callable[[], list[Rule]]


@dataclass(frozen=True)
class ServerFault:
    """One fault. ``breaks`` is where the RFC forbids it, or empty for what is allowed.

    ``rules`` makes new rules for each session. ``slices`` is the number of octets in a segment.
    """

    name: str
    protocol: str
    text: str
    breaks: str
    rules: RulesOf
    slices: int = 0


class FaultTable:
    """The faults of one protocol, in the order in which they are listed."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.faults: dict[str, ServerFault] = {}

    def add(self, name: str, text: str, breaks: str, *rules: Rule, slices: int = 0) -> None:
        """Add a fault. Each session gets copies of the rules."""
        if name in self.faults:
            raise ValueError(f"{name} is there already")
        made = tuple(rules)

        def copies() -> list[Rule]:
            from copy import copy

            return [copy(rule) for rule in made]

        self.faults[name] = ServerFault(name, self.protocol, text, breaks, copies, slices)

    def named(self, words: bytes) -> list[ServerFault]:
        """Return the faults in a name: "drop-in-text", "joe+drop-in-text@example.org"."""
        local = words.partition(b"@")[0].decode("ascii", "replace").lower()
        return [self.faults[word] for word in local.split("+") if word in self.faults]


def fault_tables() -> Mapping[str, FaultTable]:
    """Return all faults, by protocol."""
    from .server_faults_imap import IMAP
    from .server_faults_pop3 import POP3
    from .server_faults_smtp import LMTP, SMTP

    return {table.protocol: table for table in (POP3, IMAP, SMTP, LMTP)}


def all_faults() -> Iterator[ServerFault]:
    """Yield every fault of every protocol."""
    for table in fault_tables().values():
        yield from table.faults.values()
