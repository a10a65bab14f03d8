"""Kills, signals and a second run at bad moments: no mail is lost, at most one duplicate."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from .peer import SILENCE
from .running import Run, Started, account, mailhaul, script, start
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp


def waiting_run(home: Path, server: ScriptedImap, sink: ScriptedSmtp) -> tuple[str, Started]:
    """Return an rc file and a run that waits for the reply to the first final dot."""
    sink.gate.clear()
    rc = account(server.port, f"smtphost localhost/{sink.port}", server="timeout 60")
    started = start(home, rc)
    assert sink.dotted.wait(10)
    return rc, started


def test_a_second_run_on_the_same_account_names_the_first(tmp_path: Path) -> None:
    with ScriptedImap(message(1), message(2)) as server, ScriptedSmtp() as sink:
        rc, first = waiting_run(tmp_path, server, sink)
        second_home = tmp_path / "second"
        second_home.mkdir()
        state = {"XDG_STATE_HOME": str(tmp_path / ".local" / "state")}
        second = mailhaul(second_home, rc, environment=state)
        assert second.code == 8
        assert f"process {first.process.pid}" in second.complaint
        assert "joe@localhost" in second.complaint

        sink.gate.set()
        assert first.finish().code == 0
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}


def test_a_dead_holder_does_not_block_and_costs_one_duplicate_at_most(tmp_path: Path) -> None:
    with ScriptedImap(*map(message, (1, 2, 3))) as server, ScriptedSmtp() as sink:
        rc, killed = waiting_run(tmp_path, server, sink)
        killed.process.kill()
        assert killed.finish().code == -signal.SIGKILL
        assert (server.kept, server.changes) == ([1, 2, 3], [])

        sink.gate.set()
        run = mailhaul(tmp_path, rc)
        assert (run.code, run.err) == (0, "")
        assert server.mailbox == {}
    delivered = subjects(sink.accepted)
    assert set(delivered) == {1, 2, 3}
    assert len(delivered) <= 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_poll_at_once_and_loses_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with ScriptedImap(message(1), message(2)) as server, ScriptedSmtp() as sink:
        rc, stopped = waiting_run(tmp_path, server, sink)
        stopped.process.send_signal(number)
        run = stopped.finish(within=5)
        assert run.code == 23
        assert run.complaint == f"terminated with signal {int(number)}"
        assert (server.kept, server.changes) == ([1, 2], [])

        sink.gate.set()
        assert mailhaul(tmp_path, rc).code == 0
        assert server.mailbox == {}
    assert set(subjects(sink.accepted)) == {1, 2}
    assert len(sink.accepted) <= 3


def stop_at_the_greeting(home: Path, rc: str, ready: Path) -> Run:
    """Send SIGTERM to a run once its plugin has begun."""
    started = start(home, rc)
    # Opening a named pipe waits for the other side.
    ready.read_text()
    started.process.send_signal(signal.SIGTERM)
    return started.finish(within=5)


def test_a_signal_ends_the_plugin_too(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    plugin = script(tmp_path / "plugin", f"trap '' TERM\necho >{ready}\nwhile :; do sleep 1; done")
    rc = f'poll mail.example.org protocol imap preauth ssh plugin "{plugin}"\n  mda cat\n'
    run = stop_at_the_greeting(tmp_path, rc, ready)
    assert run.code == 23
    assert run.complaint == "terminated with signal 15"


def test_a_server_that_stops_responding_after_a_delivery_does_not_undo_it(tmp_path: Path) -> None:
    with (
        ScriptedImap(message(1), message(2), answers={"UID FETCH 2": SILENCE}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, f"smtphost localhost/{sink.port}")
        run = mailhaul(tmp_path, rc)
        assert run.code == 2
        assert "timeout after 2 seconds" in run.complaints[0]
        assert subjects(sink.accepted) == [1]

        server.answers.clear()
        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}
