"""What is measured: a row for each scenario, with its goals."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .mail import MIXED, SMALL, Mix

MEBIBYTE = 1 << 20
IDLE_CONNECTIONS = 5000
IDLE_GOAL = 40
"""KiB for each connection that waits (D1)."""


@dataclass(frozen=True, slots=True)
class Goal:
    """mailhaul takes at most so many times what something else takes in the same round.

    ``against`` is "floor", "best peer", or a tool. ``aim`` is where it should end up.
    """

    against: str
    at_most: float
    aim: float | None = None

    def __str__(self) -> str:
        """Return it as the table shows it."""
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        return f"{self.at_most:g} x {self.against}{aim}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many messages from a server to a sink, by some tools.

    ``sink`` is smtp, maildir, mda or append. ``seen`` means that there is nothing new: every
    message has been fetched, or read, before. With ``own_hosts``, each account is at an address
    of its own, as accounts at many providers are. The listener announces ``extensions``, and
    mailhaul uses ``parallel`` connections to it.
    ``most_mebibytes`` and ``most_seconds`` bound mailhaul's memory and wall time, if there is a
    goal for that. ``quick`` is the number of messages for daily use; None leaves the scenario out.
    """

    name: str
    title: str
    protocol: str
    sink: str
    messages: int
    peers: tuple[str, ...]
    goals: tuple[Goal, ...]
    floor: str = "relay"
    sizes: Mix = SMALL
    milliseconds: int = 0
    sink_milliseconds: int = 0
    tls: bool = False
    ssh: bool = False
    accounts: int = 1
    own_hosts: bool = False
    seen: bool = False
    extensions: tuple[str, ...] = ("PIPELINING",)
    parallel: int = 1
    most_mebibytes: int | None = 40
    most_seconds: float | None = None
    quick: int | None = None

    def shortened(self) -> Scenario:
        """Return the scenario for daily use: with fewer messages, and the peer of its goal."""
        named = {goal.against for goal in self.goals} & {*self.peers}
        peers = tuple(name for name in self.peers if name in named) or self.peers[:1]
        return replace(self, messages=self.quick or 0, peers=peers)


