"""A file opened for a poll that is stopped meanwhile is closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailhaul.adapters.calls import opened
from mailhaul.flows.requests import Call


class Stopped(BaseException):
    """The poll is stopped."""


@pytest.fixture
def closed() -> list[int]:
    return []


def request(closed: list[int]) -> tuple[object, Callable[[], object]]:
    """Begin to open; return the coroutine and the work for a runtime."""
    flow = opened(lambda: 7, closed.append)
    call = flow.send(None)
    assert isinstance(call, Call)
    return flow, call.work


def stop(flow: object) -> None:
    with pytest.raises(Stopped):
        flow.throw(Stopped())  # type: ignore[attr-defined]  # a coroutine


def test_an_opened_file_is_returned(closed: list[int]) -> None:
    flow, work = request(closed)
    with pytest.raises(StopIteration) as end:
        flow.send(work())  # type: ignore[attr-defined]  # a coroutine
    assert (end.value.value, closed) == (7, [])


def test_a_file_open_when_the_poll_stops_is_closed_once(closed: list[int]) -> None:
    flow, work = request(closed)
    work()
    stop(flow)
    assert closed == [7]


def test_a_file_opened_after_the_poll_has_stopped_is_closed_once(closed: list[int]) -> None:
    flow, work = request(closed)
    stop(flow)
    assert closed == []
    work()
    assert closed == [7]
