"""The text of an error: the problem, the state, and the start of the received line."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RemoteProtocolError("a problem"), "a problem"),
        (RemoteProtocolError("a problem", state="ready"), "a problem (state ready)"),
        (RemoteProtocolError("a problem", line=b"x\r"), r"a problem; received: b'x\r'"),
        (
            RemoteProtocolError("a problem", state="ready", line=b"x"),
            "a problem (state ready); received: b'x'",
        ),
        (LimitExceeded("line", 80), "line exceeds the limit of 80"),
        (LimitExceeded("line", 80, state="ready"), "line exceeds the limit of 80 (state ready)"),
    ],
)
def test_a_fault_has_attributes(fault: RemoteProtocolError, words: str) -> None:
    assert str(fault) == words


def test_at_most_eighty_octets_of_the_line_are_kept() -> None:
    assert RemoteProtocolError("a problem", line=b"x" * 81).line == b"x" * 80
