"""Batched SMTP: the contents of the file, also after a kill or with a full disk."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from mailhaul.adapters.sinks import bsmtp, spooled
from mailhaul.adapters.sinks.bsmtp import BsmtpSink
from mailhaul.adapters.sinks.spooled import MAX_WAIT
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.runtimes import blocking
from mailhaul.runtimes.simulated import Simulation

HEADER = b"Subject: hi\n\n"
WRITTEN = (
    b"MAIL FROM:<a@x>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\n"
    b"Subject: hi\r\n\r\n..dot\r\nend\r\n.\r\n"
)


def deliver(
    sink: BsmtpSink, recipient: bytes = b"joe@localhost", *, whole: bool = True, size: int = 20
) -> Verdict:
    parcel = Parcel(b"a@x", (recipient,), HEADER, size)

    async def story() -> Verdict:
        await sink.open()
        delivery = await sink.offer(parcel)
        if await delivery.ready():
            await delivery.feed(HEADER)
            await delivery.feed(b".dot\nend")
            if whole:
                await delivery.complete(CompletionProof(1, 20))
            else:
                await delivery.abandon()
        verdict = await delivery.outcome()
        assert delivery.known_outcome() == verdict
        assert not sink.listening()
        await sink.close()
        return verdict.verdict

    return blocking.run(story())


async def offered(sink: BsmtpSink, body: bytes = b".dot\nend") -> Outcome:
    delivery = await sink.offer(Parcel(b"a@x", (b"joe@localhost",), HEADER, 20))
    assert await delivery.ready()
    await delivery.feed(HEADER)
    await delivery.feed(body)
    await delivery.complete(CompletionProof(1, 20))
    return await delivery.outcome()


def test_messages_follow_each_other(tmp_path: Path) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    assert deliver(sink) is Verdict.ACCEPTED
    assert deliver(sink, size=2_000_000) is Verdict.ACCEPTED
    assert (tmp_path / "batch").read_bytes() == WRITTEN * 2
    assert (tmp_path / "batch").stat().st_mode & 0o777 == 0o600


def test_an_abandoned_message_is_not_in_the_batch(tmp_path: Path) -> None:
    assert deliver(BsmtpSink(str(tmp_path / "batch"), "/"), whole=False) is Verdict.POSTPONED
    assert not (tmp_path / "batch").exists()


def test_an_address_that_cannot_stand_in_an_envelope_is_refused(tmp_path: Path) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    assert deliver(sink, b"joe> SIZE=1") is Verdict.REFUSED
    assert not (tmp_path / "batch").exists()


def test_standard_output_is_a_minus(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert deliver(BsmtpSink("-", str(tmp_path))) is Verdict.ACCEPTED
    assert capfdbinary.readouterr().out == WRITTEN


def test_the_null_device_as_standard_output_takes_no_mail(tmp_path: Path) -> None:
    """It is the null device in a daemon, or if the parent process has closed standard output."""
    before = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    try:
        with pytest.raises(PollFailed, match="standard output is the null device"):
            deliver(BsmtpSink("-", str(tmp_path)))
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(null)


def test_a_batch_that_cannot_be_opened_ends_the_poll(tmp_path: Path) -> None:
    with pytest.raises(PollFailed, match="bsmtp") as failure:
        deliver(BsmtpSink(str(tmp_path / "none" / "batch"), str(tmp_path)))
    assert failure.value.code is ExitCode.BSMTP


def test_the_name_of_a_batch_is_on_the_disk_before_anything_is_accepted_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noting_fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    batch = str(tmp_path / "batch")
    # For an existing file it is unknown whether its name was synced, so it is synced once.
    for _ in range(2):
        sink = BsmtpSink(batch, str(tmp_path))
        deliver(sink)
        deliver(sink)
        assert synced == [batch, str(tmp_path), batch]
        synced.clear()


ENVELOPE = WRITTEN.partition(b"DATA")[0]
HALF = [
    *(ENVELOPE[:size] for size in (1, 9, 10, 11, len(ENVELOPE))),
    WRITTEN[:-5],
    WRITTEN[:-2],
    WRITTEN[:-1],
    ENVELOPE + b"DATA\r\n" + b"a line of a large message\r\n" * 2000,
    b"\0" * 5000,
    b"MAIL FR" + b"\0" * 20_000,
]


BEFORE = [b"", WRITTEN, b"HELO x\n" + WRITTEN.replace(b"\r", b"")]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("half", HALF, ids=range(len(HALF)))
@pytest.mark.parametrize("why", ["a note of ours", "an hour has passed"])
def test_an_incomplete_message_after_a_kill_does_not_swallow_the_next_one(
    tmp_path: Path, before: bytes, half: bytes, why: str
) -> None:
    batch = tmp_path / "batch"
    batch.write_bytes(before + half)
    if why == "a note of ours":
        (tmp_path / ".batch.mailhaul").write_text(f"{batch.stat().st_ino} {len(before)}\n")
    else:
        os.utime(batch, (0, time.time() - 3700))
    assert deliver(BsmtpSink(str(batch), str(tmp_path))) is Verdict.ACCEPTED
    assert batch.read_bytes() == before + WRITTEN
    assert os.listdir(tmp_path) == ["batch"]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("half", HALF[:-2], ids=range(len(HALF) - 2))
@pytest.mark.parametrize("note", ["", "{other} {size}\n", "{inode} 0\n", "{inode} 99999\n", "x"])
def test_an_incomplete_message_of_another_program_stays(
    tmp_path: Path, before: bytes, half: bytes, note: str
) -> None:
    batch = tmp_path / "batch"
    batch.write_bytes(before + half)
    inode = batch.stat().st_ino
    if note and not (before == b"" and note == "{inode} 0\n"):
        text = note.format(other=inode + 1, inode=inode, size=len(before))
        (tmp_path / ".batch.mailhaul").write_text(text)
    sink = BsmtpSink(str(batch), str(tmp_path))
    assert Simulation().run(offered(sink)).verdict is Verdict.POSTPONED
    assert batch.read_bytes() == before + half


def test_the_sink_waits_until_that_message_is_complete(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.write_bytes(WRITTEN[:-20])

    class Finishing(BsmtpSink):
        async def wait(self) -> bool:
            with batch.open("ab") as file:
                file.write(WRITTEN[-20:])
            return await super().wait()

    sink = Finishing(str(batch), str(tmp_path))
    assert Simulation().run(offered(sink)).verdict is Verdict.ACCEPTED
    assert batch.read_bytes() == WRITTEN * 2


def test_a_message_that_another_program_began_after_ours_stays(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.write_bytes(WRITTEN + WRITTEN[:-20] + b"\n" + WRITTEN[:-20])
    (tmp_path / ".batch.mailhaul").write_text(f"{batch.stat().st_ino} {len(WRITTEN)}\n")
    before = batch.read_bytes()
    sink = BsmtpSink(str(batch), str(tmp_path))
    assert Simulation().run(offered(sink)).verdict is Verdict.POSTPONED
    assert batch.read_bytes() == before


def test_a_locked_batch_postpones_the_message_after_a_wait(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    simulation = Simulation()
    with batch.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        outcome = simulation.run(offered(BsmtpSink(str(batch), str(tmp_path))))
    assert outcome.verdict is Verdict.POSTPONED
    assert "is locked by another program; mail stays" in outcome.reason
    assert simulation.now == MAX_WAIT


def test_a_fifo_without_a_reader_postpones_the_message_after_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "batch")
    outcome = Simulation().run(offered(BsmtpSink(str(tmp_path / "batch"), str(tmp_path))))
    assert outcome.verdict is Verdict.POSTPONED
    assert "has no reader" in outcome.reason


def test_a_reader_of_a_fifo_gets_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "batch")
    with (tmp_path / "read").open("wb") as out:
        reader = subprocess.Popen(["cat", tmp_path / "batch"], stdout=out)
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    assert blocking.run(offered(sink, b"x" * 500_000)).accepted
    assert reader.wait() == 0
    assert (tmp_path / "read").stat().st_size > 500_000


def test_a_reader_that_stops_reading_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled, "MAX_WAIT", 0.0)
    monkeypatch.setattr(bsmtp, "RETRY_INTERVAL", 0.01)
    os.mkfifo(tmp_path / "batch")
    reader = os.open(tmp_path / "batch", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(PollFailed, match="the reader has stopped reading"):
        blocking.run(offered(BsmtpSink(str(tmp_path / "batch"), str(tmp_path)), b"x" * 500_000))
    os.close(reader)


def test_after_a_signal_no_part_of_a_message_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    deliver(sink)

    def interrupted(file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deliver(sink)
    assert (tmp_path / "batch").read_bytes() == WRITTEN
    assert os.listdir(tmp_path) == ["batch"]


def test_what_another_program_added_meanwhile_is_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))

    def full(file: int) -> None:
        with (tmp_path / "batch").open("ab") as other:
            other.write(b"theirs")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PollFailed):
        deliver(sink)
    assert (tmp_path / "batch").read_bytes() == WRITTEN + b"theirs"


@pytest.mark.parametrize("others", [b"QUIT\r\n", b"notes of mine\n", WRITTEN + b"RSET\r\n"])
def test_other_contents_of_the_file_stay(tmp_path: Path, others: bytes) -> None:
    (tmp_path / "batch").write_bytes(others)
    assert deliver(BsmtpSink(str(tmp_path / "batch"), str(tmp_path))) is Verdict.ACCEPTED
    assert (tmp_path / "batch").read_bytes() == others + WRITTEN


def test_after_a_write_error_no_part_of_a_message_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    deliver(sink)

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PollFailed, match="No space left"):
        deliver(sink)
    assert (tmp_path / "batch").read_bytes() == WRITTEN
