"""A Maildir as a sink: what is on the disk when, and that no kill makes a second copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks import maildir, open_files, spool
from mailhaul.adapters.sinks.maildir import STALE_SECONDS, MaildirDelivery, MaildirSink
from mailhaul.adapters.sinks.maildir_copies import is_same_message
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Delivery, Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes import blocking
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

NAME = "1763900000.R0123456789abcdef"
HEADER = b"Subject: hi\r\n\r\n"
PROOF = CompletionProof(1, 5)


def run(flow: Coroutine[Any, Any, Any]) -> Any:
    return blocking.run(flow)


def parcel(*, again: bool = False) -> Parcel:
    return Parcel(b"a@x", (b"joe",), HEADER, 20, NAME, again)


def deliver(sink: MaildirSink, *, again: bool = False, whole: bool = True) -> Verdict:
    async def story() -> Verdict:
        delivery = await sink.offer(parcel(again=again))
        if await delivery.ready():
            await delivery.feed(HEADER)
            await delivery.feed(b"text\r\n")
            if not whole:
                await delivery.abandon()
            else:
                await delivery.complete(PROOF)
        verdict = await delivery.outcome()
        assert delivery.known_outcome() == verdict
        assert not sink.listening()
        await sink.close()
        return verdict.verdict

    found: Verdict = run(story())
    return found


def files(folder: Path) -> dict[str, list[str]]:
    return {kind: sorted(os.listdir(folder / kind)) for kind in ("tmp", "new", "cur")}


def test_a_message_is_in_new_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "Mail"
    assert deliver(MaildirSink(str(folder), "host/a:b")) is Verdict.ACCEPTED
    name = NAME + ".host\\057a\\072b"
    assert files(folder) == {"tmp": [], "new": [name], "cur": []}
    assert (folder / "new" / name).read_bytes() == HEADER + b"text\r\n"
    assert (folder / "new" / name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_abandoned_message_leaves_no_file(tmp_path: Path) -> None:
    assert deliver(MaildirSink(str(tmp_path), "h"), whole=False) is Verdict.POSTPONED
    assert files(tmp_path) == {"tmp": [], "new": [], "cur": []}


@pytest.mark.parametrize("place", ["new", "cur"])
def test_what_was_delivered_before_a_kill_is_found_again(tmp_path: Path, place: str) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    deliver(sink)
    if place == "cur":
        os.rename(tmp_path / "new" / f"{NAME}.h", tmp_path / "cur" / f"{NAME}.h:2,FS")
    assert deliver(sink, again=True) is Verdict.ACCEPTED
    assert sum(map(len, files(tmp_path).values())) == 1


TRACE = b"Received: from x by y with IMAP (mailhaul-0.1)\r\n\tfor <joe>; %b\r\n"


@pytest.mark.parametrize(
    ("there", "same"),
    [
        (TRACE % b"Monday" + HEADER + b"text\r\n", True),
        (b"Return-Path: <a@x>\r\n" + TRACE % b"Monday" + HEADER + b"text\r\n", False),
        (TRACE % b"Monday" + HEADER + b"another\r\n", False),
        (TRACE % b"Monday" + HEADER + b"tex", False),
        (TRACE % b"Monday" + HEADER.replace(b"hi", b"ho") + b"text\r\n", False),
        (b"Received: from x by y\r\n" + HEADER + b"text\r\n", False),
        (b"", False),
    ],
)
def test_a_file_of_the_same_name_counts_only_if_it_is_the_same_message(
    tmp_path: Path, there: bytes, same: bool
) -> None:
    """A server may have given the UID to another message meanwhile."""
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    (tmp_path / "cur" / f"{NAME}.h:2,S").write_bytes(there)
    ours = TRACE % b"a day later" + HEADER

    async def story(text: bytes) -> Verdict:
        delivery = await sink.offer(parcel(again=True))
        assert await delivery.ready()
        await delivery.feed(ours + text)
        await delivery.complete(PROOF)
        return (await delivery.outcome()).verdict

    for _ in range(2):
        assert run(story(b"text\r\n")) is Verdict.ACCEPTED
        new = [path.read_bytes() for path in (tmp_path / "new").iterdir()]
        assert new == ([] if same else [ours + b"text\r\n"])
    assert run(story(b"third\r\n")) is Verdict.ACCEPTED
    assert len(files(tmp_path)["new"]) == (1 if same else 2)
    assert files(tmp_path)["tmp"] == []


def test_large_messages_are_compared_to_their_end(tmp_path: Path) -> None:
    large = os.urandom(200_000)
    (tmp_path / "one").write_bytes(TRACE % b"1" + HEADER + large)
    (tmp_path / "two").write_bytes(TRACE % b"22" + HEADER + large)
    assert is_same_message(str(tmp_path / "one"), str(tmp_path / "two"))
    (tmp_path / "two").write_bytes(TRACE % b"22" + HEADER + large[:-1] + b"x")
    (tmp_path / "one").write_bytes(TRACE % b"1" + HEADER + large[:-1] + b"y")
    assert not is_same_message(str(tmp_path / "one"), str(tmp_path / "two"))
    os.mkfifo(tmp_path / "fifo")
    assert not is_same_message(str(tmp_path / "one"), str(tmp_path / "fifo"))


def test_an_incomplete_file_from_before_a_kill_is_rewritten(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"{NAME}.h").write_bytes(b"half")
    assert deliver(MaildirSink(str(tmp_path), "h"), again=True) is Verdict.ACCEPTED
    assert (tmp_path / "new" / f"{NAME}.h").read_bytes() == HEADER + b"text\r\n"


def test_only_stale_files_are_removed_from_tmp(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"{NAME}.folder").mkdir()
    os.utime(tmp_path / "tmp" / f"{NAME}.folder", (0, 0))
    names = [f"{NAME}.old", "1763900000.R0123456789abcdee.young", "somebody.elses"]
    for name in names:
        (tmp_path / "tmp" / name).touch()
    for name in (names[0], names[2]):
        os.utime(tmp_path / "tmp" / name, (0, 0))
    young = (tmp_path / "tmp" / names[1]).stat().st_mtime - STALE_SECONDS + 60
    os.utime(tmp_path / "tmp" / names[1], (young, young))
    deliver(MaildirSink(str(tmp_path), "h"))
    assert files(tmp_path)["tmp"] == sorted([*names[1:], f"{NAME}.folder"])


@pytest.mark.parametrize("broken", ["folder", "new"])
def test_an_io_error_ends_the_poll_and_names_the_path(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "Mail"
    sink = MaildirSink(str(folder), "h")
    if broken == "folder":
        folder.write_bytes(b"a file")
    else:
        deliver(sink)
        for path in (folder / "new").iterdir():
            path.unlink()
        (folder / "new").rmdir()
    with pytest.raises(PollFailed, match=str(folder)) as failure:
        deliver(sink, again=True)
    assert failure.value.code is ExitCode.IOERR


def test_a_file_that_cannot_be_written_is_no_delivery_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    monkeypatch.setattr(os, "fsync", full)
    descriptors = os.listdir("/proc/self/fd")
    with pytest.raises(PollFailed, match="No space left"):
        deliver(sink)
    assert files(tmp_path) == {"tmp": [], "new": [], "cur": []}
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def test_a_message_above_the_file_size_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(file: int, data: bytes) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr(maildir, "write_all", too_large)
    assert deliver(MaildirSink(str(tmp_path), "h")) is Verdict.REFUSED
    assert files(tmp_path) == {"tmp": [], "new": [], "cur": []}


def test_file_and_folder_are_synced_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noting_fsync(file: int) -> None:
        steps.append("fsync")
        fsync(file)

    def noting_rename(old: str, new: str) -> None:
        steps.append("rename")
        rename(old, new)

    deliver(MaildirSink(str(tmp_path), "h"))
    os.rename(tmp_path / "new" / f"{NAME}.h", tmp_path / "new" / "another")
    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "rename", noting_rename)
    deliver(MaildirSink(str(tmp_path), "h"))
    assert steps == ["fsync", "rename", "fsync"]


@pytest.mark.parametrize("place", ["new", "cur"])
def test_a_folder_is_synced_too_where_the_message_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The kill may have happened between the rename and the fsync of the folder."""
    sink = MaildirSink(str(tmp_path), "h")
    deliver(sink)
    if place == "cur":
        os.rename(tmp_path / "new" / f"{NAME}.h", tmp_path / "cur" / f"{NAME}.h:2,S")
    synced: list[str] = []
    fsync = os.fsync

    def noting_fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    assert deliver(sink, again=True) is Verdict.ACCEPTED
    assert synced == [str(tmp_path / place)]


