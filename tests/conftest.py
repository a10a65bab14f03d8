"""Every flow that a test here runs is taken down and gone through again, with the same events.

Programs that tests start have the signals of a shell, whoever started the tests (``nohup``, ``&``).
A name server that does not answer costs a second per name, not ten.
"""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailhaul.adapters.transcript.recorder import Tape
from mailhaul.adapters.transcript.replay import replay
from mailhaul.runtimes.engine import Engine
from mailhaul.runtimes.simulated import Simulation

if TYPE_CHECKING:
    from .real.servers.postgres import Postgres


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL of this test run."""
    from .real.servers.postgres import Postgres

    # A UNIX socket's path has 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mh-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = Postgres(folder / "pg")
        with server.running():
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store_url(postgres: Postgres) -> str:
    """The URL of a store in PostgreSQL that is empty."""
    postgres.empty()
    return postgres.url
