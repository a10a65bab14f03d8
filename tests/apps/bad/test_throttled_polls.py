"""Servers that want a rest: it is obeyed over polls and runs, and no message counts as failed."""

from __future__ import annotations

import io
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from mailhaul import pop3
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.ledger.rests import end_rest
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.throttled import RestWanted
from mailhaul.adapters.sources.pop3_maildrop import Refusals
from mailhaul.apps.cli.once import poll_all
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode

from .scripted_imap import ScriptedImap, message

BACKOFF = b"BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
OVERQUOTA = b"NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"


class Runs:
    """Runs over the entries of an rc file, in this process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.out = io.StringIO()
        self.err = io.StringIO()

    def run(self, *ports: int) -> ExitCode:
        rc = self.home / "rc"
        rc.write_text(
            "".join(
                f"poll server{n} via 127.0.0.1 port {port} proto imap no dns user joe{n} pass"
                f' some-pass-word sslproto "" maildir "{self.home}/Mail{n}"\n'
                for n, port in enumerate(ports)
            )
        )
        rc.chmod(0o600)
        caller = Caller("me", rc.stat().st_uid, str(self.home), None, str(self.home))
        lines = Lines(1, self.out, self.err)
        return poll_all(load(["-f", str(rc)], caller, bytes), caller, lines, nullcontext)

    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.home / "state" / "mailhaul" / "ledger.db"))

    def arrived(self, number: int = 0) -> int:
        return len(list((self.home / f"Mail{number}").glob("new/*")))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Runs(tmp_path)


@pytest.mark.parametrize("command", ["UID FETCH 2", "SELECT", "LOGIN"])
def test_a_named_time_is_obeyed_wherever_it_is_said(runs: Runs, command: str) -> None:
    texts = [message(n) for n in (1, 2, 3)]
    with ScriptedImap(*texts, answers={command: BACKOFF}) as server, ScriptedImap(*texts) as other:
        assert runs.run(server.port, other.port) is ExitCode.SUCCESS
        assert "Suggested Backoff Time: 92415" in runs.err.getvalue()
        assert "joe0@server0: the server wants a rest; not polled before" in runs.out.getvalue()
        before = runs.arrived()
        assert before == (1 if "FETCH" in command else 0)
        assert runs.arrived(1) == 3
        visits = server.visits
        # Another run does not even connect; other accounts go on.
        assert runs.run(server.port) is ExitCode.SERVBUSY
        assert server.visits == visits
        assert "Suggested Backoff Time: 92415" in runs.out.getvalue()
        ledger = runs.ledger()
        rows = ledger.write(lambda db: db.execute("SELECT tries FROM message").fetchall())
        assert sum(tries for (tries,) in rows) == 0
        rest = ledger.write(lambda db: db.execute("SELECT account, until FROM rest").fetchall())
        [(account, until)] = rest
        assert 60 < until - ledger.clock() <= 93
        end_rest(ledger, account)
        ledger.close()
        server.answers.clear()
        assert runs.run(server.port) is ExitCode.SUCCESS
        assert runs.arrived() == 3


def test_over_its_quota_an_account_rests_for_an_hour(runs: Runs) -> None:
    with ScriptedImap(message(1), answers={"LOGIN": OVERQUOTA}) as server:
        assert runs.run(server.port) is ExitCode.SERVBUSY
        assert runs.run(server.port) is ExitCode.SERVBUSY
        assert server.visits == 1
    ledger = runs.ledger()
    [(until,)] = ledger.write(lambda db: db.execute("SELECT until FROM rest").fetchall())
    assert 3500 < until - ledger.clock() <= 3600
    ledger.close()


def test_a_refusal_of_one_message_without_a_time_is_no_rest(runs: Runs) -> None:
    answers = {"UID FETCH 2": b"NO [UNAVAILABLE] try again later"}
    with ScriptedImap(*(message(n) for n in (1, 2, 3)), answers=answers) as server:
        runs.run(server.port)
        assert runs.arrived() == 2
        runs.run(server.port)
        assert server.visits > 1


@pytest.mark.parametrize("words", [BACKOFF, OVERQUOTA], ids=["a named time", "OVERQUOTA"])
def test_a_rest_that_is_wanted_for_one_message_each_time_holds_up_no_others(
    runs: Runs, words: bytes
) -> None:
    texts = [message(n) for n in (1, 2, 3)]
    earlier = "UPDATE message SET since = since - 99, tried = tried - 99 WHERE tried"
    with ScriptedImap(*texts, answers={"UID FETCH 1": words}) as server:
        for _ in range(3):
            assert runs.run(server.port) is ExitCode.SERVBUSY
            with closing(runs.ledger()) as ledger:
                ledger.write(lambda db: db.execute("DELETE FROM rest"))
                ledger.write(lambda db: db.execute(earlier))
        assert [*server.mailbox] == [1]
        server.answers.clear()
        assert runs.run(server.port) is ExitCode.SUCCESS
        assert not server.mailbox


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"-ERR [IN-USE] locked", [60.0]),
        (b"-ERR [SYS/TEMP] down", [60.0]),
        (b"-ERR Suggested Backoff Time: 5000 milliseconds", [5.0]),
        (b"-ERR [AUTH] wrong", []),
        (b"+OK try again", []),
    ],
)
def test_pop3_says_it_too(line: bytes, seconds: list[float]) -> None:
    wanted: list[RestWanted] = []
    client = pop3.Client(tap=Refusals(wanted.append))
    client.receive_data(b"+OK ready\r\n")
    client.next_event()
    client.send(pop3.User(b"joe"))
    client.receive_data(line + b"\r\n")
    client.next_event()
    assert [one.seconds for one in wanted] == seconds
