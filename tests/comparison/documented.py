"""What the programs' own documentation says about wishes that no small experiment shows.

For a program on this machine, the words of its documentation that a fact rests on are looked up
again at each run, so a fact that no longer holds stops the comparison.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

MAN = Path("/usr/share/man")
DOC = Path("/usr/share/doc")
SOURCES = {
    "fetchmail": MAN / "man1/fetchmail.1.gz",
    "getmail6": DOC / "getmail6/configuration.txt.gz",
    "mpop": MAN / "man1/mpop.1.gz",
    "fdm": MAN / "man5/fdm.conf.5.gz",
    "mbsync": MAN / "man1/mbsync.1.gz",
    "offlineimap": DOC / "offlineimap3/examples/offlineimap.conf.gz",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A cell: what a document says, and a regular expression for the words that say it.

    Without words there, the fact is that the document does not mention ``absent``.
    """

    text: str
    words: str = ""
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A row of facts, by program."""

    title: str
    facts: dict[str, Fact]


NO_TOKENS = Fact("no", absent=r"oauth")
WISHES = (
    Wish(
        "login with an OAuth token",
        {
            "mailhaul": Fact("yes; signs in, renews and keeps the token itself"),
            "fetchmail": NO_TOKENS,
            "getmail6": Fact("yes; a helper program, set up by hand", r"use_xoauth2"),
            "mpop": Fact("yes; a command gets the token", r"oauthbearer"),
            "fdm": NO_TOKENS,
            "mbsync": Fact("by modules of SASL", r"installed SASL modules"),
            "offlineimap": Fact("yes; renews, from a refresh token", r"oauth2_refresh_token"),
            "imapsync": Fact("yes; another program gets the token"),
            "mailferry": Fact("planned"),
        },
    ),
    Wish(
        "waits for new mail (IDLE)",
        {
            "mailhaul": Fact("any number of accounts and folders"),
            "fetchmail": Fact("one account, one folder", r"only one account and one folder"),
            "getmail6": Fact(
                "one account, one folder", r"single getmailrc file with an IMAP server"
            ),
            "mpop": Fact("no (POP3)"),
            "fdm": Fact("no", absent=r"\bidle\b"),
            "mbsync": Fact("no", absent=r"\bidle\b"),
            "offlineimap": Fact("yes", r"idlefolders"),
            "imapsync": Fact("not mentioned"),
            "mailferry": Fact("not mentioned"),
        },
    ),
    Wish(
        "shows what it would do",
        {
            "mailhaul": Fact("`--dry-run`; `-c` counts"),
            "fetchmail": Fact("`-c` counts", r"without actually fetching"),
            "getmail6": Fact("no", absent=r"dry.?run"),
            "mpop": Fact("`--status-only` counts", r"status.{0,2}only"),
            "fdm": Fact("`poll` counts"),
            "mbsync": Fact("no", absent=r"dry.?run"),
            "offlineimap": Fact("`--dry-run`"),
            "imapsync": Fact("`--dry`"),
            "mailferry": Fact("`--dry-run`"),
        },
    ),
    Wish(
        "deletes delivered mail after some days",
        {
            "mailhaul": Fact("`delete-after`"),
            "fetchmail": Fact("no", absent=r"delete.{0,20}after .{0,12}days"),
            "getmail6": Fact("`delete_after`", r"delete_after"),
            "mpop": Fact("no", absent=r"delete.{0,40}days"),
            "fdm": Fact("by rules about age", r"\bage\b"),
            "mbsync": Fact("by number, not by age", r"MaxMessages"),
            "offlineimap": Fact("copies only young mail", r"maxage"),
            "imapsync": Fact("by options about age"),
            "mailferry": Fact("never deletes"),
        },
    ),
    Wish(
        "password from a command",
        {
            "mailhaul": Fact("`passwordeval`; also files, keyring, descriptors"),
            "fetchmail": Fact("no", absent=r"passwordeval"),
            "getmail6": Fact("`password_command`; keyring", r"password_command"),
            "mpop": Fact("`passwordeval`; keyring", r"passwordeval"),
            "fdm": Fact("no; .netrc", r"\.netrc"),
            "mbsync": Fact("`PassCmd`", r"PassCmd"),
            "offlineimap": Fact("`remotepasseval`, in Python", r"remotepasseval"),
            "imapsync": Fact("a file"),
            "mailferry": Fact("not mentioned"),
        },
    ),
)


def text_of(program: str) -> str:
    """Return the documentation of a program on this machine, as one line without markup."""
    path = SOURCES[program]
    if not path.exists() and path.suffix == ".gz":
        path = path.with_suffix("")
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = re.sub(r"\\f[A-Z]|\\(?=-)", "", raw.decode(errors="replace"))
    return " ".join(text.split())


def doubts() -> list[str]:
    """Return a sentence for each fact that the documentation on this machine does not bear out."""
    found: list[str] = []
    for wish in WISHES:
        for program, fact in wish.facts.items():
            if fact.words and not re.search(fact.words, text_of(program), re.IGNORECASE):
                found.append(f"{program}: {SOURCES[program]} does not say {fact.words!r}")
            if fact.absent and re.search(fact.absent, text_of(program), re.IGNORECASE):
                found.append(f"{program}: {SOURCES[program]} does mention {fact.absent!r}")
    return found
