"""Wish 26: the log tells "no mail" from an error, names the account, and can be read by programs.

It has a record for each message, as an audit needs it. Mailu#23, Mailu#88 ("No mail" logged as an
error), osTicket#6455, james-project#4866.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.peer import HANG_UP
from tests.apps.bad.running import SECRET, mailhaul
from tests.apps.bad.scripted_imap import ScriptedImap, message


def entry(name: str, server: ScriptedImap, home: Path) -> str:
    return (
        f"poll {name} via localhost port {server.port} protocol imap no dns\n"
        f"  user joe password {SECRET} sslproto '' maildir {home}/Mail\n"
    )


def test_a_program_reads_what_happened_to_which_account(tmp_path: Path) -> None:
    refuses = {"LOGIN": b"NO not you"}
    with (
        ScriptedImap(message(1), message(2)) as full,
        ScriptedImap() as empty,
        ScriptedImap(answers=refuses) as broken,
    ):
        servers = {"full": full, "empty": empty, "broken": broken}
        rc = "".join(entry(name, server, tmp_path) for name, server in servers.items())
        log = tmp_path / "log"
        log.touch()
        run = mailhaul(tmp_path, f'set jsonlog set logfile "{log}"\n{rc}')
    assert (run.code, run.out, run.err) == (ExitCode.SUCCESS, "", "")
    records: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    by_account = {
        name: [one for one in records if one["account"] == f"joe@{name}"] for name in servers
    }
    # Every record is about one of them, and only the broken one has errors.
    assert sum(map(len, by_account.values())) == len(records)
    assert {one["account"] for one in records if one["level"] == "error"} == {"joe@broken"}
    ends = {name: [r for r in some if r["event"] == "poll"] for name, some in by_account.items()}
    assert {name: [end["code"] for end in some] for name, some in ends.items()} == {
        "full": ["SUCCESS"],
        "empty": ["NOMAIL"],
        "broken": ["AUTHFAIL"],
    }
    assert (ends["full"][0]["fetched"], ends["full"][0]["delivered"]) == (2, 2)
    # What happened to each message.
    audit = [one for one in by_account["full"] if one["event"] == "message"]
    assert [(one["uid"], one["outcome"], one["deleted"]) for one in audit] == [
        ("1", "accepted", True),
        ("2", "accepted", True),
    ]
    assert [one["size"] for one in audit] == [len(message(1)), len(message(2))]


def test_in_plain_text_no_mail_is_no_error_and_an_error_names_its_entry(tmp_path: Path) -> None:
    refuses, hangs_up = {"LOGIN": b"NO not you"}, {"LOGIN": HANG_UP}
    with (
        ScriptedImap() as empty,
        ScriptedImap(answers=refuses) as broken,
        ScriptedImap(answers=hangs_up) as gone,
    ):
        rc = entry("empty", empty, tmp_path)
        alone = mailhaul(tmp_path, rc)
        assert (alone.code, alone.err) == (ExitCode.NOMAIL, "")
        assert "No mail for joe at empty" in alone.out
        # As cron runs it: nothing to mail about, unless there is an error.
        rc += entry("broken", broken, tmp_path) + entry("gone", gone, tmp_path)
        run = mailhaul(tmp_path, rc, "--silent")
    assert run.out == ""
    assert sorted(line.split(": ")[0] for line in run.complaints) == ["joe@broken", "joe@gone"]
