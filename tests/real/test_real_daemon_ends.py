"""A daemon that is killed, stopped, reloaded or replaced in the midst of mail: nothing is lost.

A few times here, fifty for each with ``make soak``.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import pytest

from .corpus import simple
from .course import WHOLE
from .daemon import PATIENCE, Daemon, box, entry, has_ended, until
from .mailhaul import MESSAGE_ID
from .servers.dovecot import Dovecot
from .servers.exim import Exim

pytestmark = pytest.mark.real

BLOWS = 50 if os.environ.get("MAILHAUL_SOAK") else 3
MESSAGES = 10 if os.environ.get("MAILHAUL_SOAK") else 30
"""How many come to each account before each blow. Exim takes a thousand from one connection."""


def kill(daemon: Daemon) -> None:
    pid = daemon.pid
    os.kill(pid, signal.SIGKILL)
    until(partial(has_ended, pid))
    daemon.start()


def stop(daemon: Daemon) -> None:
    daemon.stop()
    daemon.start()


def reload(daemon: Daemon) -> None:
    text = daemon.rc.read_text().partition("\n")[2]
    other = text.replace("99999", "88888")
    daemon.configure(other if other != text else text.replace("88888", "99999"))
    os.kill(daemon.pid, signal.SIGHUP)


AS_BEFORE = """
BEGIN;
ALTER TABLE message RENAME TO way;
CREATE TABLE page (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, sink TEXT NOT NULL, mailbox TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    UNIQUE (account, sink, mailbox, uidvalidity)
);
INSERT INTO page (account, sink, mailbox, uidvalidity)
    SELECT account, sink.name, mailbox.name, uidvalidity FROM mailbox, sink;
CREATE TABLE message (
    page INTEGER NOT NULL, uid NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL, action TEXT,
    recipients TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', PRIMARY KEY (page, uid)
) WITHOUT ROWID;
INSERT INTO message SELECT page.id, uid, size, state, action, recipients, way.name
    FROM way JOIN mailbox ON mailbox.id = way.mailbox JOIN sink ON sink.id = way.sink
    JOIN page ON (page.account, page.sink, page.mailbox, page.uidvalidity)
        = (mailbox.account, sink.name, mailbox.name, mailbox.uidvalidity);
DROP TABLE way;
DROP TABLE mailbox;
DROP TABLE sink;
DROP TABLE seen;
DROP TABLE result;
DROP TABLE alert;
DROP TABLE rest;
DROP TABLE traffic;
DROP TABLE retention;
DROP TABLE left_out;
DROP TABLE content;
PRAGMA user_version = 3;
COMMIT;
"""
"""Makes a ledger of today one of version 3."""


def replace(daemon: Daemon) -> None:
    """End it as an upgrade does; its ledger is one of the version before."""
    done = daemon.mailhaul("--pidfile", f"{daemon.home}/pid", "-q")
    assert done.returncode == 0
    until(lambda: not (daemon.home / "pid").exists())
    (path,) = daemon.home.rglob("ledger.db")
    ledger = sqlite3.connect(path)
    ledger.executescript(AS_BEFORE)
    ledger.close()
    daemon.start()


def whole(texts: Iterable[bytes]) -> Counter[bytes]:
    return names(list(filter(WHOLE.search, texts)))


def names(texts: list[bytes]) -> Counter[bytes]:
    found = (MESSAGE_ID.search(text) for text in texts)
    return Counter(one[1] for one in found if one)


@pytest.mark.parametrize("blow", [kill, stop, reload, replace])
def test_nothing_is_lost_in_the_midst_of_mail(
    daemon: Daemon, dovecot: Dovecot, user: str, exim: Exim, blow: Callable[[Daemon], None]
) -> None:
    seed = int(os.environ.get("MAILHAUL_KILLS_SEED", time.time_ns()))
    print(f"MAILHAUL_KILLS_SEED={seed}")
    chance = random.Random(seed)
    other = dovecot.new_user()
    daemon.configure(
        entry(dovecot, user, f"idle fetchlimit 99999 maildir {daemon.home}/Mail")
        + entry(dovecot, other, f"fetchlimit 99999 smtphost localhost/{exim.port}", "again")
    )
    daemon.start(interval=1)
    sent = struck = 0
    for _ in range(BLOWS):
        for number in range(sent + 2, sent + MESSAGES + 2):
            dovecot.deliver(user, simple(number))
            dovecot.deliver(other, simple(number))
        sent += MESSAGES
        before = len(box(daemon))
        os.kill(daemon.pid, signal.SIGUSR1)
        # Some have come, and not all: then it strikes.
        until(partial(has_begun, daemon, before))
        time.sleep(chance.uniform(0.0, 0.05))
        struck += not (is_empty(dovecot, user) and is_empty(dovecot, other))
        blow(daemon)
    print(f"{struck} of {BLOWS} in the midst of mail")
    assert struck
    for one in (user, other):
        until(partial(is_empty, dovecot, one), PATIENCE + BLOWS)
    # Exim goes on to deliver behind its 250.
    until(lambda: len(whole(one.data for one in exim.delivered())) == sent, PATIENCE + BLOWS)
    in_files = [path.read_bytes() for path in box(daemon)]
    by_smtp = [one.data for one in exim.delivered()]
    assert [text for text in (*in_files, *by_smtp) if not WHOLE.search(text)] == []
    assert (len(names(in_files)), names(in_files).total()) == (sent, sent)
    assert len(names(by_smtp)) == sent
    assert names(by_smtp).total() - sent <= (BLOWS if blow is kill else 0)


def has_begun(daemon: Daemon, before: int) -> bool:
    return len(box(daemon)) > before


def is_empty(dovecot: Dovecot, user: str) -> bool:
    return not dovecot.mailbox(user).files()
