"""Wish 31: after a suspend, or in another network, mail is there at once.

Connections that were open are dead without any sign of it, and the next poll may be an hour away.
node-imapnotify#3, mailnag#233, mustang#350.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest

from mailhaul import imap
from mailhaul.apps.daemon import network
from mailhaul.apps.daemon import service as service_module
from mailhaul.servers import imap as server
from tests.apps.daemon_here import DaemonHere
from tests.apps.looking import World, mail
from tests.apps.looking import world as world  # noqa: PLC0414  # a fixture
from tests.apps.test_network import ONE, Line, said


def suspend(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what suspends the machine for an hour: its clocks differ by that then."""
    slept = 0.0
    measured = service_module.suspended_seconds

    def clock(kind: int) -> float:
        return slept if kind == time.CLOCK_BOOTTIME else 0.0

    monkeypatch.setattr(service_module, "suspended_seconds", lambda: measured(clock))

    def sleep_and_wake() -> None:
        nonlocal slept
        slept += 3600

    return sleep_and_wake


def change_networks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what takes the machine into another network: the kernel tells of a new address."""
    line = Line()
    watch = partial(network.watch_network, line=lambda: cast(socket.socket, line))
    monkeypatch.setattr(service_module, "watch_network", watch)
    monkeypatch.setattr(network, "SETTLING", 0.02)

    def arrive() -> None:
        line.says.send(said(ONE))

    return arrive


@pytest.mark.parametrize("event", [suspend, change_networks])
@pytest.mark.parametrize("options", ["idle", ""], ids=["idle", "every hour"])
def test_mail_is_fetched_at_once_over_a_new_connection(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    event: Callable[[pytest.MonkeyPatch], Callable[[], None]],
    options: str,
) -> None:
    monkeypatch.setattr(service_module, "TICK", 0.02)
    # The old connection is dead: nothing is heard over it.
    monkeypatch.setattr(server, "UPDATE_INTERVAL", 1000.0)
    happens = event(monkeypatch)
    rc = world.account("imap", world.imap_port(), f"{options} maildir {world.home}/Mail")
    daemon = DaemonHere(world.home)

    def logins() -> int:
        return sum(isinstance(one, imap.Login) for one in world.heard.commands)

    async def story() -> None:
        await daemon.until(lambda: daemon.job.state.value in {"watching", "waiting"} and logins())
        world.inbox.append(mail(1))
        happens()
        await daemon.until(lambda: [*(world.home / "Mail" / "new").glob("*")])

    daemon.live(f"set daemon 3600 {rc}", story)
    assert logins() == 2
