"""Calls that flows wait for, run one after the other; equal calls run once for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class SharedCall:
    """One call that a flow waits for, and its ``result`` or ``error`` once it is ``done``."""

    __slots__ = ("call", "done", "error", "result")

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.done = False
        self.result: object = None
        self.error: Exception | None = None


def run_all(calls: Sequence[SharedCall]) -> None:
    """Run all calls in order; equal calls run once, at the place of the last of them."""
    groups: dict[Callable[[], object], list[SharedCall]] = {}
    for one in calls:
        group = groups.pop(one.call, [])
        groups[one.call] = [*group, one]
    for call, group in groups.items():
        run_once(call, group)


def run_once(call: Callable[[], object], waiting: Sequence[SharedCall]) -> None:
    """Call once and give the result to all that wait for it."""
    result: object = None
    error: Exception | None = None
    try:
        result = call()
    except Exception as failure:
        error = failure
    for one in waiting:
        one.result, one.error, one.done = result, error, True
