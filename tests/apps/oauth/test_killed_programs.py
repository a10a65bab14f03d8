"""Programs that are killed while they renew a token: the consent is never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .small_issuer import small_issuer
from .test_polls_with_tokens import World

KILLS = 12
SECONDS = 0.02
"""The time from one kill to the next one, from the start of the program."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as cleanup, small_issuer() as issuer:
        yield World(issuer, tmp_path, cleanup)


def test_kills_at_any_time_lose_no_consent(world: World) -> None:
    world.issuer.grace = True
    # Each poll needs a new token.
    world.issuer.lifetime = 0
    world.sign_in()
    killed = 0
    for number in range(KILLS):
        program = world.start(world.entry())
        time.sleep(0.05 + number * SECONDS)
        killed += program.poll() is None
        program.kill()
        program.communicate(timeout=60)
    assert killed > 3
    code, out = world.run(world.entry())
    assert code == 1, out
    assert len(list(world.folder.rglob("tokens/*.json"))) == 1
