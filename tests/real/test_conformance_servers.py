"""The conformance suites against real servers give the verdicts that we know, and no others.

The files ``conformance/NAME.expect`` have the known ones; docs/conformance/judgements.md has the
reasons. The whole matrix is made by ``make matrix``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.matrix.peers import PEERS
from tests.matrix.peers.place import private_place
from tests.matrix.trials import Trial
from tests.real.servers.dovecot_settings import has_new_settings

pytestmark = pytest.mark.real

EXPECTED = Path(__file__).parent / "conformance"
IMAP_SECONDS = 20.0
"""Of a whole run, on a machine that has nothing else to do."""
OURS = ("mailhaul-imap", "mailhaul-pop3", "mailhaul-smtp", "mailhaul-lmtp")


@contextmanager
def started(peer: str) -> Generator[dict[str, Trial]]:
    """Start a peer; yield its trials by name."""
    with private_place() as place, PEERS[peer](place) as trials:
        yield {trial.name: trial for trial in trials}


@pytest.fixture(scope="module")
def dovecot() -> Generator[dict[str, Trial]]:
    if has_new_settings():
        pytest.skip("what Dovecot 2.3 does is in docs/conformance; 2.4 was not judged")
    with started("dovecot") as trials:
        yield trials


def verdicts(trial: Trial, folder: Path) -> dict[str, str]:
    """Run a suite; return the verdict of each case. Everything is as in the file of the target."""
    result = folder / "result.json"
    expect = EXPECTED / f"{trial.name}.expect"
    done = trial.run(result, ["--strict", "--expect", str(expect)])
    assert done.returncode == 0, done.stdout
    document = json.loads(result.read_text())
    assert not document["stopped"]
    return {found["id"]: found["verdict"] for found in document["results"]}


def test_two_runs_against_dovecot_imap_agree_and_are_fast(
    dovecot: dict[str, Trial], tmp_path: Path
) -> None:
    began = time.monotonic()
    first = verdicts(dovecot["dovecot-imap"], tmp_path)
    seconds = time.monotonic() - began
    assert verdicts(dovecot["dovecot-imap"], tmp_path) == first
    others = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert seconds < IMAP_SECONDS * max(1.0, others)


def test_dovecot_pop3_is_as_known(dovecot: dict[str, Trial], tmp_path: Path) -> None:
    assert "pass" in verdicts(dovecot["dovecot-pop3"], tmp_path).values()


def test_exim_is_as_known(tmp_path: Path) -> None:
    with started("exim") as trials:
        assert "pass" in verdicts(trials["exim"], tmp_path).values()


def test_our_servers_are_as_known(tmp_path: Path) -> None:
    with started("mailhaul") as trials:
        for name in OURS:
            assert "fail" not in verdicts(trials[name], tmp_path).values()
