"""Scripts of random steps, and how a failing one is made as short as possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ..verdicts import Broken

DRAW = 1_000_000
MAX_ATTEMPTS = 200
"""Runs that are spent on making a script shorter."""


@dataclass(frozen=True)
class Step:
    """One step. ``draws`` are numbers that choose among what is possible when its turn comes.

    So a script stays meaningful when steps before this one are left out.
    """

    kind: str
    session: int
    draws: tuple[int, int, int]

    def __str__(self) -> str:
        return f"session {self.session + 1}: {self.kind}"


@dataclass(frozen=True)
class Failure:
    """A script that fails at its last step, and why."""

    steps: Sequence[Step]
    broken: Broken


def draw_script(seed: int, count: int, sessions: int, weights: Mapping[str, int]) -> list[Step]:
    """Return ``count`` steps, drawn by the weights of their kinds."""
    random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
    kinds = random.choices([*weights], [*weights.values()], k=count)
    return [
        Step(
            kind,
            random.randrange(sessions),
            (random.randrange(DRAW), random.randrange(DRAW), random.randrange(DRAW)),
        )
        for kind in kinds
    ]


Play = Callable[[Sequence[Step]], Awaitable[Failure | None]]
"""Plays a script from the beginning, on fresh mailboxes; returns the failure, if any."""


async def shortest(failure: Failure, play: Play) -> Failure:
    """Return a short script that still fails: pieces are left out as long as it does.

    It need not fail in the same way; any failure is one.
    """
    size, attempts = max(1, len(failure.steps) // 2), 0
    while attempts < MAX_ATTEMPTS:
        place, shorter = 0, False
        while place < len(failure.steps) and attempts < MAX_ATTEMPTS:
            left = [*failure.steps[:place], *failure.steps[place + size :]]
            attempts += 1
            if left and (found := await play(left)):
                failure, shorter = found, True
            else:
                place += size
        if size == 1 and not shorter:
            break
        size = max(1, size // 2)
    return failure
