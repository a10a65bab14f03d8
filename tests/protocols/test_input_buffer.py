"""The input buffer: lines, blocks, and exact limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mailhaul.protocols.input as input_module
from mailhaul.protocols.errors import LimitExceeded
from mailhaul.protocols.greetings import looks_like
from mailhaul.protocols.input import InputBuffer


def filled(data: bytes) -> InputBuffer:
    buffer = InputBuffer()
    buffer.append(data)
    return buffer


@pytest.mark.parametrize(
    ("data", "line", "left"),
    [
        (b"ab\r\nc", b"ab", 1),
        (b"ab\nc", b"ab", 1),
        (b"\r\n", b"", 0),
        (b"\n", b"", 0),
        (b"a\r\r\n", b"a\r", 0),
        (b"a\rb\n", b"a\rb", 0),
    ],
)
def test_a_line_ends_with_lf_and_loses_one_cr(data: bytes, line: bytes, left: int) -> None:
    buffer = filled(data)
    assert buffer.take_line(10) == line
    assert len(buffer) == left


def test_a_line_may_be_as_long_as_the_limit() -> None:
    assert filled(b"a" * 10 + b"\n").take_line(10) == b"a" * 10
    assert filled(b"a" * 10).take_line(10) is None


@pytest.mark.parametrize("data", [b"a" * 11 + b"\n", b"a" * 11])
def test_a_longer_line_is_a_fault_that_names_the_limit(data: bytes) -> None:
    with pytest.raises(LimitExceeded, match=r"^word exceeds the limit of 10$") as caught:
        filled(data).take_line(10, "word")
    assert (caught.value.name, caught.value.limit) == ("word", 10)


def test_without_a_name_it_is_called_a_line() -> None:
    with pytest.raises(LimitExceeded, match=r"^line exceeds"):
        filled(b"aa").take_line(1)


def test_the_search_resumes_where_it_ended_and_restarts_after_a_block() -> None:
    buffer = filled(b"abc")
    assert buffer.take_line(10) is None
    assert buffer.take(2) == b"ab"
    buffer.append(b"\nd\n")
    assert [buffer.take_line(10), buffer.take_line(10)] == [b"c", b"d"]


def test_take_returns_what_is_available_up_to_the_limit() -> None:
    buffer = filled(b"abc")
    assert [buffer.take(2), buffer.take(2), buffer.take(2)] == [b"ab", b"c", b""]


def test_head_does_not_take_the_bytes() -> None:
    buffer = filled(b"abc")
    assert (buffer.head(2), buffer.head(9), len(buffer)) == (b"ab", b"abc", 3)


def test_forgotten_data_is_not_searched() -> None:
    buffer = filled(b"abc")
    assert buffer.take_line(10) is None
    buffer.clear()
    buffer.append(b"\n")
    assert buffer.take_line(10) == b""


def test_an_unknown_first_line_looks_like_nothing() -> None:
    assert looks_like(b"hello") == ""
    assert looks_like(b"HTTP/1.1 400") == " but looks like HTTP"


@pytest.mark.parametrize(
    ("data", "line", "left"),
    [
        (b"ab\r\nc", b"ab", 1),
        (b"a\nb\r\n", b"a\nb", 0),
        (b"a\rb\r\n", b"a\rb", 0),
        (b"a\r\r\n", b"a\r", 0),
        (b"ab\n", None, 3),
        (b"ab\r", None, 3),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 9])
def test_a_strict_line_ends_with_crlf_alone(
    data: bytes, line: bytes | None, left: int, step: int
) -> None:
    buffer = InputBuffer()
    found = None
    for start in range(0, len(data), step):
        buffer.append(data[start : start + step])
        found = found if found is not None else buffer.take_strict_line(10)
    assert found == line
    assert len(buffer) == left


def test_a_strict_line_may_be_as_long_as_the_limit() -> None:
    assert filled(b"a" * 10 + b"\r\n").take_strict_line(10) == b"a" * 10
    assert filled(b"a" * 10 + b"\r").take_strict_line(10) is None
    for data in (b"a" * 11 + b"\r\n", b"a" * 11, b"a" * 10 + b"\n"):
        with pytest.raises(LimitExceeded, match=r"^word exceeds the limit of 10$"):
            filled(data).take_strict_line(10, "word")


class Searched(bytearray):
    """Octets that count how many of them are searched."""

    octets = 0

    def find(self, what: Any, start: Any = 0, end: Any = None, /) -> int:
        Searched.octets += len(self) - start
        return super().find(what, start)


@pytest.mark.parametrize("take", [InputBuffer.take_line, InputBuffer.take_strict_line])
def test_a_line_that_arrives_octet_by_octet_is_searched_once(
    take: Callable[[InputBuffer, int], bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_module, "bytearray", Searched, raising=False)
    buffer = InputBuffer()
    Searched.octets = 0
    for _ in range(5000):
        buffer.append(b"x")
        assert take(buffer, 10_000) is None
    buffer.append(b"\r\n")
    assert take(buffer, 10_000) == b"x" * 5000
    assert Searched.octets <= 3 * 5000
