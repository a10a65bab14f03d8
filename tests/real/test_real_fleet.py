"""Daemons that share one store: kills, pauses, and a database that goes away."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fleet_chaos import LEASE, Fleet, running, wait_for
from .servers.postgres import Postgres

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
SEED = int(os.environ.get("MAILHAUL_SIM_SEED", "1"))


@pytest.fixture
def transcript() -> None:
    """Record nothing: the polls are those of other processes."""


@pytest.fixture
def fleet(tmp_path: Path, store_url: str) -> Iterator[Fleet]:
    with running(tmp_path, store_url) as found:
        yield found


def test_every_message_is_delivered_once_whatever_happens(fleet: Fleet, postgres: Postgres) -> None:
    """A machine is killed, one is stopped for longer than its lease, the database restarts."""
    names = ("a", "b", "c")
    polled = [f"p{number}" for number in range(6)]
    watched = [f"w{number}" for number in range(3)]
    fleet.add(*polled)
    fleet.add(*watched, idle=True)
    users = [*polled, *watched]
    send(fleet, users, 2)
    fleet.start(*names)
    everything_arrives(fleet, names, 15)
    fleet.kill("a")
    fleet.signal("b", signal.SIGSTOP)
    send(fleet, users, 2)
    stopped = time.monotonic()
    time.sleep(0.5)
    postgres.restart(signal.SIGQUIT)
    # Only "c" is left: it takes over from both.
    everything_arrives(fleet, names, 2 * LEASE + 5)
    assert time.monotonic() - stopped > LEASE / 2
    found = fleet.status("c")
    assert Counter(one["alive"] for one in found["fleet"]["workers"])[False] >= 1
    assert found["fleet"]["accounts"] == len(users) == len(found["accounts"])
    fleet.signal("b", signal.SIGCONT)
    fleet.start("a")
    send(fleet, users, 2)
    everything_arrives(fleet, names, 10)
    assert max(fleet.deliveries().values()) == 1
    wait_for(lambda: "longer than its lease" in fleet.log("b"), 5, fleet, "b")
    fleet.end("c")
    assert "c" not in "".join(fleet.owners())


def send(fleet: Fleet, users: list[str], count: int) -> None:
    for user in users:
        for _ in range(count):
            fleet.servers.send(user)


def everything_arrives(fleet: Fleet, names: tuple[str, ...], seconds: float) -> None:
    def done() -> bool:
        return not fleet.servers.left() and len(fleet.deliveries()) == fleet.servers.sent

    wait_for(done, seconds, fleet, names)


@pytest.mark.skipif(not SOAK, reason="MAILHAUL_SOAK is not set")
def test_an_hour_of_kills_and_pauses(fleet: Fleet, postgres: Postgres) -> None:
    """Random harm for MAILHAUL_SOAK seconds at least (or 300), with four machines."""
    print(f"MAILHAUL_SIM_SEED={SEED}")
    chance = random.Random(SEED)
    names = ("a", "b", "c", "d")
    users = [f"p{number}" for number in range(40)]
    watched = [f"w{number}" for number in range(10)]
    fleet.add(*users)
    fleet.add(*watched, idle=True)
    users += watched
    fleet.start(*names)
    seconds = max(300.0, float(os.environ.get("MAILHAUL_SOAK", "0")))
    ends = time.monotonic() + seconds
    kills = stops = restarts = 0
    while time.monotonic() < ends:
        for user in chance.sample(users, 20):
            fleet.servers.send(user)
        match chance.randrange(6):
            case 0 | 1:
                name = chance.choice(names)
                fleet.kill(name)
                kills += 1
                time.sleep(chance.random() * LEASE)
                fleet.start(name)
            case 2 | 3:
                name = chance.choice(names)
                fleet.signal(name, signal.SIGSTOP)
                stops += 1
                time.sleep(LEASE * (0.5 + chance.random()))
                fleet.signal(name, signal.SIGCONT)
            case 4:
                restarts += 1
                postgres.stop(signal.SIGQUIT)
                time.sleep(chance.random() * 2 * LEASE)
                postgres.start()
            case _:
                time.sleep(chance.random() * 3)
    everything_arrives(fleet, names, 60)
    found = fleet.deliveries()
    twice = sum(count - 1 for count in found.values())
    print(
        f"{len(found)} messages, {twice} twice; {kills} kills, {stops} stops, {restarts} restarts"
    )
    assert twice <= kills + stops


def test_accounts_are_added_paused_and_removed_while_daemons_run(fleet: Fleet) -> None:
    fleet.servers.add("joe")
    entry = (
        f"poll 127.0.0.1 protocol imap port {fleet.servers.ports['joe']}\n"
        f'  user joe passwordeval "@print" sslproto "" idle maildir "{fleet.mail}/joe"\n'
    )
    fleet.start("a", "b")
    done = fleet.run("a", "accounts", "add", text=entry.replace('"@print"', '"echo secret"'))
    assert done.returncode == 5
    assert "standard input:2:12: passwordeval: " in done.stderr
    done = fleet.run("a", "accounts", "add", text=entry)
    assert (done.returncode, done.stdout) == (0, "mailhaul: joe@127.0.0.1: added\n"), done.stderr
    wait_for(lambda: fleet.sql("SELECT 1 FROM account WHERE watching"), 10, fleet, "ab")
    fleet.servers.send("joe")
    wait_for(lambda: sum(fleet.deliveries().values()) == 1, 10, fleet, "ab")
    listed = fleet.run("b", "accounts")
    assert "joe@127.0.0.1  store   watching" in listed.stdout
    metrics = fleet.run("a", "status", "--metrics").stdout
    assert 'mailhaul_fleet_accounts{state="watching"} 1' in metrics
    assert 'mailhaul_fleet_workers{state="alive"} 2' in metrics
    assert fleet.run("b", "accounts", "pause", "joe@127.0.0.1").returncode == 0
    wait_for(lambda: not fleet.owners(), 2, fleet, "ab")
    assert fleet.run("b", "accounts", "resume", "joe@127.0.0.1").returncode == 0
    wait_for(lambda: fleet.sql("SELECT 1 FROM account WHERE watching"), 3, fleet, "ab")
    done = fleet.run("b", "accounts", "remove", "joe@127.0.0.1", "jim@127.0.0.1")
    assert done.returncode == 7
    assert "joe@127.0.0.1: remove" in done.stdout
    assert "jim@127.0.0.1: no such account" in done.stderr
    assert fleet.run("b", "accounts", "list", "--json").returncode == 1
