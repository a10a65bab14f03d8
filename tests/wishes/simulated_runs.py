"""Runs of ``mailhaul`` with an rc file, in this process and in virtual time, as cron starts them.

Rc file, polls, ledger and files are the real ones; only clock and connections are simulated.
"""

from __future__ import annotations

import io
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.cli.once import poll_all
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode
from mailhaul.runtimes import blocking
from mailhaul.runtimes.simulated import Simulation


class SimulatedRuns:
    """A home folder, and servers that a subclass adds. Time passes by what each run takes."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, start: float = 0.0) -> None:
        for name in ("XDG_STATE_HOME", "FETCHMAILHOME", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr(blocking, "run", self._run)
        self.home = home
        self.caller = Caller("me", os.getuid(), str(home), None, str(home))
        self.out, self.err = io.StringIO(), io.StringIO()
        self._passed = start
        self._simulation: Simulation | None = None

    def simulation(self) -> Simulation:
        """Return the simulation for a flow; a subclass lets servers listen in it."""
        return Simulation(round_trip=0.05)

    def _run(self, flow: Any, *_: Any) -> Any:
        """Run a flow among the servers, instead of on the blocking runtime."""
        self._simulation = simulation = self.simulation()
        try:
            return simulation.run(flow)
        finally:
            self._passed, self._simulation = self.time(), None

    def time(self) -> float:
        """The virtual time."""
        return self._passed + (self._simulation.now if self._simulation else 0.0)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds

    def write(self, rc: str) -> None:
        """Write the rc file."""
        path = self.home / "rc"
        path.write_text(rc)
        path.chmod(0o600)

    def poll(self, *words: str) -> ExitCode:
        """Run ``mailhaul`` once."""
        arguments = ["-f", str(self.home / "rc"), "--one-by-one", *words]
        configuration = load(arguments, self.caller, bytes)
        return poll_all(configuration, self.caller, Lines(1, self.out, self.err), nullcontext)

    def delivered(self, folder: str = "Mail") -> list[bytes]:
        """Return the messages in a Maildir."""
        return [path.read_bytes() for path in sorted((self.home / folder / "new").glob("*"))]