@pytest.mark.parametrize("made_before", [False, True])
def test_a_new_maildir_is_on_the_disk_before_anything_is_accepted_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_before: bool
) -> None:
    """A kill may have happened after it was created and before it was synced."""
    folder = tmp_path / "a" / "Mail"
    if made_before:
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True)
    synced: list[str] = []
    fsync = os.fsync

    def noting_fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    deliver(MaildirSink(str(folder), "h"))
    assert {str(folder.parent), str(folder)} <= set(synced[:-2])
    if not made_before:
        assert str(tmp_path) in synced[:-2]


def numbered(number: int, *, again: bool = False) -> Parcel:
    name = f"1763900000.R{number:016x}"
    return Parcel(b"a@x", (b"joe",), HEADER, 20, name, again)


def gather(sink: MaildirSink, texts: Sequence[bytes], *, again: bool = False) -> list[Any]:
    """Complete some messages, then await their verdicts; return these, or failures."""

    async def story() -> list[Any]:
        deliveries = [await sink.offer(numbered(n, again=again)) for n in range(len(texts))]
        for delivery, text in zip(deliveries, texts, strict=True):
            assert await delivery.ready()
            await delivery.feed(HEADER + text)
            await delivery.complete(PROOF)
            assert delivery.known_outcome() is None
        found: list[Any] = []
        for delivery in deliveries:
            try:
                found.append((await delivery.outcome()).verdict)
            except PollFailed as failure:
                found.append(str(failure))
        return found

    found: list[Any] = run(story())
    return found


