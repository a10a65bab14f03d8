"""The experiments: one row of the page each. An experiment returns what is seen, in few words."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailhaul import servers
from tests.real.servers.process import free_ports

from .place import LIMIT, POISON, Place, Stall, message, place
from .programs import Program
from .verdicts import Seen, bad, fair, good, nothing

SETTLE = 1.0
"""Seconds between a stop in the middle and the kill: what has arrived is delivered by then."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A row. ``commands`` says that it needs a program that runs a command for each message."""

    title: str
    how: str
    run: Callable[[Place], Seen]
    commands: bool = False


def mailbox(count: int, first: int = 1) -> servers.Mailbox:
    """Return a mailbox with numbered messages."""
    return servers.Mailbox(message(number) for number in range(first, first + count))


def losses(place: Place, box: servers.Mailbox, wanted: int, twice_allowed: int = 1) -> Seen:
    """Say what is gone, what was left at the server, what came twice and what came broken."""
    got = place.arrived()
    half = got.pop("half", 0)
    texts = [one.text for one in box.messages]
    missing = [f"m{number}" for number in range(1, wanted + 1) if not got[f"m{number}"]]
    left = sum(any(f"<{name}@".encode() in text for text in texts) for name in missing)
    twice = sum(got.values()) - len(+got)
    gone = len(missing) - left
    words = ", ".join(
        f"{number} {name}"
        for number, name in (
            (gone, "lost"),
            (left, "left at the server"),
            (half, "broken"),
            (twice, "twice"),
        )
        if number
    )
    if gone:
        return bad(words)
    if left or half or twice > twice_allowed:
        return fair(words)
    return good(words or "all once")


def killed(place: Place) -> Seen:
    """``kill -9`` in the middle of the sixth of ten messages, then another run."""
    box = servers.Mailbox()
    stall = Stall(message(6))
    for number in range(1, 11):
        if number == 6:
            box.append_chunks(len(stall.text), stall.chunks)
        else:
            box.append(message(number))
    job = place.job(place.serve(box))
    process = place.start(job)
    reached = stall.reached.wait(LIMIT)
    if reached:
        time.sleep(SETTLE)
    place.kill(process)
    stall.released.set()
    if not reached:
        return nothing("never came so far")
    place.run(job)
    place.run(job)
    return losses(place, box, 10)


def refused(place: Place) -> Seen:
    """The command refuses the second of four messages, at two polls."""
    box = mailbox(1)
    box.append(message(2, f"{POISON}: yes\r\n".encode()))
    for number in (3, 4):
        box.append(message(number))
    job = place.job(place.serve(box))
    place.run(job)
    place.run(job)
    got = place.arrived()
    others = len([name for name in ("m1", "m3", "m4") if got[name]])
    kept = any(b"<m2@" in one.text for one in box.messages)
    twice = sum(got.values()) - len(got)
    words = f"{others} of 3 others arrive" + (f", {twice} twice" if twice else "")
    words += "; it stays" if kept else "; it is lost"
    if not kept or others < 3:
        return bad(words)
    return fair(words) if twice else good(words)


def cut(place: Place) -> Seen:
    """The connection breaks in the middle of the third of five messages, once."""
    half = len(message(3)) // 2
    cuts, box = iter([{3: half}]), mailbox(5)
    job = place.job(place.serve(box, lambda: next(cuts, {})))
    for _ in range(3):
        place.run(job)
    return losses(place, box, 5, twice_allowed=0)


def hangs(place: Place) -> Seen:
    """A server that accepts the connection and says nothing; a timeout of 3 seconds is set."""
    run = place.run(place.job(place.silent(), timeout=3))
    if run.code is None:
        return bad(f"still waiting after {LIMIT:.0f} s")
    words = f"ends after {run.seconds:.0f} s with {run.code}"
    return good(words) if run.code else fair(words)


