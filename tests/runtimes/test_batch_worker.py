"""Short work of many flows: in one go, in order, and what is the same for all only once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.runtimes.batch_worker import BatchWorker


class Book:
    """Something that all write in. The first entry waits until the others stand in line."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.threads: set[int] = set()
        self.opened = threading.Event()

    def enter(self, what: str) -> str:
        self.opened.wait(5.0)
        self.entries.append(what)
        self.threads.add(threading.get_ident())
        return what.upper()

    def seal(self) -> int:
        self.entries.append("SEAL")
        return len(self.entries)


def run_all(book: Book, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Have the first call begin, then all others come while it is under way."""
    results: list[Any] = [None] * len(calls)

    async def one(worker: BatchWorker, place: int) -> None:
        try:
            results[place] = await worker.run(calls[place])
        except ValueError as error:
            results[place] = error

    async def story() -> None:
        worker = BatchWorker()
        async with trio.open_nursery() as nursery:
            for place in range(len(calls)):
                nursery.start_soon(one, worker, place)
                await trio.testing.wait_all_tasks_blocked()
            book.opened.set()

    trio.run(story)
    return results


def test_what_comes_while_one_is_at_work_is_done_in_one_go() -> None:
    book = Book()
    calls = [partial(book.enter, letter) for letter in "abcde"]
    assert run_all(book, calls) == list("ABCDE")
    assert book.entries == list("abcde")
    assert len(book.threads) <= 2


def test_what_all_ask_in_the_same_words_is_done_once_behind_what_the_last_of_them_wrote() -> None:
    book = Book()
    first, *rest = (partial(book.enter, what) for what in ("first", "a", "b", "c"))
    calls: Sequence[Callable[[], Any]] = [first, rest[0], book.seal, rest[1], book.seal, rest[2]]
    results = run_all(book, calls)
    assert book.entries == ["first", "a", "b", "SEAL", "c"]
    assert results == ["FIRST", "A", 4, "B", 4, "C"]


@given(st.lists(st.sampled_from(["write", "seal"]), min_size=1, max_size=12))
def test_a_seal_covers_what_was_written_before_it_was_asked_for(asked: list[str]) -> None:
    book = Book()
    book.opened.set()
    calls: list[Callable[[], Any]] = [
        book.seal if what == "seal" else partial(book.enter, str(number))
        for number, what in enumerate(asked)
    ]
    results = run_all(book, calls)
    for number, what in enumerate(asked):
        if what == "seal":
            sealed = book.entries[: results[number]]
            before = [str(n) for n in range(number) if asked[n] == "write"]
            assert set(before) <= set(sealed)
            assert sealed[-1] == "SEAL"


def test_who_fails_fails_alone() -> None:
    book = Book()

    def fail() -> None:
        raise ValueError("full")

    results = run_all(book, [partial(book.enter, "a"), fail, partial(book.enter, "b")])
    assert [str(result) for result in results] == ["A", "full", "B"]


def test_without_a_thread_everybody_who_waits_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*args: Any, **options: Any) -> None:
        await trio.sleep(0)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", none)
    told: list[str] = []

    async def one(worker: BatchWorker) -> None:
        with pytest.raises(RuntimeError) as caught:
            await worker.run(lambda: None)
        told.append(str(caught.value))

    async def story() -> None:
        worker = BatchWorker()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(one, worker)

    trio.run(story)
    assert told == ["can't start new thread"] * 3


def test_who_is_cancelled_leaves_nobody_behind() -> None:
    book = Book()
    scopes = [trio.CancelScope() for _ in range(3)]

    async def one(worker: BatchWorker, place: int) -> None:
        with scopes[place]:
            await worker.run(partial(book.enter, str(place)))

    async def story() -> None:
        worker = BatchWorker()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for place in range(3):
                    nursery.start_soon(one, worker, place)
                    await trio.testing.wait_all_tasks_blocked()
                for scope in scopes[:2]:
                    scope.cancel()
                book.opened.set()
            assert await worker.run(partial(book.enter, "later")) == "LATER"

    trio.run(story)
    assert book.entries == ["0", "1", "2", "later"]