SCENARIOS = (
    Scenario(
        "S1",
        "IMAP, 1,000 of 4 KB, to SMTP",
        *("imap", "smtp", 1000, ("fetchmail", "fdm")),
        (Goal("floor", 3.5, 2.5),),
        quick=300,
    ),
    Scenario(
        "S2",
        "IMAP, 100 of 4 KB, round trip 50 ms, to SMTP",
        *("imap", "smtp", 100, ("fdm",)),
        (Goal("floor", 2.5, 2.0),),
        milliseconds=50,
    ),
    Scenario(
        "S3a",
        "POP3, 1,000 of 4 KB, to SMTP",
        *("pop3", "smtp", 1000, ("fetchmail", "fdm")),
        (Goal("fetchmail", 0.6),),
        quick=300,
    ),
    Scenario(
        "S3b",
        "POP3, 100 of 4 KB, round trip 50 ms, to SMTP",
        *("pop3", "smtp", 100, ("fdm",)),
        (Goal("floor", 2.0),),
        milliseconds=50,
    ),
    Scenario(
        "S3m",
        "POP3, 1,000 of 4 KB, to a Maildir",
        *("pop3", "maildir", 1000, ("mpop", "getmail", "fdm")),
        (Goal("mpop", 1.2, 1.0),),
        quick=300,
    ),
    Scenario(
        "S3n",
        "POP3, 100 of 4 KB, round trip 50 ms, to a Maildir",
        *("pop3", "maildir", 100, ("mpop", "fdm")),
        (Goal("mpop", 1.0, 0.8),),
        milliseconds=50,
    ),
    Scenario(
        "S4",
        "IMAP, 5 of 20 MB, to SMTP",
        *("imap", "smtp", 5, ("fdm", "fetchmail")),
        (Goal("best peer", 1.0),),
        sizes=Mix((20 * MEBIBYTE,)),
    ),
    Scenario(
        "S5",
        "IMAP, 1,000 of 4 KB to 1 MB, to an MDA",
        *("imap", "mda", 1000, ("fdm", "fetchmail")),
        (Goal("fdm", 0.5, 0.3),),
        sizes=MIXED,
    ),
    Scenario(
        "S6",
        "IMAP, 2,000 of 4 KB, to a Maildir",
        *("imap", "maildir", 2000, ("mbsync", "getmail", "fdm")),
        (Goal("mbsync", 1.1, 0.9),),
        quick=600,
    ),
    Scenario(
        "S6b",
        "IMAP, 100 of 4 KB, round trip 50 ms, to a Maildir",
        *("imap", "maildir", 100, ("mbsync", "fdm")),
        (Goal("mbsync", 1.0),),
        milliseconds=50,
    ),
    Scenario(
        "S7-pop3",
        "POP3, 10,000 known, nothing new",
        *("pop3", "maildir", 10_000, ("mpop",)),
        (Goal("floor", 2.0),),
        floor="listing",
        seen=True,
        quick=1000,
    ),
    Scenario(
        "S7-imap",
        "IMAP, 10,000 read, nothing new",
        *("imap", "maildir", 10_000, ("fdm", "fetchmail", "mbsync")),
        (Goal("floor", 2.0),),
        floor="listing",
        seen=True,
        quick=1000,
    ),
    Scenario(
        "S8-imap",
        "IMAP, an empty mailbox",
        *("imap", "maildir", 0, ("getmail", "mbsync", "fdm", "fetchmail")),
        (Goal("getmail", 0.65, 0.5), Goal("floor", 5.5, 4.0)),
        floor="nothing",
        quick=0,
    ),
    Scenario(
        "S8-pop3",
        "POP3, an empty mailbox",
        *("pop3", "maildir", 0, ("getmail", "mpop", "fdm", "fetchmail")),
        (Goal("getmail", 0.65, 0.5), Goal("floor", 5.5, 4.0)),
        floor="nothing",
        quick=0,
    ),
    Scenario(
        "S9-imap",
        "IMAP, 200 accounts of 2 on one server, round trip 50 ms, to an MDA",
        *("imap", "mda", 2, ("fdm",)),
        (Goal("fdm", 0.5, 0.35),),
        milliseconds=50,
        accounts=200,
        most_mebibytes=None,
    ),
    Scenario(
        "S9-pop3",
        "POP3, 200 accounts of 2 on one server, round trip 50 ms, to an MDA",
        *("pop3", "mda", 2, ("fdm",)),
        (Goal("fdm", 0.9, 0.6),),
        milliseconds=50,
        accounts=200,
        most_mebibytes=None,
    ),
    Scenario(
        "S9-hosts",
        "IMAP, 200 accounts of 2 on 200 servers, round trip 50 ms, to an MDA",
        *("imap", "mda", 2, ("fdm",)),
        (Goal("fdm", 0.5),),
        milliseconds=50,
        accounts=200,
        most_mebibytes=None,
        own_hosts=True,
    ),
    Scenario(
        "S10",
        "IMAPS, 1,000 of 4 KB, to SMTP",
        *("imap", "smtp", 1000, ("fetchmail", "fdm")),
        (Goal("floor", 3.5),),
        tls=True,
    ),
    Scenario(
        "S10-large",
        "IMAPS, 5 of 20 MB, to SMTP",
        *("imap", "smtp", 5, ("fdm", "fetchmail")),
        (Goal("best peer", 1.0),),
        sizes=Mix((20 * MEBIBYTE,)),
        tls=True,
    ),
    Scenario(
        "S11",
        "IMAP over ssh (PREAUTH), 100 of 4 KB, to a Maildir",
        *("imap", "maildir", 100, ("mbsync",)),
        (Goal("mbsync", 1.1),),
        floor="ssh",
        ssh=True,
    ),
    Scenario(
        "S12",
        "IMAP, 2,000 of 4 KB, to IMAP APPEND, round trip 50 ms on both sides",
        *("imap", "append", 2000, ("mbsync", "imapsync")),
        (Goal("floor", 1.5),),
        floor="append",
        milliseconds=50,
        sink_milliseconds=50,
    ),
    Scenario(
        "S13",
        "IMAP, 100 of 4 KB, to SMTP, round trip 50 ms to the listener, smtpparallel 20",
        *("imap", "smtp", 100, ("fdm",)),
        (),
        sink_milliseconds=50,
        extensions=("PIPELINING", "CHUNKING"),
        parallel=20,
        most_seconds=1.0,
    ),
)
