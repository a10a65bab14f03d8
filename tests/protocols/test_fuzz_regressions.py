"""Seeds and findings of fuzzing run through their targets, without atheris."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fuzz
from fuzz.conversation import Setting, converse
from fuzz.finding import Finding, minimised, signature_of
from fuzz.run import MAX_DIGITS
from fuzz.targets import NAMES, load
from fuzz.turns import turns, written
from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, Tap

HERE = Path(fuzz.__file__).parent


@pytest.fixture(autouse=True)
def _few_digits() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MAX_DIGITS)
    yield
    sys.set_int_max_str_digits(before)


def inputs(kind: str, name: str) -> list[Path]:
    return sorted((HERE / kind / name).glob("*"))


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_keeps_all_promises(name: str) -> None:
    target = load(name)
    assert inputs("seeds", name)
    for path in inputs("seeds", name):
        assert signature_of(target, path.read_bytes()) is None, path


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_was_found_comes_back(name: str) -> None:
    target = load(name)
    for path in inputs("regressions", name):
        assert signature_of(target, path.read_bytes()) is None, path


@pytest.mark.parametrize("kind", ["seeds", "regressions"])
def test_every_input_has_its_target(kind: str) -> None:
    assert {path.name for path in (HERE / kind).glob("*")} <= set(NAMES)


def test_a_conversation_is_read_as_it_is_written() -> None:
    conversation = [(b"", b"* OK\r\n"), (b"lf", b""), (b"o", b"* BYE\r\n")]
    assert turns(written(conversation)) == conversation


# The promises are looked at: machines that break one are found


class Echo:
    """A machine that returns each received line; a ``!`` in it is an error."""

    state = "open"

    def __init__(self, limits: Limits, tap: Tap) -> None:
        self.tap = tap
        self.heard = b""
        self.ready: deque[bytes] = deque()
        self.fault: RemoteProtocolError | None = None

    def receive_data(self, data: bytes) -> None:
        *lines, self.heard = (self.heard + data).split(b"\n")
        self.ready.extend(lines)

    def receive_eof(self) -> None:
        """Do nothing."""

    def next_event(self) -> Any:
        if self.fault:
            raise self.fault
        if not self.ready:
            return NEED_DATA
        line = self.ready.popleft()
        if b"!" in line:
            self.fault = RemoteProtocolError("a fault")
            raise self.fault
        return ("Line", line)

    def data_to_send(self) -> list[bytes]:
        return []


class Eager(Echo):
    """Does not wait for the end of a line."""

    def receive_data(self, data: bytes) -> None:
        self.ready.append(data)


class Hoarder(Echo):
    """Waits for the end of a line without a limit."""

    def receive_data(self, data: bytes) -> None:
        self.heard += data


class Crashing(Echo):
    """Reads numbers."""

    def next_event(self) -> Any:
        event = super().next_event()
        return event if event is NEED_DATA else ("Number", int(event[1]))


class Endless(Echo):
    """Sends more than it receives."""

    def next_event(self) -> Any:
        return ("Line", b"again")


class Forgetful(Echo):
    """Continues after an error."""

    def next_event(self) -> Any:
        self.fault = None
        return super().next_event()


def found(machine: type[Echo], data: bytes) -> str | None:
    return signature_of(lambda tried: converse(Setting(machine, {}), tried), data)


def test_a_machine_that_keeps_all_promises_is_not_reported() -> None:
    assert found(Echo, b"one\ntwo\n!\n") is None


@pytest.mark.parametrize(
    ("machine", "data", "broken"),
    [
        (Eager, b"one\n\n", "whole and cut differ"),
        (Hoarder, b"x" * 5000, "too many octets are held"),
        (Crashing, b"seven\n", "ValueError"),
        (Endless, b"one\n", "more events than octets could make"),
        (Forgetful, b"!\n", "a fault was forgotten"),
    ],
)
def test_a_machine_that_breaks_a_promise_is_found(
    machine: type[Echo], data: bytes, broken: str
) -> None:
    assert broken in (found(machine, data) or "")


def test_a_finding_is_minimised() -> None:
    def target(data: bytes) -> None:
        if b"a" in data and b"z" in data:
            raise Finding("both")

    wanted = signature_of(target, b"..a....z...")
    assert wanted is not None
    assert minimised(target, b"..a....z...", wanted) == b"az"