def neighbour(place: Place) -> Seen:
    """Two accounts; the server of the first says nothing, the timeout is 8 seconds."""
    job = place.job(place.silent(), place.serve(mailbox(1)), timeout=8)
    began = time.monotonic()
    process = place.start(job)
    while not place.arrived() and time.monotonic() - began < LIMIT and process.poll() is None:
        time.sleep(0.02)
    took = time.monotonic() - began
    came = bool(place.arrived())
    place.kill(process)
    if not came:
        return bad("does not arrive")
    return good("at once") if took < 4 else fair(f"after {took:.0f} s")


def unread(place: Place) -> Seen:
    """Messages stay at the server: are they still unread there?"""
    if place.program.protocol == "pop3":
        return nothing("no such mark in POP3")
    box = mailbox(3)
    place.run(place.job(place.serve(box), keep=True))
    if len(place.arrived()) < 3 or len(box.messages) < 3:
        return bad("messages did not stay, or did not arrive")
    seen = sum(b"\\Seen" in one.flags for one in box.messages)
    return fair("marked as read") if seen else good("unread")


def renumbered(place: Place) -> Seen:
    """Messages stay; between two polls the server gives the mailbox another UIDVALIDITY."""
    if place.program.protocol == "pop3":
        return nothing("no such number in POP3")
    box = mailbox(3)
    job = place.job(place.serve(box), keep=True)
    place.run(job)
    box.uidvalidity += 1
    place.run(job)
    return losses(place, box, 3, twice_allowed=0)


def exit_codes(place: Place) -> Seen:
    """No mail, a wrong password, and a server that is not there."""
    port = place.serve(mailbox(0))
    codes = [
        place.run(place.job(port)).code,
        place.run(place.job(port, password="wrong")).code,
        place.run(place.job(*free_ports(1))).code,
    ]
    words = ", ".join("-" if code is None else str(code) for code in codes)
    return good(words) if len(set(codes)) == 3 else fair(words)


def certificate(place: Place) -> Seen:
    """A trusted certificate for another host: is the password sent?"""
    box = mailbox(1)
    port = place.serve(box, host="elsewhere.example")
    run = place.run(place.job(port, authority=place.authority, timeout=8))
    if place.arrived():
        return bad("accepts it")
    return good(f"refuses it ({run.code})")


def empty(place: Place) -> Seen:
    """A poll of an empty mailbox: time, the median of five, and memory."""
    job = place.job(place.serve(mailbox(0)))
    runs = [place.run(job) for _ in range(6)][1:]
    seconds = statistics.median(one.seconds for one in runs)
    return nothing(f"{seconds:.2f} s, {place.peak(job):.0f} MiB")


EXPERIMENTS = (
    Experiment(
        "killed in the middle",
        "`kill -9` while the sixth of ten messages arrives, then two more polls",
        killed,
    ),
    Experiment(
        "one message is refused",
        "the command refuses the second of four messages, at two polls",
        refused,
        commands=True,
    ),
    Experiment(
        "the line breaks",
        "the connection is closed in the middle of the third of five messages, once; three polls",
        cut,
    ),
    Experiment(
        "the server hangs",
        "the server accepts the connection and says nothing; a timeout of 3 seconds is set",
        hangs,
    ),
    Experiment(
        "another account hangs",
        "two accounts; the first server says nothing, the timeout is 8 seconds: when does the"
        " mail of the second arrive?",
        neighbour,
    ),
    Experiment(
        "mail that stays",
        "messages stay at the server: are they still unread for the user's mail program?",
        unread,
    ),
    Experiment(
        "new UIDVALIDITY",
        "messages stay; between two polls the server renumbers the mailbox",
        renumbered,
    ),
    Experiment(
        "exit codes",
        "no mail, a wrong password, no server: can a script tell them apart?",
        exit_codes,
    ),
    Experiment(
        "a wrong certificate",
        "the server has a trusted certificate for another host",
        certificate,
    ),
    Experiment(
        "an empty mailbox",
        "wall time (the median of five) and largest memory of one poll, without TLS",
        empty,
    ),
)


def result(experiment: Experiment, program: Program, folder: Path) -> Seen:
    """Run one experiment with one program."""
    if experiment.commands and not program.runs_commands:
        return nothing("runs no command")
    with place(program, folder) as where:
        return experiment.run(where)
