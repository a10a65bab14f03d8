"""Wish 14: all folders, from one entry, and their tree is kept."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.adapters.sinks.maildir_folder import MaildirFolder
from mailhaul.adapters.sinks.tree import folder_in_maildir
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.wishes.reading_world import USERS, World, subject, text

BOXES = {
    b"INBOX": 1,
    b"Lists": 2,
    b"Lists/v1.2": 3,
    b"Lists/v1/2": 4,
    b"Entw&APw-rfe": 5,
    b"INBOX/Old": 6,
    b"../../etc": 7,
    b".": 8,
}
"""A message in each mailbox."""
STORED = {
    "": 1,
    ".Lists": 2,
    r".Lists.v1\2e2": 3,
    ".Lists.v1.2": 4,
    ".Entw&APw-rfe": 5,
    ".INBOX.Old": 6,
    r".\2e\2e.\2e\2e.etc": 7,
    r".\2e": 8,
}
"""Where each of them is stored in a Maildir."""


def tree() -> World:
    return World({name: Mailbox([text(number)]) for name, number in BOXES.items()})


def maildir(root: Path, levels: tuple[bytes, ...]) -> Sink:
    return MaildirFolder(str(root), levels, "here")


def stored_in(root: Path) -> dict[str, int]:
    """Return the numbers of the messages by their folders."""
    found: dict[str, int] = {}
    for file in root.rglob("new/*"):
        folder = file.parent.parent
        found["" if folder == root else folder.name] = int(subject(file.read_bytes()))
    return found


def test_each_folder_has_its_own_in_a_maildir(tmp_path: Path) -> None:
    here = tree()
    root = tmp_path / "Maildir"
    code = here.poll(mailboxes=("*",), tree=partial(maildir, root))
    assert code is ExitCode.SUCCESS
    assert stored_in(root) == STORED
    assert not any(box.messages for box in here.boxes.values())
    assert (root / ".Lists" / "maildirfolder").read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["Maildir"]


def test_the_maildir_itself_is_made_too(tmp_path: Path) -> None:
    here = tree()
    root = tmp_path / "Maildir"
    here.poll(mailboxes=("Lists",), tree=partial(maildir, root))
    assert sorted(path.name for path in root.iterdir()) == [".Lists", "cur", "new", "tmp"]


LEVELS = [b"", b".", b"..", b"a", b"a.b", b"a/b", b"\\", b"\\2e", b"\\00", b"\xff", b"\n", b"~"]


def test_no_two_mailboxes_have_the_same_folder_and_none_is_elsewhere() -> None:
    names: list[tuple[bytes, ...]] = [(one,) for one in LEVELS]
    names += [(one, other) for one in LEVELS for other in LEVELS]
    names += [(b"x" * 300,), (b"x" * 299 + b"y",), (b"x" * 150, b"y" * 150)]
    folders = [folder_in_maildir("/Maildir", levels) for levels in names]
    assert not [pair for pair in combinations(folders, 2) if pair[0] == pair[1]]
    for folder in folders:
        above, _, name = folder.rpartition("/")
        assert above == "/Maildir"
        assert name.startswith(".")
        assert name.strip(".")
        assert name.isascii()
        assert name.isprintable()
        assert len(name) < 255


TARGET = Tcp("target", 143)


@pytest.mark.parametrize(("below", "prefix"), [(b"INBOX", b""), (b"Old mail", b"Old mail/")])
def test_append_stores_mailbox_for_mailbox(below: bytes, prefix: bytes) -> None:
    here = tree()
    there = Mailboxes({b"INBOX": Mailbox(), b"Old mail": Mailbox()})
    simulation = Simulation()
    simulation.listen(TARGET, ImapServer, lambda channel: serve_imap(channel, there, USERS))

    def sink(levels: tuple[bytes, ...]) -> Sink:
        access = Access(
            *("target", TARGET, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("target")),
            timeout=20.0,
        )
        made = ImapAppendSink(access, below, "/tmp")
        made.levels = levels
        return made

    kept: dict[str, Any] = {"simulation": simulation, "mailboxes": ("*",), "keep": True}
    assert here.poll(tree=sink, **kept) is ExitCode.SUCCESS
    found = {name: [int(subject(m.text)) for m in box.messages] for name, box in there.items()}
    expected = {prefix + name: [number] for name, number in BOXES.items()}
    expected[below] = expected.pop(prefix + b"INBOX")
    assert {name: numbers for name, numbers in found.items() if numbers} == expected
