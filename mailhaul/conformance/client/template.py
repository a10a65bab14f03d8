"""How a client is told what to do: its command, its files, and the words for each choice.

A template is a TOML file:

    name = "some-fetcher"
    command = ["some-fetcher", "--config", "{rcfile}"]

    [files]
    rcfile = "server {host} {port} {protocol} {tls}\nlogin {user} {password}\n{deliver}\n"

    [words.protocol]
    pop3 = "pop3"

    [words.deliver]
    smtp = "smtp {sink_host} {sink_port}"

``words`` has a table for each choice that the harness makes (CHOICES), and in it the text for each
value that the client can do; the text replaces the name of the table in braces. A value that is
missing means that the client cannot do it: cases that need it are skipped. Without a table the
first value of a choice needs no words. {scheme} is the scheme of a URL: "pop3", or "pop3s" where
TLS is implicit. ``files`` are written before each start, and their names in braces are replaced by
their paths.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHOICES: Mapping[str, tuple[str, ...]] = {
    "protocol": ("pop3", "imap", "smtp", "lmtp"),
    "deliver": ("smtp", "lmtp", "program", "maildir", "stdout", "append"),
    "tls": ("clear", "starttls", "implicit"),
    "sink_tls": ("clear", "starttls"),
    "keep": ("no", "yes"),
    "recipients": ("one", "two"),
    "login": ("none", "password"),
    "idle": ("no", "yes"),
}
"""What the harness chooses, and the values.

``protocol`` is what the client speaks to {host} {port}. ``deliver`` is where it puts the mail that
it fetches; a client that sends mail has none. ``tls`` and ``sink_tls`` are how its connections are
encrypted, with certificates that {authority} signs. ``keep`` says that mail stays at the server.
``recipients`` says for how many people {user}'s mail is: "two" are those in the header. ``login``
says whether a client that sends mail has to authenticate. ``idle`` says that it waits for mail.
"""
REQUIRED = frozenset({"protocol", "deliver"})
"""Choices whose first value needs words too."""
PLACES = frozenset(
    {
        *("host", "port", "user", "password", "sink_host", "sink_port", "maildir", "home"),
        *("program", "authority", "message", "sender", "recipient", "python", "scheme"),
    }
)
"""The names that are replaced, besides those of choices and files."""


class BadTemplate(Exception):
    """A template cannot be used; ``str()`` is the reason."""


@dataclass(frozen=True)
class Template:
    """What is known about one client.

    ``reads_message`` says that the message to send comes on standard input, and ``only_first`` that
    the client fetches no message but the first.
    """

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    reads_message: bool = False
    only_first: bool = False

    def can(self, choice: str, value: str) -> bool:
        """Whether the client has words for a value of a choice."""
        if choice in self.words:
            return value in self.words[choice]
        return choice not in REQUIRED and value == CHOICES[choice][0]

    @property
    def sends(self) -> bool:
        """Whether this is a client that sends mail, and fetches none."""
        return "deliver" not in self.words

    def values(self, choices: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
        """Return the text for each name in braces."""
        secure = "s" if choices.get("tls") == "implicit" else ""
        values = {**places, "scheme": choices.get("protocol", "") + secure}
        for choice in CHOICES:
            value = choices.get(choice, CHOICES[choice][0])
            values[choice] = replaced(self.words.get(choice, {}).get(value, ""), places)
        return values


def replaced(text: str, values: Mapping[str, str]) -> str:
    """Return the text with every known name in braces replaced; other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def read_template(path: Path) -> Template:
    """Read a template. Raises BadTemplate."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise BadTemplate(f"{path}: {fault}") from None
    return make_template(str(path), table)


def make_template(place: str, table: dict[str, Any]) -> Template:
    """Return the template that a table describes. Raises BadTemplate."""
    known = {"name", "command", "files", "folders", "words", "environment", "reads_message"}
    known |= {"only_first"}
    if unknown := sorted(table.keys() - known):
        raise BadTemplate(f"{place}: unknown key {unknown[0]!r}; known are {sorted(known)}")
    command = table.get("command")
    if not isinstance(command, list) or not command:
        raise BadTemplate(f"{place}: command must be a list: the program and its arguments")
    words: dict[str, dict[str, str]] = table.get("words", {})
    for choice, texts in words.items():
        if choice not in CHOICES:
            raise BadTemplate(f"{place}: unknown choice {choice!r}; known are {sorted(CHOICES)}")
        if wrong := sorted(texts.keys() - set(CHOICES[choice])):
            raise BadTemplate(f"{place}: {choice} has no value {wrong[0]!r}: {CHOICES[choice]}")
    if "protocol" not in words:
        raise BadTemplate(f"{place}: [words.protocol] is missing: which protocols it speaks")
    return Template(
        str(table.get("name", place)),
        tuple(map(str, command)),  # pyright: ignore[reportUnknownArgumentType]
        table.get("files", {}),
        tuple(table.get("folders", ())),
        words,
        table.get("environment", {}),
        bool(table.get("reads_message", False)),
        bool(table.get("only_first", False)),
    )


FOLDER = Path(__file__).parent / "templates"
"""The templates that come with the package."""


def template_names() -> list[str]:
    """Return the names of the templates that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find_template(name: str) -> Template:
    """Return a template by its name, or by the path of its file. Raises BadTemplate."""
    if name in template_names():
        return read_template(FOLDER / f"{name}.toml")
    if "/" in name or name.endswith(".toml"):
        return read_template(Path(name))
    raise BadTemplate(f"no template {name!r}: there are {', '.join(template_names())}")
