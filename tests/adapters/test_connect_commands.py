"""How preconnect and postconnect commands end, and that an endless one is terminated."""

from __future__ import annotations

import signal

import pytest

from mailhaul.adapters import connect_commands
from mailhaul.adapters.connect_commands import run_with_commands
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.runtimes import blocking


async def poll() -> ExitCode:
    return ExitCode.SUCCESS


def test_a_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect_commands, "SECONDS", 0.1)
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.1)
    with pytest.raises(PollFailed, match=r"pre-connection command took more than 0\.1 seconds"):
        blocking.run(run_with_commands(poll, "sleep 300; true", None))


def test_an_unknown_status_is_not_a_success() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        words = "post-connection command ended with an unknown status"
        with pytest.raises(PollFailed, match=words):
            blocking.run(run_with_commands(poll, None, "true"))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_commands_that_end_well_change_nothing() -> None:
    assert blocking.run(run_with_commands(poll, "true", "true")) is ExitCode.SUCCESS
