"""Folder lists with patterns and special uses, which the server expands."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.protocols.imap.commands import ListMailboxes
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ALL_CAPABILITIES, CAPABILITIES, Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.shown_lines import ShownLines

HERE = Tcp("imap", 143)
NAMES = {
    b"INBOX": (),
    b"Archive/2025": (),
    b"Archive/2026": (),
    b"Archive/2026/May": (),
    b"Entw&APw-rfe": (rb"\Drafts",),
    b"Sent Items": (rb"\Sent",),
    b"Tom &- Jerry": (),
}


def expand(
    *wanted: str,
    capabilities: tuple[bytes, ...] = ALL_CAPABILITIES,
    elsewhere: tuple[str, ...] = (),
    **options: Any,
) -> tuple[list[str], str, int]:
    """Return the matching mailboxes, the messages for the user, and the number of LIST commands."""
    boxes = Mailboxes({name: Mailbox(special_use=use) for name, use in NAMES.items()})
    events: list[Event] = []
    lines: list[bytes] = []
    access = Access(
        "server",
        HERE,
        "joe",
        Secret(b"sesame"),
        TlsMode.NEVER,
        Trust("server"),
        tap=ShownLines(lambda way, line: lines.append(line)),
    )
    source = ImapSource(access, events.append)
    world = Simulation()
    world.listen(
        HERE,
        ImapServer,
        lambda c: serve_imap(c, boxes, {b"joe": b"sesame"}, capabilities=capabilities, **options),
    )

    async def story() -> list[str]:
        await source.open()
        found = await source.mailboxes(wanted, elsewhere)
        await source.close()
        return list(found)

    found = world.run(story())
    said = "\n".join(event.text for event in events if isinstance(event, Remark))
    return found, said, sum(b" LIST " in line for line in lines if not line.startswith(b"*"))


def test_plain_names_are_returned_without_asking_the_server() -> None:
    assert expand("INBOX", "Nowhere") == (["INBOX", "Nowhere"], "", 0)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Archive/%", ["Archive/2025", "Archive/2026"]),
        ("Archive/*", ["Archive/2025", "Archive/2026", "Archive/2026/May"]),
        ("Ent*", ["Entwürfe"]),
        ("Entwürf%", ["Entwürfe"]),
        ("Tom*", ["Tom &- Jerry"]),
        ("\\sent", ["Sent Items"]),
        ("\\Drafts", ["Entwürfe"]),
    ],
)
@pytest.mark.parametrize("capabilities", [ALL_CAPABILITIES, CAPABILITIES])
def test_a_pattern_matches_the_mailboxes_that_the_server_lists(
    pattern: str, names: list[str], capabilities: tuple[bytes, ...]
) -> None:
    assert expand(pattern, capabilities=capabilities) == (names, "", 1)


def test_patterns_do_not_match_the_mailboxes_of_another_poll() -> None:
    names, _, _ = expand("*", elsewhere=("Inbox", "Entw&APw-rfe", "Archive/2025", "Unheard"))
    rest = ["Archive/2026", "Archive/2026/May", "Sent Items", "Tom &- Jerry"]
    assert sorted(names) == rest


def test_the_order_is_that_of_the_file_and_each_comes_once() -> None:
    names, _, asked = expand("Sent Items", "Archive/*", "*", "INBOX")
    assert names[:2] == ["Sent Items", "Archive/2025"]
    rest = ["Archive/2026", "Archive/2026/May", "Entwürfe", "INBOX", "Tom &- Jerry"]
    assert sorted(names[2:]) == rest
    assert asked == 2


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (("inbox", "I%"), ["inbox"]),
        (("I%", "inbox"), ["INBOX"]),
        (("Entwürfe", "Ent%", "Entw&APw-rfe"), ["Entwürfe"]),
        (("Entw&APw-rfe", "Ent%", "Entwürfe"), ["Entw&APw-rfe"]),
    ],
)
def test_one_mailbox_under_two_names_comes_once(wanted: tuple[str, ...], names: list[str]) -> None:
    assert expand(*wanted)[0] == names


def test_mailboxes_that_cannot_be_selected_are_left_out() -> None:
    names, _, _ = expand("%")
    assert "Archive" not in names


def test_a_pattern_without_a_match_is_reported() -> None:
    names, said, _ = expand("INBOX", "Nothing/*")
    assert names == ["INBOX"]
    assert "no mailbox matches 'Nothing/*'" in said
    refusing = Misbehaviour(refuse=(ListMailboxes,))
    names, said, _ = expand("INBOX", "*", misbehaviour=refusing)
    assert (names, said) == (["INBOX"], "server: no mailbox matches '*': no")
