"""A process ends after a signal, even if something in it hangs."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from mailhaul.apps.polls.interrupted import Interrupted, SignalHandler

SCRIPT = """
import threading, time
from mailhaul.apps.polls.interrupted import Deadline
deadline = Deadline()
with deadline:
    deadline.begin({}, 23, {})
    deadline.begin(1000, 0, print)
    time.sleep({})
time.sleep({})
"""


def ended(seconds: float, complain: str, inside: float, after: float) -> tuple[int, str]:
    script = SCRIPT.format(seconds, complain, inside, after)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout


def test_a_hanging_job_is_abandoned_and_reported() -> None:
    complain = "lambda text: print(text, flush=True)"
    code, said = ended(0.1, complain, 1000, 0)
    assert code == 23
    assert "does not end" in said


def test_a_log_that_hangs_too_does_not_matter() -> None:
    assert ended(0.1, "lambda text: time.sleep(1000)", 1000, 0) == (23, "")


def test_a_process_that_has_ended_is_left_alone() -> None:
    assert ended(0.1, "print", 0, 0.4) == (0, "")


def test_a_signal_ends_the_run_at_once() -> None:
    with pytest.raises(Interrupted) as caught:
        SignalHandler()(signal.SIGTERM, None)
    assert caught.value.number == signal.SIGTERM


def test_a_held_signal_waits_and_a_second_one_does_not() -> None:
    handler = SignalHandler()
    done: list[int] = []

    def work(*numbers: int) -> None:
        with handler.hold(), handler.hold():
            for number in numbers:
                handler(number, None)
                done.append(number)

    with pytest.raises(Interrupted) as caught:
        work(signal.SIGINT)
    assert caught.value.number == signal.SIGINT
    assert done == [signal.SIGINT]

    done.clear()
    with pytest.raises(Interrupted):
        work(signal.SIGINT, signal.SIGTERM)
    assert done == [signal.SIGINT]
    # Each is reported once.
    with handler.hold():
        pass
