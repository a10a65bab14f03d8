"""An MDA as a sink: acceptance, refusal, and the addresses that are passed to it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.adapters.sinks import mda, spool
from mailhaul.adapters.sinks.mda import MdaSink
from mailhaul.flows.outcome import Outcome, SinkUnavailable, Verdict
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.runtimes import blocking

HEADER = b"Subject: hi\n\n"


def deliver(
    command: str,
    sender: bytes | None = b"a@x",
    recipients: tuple[bytes, ...] = (b"joe",),
    *,
    trusted: tuple[str, ...] = (),
    size: int = 20,
) -> Outcome:
    sink = MdaSink(command, 1.0, "/tmp", trusted=trusted)

    async def story() -> Outcome:
        delivery = await sink.offer(Parcel(sender, recipients, HEADER, size))
        if await delivery.ready():
            await delivery.feed(HEADER)
            if delivery.known_outcome() is None:
                await delivery.complete(CompletionProof(1, 20))
        outcome = await delivery.outcome()
        assert delivery.known_outcome() == outcome
        return outcome

    return blocking.run(story())


@pytest.fixture
def no_statuses() -> Iterator[None]:
    """Ignore SIGCHLD, as inherited from some parent processes."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("end", ["exit 75", "exit 1", "exit 0", "kill -9 $$"])
def test_an_unknown_exit_status_is_a_refusal(no_statuses: None, end: str) -> None:
    outcome = deliver(f"cat >/dev/null; {end}")
    assert outcome.verdict is Verdict.REFUSED
    assert not outcome.served
    assert "ended with an unknown status" in outcome.reason


@pytest.mark.parametrize("hangs", ["sleep 300", "cat >/dev/null; sleep 300", "kill -STOP $$"])
def test_a_terminated_command_counts_as_a_refusal(
    monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    monkeypatch.setattr(mda, "SECONDS", 0.3)
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.2)
    outcome = deliver(f"echo just a moment >&2; {hangs}; true")
    # It may have delivered before it hung, so the number of copies must be limited.
    assert outcome.verdict is Verdict.REFUSED
    assert "just a moment" in outcome.reason


def test_after_repeated_timeouts_no_command_is_started_in_this_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mda, "SECONDS", 0.0)
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.1)
    sink = MdaSink("sleep 300", 0.1, "/tmp")

    async def one() -> Verdict:
        delivery = await sink.offer(Parcel(b"a@x", (b"joe",), HEADER, 20))
        await delivery.complete(CompletionProof(1, 20))
        return (await delivery.outcome()).verdict

    for _ in range(2):
        assert blocking.run(one()) is Verdict.REFUSED
    with pytest.raises(SinkUnavailable, match="2 commands in a row"):
        blocking.run(one())


def test_a_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mda, "SECONDS", 0.3)
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.2)
    outcome = deliver("trap '' TERM; while :; do sleep 1; done")
    assert "timeout after 1 seconds" in outcome.reason


def test_a_command_always_has_ten_minutes() -> None:
    assert MdaSink("cat", 4.0, "/tmp").timeout == 600.0
    assert MdaSink("cat", 900.0, "/tmp").timeout == 900.0


def test_too_many_recipients_are_a_refusal_of_that_message() -> None:
    many = tuple(b"name%d" % n for n in range(20_000))
    outcome = deliver("true %T", recipients=many)
    assert (outcome.verdict, outcome.refusals) == (Verdict.REFUSED, ())
    assert "Argument list too long" in outcome.reason


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("where", ["memfd_create", "write"])
def test_a_message_without_room_in_the_spool_is_refused(
    monkeypatch: pytest.MonkeyPatch, number: int, where: str
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(spool, "write_all", full)
        else:
            patch.setattr(os, where, full)
        outcome = deliver("cat >/dev/null")
    assert (outcome.verdict, outcome.refusals) == (Verdict.REFUSED, ())
    assert os.strerror(number) in outcome.reason
    assert deliver("cat >/dev/null").accepted


EVIL = "a|touch${IFS}%s/pwned|b@example.org"


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'cat >/dev/null; : -f %F'",
        'sh -c "cat >/dev/null; : -f %F"',
        "FAKESSH host /usr/lib/sendmail -f %F joe",
        "eval : %F; cat >/dev/null",
    ],
)
def test_a_second_shell_runs_no_command_from_an_address(command: str, tmp_path: Path) -> None:
    # ssh joins its arguments for a shell on the remote host.
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nshift\ncat >/dev/null\nsh -c ": $*"\n')
    ssh.chmod(0o755)
    command = command.replace("FAKESSH", str(ssh))
    outcome = deliver(command, (EVIL % tmp_path).encode())
    assert outcome.verdict is Verdict.REFUSED
    assert "second shell" in outcome.reason
    assert not (tmp_path / "pwned").exists()
    assert deliver(command, b"ann@example.org").accepted
    assert deliver(command, b"").accepted


def test_the_suggested_command_takes_any_address(tmp_path: Path) -> None:
    sender = EVIL % tmp_path
    command = f"sh -c 'cat >/dev/null; printf %b \"$1\" >{tmp_path}/sender' sh %F"
    assert deliver(command.replace("printf %b", "echo"), sender.encode()).accepted
    assert (tmp_path / "sender").read_text() == sender + "\n"
    assert not (tmp_path / "pwned").exists()


def test_a_second_shell_that_gets_no_address_needs_nothing(tmp_path: Path) -> None:
    assert deliver("sh -c 'cat >/dev/null'", (EVIL % tmp_path).encode()).accepted


def test_recipients_of_the_rc_file_are_trusted() -> None:
    command = "sh -c 'cat >/dev/null' %T"
    assert deliver(command, recipients=(b"o'brien",)).verdict is Verdict.REFUSED
    assert deliver(command, recipients=(b"o'brien",), trusted=("o'brien",)).accepted


def test_an_address_does_not_choose_the_folder(tmp_path: Path) -> None:
    command = f"cat >>{tmp_path}/%T"
    outcome = deliver(command, recipients=(b"../../escaped",))
    assert outcome.verdict is Verdict.REFUSED
    assert deliver(command, recipients=(b"joe",)).accepted
    assert os.listdir(tmp_path) == ["joe"]


def test_a_process_without_descriptors_starts_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("mailhaul.runtimes.engine.pipe_for_output", none_left)
    with pytest.raises(SinkUnavailable, match="Too many open files"):
        deliver("cat >/dev/null")
