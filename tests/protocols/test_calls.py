"""How many functions are called for a message is bounded: a slower way shows without a clock."""

from __future__ import annotations

import pytest

from bench.machines.calls import COUNTS


@pytest.mark.parametrize("what", COUNTS)
def test_a_message_takes_only_so_many_calls(what: str) -> None:
    count, most = COUNTS[what]
    assert count() <= most
