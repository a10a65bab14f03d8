"""Run the mailhaul command as cron would, and say what its mail and its lines must look like."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .corpus import CORPUS, unix

RUN_SECONDS = 60.0
BACKGROUND = {"exim4"}
"""Programs that go on by design once they have answered: Exim delivers behind its 250."""

TRACE = re.compile(
    rb"Received: from (?P<server>\S+)(?: \[(?P<address>[0-9.]+)\])?\n"
    rb"\tby \S+ with IMAP \(mailhaul-[0-9.]+\)\n"
    rb"\tfor <(?P<recipient>[^<>]+)> \(single-drop\);"
    rb" \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4} \(\w+\)\n"
)
MESSAGE_ID = re.compile(rb"^message-id: <(\w+)@example\.org>$", re.IGNORECASE | re.MULTILINE)
FIELD_END = re.compile(rb"\n(?![ \t])")


@dataclass(frozen=True)
class Run:
    """What one run did. ``left`` names the processes of its session that outlived it."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)
    left: tuple[str, ...]

    @property
    def status_lines(self) -> list[str]:
        """The lines on what there was and what became of it, as status_lines() has them."""
        return status_lines(self.out)


def mailhaul(
    rc: str,
    home: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    patience: float = RUN_SECONDS,
    below: Sequence[str] = (),
) -> Run:
    """Run ``mailhaul -f RCFILE ARGUMENTS``, ``below`` another command, and wait for its end.

    All its files stay below ``home``. It leads a session of its own without a terminal, so
    that nothing below it can ask, and what it leaves behind can be told by the session.
    """
    path = home / "mailhaulrc"
    path.write_text(rc)
    path.chmod(0o600)
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        process = subprocess.Popen(
            [*below, sys.executable, "-m", "mailhaul", "-f", str(path), *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(home),
                # Else root's pidfile would be the whole machine's.
                "FETCHMAILHOME": str(home),
                "LC_ALL": "C",
                **(environment or {}),
            },
        )
    try:
        code = process.wait(patience)
    finally:
        process.kill()
        process.wait()
    left = tuple(members(process.pid))
    return Run(code, (home / "out").read_text(), (home / "err").read_text(), left)


def members(session: int) -> Iterable[str]:
    """Yield the command lines of the processes in a session that still do something."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != session:
                continue
            words = (folder / "cmdline").read_bytes().split(b"\0")
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        # A process that has ended and waits to be reaped has no command line any more.
        if any(words) and name not in BACKGROUND:
            yield b" ".join(words).decode(errors="replace")


def status_lines(printed: str) -> list[str]:
    """Return the lines about mailboxes and messages, without the program's name before them."""
    lines = [line.removeprefix("fetchmail: ") for line in printed.splitlines()]
    lines = [line.removeprefix("mailhaul: ") for line in lines]
    wanted = re.compile(
        r"\d+ messages?.* for |No mail for |reading message |skipping message |fetchlimit "
    )
    return [line for line in lines if wanted.match(line)]


def reading_line(whom: str, number: int, total: int, message: bytes, fate: str) -> str:
    """Return fetchmail's line on a message; ``whom`` is USER@SERVER."""
    header, blank, body = message.partition(b"\r\n\r\n")
    return (
        f"reading message {whom}:{number} of {total} ({len(header + blank)} header octets)"
        f" ({len(body)} body octets) {fate}"
    )


@dataclass(frozen=True)
class Way:
    """How mail came: what its header must tell, and what the receiver itself changes.

    ``server``, ``address`` and ``recipient`` stand in mailhaul's Received field; ``above`` is
    the name of the one field that the receiver puts on top. What travels by SMTP or LMTP
    ends in a line end, and Exim ends each header with a blank line.
    """

    server: str
    recipient: str
    address: str = ""
    above: bytes = b""
    ends_lines: bool = True
    ends_header: bool = False

    def expected(self, message: bytes) -> bytes:
        """Return what is stored below the added fields, with LF line ends."""
        header, blank, body = unix(message).partition(b"\n\n")
        server = self.server.encode()
        for bare, complete in (
            (b"From: ann\n", b"From: ann@%b\n"),
            (b"To: bob, Carol Clerk <carol>\n", b"To: bob@%b, Carol Clerk <carol@%b>\n"),
            (b"Cc: dave (the other one)\n", b"Cc: dave@%b (the other one)\n"),
        ):
            header = header.replace(bare, complete.replace(b"%b", server))
        if self.ends_header and not blank:
            header, blank = header.removesuffix(b"\n"), b"\n\n"
        text = header + blank + body
        return text if text.endswith(b"\n") or not self.ends_lines else text + b"\n"

    def check(self, stored: bytes, message: bytes) -> None:
        """Fail unless ``stored`` is ``message`` with the fields that this way adds."""
        rest = stored
        if self.above:
            top, rest = first_field(rest)
            assert top.startswith(self.above + b": "), top
        field, rest = first_field(rest)
        trace = TRACE.fullmatch(field)
        assert trace, field
        assert trace["server"].decode() == self.server
        assert (trace["address"] or b"").decode() == self.address
        assert trace["recipient"].decode() == self.recipient
        same(rest, self.expected(message))

    def check_corpus(
        self, stored: Iterable[bytes], messages: Mapping[str, Callable[[], bytes]] = CORPUS
    ) -> None:
        """Fail unless each of these messages has arrived, once, and nothing else has."""
        arrived = by_name(stored)
        assert set(arrived) == set(messages)
        for name, make in messages.items():
            self.check(arrived[name], make())


def first_field(message: bytes) -> tuple[bytes, bytes]:
    """Return the first header field, with its line ends, and what follows it."""
    end = FIELD_END.search(message)
    assert end, message[:200]
    return message[: end.end()], message[end.end() :]


def by_name(stored: Iterable[bytes]) -> dict[str, bytes]:
    """Return messages by the name in their Message-ID. Fails if one has come twice."""
    arrived: dict[str, bytes] = {}
    for message in stored:
        found = MESSAGE_ID.search(message)
        assert found, message[:500]
        name = found[1].decode()
        assert name not in arrived, f"{name} came twice"
        arrived[name] = message
    return arrived


def same(got: bytes, expected: bytes) -> None:
    """Fail with the first place where two messages differ: a whole diff of a big one takes ages."""
    if got == expected:
        return
    at = next(
        (n for n, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b),
        min(len(got), len(expected)),
    )
    around = slice(max(0, at - 40), at + 40)
    pytest.fail(f"differs at octet {at}: {got[around]!r} instead of {expected[around]!r}")
