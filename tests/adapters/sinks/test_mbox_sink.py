"""A mailbox file as a sink: its contents, its locks, and its state after a kill."""

from __future__ import annotations

import errno
import fcntl
import mailbox
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters import folders
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks import mbox, spooled
from mailhaul.adapters.sinks.mbox import MboxSink
from mailhaul.adapters.sinks.mbox_lock import STALE_SECONDS
from mailhaul.adapters.sinks.spool import write_all
from mailhaul.adapters.sinks.spooled import MAX_WAIT
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

HEADER = b"Subject: hi\n\n"
BODY = b"one\nFrom here on\n>From there\nlast\n"
PROOF = CompletionProof(1, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def sink_of(path: Path) -> MboxSink:
    return MboxSink(str(path), "home", str(path.parent))


async def offered(sink: MboxSink, body: bytes = BODY, *, whole: bool = True) -> Outcome:
    delivery = await sink.offer(Parcel(b"a@x", (b"joe",), HEADER, len(body)))
    assert await delivery.ready()
    await delivery.feed(HEADER)
    await delivery.feed(body)
    if whole:
        await delivery.complete(PROOF)
    else:
        await delivery.abandon()
    verdict = await delivery.outcome()
    assert delivery.known_outcome() == verdict
    assert not sink.listening()
    return verdict


def run(flow: Coroutine[Any, Any, Outcome]) -> Verdict:
    outcome: Outcome = Simulation().run(flow)
    return outcome.verdict


def deliver(path: Path, body: bytes = BODY) -> Verdict:
    return run(offered(sink_of(path), body))


def stored(path: Path) -> list[bytes]:
    """Read the messages with Python's mailbox module, which does not remove the quoting."""
    box = mailbox.mbox(path, create=False)
    try:
        return [re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(key)) for key in box.iterkeys()]
    finally:
        box.close()


MESSAGE = b"Return-Path: <a@x>\n" + HEADER + BODY


def test_a_reader_finds_the_messages_as_they_were(path: Path) -> None:
    assert [deliver(path), deliver(path, b"two")] == [Verdict.ACCEPTED] * 2
    assert stored(path) == [MESSAGE, b"Return-Path: <a@x>\n" + HEADER + b"two\n"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["inbox"]


def test_the_first_line_has_sender_and_date(path: Path) -> None:
    before = int(time.time())
    deliver(path)
    first, sender, *date = path.read_bytes().split(b"\n")[0].split(b" ", 2)
    assert (first, sender) == (b"From", b"a@x")
    said = time.strptime(date[0].decode(), "%a %b %d %H:%M:%S %Y")
    dates = range(before, int(time.time()) + 1)
    assert said[:6] in [time.gmtime(moment)[:6] for moment in dates]


def test_an_abandoned_message_does_not_create_the_file(path: Path) -> None:
    assert run(offered(sink_of(path), whole=False)) is Verdict.POSTPONED
    assert not path.exists()


@pytest.mark.parametrize(
    ("before", "gap"),
    [
        (b"", b""),
        (b"From x\nA: 1\n\n", b""),
        (b"From x\nA: 1\n", b"\n"),
        (b"From x\nA: 1", b"\n\n"),
        (b"From x\r\n\r\n", b"\n"),
        (b"\n", b"\n"),
    ],
)
def test_a_message_begins_after_a_blank_line(path: Path, before: bytes, gap: bytes) -> None:
    path.write_bytes(before)
    deliver(path)
    assert path.read_bytes().startswith(before + gap + b"From a@x ")


def gone() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        return child.pid


def leave_a_lock(path: Path) -> None:
    """Create the lock file of a killed process."""
    Path(f"{path}.lock").write_text(f"{gone()} home\n")


@pytest.mark.parametrize("before", [b"", b"From x\nA: 1\n\n"])
@pytest.mark.parametrize("half", [b"F", b"From", b"From ", b"From a@x Mon"])
def test_an_incomplete_from_line_is_not_part_of_the_previous_message(
    path: Path, before: bytes, half: bytes
) -> None:
    path.write_bytes(before + half)
    leave_a_lock(path)
    deliver(path)
    assert path.read_bytes().startswith(before + b"From a@x ")
    assert b"\n" + half + b"\n" not in path.read_bytes()


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("before", [b"From x\nA: 1\nFrom", b"From x\n\nFrom:", b"text\n\nX"])
def test_a_line_that_may_be_text_stays(path: Path, before: bytes, killed: bool) -> None:
    path.write_bytes(before)
    if killed:
        leave_a_lock(path)
    deliver(path)
    assert path.read_bytes().startswith(before + b"\n\nFrom a@x ")


@pytest.mark.parametrize("before", [b"From x\n\nFrom now on", b"text\n\nF"])
def test_without_a_kill_nothing_is_cut_off(path: Path, before: bytes) -> None:
    path.write_bytes(before)
    deliver(path)
    assert path.read_bytes().startswith(before + b"\n\nFrom a@x ")


def test_both_locks_are_held_during_the_append(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bool]] = []
    sync = os.fsync

    def look(file: int) -> None:
        # A process cannot detect its own POSIX lock.
        script = "import fcntl,sys;fcntl.lockf(open(sys.argv[1],'ab'),fcntl.LOCK_EX|fcntl.LOCK_NB)"
        other = subprocess.run(
            [sys.executable, "-c", script, path], check=False, stderr=subprocess.DEVNULL
        )
        if os.path.samestat(os.fstat(file), path.stat()):
            seen.append((Path(f"{path}.lock").read_bytes(), other.returncode == 0))
        sync(file)

    monkeypatch.setattr(os, "fsync", look)
    deliver(path)
    assert seen == [(b"%d home\n" % os.getpid(), False)]
    assert not Path(f"{path}.lock").exists()


