"""The conformance suite for clients gives the verdicts that we know, and no others.

The files ``conformance/client-NAME.expect`` have the known ones; docs/conformance/judgements.md has
the reasons. Only a few cases are run here; ``make matrix PEERS=client`` runs all.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.matrix.peers.clients import trial

pytestmark = pytest.mark.real

EXPECTED = Path(__file__).parent / "conformance"
CASES = (
    *("client/pop3/2", "client/pop3/3", "client/pop3/10", "client/imap/1", "client/imap/13"),
    *("client/smtp/2", "client/smtp/3", "client/smtp/5", "client/smtp/12", "client/smtp/18"),
    *("client/lmtp/1", "client/tls/2"),
)


def verdicts(client: str, folder: Path, cases: tuple[str, ...] = CASES) -> dict[str, str]:
    """Run the cases; return the verdict of each. Everything is as in the file of the client."""
    result = folder / "result.json"
    expect = EXPECTED / f"client-{client}.expect"
    options = [*cases, "--strict", "--expect", str(expect)]
    done = trial(client, client).run(result, options)
    assert done.returncode == 0, done.stdout
    document = json.loads(result.read_text())
    assert not document["stopped"]
    return {found["id"]: found["verdict"] for found in document["results"]}


def test_fetchmail_is_as_known(tmp_path: Path) -> None:
    found = verdicts("fetchmail", tmp_path)
    assert found.keys() == set(CASES)
    assert found["client/pop3/2"] == "pass"


def test_curl_fetches_with_each_kind_of_tls(tmp_path: Path) -> None:
    cases = ("client/pop3/2", "client/pop3/10", "client/tls/1", "client/tls/2", "client/tls/3")
    found = verdicts("curl", tmp_path, cases)
    assert found.pop("client/pop3/10") == "warn"
    assert set(found.values()) == {"pass"}


def test_mailhaul_is_as_known(tmp_path: Path) -> None:
    assert set(verdicts("mailhaul", tmp_path).values()) == {"pass", "warn"}
