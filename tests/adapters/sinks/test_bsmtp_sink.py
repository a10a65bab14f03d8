"""Batched SMTP: what stands in the file, and what does not when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.sinks.bsmtp import BsmtpSink
from mailhaul.flows.outcome import ExitCode, PollFailed, Verdict
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import Complete
from mailhaul.runtimes import blocking

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
                await delivery.complete(Complete(1, 20))
            else:
                await delivery.abandon()
        verdict = await delivery.outcome()
        assert delivery.settled() == verdict
        assert not sink.listening()
        await sink.close()
        return verdict.verdict

    return blocking.run(story())


def test_messages_follow_each_other(tmp_path: Path) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    assert deliver(sink) is Verdict.ACCEPTED
    assert deliver(sink, size=2_000_000) is Verdict.ACCEPTED
    assert (tmp_path / "batch").read_bytes() == WRITTEN * 2
    assert (tmp_path / "batch").stat().st_mode & 0o777 == 0o600


def test_what_is_given_up_is_not_there(tmp_path: Path) -> None:
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
    # Of one that is there nobody knows whether who made it came so far; once it is known, it is.
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


@pytest.mark.parametrize("before", [b"", WRITTEN, b"HELO x\n" + WRITTEN.replace(b"\r", b"")])
@pytest.mark.parametrize("half", HALF, ids=range(len(HALF)))
def test_what_a_kill_left_of_a_message_does_not_swallow_the_next_one(
    tmp_path: Path, before: bytes, half: bytes
) -> None:
    (tmp_path / "batch").write_bytes(before + half)
    assert deliver(BsmtpSink(str(tmp_path / "batch"), str(tmp_path))) is Verdict.ACCEPTED
    assert (tmp_path / "batch").read_bytes() == before + WRITTEN


@pytest.mark.parametrize("others", [b"QUIT\r\n", b"notes of mine\n", WRITTEN + b"RSET\r\n"])
def test_what_others_wrote_stays(tmp_path: Path, others: bytes) -> None:
    (tmp_path / "batch").write_bytes(others)
    assert deliver(BsmtpSink(str(tmp_path / "batch"), str(tmp_path))) is Verdict.ACCEPTED
    assert (tmp_path / "batch").read_bytes() == others + WRITTEN


def test_half_a_message_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = BsmtpSink(str(tmp_path / "batch"), str(tmp_path))
    deliver(sink)

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PollFailed, match="No space left"):
        deliver(sink)
    assert (tmp_path / "batch").read_bytes() == WRITTEN
