"""A Maildir in a process that has few descriptors left: fewer files are open, and none is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailhaul.adapters.sinks.maildir import MaildirSink
from mailhaul.flows.outcome import PollFailed, Verdict
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.runtimes import blocking

TEXTS = [b"text %d\r\n" % number for number in range(25)]


def store(sink: MaildirSink, texts: list[bytes]) -> list[Verdict]:
    async def story() -> list[Verdict]:
        deliveries = [
            await sink.offer(Parcel(b"a@x", (b"joe",), b"", 20, f"1.R{number:016x}"))
            for number, _ in enumerate(texts)
        ]
        for delivery, text in zip(deliveries, texts, strict=True):
            await delivery.feed(text)
            await delivery.complete(CompletionProof(1, len(text)))
        return [(await delivery.outcome()).verdict for delivery in deliveries]

    return blocking.run(story())


def limited(
    monkeypatch: pytest.MonkeyPatch, most: int, code: int = errno.EMFILE
) -> Callable[[], int]:
    """Let only so many files in tmp be open; return a function for the most there were."""
    opened, closed = os.open, os.close
    there: set[int] = set()
    highest = 0

    def open_one(path: str, flags: int, mode: int = 0o777) -> int:
        nonlocal highest
        if not flags & os.O_CREAT:
            return opened(path, flags, mode)
        if len(there) >= most:
            raise OSError(code, os.strerror(code))
        there.add(file := opened(path, flags, mode))
        highest = max(highest, len(there))
        return file

    def close_one(file: int) -> None:
        there.discard(file)
        closed(file)

    monkeypatch.setattr(os, "open", open_one)
    monkeypatch.setattr(os, "close", close_one)
    return lambda: highest


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("most", [1, 7])
def test_with_few_descriptors_left_fewer_files_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, code: int
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    blocking.run(sink.open())
    highest = limited(monkeypatch, most, code)
    assert store(sink, TEXTS) == [Verdict.ACCEPTED] * len(TEXTS)
    assert highest() == most
    assert sorted(p.read_bytes() for p in (tmp_path / "new").iterdir()) == sorted(TEXTS)
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize(("most", "code"), [(0, errno.EMFILE), (7, errno.ENOSPC)])
def test_without_any_descriptor_the_mail_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, code: int
) -> None:
    sink = MaildirSink(str(tmp_path), "h")
    blocking.run(sink.open())
    with monkeypatch.context() as patch:
        limited(patch, most, code)
        with pytest.raises(PollFailed, match=os.strerror(code)):
            store(sink, TEXTS)
    assert os.listdir(tmp_path / "tmp") == []
