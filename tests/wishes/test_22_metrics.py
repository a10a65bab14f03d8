"""Wish 22: metrics of each account, whose counters and time of the last success survive restarts.

A series that is missing after a restart is an alert that never fires. freescout#1169,
emailengine#224, mailexporter#38, dmarc-metrics-exporter#33.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from mailhaul.apps.cli.status import status
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.peer import SILENCE
from tests.apps.bad.running import SECRET, mailhaul
from tests.apps.bad.scripted_imap import ScriptedImap, message
from tests.apps.daemon_here import DaemonHere
from tests.apps.looking import World
from tests.apps.looking import world as world  # noqa: PLC0414  # a fixture

JOE, ANN = "joe@works", "ann@fails"
SIZE = sum(map(len, (message(1), message(2))))


def entries(home: Path, port: int, down: int) -> str:
    rest = f"password {SECRET} sslproto '' maildir {home}/Mail\n"
    return (
        f"poll works via localhost port {port} protocol imap no dns timeout 2 user joe {rest}"
        f"poll fails via localhost port {down} protocol imap no dns timeout 2 user ann {rest}"
    )


def samples(text: str) -> dict[tuple[str, str], float]:
    """Return the values of an exposition by name and account, those of other labels added up."""
    parser = pytest.importorskip("prometheus_client.parser")
    found: dict[tuple[str, str], float] = {}
    for family in parser.text_string_to_metric_families(text):
        for one in family.samples:
            key = one.name.removeprefix("mailhaul_"), one.labels.get("account", "")
            found[key] = found.get(key, 0) + one.value
    return found


def textfile(world: World) -> dict[tuple[str, str], float]:
    """Return what ``mailhaul status --textfile`` writes."""
    path = world.home / "mailhaul.prom"
    words = ["-f", str(world.home / "rc"), "--textfile", str(path)]
    status(words, world.caller, Lines(0))
    return samples(path.read_text())


def test_runs_from_cron_add_up_to_metrics_in_a_textfile(world: World) -> None:
    with ScriptedImap(message(1), message(2)) as server:
        rc = entries(world.home, server.port, 1)
        world.write_rc(rc)
        # Each series is there before the first poll.
        before = textfile(world)
        began = time.time()
        assert mailhaul(world.home, rc).code == 0
        assert mailhaul(world.home, rc).code == ExitCode.SOCKET
    after = textfile(world)
    assert after.keys() == before.keys()
    assert {value for (_, account), value in before.items() if account} == {0}
    assert after["messages_delivered_total", JOE] == 2
    assert after["fetched_bytes_total", JOE] == SIZE
    assert (after["polls_total", JOE], after["polls_total", ANN]) == (2, 2)
    assert (after["consecutive_failures", JOE], after["consecutive_failures", ANN]) == (0, 2)
    assert began - 1 < after["last_success_timestamp_seconds", JOE] < time.time() + 1
    assert after["last_success_timestamp_seconds", ANN] == 0


def test_a_daemon_that_has_just_started_still_knows_the_last_success(world: World) -> None:
    pytest.importorskip("h11")
    server = world.cleanup.enter_context(ScriptedImap(message(1), message(2)))
    metrics = 'set daemon 300 set metrics "127.0.0.1:0"\n'
    rc = entries(world.home, server.port, 1)
    at_home = {"FETCHMAILHOME": str(world.home)}
    assert mailhaul(world.home, rc, environment=at_home).code == 0
    server.answers["LOGIN"] = SILENCE
    server.commands.clear()
    daemon = DaemonHere(world.home)
    told: list[bytes] = []

    async def scrape() -> None:
        await daemon.until(lambda: any("LOGIN" in line for line in server.commands))
        await daemon.until(lambda: daemon.service.exposition)
        await daemon.until(daemon.service.exposition.listening.is_set)
        stream = await trio.open_tcp_stream("127.0.0.1", daemon.service.exposition.port)
        async with stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            told.extend([bytes(some) async for some in stream])
        # The poll ends with its connection.
        world.cleanup.close()

    daemon.live(metrics + rc, scrape)
    found = samples(b"".join(told).partition(b"\r\n\r\n")[2].decode())
    assert found["daemon_up", ""] == 1
    # Its first poll has not ended yet.
    assert (found["polls_total", JOE], found["messages_delivered_total", JOE]) == (1, 2)
    assert time.time() - 60 < found["last_success_timestamp_seconds", JOE]
    assert found["consecutive_failures", ANN] >= 1
