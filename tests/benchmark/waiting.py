"""Run the daemon until all its accounts wait for news: ``python waiting.py FILE ARGUMENT...``.

FILE gets as JSON the octets of all Python objects then, and the calls of functions until then. The
two are not counted in one run, since counting calls makes objects: ``--calls`` as the first
argument chooses the calls.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from types import FrameType

import trio
from trio._core._run import GLOBAL_RUN_CONTEXT

from mailhaul.adapters.config.caller import find_caller
from mailhaul.adapters.config.load import load
from mailhaul.apps.daemon.service import Service
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import GOOD

calls: Counter[str] = Counter()


def profile(_: FrameType, event: str, __: object) -> None:
    """Count an event of the interpreter."""
    calls[event] += 1


def octets() -> int:
    """Return the octets of all objects in use."""
    # trio drops its records of timeouts that are over a thousand at a time.
    GLOBAL_RUN_CONTEXT.runner.deadlines._prune()  # pyright: ignore[reportPrivateUsage]  # not public
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def run(service: Service, found: dict[str, int]) -> None:
    """Run the daemon until all jobs wait, and note what that took."""

    async def stop() -> None:
        jobs = service.scheduler.jobs
        while not all(job.is_watching for job in jobs):
            if failed := [job.name for job in jobs if job.last_code not in {None, *GOOD}]:
                raise AssertionError(failed)
            await trio.sleep(0.25)
        # The last of them sends IDLE.
        await trio.sleep(0.25)
        found["calls"] = calls["call"] + calls["c_call"]
        if tracemalloc.is_tracing():
            found["octets"] = octets()
        service.scheduler.stop()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await trio.lowlevel.checkpoint()
        nursery.start_soon(stop)


def main(words: list[str]) -> None:
    """Run the daemon, and write what it took."""
    counts_calls = words[0] == "--calls"
    file, *arguments = words[1:] if counts_calls else words
    if not counts_calls:
        tracemalloc.start()
    caller = find_caller(os.environ, os.geteuid(), os.getcwd())
    configuration = load(arguments, caller, bytes)
    service = Service(configuration, caller, Lines(0), arguments)
    found: dict[str, int] = {}
    if counts_calls:
        sys.setprofile(profile)
    trio.run(run, service, found)
    if counts_calls:
        sys.setprofile(None)
    Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