def test_the_sink_waits_while_another_program_holds_the_lock(path: Path) -> None:
    lock = Path(f"{path}.lock")
    lock.touch()
    simulation = Simulation()

    async def story() -> tuple[Verdict, float]:
        verdict = (await offered(Unlocking(path, lock, after=3))).verdict
        return verdict, simulation.now

    verdict, waited = simulation.run(story())
    assert verdict is Verdict.ACCEPTED
    assert 0 < waited < MAX_WAIT
    assert stored(path) == [MESSAGE]


class Unlocking(MboxSink):
    """A sink whose lock another program releases after some attempts."""

    def __init__(self, path: Path, lock: Path, after: int) -> None:
        super().__init__(str(path), "home", str(path.parent))
        self._lock = lock
        self._after = after

    async def wait(self) -> bool:
        self._after -= 1
        if self._after == 0:
            self._lock.unlink()
        return await super().wait()


def test_the_waiting_time_is_for_the_whole_poll(path: Path) -> None:
    Path(f"{path}.lock").touch()
    sink = sink_of(path)
    simulation = Simulation()

    async def story() -> list[Outcome]:
        return [await offered(sink), await offered(sink)]

    outcomes = simulation.run(story())
    assert [outcome.verdict for outcome in outcomes] == [Verdict.POSTPONED] * 2
    assert "is locked by another program; mail stays at the server" in outcomes[0].reason
    assert simulation.now == MAX_WAIT
    assert not path.exists()


def test_an_fcntl_lock_of_another_process_is_waited_for(path: Path) -> None:
    path.touch()
    script = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'ab')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        assert deliver(path) is Verdict.POSTPONED
        other.communicate()
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == ["inbox"]
    assert deliver(path) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("holder", "age", "verdict"),
    [
        ("{gone} home\n", 0, Verdict.ACCEPTED),
        ("{gone} elsewhere\n", 0, Verdict.POSTPONED),
        ("{gone}\n", 0, Verdict.POSTPONED),
        ("{here} home\n", 0, Verdict.POSTPONED),
        ("99999999999999999999 home\n", 0, Verdict.POSTPONED),
        ("", 0, Verdict.POSTPONED),
        ("", STALE_SECONDS - 100, Verdict.POSTPONED),
        ("", STALE_SECONDS + 10, Verdict.ACCEPTED),
        ("{gone} elsewhere\n", STALE_SECONDS + 10, Verdict.ACCEPTED),
        ("{here} home\n", STALE_SECONDS + 10, Verdict.ACCEPTED),
    ],
)
def test_a_stale_lock_is_removed(path: Path, holder: str, age: int, verdict: Verdict) -> None:
    lock = Path(f"{path}.lock")
    text = holder.format(gone=gone(), here=os.getpid())
    lock.write_text(text)
    then = time.time() - age
    os.utime(lock, (then, then))
    assert deliver(path) is verdict
    if verdict is Verdict.ACCEPTED:
        assert not lock.exists()
    else:
        assert lock.read_text() == text


def test_a_stale_lock_is_not_removed_while_another_program_removes_it(path: Path) -> None:
    lock = Path(f"{path}.lock")
    lock.touch()
    os.utime(lock, (0, 0))
    with lock.open() as breaking:
        fcntl.flock(breaking, fcntl.LOCK_EX)
        assert deliver(path) is Verdict.POSTPONED
    assert lock.exists()


def test_a_lock_that_replaced_ours_is_not_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Path(f"{path}.lock")

    def slow(file: int) -> None:
        lock.unlink()
        lock.write_text("another")

    monkeypatch.setattr(os, "fsync", slow)
    assert deliver(path) is Verdict.ACCEPTED
    assert lock.read_text() == "another"


def test_a_file_that_was_replaced_meanwhile_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"old\n")
    take = fcntl.lockf

    def replaced(file: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "lockf", take)
        (path.parent / "fresh").write_bytes(b"new\n")
        os.rename(path.parent / "fresh", path)
        take(file, operation)

    monkeypatch.setattr(fcntl, "lockf", replaced)
    assert deliver(path) is Verdict.ACCEPTED
    assert path.read_bytes().startswith(b"new\n\nFrom a@x ")


