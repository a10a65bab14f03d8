"""A wait may be longer than the system can wait at one go."""

from __future__ import annotations

import os

import pytest

from mailhaul.runtimes.blocking import suspend
from mailhaul.runtimes.steps import Suspend


@pytest.mark.parametrize("seconds", [2_147_483_647.0, 1e18])
def test_no_number_of_seconds_is_too_large(seconds: float) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"x")
        suspend(Suspend((reading,), (), seconds))
        suspend(Suspend((), (writing,), seconds))
    finally:
        os.close(reading)
        os.close(writing)