def noting(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> list[str]:
    """Return a list to which the names of these functions of ``os`` are added when called."""
    steps: list[str] = []

    def note(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            steps.append(name)
            return function(*arguments)

        return noted

    for name in names:
        monkeypatch.setattr(os, name, note(name, getattr(os, name)))
    return steps


def test_each_step_is_taken_for_all_messages_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    steps = noting(monkeypatch, ["write", "fsync", "rename"])
    assert gather(sink, [b"one\r\n", b"two\r\n", b"three\r\n"]) == [Verdict.ACCEPTED] * 3
    assert steps == ["write"] * 3 + ["fsync"] * 3 + ["rename"] * 3 + ["fsync"]
    assert len(files(tmp_path)["new"]) == 3


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_an_error_at_one_message_stores_those_before_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    function, calls = getattr(os, call), 0

    def second_fails(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return function(*arguments)

    descriptors = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, second_fails)
        first, *others = gather(sink, [b"one\r\n", b"two\r\n", b"three\r\n"])
    assert first is Verdict.ACCEPTED
    assert all("No space left" in other for other in others)
    assert files(tmp_path) == {"tmp": [], "new": [f"1763900000.R{0:016x}.h"], "cur": []}
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert sink.held == 0


def test_a_folder_that_cannot_be_synced_accepts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())

    def fail(path: str) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(maildir, "sync_folder", fail)
        found = gather(sink, [b"one\r\n", b"two\r\n"])
    assert all("Input/output error" in each for each in found)
    again = gather(sink, [b"one\r\n", b"two\r\n"], again=True)
    assert again == [Verdict.ACCEPTED] * 2
    assert len(files(tmp_path)["new"]) == 2


def test_a_message_above_the_file_size_limit_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = spool.write_all

    def limited(file: int, data: bytes) -> None:
        if b"two" in data:
            raise OSError(27, "File too large")
        write(file, data)

    monkeypatch.setattr(maildir, "write_all", limited)
    found = gather(MaildirSink(str(tmp_path), "h"), [b"one\r\n", b"two\r\n", b"three\r\n"])
    assert found == [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.ACCEPTED]
    assert len(files(tmp_path)["new"]) == 2
    assert files(tmp_path)["tmp"] == []


def test_the_folder_is_searched_once_for_all_messages_offered_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    texts = [b"%d\r\n" % n for n in range(9)]
    gather(sink, texts)
    for path in (tmp_path / "new").iterdir():
        path.rename(tmp_path / "cur" / f"{path.name}:2,S")
    steps = noting(monkeypatch, ["scandir"])
    assert gather(sink, texts, again=True) == [Verdict.ACCEPTED] * 9
    assert steps == ["scandir"]
    assert files(tmp_path)["new"] == []


def test_messages_are_held_in_memory_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildir, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(maildir, "MAX_GATHERED", 3000)
    sink = MaildirSink(str(tmp_path), "h")

    async def story() -> list[int]:
        held: list[int] = []
        for number, size in enumerate([900, 1100, 900, 900, 900]):
            delivery = await sink.offer(numbered(number))
            await delivery.feed(bytes(size))
            await delivery.complete(PROOF)
            held.append(sink.held)
        await delivery.outcome()
        return [*held, sink.held]

    assert run(story()) == [900, 900, 1800, 2700, 2700, 0]
    sizes = sorted(path.stat().st_size for path in (tmp_path / "new").iterdir())
    assert sizes == [900, 900, 900, 900, 1100]


def test_a_released_delivery_leaves_its_file_to_the_thread_that_writes_it(tmp_path: Path) -> None:
    """A disk may hang longer than a cancelled poll waits."""
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    descriptors = len(os.listdir("/proc/self/fd"))
    delivery = MaildirDelivery(sink, numbered(1))
    run(delivery.feed(b"text"))
    assert delivery.begin_work()
    delivery.write()
    delivery.release()
    assert len(os.listdir("/proc/self/fd")) == descriptors + 1
    delivery.end_work()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not delivery.begin_work()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_released_batch_stores_no_mutilated_message_and_overwrites_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The poll is cancelled while the disk hangs, and another one delivers the same messages."""
    texts = [b"%d\r\n" % n for n in range(5)]
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())

    async def begin() -> list[MaildirDelivery]:
        deliveries: list[MaildirDelivery] = []
        for number, text in enumerate(texts):
            delivery = MaildirDelivery(sink, numbered(number))
            await delivery.feed(HEADER + text)
            await delivery.complete(PROOF)
            deliveries.append(delivery)
        return deliveries

    deliveries: list[MaildirDelivery] = run(begin())
    function, hung = getattr(os, call), False

    def hang(*arguments: Any) -> Any:
        nonlocal hung
        if not hung:
            hung = True
            for delivery in deliveries:
                delivery.release()
            other = MaildirSink(str(tmp_path), "h")
            assert gather(other, texts, again=True) == [Verdict.ACCEPTED] * 5
        return function(*arguments)

    descriptors = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, hang)
        with suppress(PollFailed):
            run(sink.store())
    stored = sorted(path.read_bytes() for path in (tmp_path / "new").iterdir())
    assert stored == [HEADER + text for text in texts]
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_copy_is_found_while_a_mail_reader_moves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [b"%d\r\n" % n for n in range(5)]
    gather(MaildirSink(str(tmp_path), "h"), texts)
    first, *rest = sorted((tmp_path / "new").iterdir())
    first.rename(tmp_path / "cur" / f"{first.name}:2,S")
    scan = os.scandir

    def scan_and_move(path: str) -> Any:
        entries = list(scan(path))
        for file in rest:
            if path.endswith("cur") and file.exists():
                file.rename(tmp_path / "cur" / f"{file.name}:2,")
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scan_and_move)
    assert gather(MaildirSink(str(tmp_path), "h"), texts, again=True) == [Verdict.ACCEPTED] * 5
    assert files(tmp_path)["new"] == []
    assert len(files(tmp_path)["cur"]) == 5


def test_two_messages_with_one_name_are_both_stored(tmp_path: Path) -> None:
    """A server may give one unique id to two messages."""
    sink = MaildirSink(str(tmp_path), "h")

    async def story() -> list[Verdict]:
        found: list[Delivery] = []
        for text, again in ((b"one\r\n", False), (b"two\r\n", True)):
            delivery = await sink.offer(numbered(1, again=again))
            await delivery.feed(HEADER + text)
            await delivery.complete(PROOF)
            found.append(delivery)
        return [(await delivery.outcome()).verdict for delivery in found]

    assert run(story()) == [Verdict.ACCEPTED] * 2
    stored = sorted(path.read_bytes() for path in (tmp_path / "new").iterdir())
    assert stored == [HEADER + b"one\r\n", HEADER + b"two\r\n"]


def most_open(monkeypatch: pytest.MonkeyPatch, sink: MaildirSink, texts: list[bytes]) -> int:
    """Store these messages; return how many files were open at a time."""
    run(sink.open())
    before, most = len(os.listdir("/proc/self/fd")), 0
    fsync = os.fsync

    def count(file: int) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) - before)
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", count)
        assert gather(sink, texts) == [Verdict.ACCEPTED] * len(texts)
    return most


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [b"%d\r\n" % n for n in range(45)]
    assert most_open(monkeypatch, MaildirSink(str(tmp_path / "a"), "h"), texts) == 45
    # While other polls have most of the files, fewer are open.
    others = [open_files.take_files(open_files.MANY) for _ in range(10)]
    assert sum(others) == open_files.TO_SPARE + 10 * open_files.FEW
    try:
        assert most_open(monkeypatch, MaildirSink(str(tmp_path / "b"), "h"), texts) == 10
    finally:
        for granted in others:
            open_files.give_back(granted)
    assert most_open(monkeypatch, MaildirSink(str(tmp_path / "c"), "h"), texts) == 45


def test_all_are_on_their_way_to_the_disk_before_the_first_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    steps = noting(monkeypatch, ["posix_fadvise", "fsync"])
    assert gather(sink, [b"%d\r\n" % n for n in range(20)]) == [Verdict.ACCEPTED] * 20
    assert steps == ["posix_fadvise"] * 20 + ["fsync"] * 21


def test_where_nothing_can_be_hinted_all_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    assert gather(MaildirSink(str(tmp_path), "h"), [b"one\r\n"]) == [Verdict.ACCEPTED]


def test_an_error_of_close_after_an_error_of_write_is_no_other_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may report a full disk at close as well."""
    sink = MaildirSink(str(tmp_path), "h")
    run(sink.open())
    close = os.close

    def fail_to_write(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def fail_to_close(file: int) -> None:
        close(file)
        raise OSError(122, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail_to_write)
        patch.setattr(os, "close", fail_to_close)
        found = gather(sink, [b"one\r\n", b"two\r\n"])
    assert all("No space left" in each for each in found)


HERE = Tcp("imap", 143)
TEXTS = [b"From: a%d@x\r\nSubject: %d\r\n\r\nhello\r\n" % (n, n) for n in range(5)]
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
            "maildir",
            lambda: MaildirSink(str(folder / "Mail"), "h"),
            SqliteLedger(str(folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            lambda event: None,
        ).run()
    )


@pytest.mark.parametrize("step", KILLS)
def test_a_kill_at_any_step_loses_nothing_and_makes_no_second_copy(
    tmp_path: Path, step: int
) -> None:
    inbox = Mailbox(TEXTS, uidvalidity=5)
    try:
        poll(tmp_path, inbox, Simulation(round_trip=0.05, kill_at=step))
    except Killed:
        poll(tmp_path, inbox, Simulation(round_trip=0.05))
    new = tmp_path / "Mail" / "new"
    got = sorted(sha256(path.read_bytes()).hexdigest() for path in new.iterdir())
    assert got == sorted(sha256(text).hexdigest() for text in TEXTS)
    assert inbox.messages == []


def test_a_file_of_another_poll_may_vanish_during_cleanup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two polls of one process, or two programs, may deliver into one Maildir."""
    folder = tmp_path / "Mail"
    (folder / "tmp").mkdir(parents=True)
    (folder / "tmp" / "1.R0123456789abcdef.here").touch()
    scan = os.scandir

    def vanishing(path: str) -> Any:
        entries = list(scan(path))
        for entry in entries:
            os.unlink(entry.path)
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", vanishing)
    sink = MaildirSink(str(folder), "here")
    Simulation().run(sink.open())
    assert (folder / "new").is_dir()