@pytest.mark.parametrize("broken", ["write", "fsync"])
def test_a_disk_that_is_full_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    before = b"From x\nA: 1\n\nbody\n"
    path.write_bytes(before)
    monkeypatch.setattr(spooled, "BLOCK", 16)
    write, sync, left = write_all, os.fsync, [2]

    def full(file: int, data: bytes = b"") -> None:
        left[0] -= 1
        if left[0] < 0 or broken == "fsync":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, data)

    monkeypatch.setattr(mbox, "write_all", full if broken == "write" else write)
    monkeypatch.setattr(os, "fsync", full if broken == "fsync" else sync)
    with pytest.raises(PollFailed, match=r"inbox: No space left on device; mail stays") as failure:
        deliver(path)
    assert failure.value.code is ExitCode.IOERR
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["inbox"]


def test_a_signal_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(path, b"first\n")
    before = path.read_bytes()

    def interrupted(file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deliver(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["inbox"]


def test_a_lock_that_is_a_fifo_is_waited_for_and_then_left(path: Path) -> None:
    os.mkfifo(f"{path}.lock")
    os.utime(f"{path}.lock", (0, 0))
    assert deliver(path) is Verdict.POSTPONED


def test_a_lock_that_is_a_link_is_waited_for_and_then_left(path: Path) -> None:
    os.symlink("/etc/passwd", f"{path}.lock")
    assert deliver(path) is Verdict.POSTPONED
    assert os.path.islink(f"{path}.lock")


def test_a_new_file_whose_name_does_not_reach_the_disk_stays_empty(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(folders, "sync_folder", broken)
    with pytest.raises(PollFailed):
        deliver(path)
    assert path.read_bytes() == b""


def test_a_failure_leaves_no_descriptor_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(path)
    before = os.listdir("/proc/self/fd")

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PollFailed):
        deliver(path)
    assert os.listdir("/proc/self/fd") == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PollFailed, match=r"nowhere/inbox\.lock: No such file or directory"):
        run(offered(MboxSink(str(tmp_path / "nowhere" / "inbox"), "home", str(tmp_path))))


def test_a_file_that_is_not_regular_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(PollFailed, match="is not a regular file"):
        deliver(path)
    assert os.listdir(path.parent) == ["inbox"]


DYING = """
import os, signal, sys
from mailhaul.adapters import folders
from mailhaul.adapters.sinks import mbox, spooled
from tests.adapters.sinks.test_mbox_sink import BODY, deliver
from pathlib import Path
write, left = mbox.write_all, int(sys.argv[2])
def dying(file, data):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, data)
mbox.write_all = dying
spooled.BLOCK = 16
deliver(Path(sys.argv[1]), BODY)
"""


@pytest.mark.parametrize("blocks", range(6))
def test_a_kill_during_the_append_damages_no_other_message(path: Path, blocks: int) -> None:
    deliver(path, b"first\n")
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", DYING, path, str(blocks)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path(f"{path}.lock").exists()
    assert deliver(path) is Verdict.ACCEPTED
    found = stored(path)
    assert found[0] == b"Return-Path: <a@x>\n" + HEADER + b"first\n"
    assert found[-1] == MESSAGE
    assert len(found) <= 3


HERE = Tcp("imap", 143)
TEXTS = [b"From: a%d@x\nSubject: %d\n\nhello\n" % (n, n) for n in range(5)]
KILLS = range(1, 200, 1 if os.environ.get("MAILHAUL_SOAK") else 4)


def poll(folder: Path, inbox: Mailbox, simulation: Simulation) -> ExitCode:
    boxes = Mailboxes({b"INBOX": inbox})
    simulation.listen(HERE, ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"}))
    access = Access("server", HERE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"))
    account = Account("imap joe@server", "joe", "server", "server")
    rules = HeaderRules("server", "joe", None)
    return simulation.run(
        Poll(
            account,
            ImapSource(access, lambda event: None),
            "mbox",
            lambda: sink_of(folder / "inbox"),
            SqliteLedger(str(folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            lambda event: None,
        ).run()
    )


@pytest.mark.parametrize("step", KILLS)
def test_a_kill_at_any_step_loses_nothing_and_costs_one_second_copy_at_most(
    tmp_path: Path, step: int
) -> None:
    inbox = Mailbox(TEXTS, uidvalidity=5)
    try:
        poll(tmp_path, inbox, Simulation(round_trip=0.05, kill_at=step))
    except Killed:
        poll(tmp_path, inbox, Simulation(round_trip=0.05))
    got = [text.partition(b"\n")[2] for text in stored(tmp_path / "inbox")]
    assert set(got) == set(TEXTS)
    assert len(got) <= len(TEXTS) + 1
    assert inbox.messages == []
