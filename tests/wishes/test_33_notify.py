"""Wish 33: many folders are watched over one connection, by NOTIFY.

OfflineIMAP#164, go-imap#484, matcha#1147, imapclient#617.
"""

from __future__ import annotations

import time

import pytest

from mailhaul import imap
from mailhaul.servers import imap as server
from mailhaul.servers.mailboxes import Mailbox
from tests.apps.daemon_here import DaemonHere
from tests.apps.looking import World, mail
from tests.apps.looking import world as world  # noqa: PLC0414  # a fixture

FOLDERS = ("INBOX", "Lists", "Work", "Sent", "Archive/2026")


def stored(world: World) -> int:
    return len([*(world.home / "Mail" / "new").glob("*")])


def test_mail_in_any_folder_arrives_at_once_and_there_is_one_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UPDATE_INTERVAL", 0.02)
    boxes = {name: Mailbox([mail(1)]) for name in FOLDERS}
    world.mailboxes.update({name.encode(): box for name, box in boxes.items()})
    names = ",".join(f'"{name}"' for name in FOLDERS)
    more = f"folder {names} idle maildir {world.home}/Mail"
    rc = world.account("imap", world.imap_port(), more)
    daemon = DaemonHere(world.home)
    took: list[float] = []

    async def story() -> None:
        await daemon.until(lambda: daemon.job.is_watching and stored(world) == len(FOLDERS))
        # Several folders, one after the other and more than once.
        for number, name in enumerate(("Work", "INBOX", "Archive/2026", "Work"), 1):
            began = time.monotonic()
            boxes[name].append(mail(10 + number))
            await daemon.until(lambda n=number: stored(world) == len(FOLDERS) + n)  # type: ignore[misc]
            took.append(time.monotonic() - began)

    daemon.live(f"set daemon 3600 {rc}", story)
    assert max(took) < 2
    logins = [one for one in world.heard.commands if isinstance(one, imap.Login)]
    assert len(logins) == 1
    assert any(isinstance(one, imap.Notify) for one in world.heard.commands)
