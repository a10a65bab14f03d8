"""Each output for programs is as its published schema says."""

from __future__ import annotations

import json
import os
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.adapters.ledger.results import EntryResult, Waiting
from mailhaul.adapters.ledger.store import Rest, SqliteLedger
from mailhaul.adapters.oauth.accounts import TokenOwner
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.apps.cli import about, ledger, login_list, quarantine
from mailhaul.apps.cli.commands import Misused
from mailhaul.apps.cli.schema import SCHEMAS, schema, schema_of
from mailhaul.apps.polls.health import health
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.status import STATES, DaemonFacts, EntryStatus, Live, document
from mailhaul.flows.outcome import ExitCode, Outcome, Verdict
from mailhaul.protocols.secret import Secret

jsonschema = pytest.importorskip("jsonschema")


def valid(name: str, found: Any) -> None:
    # What programs get, after its way through JSON.
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(schema_of(name), format_checker=checker).validate(
        json.loads(json.dumps(found))
    )


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_one_of_the_version_of_2020_and_says_what_it_is(name: str) -> None:
    found = schema_of(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:mailhaul:schema:{name}"
    assert found["title"]
    assert found["description"].endswith(".")


def test_the_status_is_as_its_schema_says() -> None:
    failed = EntryResult(
        "j\udcf6@h", 90, ExitCode.AUTHFAIL, "no\udcff", 2, 80, 70, 90, ExitCode.AUTHFAIL, "no\udcff"
    )
    entries = [
        EntryStatus("a", EntryResult("a")),
        EntryStatus("j\udcf6@h", failed, Waiting("", "", 1, 2, 3, 50), None, None, 0.0),
    ]
    entries += [EntryStatus(state, failed, live=Live(state, 1, 99.5, "why")) for state in STATES]
    rests = [Rest(150.0, "why\udcff"), Rest(150.0, "", 5)]
    entries += [EntryStatus(f"r{rest.daylimit}", failed, rest=rest) for rest in rests]
    valid("status", document(entries, None, 100.0))
    valid("status", document(entries, DaemonFacts(1, 2.0, 300, 4), 100.0))
    valid("status", document([], None, 100.0))
    broken = document(entries, None, 100.0)
    del broken["accounts"][0]["failures"]
    with pytest.raises(jsonschema.ValidationError):
        valid("status", broken)


def test_the_other_outputs_are_as_their_schemas_say(tmp_path: Path) -> None:
    store = SqliteLedger(str(tmp_path / "ledger.db"), lambda: 1000.0)
    page = store.page("imap j\udcf6@h", "mda cat", "INBOX", 1)
    page.offer(7, 10)
    page.reject(7, 10, Outcome(Verdict.REFUSED, "550 no"))
    page.set_aside(7)
    valid("quarantine", quarantine.document(stuck(store)))
    valid("quarantine", quarantine.document([]))
    valid("ledger", ledger.document(store.accounts()))
    owner = TokenOwner("https://issuer.example", "", "client", "joe", "code")
    tokens = [(owner, SavedToken()), (owner, SavedToken(Secret(b"x"), 99.0, scope=("a", "b")))]
    valid("login", login_list.document(tokens))
    valid("version", about.document())
    valid("health", health(3, ["a"], stopping=False))
    assert health(1, [], stopping=False)["ok"]
    assert not health(1, [], stopping=True)["ok"]
    assert not health(1, ["a"], stopping=False)["ok"]


def test_the_command_prints_names_and_documents(capsys: pytest.CaptureFixture[str]) -> None:
    caller = Caller("me", os.getuid(), "/nowhere", None, "/nowhere")
    lines = Lines(1, StringIO(), StringIO())
    assert schema([], caller, lines) is ExitCode.SUCCESS
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(SCHEMAS)
    assert schema(["status"], caller, lines) is ExitCode.SUCCESS
    assert json.loads(capsys.readouterr().out) == schema_of("status")
    with pytest.raises(Misused, match="the names are accounts"):
        schema(["nothing"], caller, lines)
    with pytest.raises(Misused):
        schema(["status", "log"], caller, lines)


def test_lists_print_their_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    caller = Caller("me", os.getuid(), str(tmp_path), None, str(tmp_path))
    lines = Lines(1, StringIO(), StringIO())
    for words in (["--json"], ["list", "--json"]):
        assert quarantine.quarantine(words, caller, lines) is ExitCode.NOMAIL
        assert json.loads(capsys.readouterr().out) == {"messages": []}
        assert ledger.ledger(words, caller, lines) is ExitCode.NOMAIL
        assert json.loads(capsys.readouterr().out) == {"mailboxes": []}
    with pytest.raises(Misused):
        quarantine.quarantine(["drop", "x", "--json"], caller, lines)
    assert about.about(["--json"], caller, lines) is ExitCode.SUCCESS
    valid("version", json.loads(capsys.readouterr().out))
    assert about.about([], caller, lines) is ExitCode.SUCCESS
    shown = capsys.readouterr().out
    assert "SQLite" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_version_names_all_extras_of_the_package() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    for_developers = {"docs", "test", "dev", "fuzz", "mutate"}
    assert set(about.EXTRAS) == set(extras) - for_developers
    found = about.document() | {"extras": {"dns": True, "oauth": False, "progress": False}}
    assert about.text(found).endswith("extras    dns; not installed: oauth, progress\n")
