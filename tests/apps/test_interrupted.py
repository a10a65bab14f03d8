"""A process ends after a signal, even if something in it hangs."""

from __future__ import annotations

import subprocess
import sys

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
