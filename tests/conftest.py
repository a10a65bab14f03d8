"""Every flow that a test here runs is taken down and gone through again, with the same events.

Programs that tests start have the signals of a shell, whoever started the tests (``nohup``, ``&``).
A name server that does not answer costs a second per name, not ten.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from mailhaul.adapters.transcript.recorder import Tape
from mailhaul.adapters.transcript.replay import replay
from mailhaul.runtimes.engine import Engine
from mailhaul.runtimes.simulated import Simulation


def pytest_configure() -> None:
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def transcript(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let a tape be the observer of all that is opened; compare it with its replay."""
    taken: list[str] = []
    tape = Tape(taken.append, lambda: 0.0)

    def watched(kind: type[Any]) -> None:
        signature = inspect.signature(kind)
        begin = kind.__init__

        def begin_watched(self: Any, *args: Any, **options: Any) -> None:
            given = signature.bind(*args, **options)
            given.arguments["observer"] = given.arguments.get("observer") or tape.watch
            begin(self, *given.args, **given.kwargs)

        monkeypatch.setattr(kind, "__init__", begin_watched)

    watched(Engine)
    watched(Simulation)
    yield taken
    assert [str(line) for line in replay(taken) if line.instead is not None] == []
