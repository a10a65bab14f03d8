"""fdm: the common part of its configuration, ``fdm.conf``.

Accounts over POP3 and IMAP are translated, with the first rule for all their mail, if its action
delivers by ``maildir``, ``mbox``, ``pipe``, ``smtp`` or ``lmtp``. Rules that look at messages are
what fdm is for; they are named, and not translated (fdm.conf's manual page).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ...protocols.record import Record
from ...protocols.secret import Secret
from ..config.writer import quote
from .fdm_tokens import NUMBER, OPAQUE, SIGN, STRING, WORD, Statement, Token, statements
from .new_rcfile import (
    CLEAR,
    MAX_NUMBER,
    MAX_PORT,
    STARTTLS,
    UNVERIFIED,
    WAS_CLEAR,
    WRAPPED,
    NewEntry,
    Translation,
    decoded,
    folder_sink,
    in_home,
    whole_number,
)

DEFAULT_FILE: Final = ".fdm.conf"
PROTOCOLS: Final = {
    "pop3": ("pop3", False),
    "pop3s": ("pop3", True),
    "imap": ("imap", False),
    "imaps": ("imap", True),
}
UNITS: Final = {"k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "g": 1024**3, "gb": 1024**3}
NO_OPTION: Final = frozenset(
    {
        *("new-only", "no-apop", "no-cram-md5", "no-login", "no-plain", "no-uidl", "insecure"),
        *("no-verify", "disabled", "keep", "starttls", "xoauth2", "oauthbearer", "cache"),
    }
)
"""Words of an account that are read as switches."""
IGNORED_SETTINGS: Final = frozenset(
    {
        *("queue-high", "queue-low", "lock-file", "lock-timeout", "lock-wait", "lock-types"),
        *("lock-type", "verify-certificates", "purge-after", "allow-multiple", "no-create"),
        *("ignore-errors", "parallel-accounts"),
    }
)
"""Settings that have no counterpart because mailhaul needs none."""
TAG: Final = re.compile(r"%(?:\[\w+\]|\w)")


class FdmAccount(Record):
    """One account. ``cache`` is the path of its list of UIDs, or "" (POP3)."""

    name: str
    line: int
    protocol: str
    wrapped: bool
    host: str
    port: str
    user: str
    password: Token | None
    folders: tuple[str, ...]
    cache: str
    switches: frozenset[str]


class Cursor:
    """Reads the tokens of a statement from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> Token | None:
        """Return the next token, or None at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self) -> Token | None:
        """Return the next token and step over it."""
        token = self.peek()
        self._at += 1
        return token

    def take_word(self, *words: str) -> bool:
        """Step over one of these words, if it is next."""
        token = self.peek()
        found = token is not None and token.kind == WORD and token.text in words
        self._at += found
        return found

    def take_texts(self) -> list[str]:
        """Return a string, or all strings in braces."""
        token = self.peek()
        if token is None or token.kind != SIGN or token.text != "{":
            token = self.take()
            return [token.text] if token and token.kind in {STRING, NUMBER} else []
        self.take()
        texts: list[str] = []
        while (token := self.take()) is not None and token.text != "}":
            texts.append(token.text)
        return texts


def read_account(statement: Statement, made: Translation) -> FdmAccount | None:
    """Return an account, or None for one that is neither POP3 nor IMAP over a network."""
    cursor = Cursor(statement.tokens)
    name = "".join(cursor.take_texts())
    words: set[str] = set()
    if cursor.take_word("disabled"):
        words.add("disabled")
    if cursor.take_word("user", "users"):
        cursor.take_texts()
        made.note(statement.line, f'account "{name}": the user to deliver as is not translated')
    kind = cursor.take()
    if kind is None or kind.text not in PROTOCOLS or not cursor.take_word("server"):
        made.note(statement.line, f'account "{name}" is not translated: it is not on a server')
        return None
    host = "".join(cursor.take_texts())
    if not host:
        made.note(statement.line, f'account "{name}" is not translated: it has no server')
        return None
    values: dict[str, list[str]] = {}
    password: Token | None = None
    while (token := cursor.take()) is not None:
        if token.text in {"port", "user", "folder", "folders"} and token.kind == WORD:
            values[token.text.rstrip("s")] = cursor.take_texts()
        elif token.text == "pass" and token.kind == WORD:
            password = cursor.take()
        elif token.text in NO_OPTION and token.kind == WORD:
            words.add(token.text)
            if token.text == "cache":
                values["cache"] = cursor.take_texts()
        else:
            made.note(token.line, f'account "{name}": {shown(token)} is not translated')
    protocol, wrapped = PROTOCOLS[kind.text]
    port, user, cache = ("".join(values.get(key, ())) for key in ("port", "user", "cache"))
    folders = tuple(values.get("folder", ()))
    return FdmAccount(
        name=name,
        line=statement.line,
        protocol=protocol,
        wrapped=wrapped,
        host=host,
        port=port,
        user=user,
        password=password,
        folders=folders,
        cache=cache,
        switches=frozenset(words),
    )


def shown(token: Token) -> str:
    """Return a token for a note. A string may be a password."""
    return f'"{token.text}"' if token.kind in {WORD, NUMBER, SIGN} else f"a {token.kind}"


def read_accounts(data: bytes, made: Translation) -> list[FdmAccount]:
    """Return the accounts of a file. Raises Untranslatable."""
    found = statements(decoded(data, made.path), made)
    accounts = (read_account(one, made) for one in found if one.word == "account")
    return [account for account in accounts if account is not None]


class FdmAction(Record):
    """What one action does: ``sink`` is "" if that is not translated."""

    sink: str
    recipient: str = ""
    keep: bool = False


class Rule(Record):
    """A rule for all mail of accounts whose names match ``accounts``."""

    line: int
    accounts: tuple[str, ...]
    actions: tuple[str, ...]


def translate(data: bytes, path: str, home: str) -> Translation:
    """Return what becomes of an fdm.conf. Raises Untranslatable."""
    made = Translation(path)
    found = statements(decoded(data, made.path), made)
    accounts: list[FdmAccount] = []
    actions: dict[str, FdmAction] = {}
    rules: list[Rule] = []
    settings: dict[str, str] = {}
    for one in found:
        if one.word == "account":
            account = read_account(one, made)
            accounts += [account] if account else []
        elif one.word == "action":
            name = one.tokens[0].text if one.tokens else ""
            actions[name] = read_action(one.tokens[1:], one.line, made, home)
        elif one.word == "match":
            rule = read_rule(one, actions, made, home)
            rules += [rule] if rule else []
        elif one.word == "set":
            read_setting(one, settings, made)
        else:
            made.note(one.line, f'"{one.word}" is not translated')
    for account in accounts:
        made.entries.append(entry_of(account, rules, actions, settings, made))
    made.close()
    return made


def size_of(text: str) -> int:
    """Return a size in octets; 0 for anything else."""
    digits = text.rstrip("kKmMgGbB")
    return (whole_number(digits) or 0) * UNITS.get(text[len(digits) :].lower(), 1)


def read_setting(statement: Statement, settings: dict[str, str], made: Translation) -> None:
    """Read ``set``: the maximum size, and whether certificates are verified."""
    word, *rest = [token.text for token in statement.tokens] or [""]
    if word == "maximum-size" and rest and (number := size_of(rest[0])):
        unit = UNITS.get(rest[1].lower(), 1) if len(rest) > 1 else 1
        settings[word] = str(min(number * unit, MAX_NUMBER))
    elif word in {"timeout", "no-received", "delete-oversized", "verify-certificates"}:
        settings[word] = rest[0] if rest else ""
        if word == "no-received":
            made.globals.append("set invisible")
    elif word not in IGNORED_SETTINGS:
        made.note(statement.line, f'"set {word}" is not translated')


def read_rule(
    statement: Statement, actions: dict[str, FdmAction], made: Translation, home: str
) -> Rule | None:
    """Return a rule for all mail; None for any other, which is noted."""
    cursor = Cursor(statement.tokens)
    accounts: list[str] = []
    if cursor.take_word("all"):
        accounts = ["*"]
    elif cursor.take_word("account", "accounts"):
        accounts = cursor.take_texts()
    if not (accounts and cursor.take_word("action", "actions")):
        made.note(statement.line, "this rule is not translated: it looks at the message")
        return None
    rest = statement.tokens[len(statement.tokens) - left(cursor) :]
    names = [token.text for token in rest if token.kind == STRING]
    inline = any(token.kind == WORD and token.text in (*SINKS, "keep", "drop") for token in rest)
    if inline:
        names = [f"rule of line {statement.line}"]
        actions[names[0]] = read_action(rest, statement.line, made, home)
    if any(token.kind == WORD and token.text == "continue" for token in rest):
        made.note(statement.line, '"continue" is not translated: mail goes to one place only')
        return None
    return Rule(statement.line, tuple(accounts), tuple(names))


def left(cursor: Cursor) -> int:
    """Return how many tokens a cursor has not read."""
    count = 0
    while cursor.take() is not None:
        count += 1
    return count


def read_action(tokens: Sequence[Token], line: int, made: Translation, home: str) -> FdmAction:
    """Return what an action does."""
    cursor = Cursor([token for token in tokens if token.kind != SIGN])
    result = FdmAction("")
    while (token := cursor.take()) is not None:
        if token.kind == WORD and token.text in SINKS and not result.sink:
            made_sink = SINKS[token.text](cursor, home)
            if made_sink is None:
                made.note(line, f'the action "{token.text}" is not translated as it is')
                return FdmAction("")
            result = FdmAction(*made_sink, result.keep)
        elif token.kind == WORD and token.text == "keep":
            result = FdmAction(result.sink, result.recipient, True)
        elif token.kind == WORD:
            made.note(line, f'the action "{token.text}" is not translated')
            return FdmAction("")
    return result


# A sink: the option, and the recipient; None if it cannot be translated.

MadeSink = tuple[str, str] | None


def in_folder(word: str) -> Callable[[Cursor, str], MadeSink]:
    """Return the rule for a Maildir or a mailbox file."""

    def rule(cursor: Cursor, home: str) -> MadeSink:
        path = "".join(cursor.take_texts())
        path = path.replace("%h", home).replace("%[home]", home)
        if not path or TAG.search(path) or cursor.take_word("compress"):
            return None
        sink = folder_sink(word, path, home)
        return (sink, "") if sink else None

    return rule


def pipe(cursor: Cursor, home: str) -> MadeSink:
    """Return the sink for a command."""
    token = cursor.take()
    if token is None or token.kind == OPAQUE:
        return None
    command = token.text.replace("%h", home).replace("%[home]", home)
    return None if not command or TAG.search(command) else (f"mda {quote(command)}", "")


def listener(option: str) -> Callable[[Cursor, str], MadeSink]:
    """Return the rule for a listener; ``option`` is written before it."""

    def rule(cursor: Cursor, home: str) -> MadeSink:
        del home
        if not cursor.take_word("server"):
            return None
        host = "".join(cursor.take_texts())
        port = "".join(cursor.take_texts()) if cursor.take_word("port") else ""
        if cursor.take_word("from"):
            cursor.take_texts()
        to = "".join(cursor.take_texts()) if cursor.take_word("to") else ""
        if TAG.search(host + to):
            return None
        address = f"{host}/{port}" if port else host
        name = f" smtpname {quote(to)}" if to else ""
        return f"{option}smtphost {quote(address)}{name}", ""

    return rule


SINKS: Final[Mapping[str, Callable[[Cursor, str], MadeSink]]] = {
    "maildir": in_folder("maildir"),
    "mbox": in_folder("mbox"),
    "pipe": pipe,
    "smtp": listener(""),
    "lmtp": listener("lmtp "),
}


def entry_of(
    account: FdmAccount,
    rules: Sequence[Rule],
    actions: Mapping[str, FdmAction],
    settings: Mapping[str, str],
    made: Translation,
) -> NewEntry:
    """Return the entry for an account."""
    entry = NewEntry(account.host, account.protocol, account.line)
    entry.name = account.user
    if account.port:
        number = whole_number(account.port, MAX_PORT)
        entry.server.append(f"service {number or quote(account.port)}")
    if timeout := whole_number(settings.get("timeout", "")):
        entry.server.append(f"timeout {timeout}")
    entry.server += [f"auth {one}" for one in ("xoauth2", "oauthbearer") if one in account.switches]
    for_password(account, entry, made)
    for_tls(account, entry, settings, made)
    if account.folders:
        entry.user.append(f"folder {' '.join(map(quote, account.folders))}")
    if size := settings.get("maximum-size"):
        entry.user.append(f"limit {size}")
        entry.user += ["limitflush"] if "delete-oversized" in settings else []
    for_rule(account, entry, rules, actions, made)
    return entry


def for_password(account: FdmAccount, entry: NewEntry, made: Translation) -> None:
    """Copy the password; one that a command prints becomes ``passwordeval``."""
    token = account.password
    if token is None:
        return
    if token.kind == OPAQUE:
        entry.user.append(f"passwordeval {quote(token.text)}")
    else:
        entry.password = Secret(token.text.encode("utf-8", "surrogateescape"))
        entry.password_line = token.line


def for_tls(
    account: FdmAccount, entry: NewEntry, settings: Mapping[str, str], made: Translation
) -> None:
    """Write the options for TLS."""
    how = WRAPPED if account.wrapped else CLEAR
    if "starttls" in account.switches:
        how = STARTTLS
    if entry.set_tls(how):
        made.note(account.line, WAS_CLEAR)
    elif how != CLEAR and (
        "no-verify" in account.switches or "verify-certificates" not in settings
    ):
        made.note(account.line, UNVERIFIED)


def for_rule(
    account: FdmAccount,
    entry: NewEntry,
    rules: Sequence[Rule],
    actions: Mapping[str, FdmAction],
    made: Translation,
) -> None:
    """Write the sink of the first rule for all mail of an account, and whether mail is kept."""
    keep = "keep" in account.switches
    rule = next((one for one in rules if applies(one, account)), None)
    if rule is not None:
        done = [actions.get(name, FdmAction("")) for name in rule.actions]
        sinks = [action for action in done if action.sink]
        keep = keep or any(action.keep for action in done)
        if len(sinks) == 1:
            entry.sink = sinks[0].sink
        elif sinks:
            made.note(rule.line, "several deliveries of a message are not translated")
    if keep:
        entry.user.append("keep")
    if not keep or "new-only" not in account.switches:
        # fdm fetches all that is there.
        entry.user.append("fetchall")
    entry.skipped = "disabled" in account.switches


def applies(rule: Rule, account: FdmAccount) -> bool:
    """Whether a rule is for this account."""
    return any(fnmatchcase(account.name, pattern) for pattern in rule.accounts)


def caches(accounts: Sequence[FdmAccount], home: str) -> Iterator[tuple[str, FdmAccount]]:
    """Yield the path of the list of UIDs of each account that has one."""
    for account in accounts:
        if account.cache:
            cache = account.cache.replace("%h", home).replace("%[home]", home)
            yield os.path.abspath(in_home(cache, home)), account
