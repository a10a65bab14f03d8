"""Mail at every server that an entry on a page names, and every place that it may go to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhaul import servers
from mailhaul.adapters.oauth.accounts import owner_of
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.protocols.secret import Secret

from ..servers.gmail import Gmail
from .reader import Reader
from .stand_ins import StandIns, message

SOURCES = ("mail.example.net", "pop.example.net", "imap.example.net", "tickets.example.net")
OLD = ("pop.old-provider.example", "imap.old-provider.example")
OLD_PASSWORDS = {b"joe": b"old-password"}
TARGETS = {
    b"joe@example.org": b"other-pass-word",
    b"joe.doe@gmail.com": b"abcd efgh ijkl mnop",
    b"joe": b"netrc-pass-word",
}
COUNT = 2
TOKEN = "token"


class Setting:
    """A reader at home, and the stand-ins: ``box`` is every source, ``archive`` every target.

    By POP3 only the first source has that mailbox, the others have ``drop``.
    """

    def __init__(self, tmp_path: Path, there: StandIns) -> None:
        self.there = there
        self.box = servers.Mailbox(message(number) for number in range(1, COUNT + 1))
        self.drop = servers.Mailbox(message(number) for number in range(1, COUNT + 1))
        self.archive = servers.Mailbox()
        there.imap(self.box, *SOURCES)
        there.pop3(self.box, *SOURCES[:1])
        there.pop3(self.drop, *SOURCES[1:])
        there.imap(self.box, *OLD, users=OLD_PASSWORDS)
        there.pop3(self.box, *OLD, users=OLD_PASSWORDS)
        targets = ("imap.example.org", "imap.gmail.com", "imap.new-provider.example")
        there.imap(self.archive, *targets, users=TARGETS)
        there.smtp("localhost", "mx.example.org")
        self.joe = Reader(tmp_path / "home", there.places, there.environment)

    def poll(self, block: str, *arguments: str) -> str:
        """Write an indented entry and poll it once; return what is printed."""
        self.joe.write("~/.fetchmailrc", re.sub("^ {4}", "", block, flags=re.MULTILINE))
        return self.joe.execute(" ".join(["chmod 600 ~/.fetchmailrc; mailhaul -s", *arguments]))


@dataclass
class GmailFor:
    """Gmail, and a reader who can sign in there without a browser."""

    setting: Setting
    gmail: Gmail
    client: str
    user: str

    def sign_in(self) -> None:
        """Save a token, as ``mailhaul login`` does."""
        [ledger] = self.setting.joe.home.rglob("ledger.db")
        now = time.time()
        saved = SavedToken(access=Secret(TOKEN.encode()), expires=now + 3600, obtained=now)
        owner = owner_of("gmail", None, self.client, self.user, "code")
        TokenStore(str(ledger.parent / "tokens"), owner).save(saved)

    @property
    def stored(self) -> list[bytes]:
        """The messages there."""
        return [one.octets for one in self.gmail.messages]


@contextmanager
def gmail_for(setting: Setting, client: str, user: str) -> Iterator[GmailFor]:
    """Yield the stand-in for Gmail, under Gmail's name."""
    gmail = Gmail(setting.there.issue("gmail.googleapis.com"))
    gmail.allow(TOKEN, user)
    setting.joe.write("~/.config/gmail-client-secret", "secret\n")
    with gmail.running():
        gmail.url = "https://gmail.googleapis.com"
        setting.there.places["gmail.googleapis.com:443"] = gmail.port
        yield GmailFor(setting, gmail, client, user)
