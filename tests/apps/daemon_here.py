"""A daemon that runs in the process of the test, with all its files below one folder."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import trio

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.daemon.service import Service
from mailhaul.apps.polls.lines import Lines


class DaemonHere:
    """``service`` is the daemon while it runs, and ``out`` has all that it says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.out = StringIO()
        self.service: Any = None

    def live(self, text: str, story: Callable[[], Awaitable[None]]) -> None:
        """Run a daemon with this rc file until the end of the story."""
        self.write("rc", text)
        caller = Caller("me", os.getuid(), str(self.home), str(self.home), str(self.home))
        arguments = ["-f", str(self.home / "rc")]
        configuration = load(arguments, caller, bytes)
        self.service = Service(configuration, caller, Lines(1, self.out, self.out), arguments)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.service.run)
                await self.until(lambda: self.service.scheduler.jobs)
                await story()
                self.service.scheduler.stop()

        trio.run(main)

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until something is so. Raises trio.TooSlowError."""
        with trio.fail_after(20):
            while not met():
                await trio.sleep(0.005)

    @property
    def job(self) -> Any:
        """The job of the only account."""
        [job] = self.service.scheduler.jobs
        return job

    def write(self, name: str, text: str) -> None:
        """Replace a file as a rotation does."""
        (self.home / "next").write_text(text)
        (self.home / "next").chmod(0o600)
        (self.home / "next").rename(self.home / name)
