"""A scenario: everything that one seed decides before a world is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mailhaul.flows.account import OnRetrieveError
from mailhaul.flows.fate import Policy

from .faults import Fault, draw
from .quirks import QUIRKS

Possible = Callable[[str, str], list[tuple[str, str]]]
"""Returns which faults there can be between a source and a sink, and where."""
LONGEST = 9000
"""Octets of a message's body at most, or a few more."""


@dataclass(slots=True)
class Scenario:
    """What there is, what the user wants, and what goes wrong in which poll."""

    seed: int
    source: str
    sink: str
    texts: list[bytes] = field(repr=False)
    options: dict[str, Any]
    capabilities: tuple[bytes, ...]
    extensions: dict[bytes, bytes]
    round_trip: float
    pieces: bool
    several: bool
    uids: str
    retrieve: bool
    batch_limit: int
    quirk: str
    tls: bool
    plugin: bool
    watched: bool
    second: bool
    lanes: int
    literals: str
    connections: int
    expires: bool
    faults: list[list[Fault]]

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.source} to {self.sink}, {len(self.texts)} message(s) of "
            f"{[len(text) for text in self.texts]} octets, {self.options or 'no options'}",
            f"  {self.capabilities}, {sorted(self.extensions)}, round trip {self.round_trip} s"
            f"{', in pieces' if self.pieces else ''}{', several recipients' * self.several}"
            f"{f', unique ids: {self.uids}' if self.source == 'pop3' else ''}"
            f"{f', quirk: {self.quirk}' * bool(self.quirk)}{', TLS' * self.tls}"
            f"{', by a plugin' * self.plugin}{', watched' * self.watched}"
            f"{', by two entries' * self.second}{f', {self.lanes} commands' * (self.lanes > 1)}"
            f"{f', {self.literals}' * (self.sink == 'append')}"
            f"{f', {self.connections} connections' * (self.connections > 1)}"
            f"{', mail expires' * self.expires}",
        ]
        for number, poll in enumerate(self.faults, 1):
            lines.append(f"  poll {number}: {'; '.join(map(str, poll)) or 'nothing goes wrong'}")
        return "\n".join(lines)


def draw_scenario(seed: int, possible: Possible) -> Scenario:
    """Draw a scenario; the same seed gives the same one."""
    random = Random(seed)
    # What was added later is drawn apart: seeds known to fail stay as they are.
    others = Random(f"{seed} others")
    of_gmail = Random(f"{seed} gmail")
    source = random.choice(("imap", "imap", "pop3"))
    sink = random.choice(("smtp", "lmtp", "maildir", "mda", "append", "bsmtp", "mbox"))
    if sink in {"lmtp", "mbox"} and of_gmail.random() < 0.35:
        sink = "gmail"
    texts = [draw_text(random, seed, number) for number in range(random.randrange(7))]
    options = draw_options(random)
    options |= draw_retention(Random(f"{seed} retention"), options)
    uids = "good"
    if source == "pop3" and random.random() < 0.2:
        uids = random.choice(("alike", "alike" if "keep" in options else "none"))
    faults = draw_faults(random, possible(source, sink))
    quirk = random.choice(("", *QUIRKS[source])) if random.random() < 0.4 else ""
    if quirk == "a number without id" and "keep" in options:
        # What cannot be remembered is not fetched then.
        quirk = ""
    return Scenario(
        seed,
        source,
        sink,
        texts,
        options,
        (b"UIDPLUS",) if random.random() < 0.7 else (),
        draw_extensions(random),
        random.choice((0.0, 0.05)),
        random.random() < 0.25,
        random.random() < 0.3,
        uids,
        random.random() < 0.5,
        random.choice((0, 0, 0, 1, 2)),
        quirk,
        random.random() < 0.2,
        random.random() < 0.2,
        source == "imap" and random.random() < 0.2,
        random.random() < 0.15,
        others.choice((1, 1, 2, 3, 8)) if sink == "mda" else 1,
        others.choice(("LITERAL+", "LITERAL+", "LITERAL-", "no literals")),
        others.choice((1, 1, 1, 2, 3, 8)) if sink in {"smtp", "lmtp"} else 1,
        "delete_after" in options,
        faults,
    )


def draw_faults(random: Random, possible: list[tuple[str, str]]) -> list[list[Fault]]:
    """Draw what goes wrong in each of the first polls: kinds first, that none is rare."""
    places: dict[str, list[str]] = {}
    for name, at in possible:
        places.setdefault(name, []).append(at)
    names = list(places)
    polls: list[list[Fault]] = []
    for _ in range(random.randrange(1, 5)):
        drawn = random.choices(names, k=random.choice((1, 1, 2, 2, 3)))
        polls.append([draw(random, name, random.choice(places[name])) for name in drawn])
    return polls


def draw_options(random: Random) -> dict[str, Any]:
    """Draw what the user has asked for."""
    options: dict[str, Any] = {}
    if random.random() < 0.4:
        options["keep"] = True
    if random.random() < 0.2:
        options["fetchall"] = True
    if random.random() < 0.3:
        options["expunge"] = random.randrange(1, 4)
    if random.random() < 0.3:
        options["fetchlimit"] = random.randrange(1, 4)
    if random.random() < 0.1:
        options["limit"] = random.choice((80, 1000))
        options["limitflush"] = random.random() < 0.5
    if random.random() < 0.1:
        options["flush"] = True
    if random.random() < 0.3:
        options["policy"] = Policy(softbounce=False, bouncemail=random.random() < 0.8)
    if random.random() < 0.1:
        options["retrieve_error"] = OnRetrieveError.ABORT
    return options


def draw_retention(random: Random, options: dict[str, Any]) -> dict[str, Any]:
    """Draw whether kept mail is deleted some time after its delivery, a few messages at a time."""
    if "keep" not in options or "fetchall" in options or random.random() < 0.6:
        return {}
    return {"delete_after": random.choice((1, 5000, 90_000)), "delete_limit": random.choice((1, 9))}


def draw_extensions(random: Random) -> dict[bytes, bytes]:
    """Draw what a listener offers."""
    offered = (b"PIPELINING", b"8BITMIME", b"SIZE", b"ENHANCEDSTATUSCODES")
    extensions = {name: b"" for name in offered if random.random() < 0.8}
    if random.random() < 0.2:
        extensions |= {b"8BITMIME": b"", b"CHUNKING": b"", b"BINARYMIME": b""}
    return extensions


def draw_text(random: Random, seed: int, number: int) -> bytes:
    """Draw a message: no two are equal, nor of the same size."""
    header = (
        b"From: a%d@x\r\nX-To: joe@server, ann@server\r\nSubject: %d of %d\r\n"
        b"Message-ID: <%d@x>\r\n" % (number, number, seed, number)
    )
    line = random.choice((b"hello\r\n", b".\r\n..\r\n", b"Gr\xfc\xdfe\r\n", b"y" * 1200 + b"\r\n"))
    lines = random.choice((0, 1, 1, 2, 10, 100))
    body = (line * lines)[:LONGEST].rpartition(b"\n")[0]
    body += b"\n" if body else b""
    text = header + b"\r\n" + body
    # The ledger tells messages under one UID apart by their sizes.
    return text + b"x" * ((number - len(text)) % 64) + b"\r\n"
