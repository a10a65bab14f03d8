"""Wish 23: before anything is deleted, a dry run tells what would be fetched and what deleted.

It changes nothing, and the poll after it does what it has said. mnIMAPSync#34, imapfilter#126,
imap-upload#50, rspamd-iscan#11 ("the risk of losing my emails is too high").
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailhaul import imap
from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import mailhaul
from tests.apps.looking import World, mail
from tests.apps.looking import world as world  # noqa: PLC0414  # a fixture

CHANGES = {imap.Store, imap.UidStore, imap.Expunge, imap.UidExpunge, imap.UidMove, imap.Append}


def plan(text: str) -> dict[int, tuple[str, str | None]]:
    """Return what a dry run says about each message."""
    [account] = json.loads(text)["accounts"]
    [mailbox] = account["mailboxes"]
    return {int(one["uid"]): (one["verdict"], one["then"]) for one in mailbox["messages"]}


def state(world: World) -> list[tuple[int, set[bytes]]]:
    return [(one.uid, set(one.flags)) for one in world.inbox.messages]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", {2: ("fetch", "delete"), 3: ("oversized", None), 4: ("fetch", "delete")}),
        ("keep", {2: ("fetch", "keep"), 3: ("oversized", None), 4: ("fetch", "keep")}),
        (
            "flush limitflush fetchlimit 1",
            {
                1: ("seen", "delete"),
                2: ("fetch", "delete"),
                3: ("oversized", "delete"),
                4: ("later", None),
            },
        ),
    ],
)
def test_the_poll_does_what_the_dry_run_has_said(
    world: World, options: str, said: dict[int, Any]
) -> None:
    world.inbox.append(mail(1), rb"\Seen")
    for number in (2, 3, 4):
        world.inbox.append(mail(number, octets=5000 * (number == 3)))
    more = f"{options} limit 4000 maildir {world.home}/Mail"
    rc = world.account("imap", world.imap_port(), more)
    before = state(world)
    run = mailhaul(world.home, rc, "--dry-run", "--json")
    assert (run.code, run.err) == (ExitCode.SUCCESS, "")
    assert plan(run.out) == said
    # Nothing has changed anywhere.
    assert state(world) == before
    assert not world.heard.kinds & CHANGES
    assert not (world.home / "Mail").exists()
    mailhaul(world.home, rc)
    fetched = {uid for uid, (verdict, _) in said.items() if verdict == "fetch"}
    texts = [path.read_text() for path in (world.home / "Mail" / "new").glob("*")]
    assert {int(text.partition("Subject: letter ")[2].split()[0]) for text in texts} == fetched
    deleted = {uid for uid, (_, then) in said.items() if then == "delete"}
    assert {uid for uid, _ in state(world)} == {1, 2, 3, 4} - deleted


def test_it_tells_it_in_plain_words_too(world: World) -> None:
    for number in (1, 2):
        world.maildrop.mailbox.append(mail(number))
    rc = world.account("pop3", world.pop3_port(), f"maildir {world.home}/Mail")
    run = mailhaul(world.home, rc, "--dry-run")
    assert run.code == ExitCode.SUCCESS
    said = " ".join(run.out.split())
    assert "2 messages" in said
    assert "would be fetched, 2 deleted at the server. Nothing was changed." in said
    assert len(world.maildrop.mailbox.messages) == 2
