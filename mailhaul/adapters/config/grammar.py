"""The parser of the rc file: its statements, and all errors in them.

After an error, the rest of the statement is skipped: the parser continues at the next word that
begins a statement, so that one run shows all errors. The text of the file is not kept; values
record their offset, and ``RcFile.source`` converts it to a place.

This file is long because every kind of argument has its own syntax, and all of them share the place
of the next token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NoReturn, cast

from . import options
from .errors import ConfigError, ConfigErrors, ConfigWarning, Place, Source, quoted, time_error
from .lexer import END, EQUALS, HIDDEN, KEYWORD, NUMBER, STATEMENTS, STRING, Token, tokenize
from .options import (
    AUTHS,
    DEFAULT_TIMEOUT,
    ENTRY_KEYWORDS,
    GLOBAL_KEYWORDS,
    OWN_KEYWORDS,
    POLICIES,
    PROTOCOLS,
    Option,
)
from .statements import Choices, Entry, RcFile
from .values import OCTETS, SECONDS, absolute, amount, day, period, service
from .wording import ENTRY_OPTIONS, GLOBAL_OPTION, TokenErrors

MAX_ERRORS: Final = 100
"""Errors after which the parser stops."""
MAX_DIGITS: Final = 18
"""Digits of a number."""

ONE_ISSUER: Final = (
    "an entry has one issuer: fetch in one entry into a Maildir and deliver from there, or use an "
    "app password at one of the two servers"
)

_HIDDEN_WORDS: Final = {"store": '"sqlite" or the URL of a database'}
"""What is expected where a word is hidden that is no password."""

_SPECIAL: Final = frozenset(
    {
        options.AUTH,
        options.DAY,
        options.ENVELOPE,
        options.NAMED,
        options.NUMBERS,
        options.OCTETS,
        options.PERIOD,
        options.POLICY,
        options.PORT,
        options.PROTOCOL,
        options.SECONDS,
        options.SERVICE,
    }
)
_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    options.FLAG: (),
    options.NUMBER: (NUMBER,),
    options.HIDDEN: (HIDDEN,),
    options.OCTETS: (NUMBER, STRING),
    options.SECONDS: (NUMBER, STRING),
    # A number is an error that says what is missing.
    options.PERIOD: (STRING, NUMBER),
    options.DAY: (STRING, NUMBER),
}
"""The kinds of token after the keyword of an option; all other kinds take a string."""
_PROTOCOL_WORDS: Final = (*PROTOCOLS, *(name.upper() for name in PROTOCOLS))


def parse(data: bytes, name: str, folder: str | None = None) -> RcFile:
    """Parse the statements of an rc file.

    ``name`` is the name of the file in messages; relative paths are relative to ``folder``.
    Raises ConfigErrors with all errors found.
    """
    rc, errors = parse_leniently(data, name, folder)
    if errors:
        raise ConfigErrors(errors)
    return rc


def parse_leniently(
    data: bytes, name: str, folder: str | None = None
) -> tuple[RcFile, list[ConfigError]]:
    """Parse an rc file; return also all errors found. Entries with errors may be incomplete."""
    try:
        text = _decode(data, name)
    except ConfigErrors as faults:
        return RcFile(Source(name, "")), list(faults.errors)
    parser = _Parser(text, Source(name, text), folder)
    parser.file()
    return parser.rc, parser.errors


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem = "the file is UTF-16; save it as UTF-8 without a byte order mark"
        raise ConfigErrors([ConfigError(Place(name, 1, 1), problem)])
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if (nul := text.find("\0")) >= 0:
        place = Source(name, text).place(nul)
        hint = "save the file as plain text"
        raise ConfigErrors([ConfigError(place, "the file contains a NUL byte", hint=hint)])
    return text


class _StatementError(Exception):
    """An error that ends the current statement."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__()
        self.error = error


class _Parser:
    """Parses the tokens from left to right; ``at`` is the index of the next one."""

    def __init__(self, text: str, source: Source, folder: str | None) -> None:
        lexed = tokenize(text)
        self.text = text
        self.folder = folder
        self.tokens = lexed.list
        self.secrets = lexed.secrets
        self.unclosed = lexed.unclosed
        self.token_errors = TokenErrors(text, lexed, source)
        self.at = 0
        self.rc = RcFile(source)
        self.errors: list[ConfigError] = []

    # Statements.

    def file(self) -> None:
        """Parse all statements, and continue after errors."""
        while self.tokens[self.at][0] != END and len(self.errors) < MAX_ERRORS:
            try:
                self.statement()
            except _StatementError as fault:
                self.errors.append(fault.error)
                self.recover()
        if self.unclosed >= 0 and not self.errors:
            self.rc.warnings.append(
                ConfigWarning(
                    self.rc.source.place(self.unclosed),
                    "this quote is never closed and counts as part of the word",
                )
            )

    def recover(self) -> None:
        """Skip to the next word that begins a statement."""
        # If the error is a word such as "poll", it begins a statement at the start of its line.
        offset = self.tokens[self.at][2]
        if self.text[self.text.rfind("\n", 0, offset) + 1 : offset].strip():
            self.at += 1
        while self.at < len(self.tokens) - 1:
            kind, text, _ = self.tokens[self.at]
            if kind == KEYWORD and text in STATEMENTS:
                return
            self.at += 1
        self.at = len(self.tokens) - 1

    def statement(self) -> None:
        kind, text, offset = self.tokens[self.at]
        if kind != KEYWORD or text not in STATEMENTS:
            self.unexpected('"poll", "skip", "defaults" or "set"', STATEMENTS)
        self.at += 1
        if text == "set":
            self.set_global()
        elif text == "defaults":
            self.defaults(offset)
        else:
            name = self.string("the name of a server")
            entry = Entry(name, offset, skip=text == "skip")
            # Added before its options are parsed: it exists even if there is an error in it.
            self.rc.entries.append(entry)
            self.entry(entry)

    def defaults(self, offset: int) -> None:
        entry = Entry("defaults", offset)
        if self.rc.entries or self.rc.defaults:
            problem = '"defaults" is not the first entry'
            if self.rc.defaults:
                problem = 'a second "defaults"'
            hint = "write one, before all poll and skip entries"
            self.errors.append(ConfigError(self.rc.source.place(offset), problem, hint=hint))
        else:
            self.rc.defaults = entry
        self.entry(entry)
        if len(entry.users) > 1:
            problem = '"defaults" can describe one user only'
            place = self.rc.source.place(entry.users[1].places["remote_user"])
            self.errors.append(ConfigError(place, problem))

    def set_global(self) -> None:
        kind, text, offset = self.tokens[self.at]
        negated = kind == KEYWORD and text == "no"
        if negated:
            self.at += 1
            kind, text, _ = self.tokens[self.at]
        spelling = GLOBAL_KEYWORDS.get(text) if kind == KEYWORD else None
        if spelling is None or (negated and not (spelling.value and spelling.option.negation)):
            words = [w for w, s in GLOBAL_KEYWORDS.items() if not negated or s.option.negation]
            self.unexpected(GLOBAL_OPTION, words)
        self.at += 1
        if self.tokens[self.at][0] == EQUALS and spelling.option.kind != options.FLAG:
            self.at += 1
        self.value(spelling.option, spelling.value and not negated, self.rc.globals, offset)

    # Entries.

    def entry(self, entry: Entry) -> None:
        """Parse the options of an entry."""
        user: Choices | None = None
        named = False
        warned = False
        tokens = self.tokens
        while True:
            kind, text, offset = tokens[self.at]
            if kind == END or (kind == KEYWORD and text in STATEMENTS):
                break
            negated = kind == KEYWORD and text == "no"
            if negated:
                self.at += 1
                kind, text, _ = tokens[self.at]
            spelling = ENTRY_KEYWORDS.get(text) if kind == KEYWORD else None
            if spelling is None or (negated and not (spelling.value and spelling.option.negation)):
                self.not_an_option(negated, user is not None)
            option = spelling.option
            if option.level == options.SERVER:
                if user is not None and not warned:
                    warned = True
                    self.errors.append(self.out_of_order(text, offset))
                target = entry.server
            else:
                if option.kind == options.LOGIN:
                    if user is not None and not named:
                        self.user_after_unnamed()
                    named = True
                    user = None
                if user is None:
                    user = Choices()
                    entry.users.append(user)
                target = user
            self.at += 1
            self.value(option, spelling.value and not negated, target, offset)
        if not entry.users:
            entry.users.append(Choices())

    def out_of_order(self, text: str, offset: int) -> ConfigError:
        return ConfigError(
            self.rc.source.place(offset),
            f"server option {quoted(text)} after user options",
            hint="write server options before the first user option of an entry",
        )

    def user_after_unnamed(self) -> NoReturn:
        raise _StatementError(
            ConfigError(
                self.rc.source.place(self.tokens[self.at][2]),
                'a "user" after options that belong to no named user',
                hint='put "user" before the other user options',
            )
        )

    def not_an_option(self, negated: bool, in_user: bool) -> NoReturn:
        if negated:
            words = [word for word, s in ENTRY_KEYWORDS.items() if s.value and s.option.negation]
            self.unexpected('an option that "no" can switch off', words)
        self.unexpected(ENTRY_OPTIONS[in_user], [*ENTRY_KEYWORDS, *STATEMENTS, "no"])

    # Values.

    def value(self, option: Option, yes: bool, target: Choices, offset: int) -> None:
        """Parse the argument of an option, which begins with the next token."""
        kind, name, values = option.kind, option.name, target.values
        target.places[name] = offset
        issuer = values.get("oauthissuer")
        if kind == options.FLAG:
            values[name] = yes
        elif kind == options.HIDDEN:
            values[name] = self.secrets[
                self.expect(HIDDEN, _HIDDEN_WORDS.get(name, "a password"))[2]
            ]
        elif kind == options.LOGIN:
            self.login(target, offset)
        elif kind == options.NAMES:
            self.local_names(target, offset)
        elif kind == options.LIST:
            earlier = cast("tuple[str, ...]", values.get(name, ()))
            values[name] = (*earlier, *self.strings())
        elif kind == options.NUMBER:
            self.number_value(name, values)
        elif kind == options.PATH:
            path = self.string("the name of a file")
            values[name] = absolute(path, self.folder, tilde=name in options.OWN_PATHS)
        elif kind in _SPECIAL:
            self.special_value(option, yes, values)
        else:
            values[name] = self.string("a value")
        if issuer is not None and issuer != values["oauthissuer"]:
            # The last value of any other option counts, as in fetchmail.
            place = self.rc.source.place(offset)
            problem = f'a second "oauthissuer" in one entry, after {quoted(str(issuer))}'
            self.errors.append(ConfigError(place, problem, hint=ONE_ISSUER))

    def number_value(self, name: str, values: dict[str, object]) -> None:
        number = self.number()
        if not number and name in ("timeout", "interval"):
            values.pop(name, None)
        elif number < 0 and name == "timeout":
            values[name] = DEFAULT_TIMEOUT
        else:
            values[name] = max(number, 0)

    def special_value(self, option: Option, yes: bool, values: dict[str, object]) -> None:
        """Parse the argument of an option with a special form."""
        name = option.name
        match option.kind:
            case options.PROTOCOL:
                values[name] = self.word("the name of a protocol", _PROTOCOL_WORDS).lower()
            case options.AUTH:
                values[name] = AUTHS[self.word("the name of an authentication method", AUTHS)]
            case options.POLICY:
                values[name] = self.word('"accept" or "reject"', POLICIES)
                if values[name] == "reject":
                    # This counts as not chosen, so that the value of "defaults" is used.
                    del values[name]
            case options.NUMBERS:
                earlier = cast("tuple[int, ...]", values.get(name, ()))
                values[name] = (*earlier, *self.numbers())
            case options.ENVELOPE:
                self.envelope(yes, values)
            case options.NAMED:
                named = (self.string("a name"), self.string("a command"))
                pairs = cast("tuple[tuple[str, str], ...]", values.get(name, ()))
                values[name] = (*pairs, named)
            case options.OCTETS:
                values[name] = self.amount("a number of octets, such as 2500m", OCTETS)
            case options.SECONDS:
                values[name] = self.amount("a time, such as 90s, 5m or 1h", SECONDS)
            case options.PERIOD | options.DAY:
                values[name] = self.time_value(option)
            case _:
                by_number = option.kind == options.PORT or self.tokens[self.at][0] == NUMBER
                expected = "a port number or the name of a service"
                values[name] = self.number() if by_number else service(self.string(expected))

    def amount(self, expected: str, units: Mapping[str, int]) -> int:
        """Parse a number with a unit, which looks like a word, or without one."""
        kind, text, _ = self.tokens[self.at]
        found = amount(text, units) if kind in (NUMBER, STRING) else None
        if found is None:
            self.unexpected(expected, ())
        self.at += 1
        return found

    def time_value(self, option: Option) -> object:
        """Parse a period or a day."""
        kind, text, offset = self.tokens[self.at]
        if kind not in (STRING, NUMBER):
            self.unexpected("a time", ())
        value = (period if option.kind == options.PERIOD else day)(text)
        if value is None:
            error = time_error(self.rc.source.place(offset), option.kind, option.keywords[0], text)
            raise _StatementError(error)
        self.at += 1
        return value

    def envelope(self, yes: bool, values: dict[str, object]) -> None:
        if not yes:
            values["envelope"] = None
            return
        skip = self.number() if self.tokens[self.at][0] == NUMBER else 0
        values["envelope"] = self.string("the name of a header line")
        # A count of 0 counts as not chosen, so that the value of "defaults" is used.
        values.pop("envelope_skip", None)
        if skip > 0:
            values["envelope_skip"] = skip

    def login(self, target: Choices, offset: int) -> None:
        """Parse ``user X``, ``user X there`` or ``user NAMES here``."""
        start = self.at
        name = self.string("a login name")
        kind, text, _ = self.tokens[self.at]
        if kind == KEYWORD and text == "there":
            self.at += 1
        elif kind == EQUALS or self.at_value() or (kind == KEYWORD and text == "here"):
            second = self.at
            self.at = start
            names = self.names()
            if not self.take("here"):
                self.at = second
                self.unexpected("a user option", [*ENTRY_KEYWORDS, *STATEMENTS, "here", "there"])
            self.add_names(target, names, offset)
            return
        target.values["remote_user"] = name

    def local_names(self, target: Choices, offset: int) -> None:
        """Parse the names after ``is`` or ``to``."""
        one = self.tokens[self.at][1]
        only_is = self.tokens[self.at - 1][1] == "is"
        names = self.names()
        if only_is and names == [(one, one)] and self.take("there"):
            target.values["remote_user"] = one
            target.places["remote_user"] = offset
            return
        self.take("here")
        self.add_names(target, names, offset)

    def names(self) -> list[tuple[str, str]]:
        names: list[tuple[str, str]] = []
        while not names or self.at_value():
            remote = local = self.pop_value() if names else self.string("a user name")
            if self.tokens[self.at][0] == EQUALS:
                self.at += 1
                local = self.string("a local user name")
            names.append((remote, local))
        return names

    def add_names(self, target: Choices, names: list[tuple[str, str]], offset: int) -> None:
        plain = [name for name in names if name != ("*", "*")]
        if len(plain) < len(names):
            target.values["wildcard"] = True
            target.places["wildcard"] = offset
        if plain:
            earlier = cast("tuple[tuple[str, str], ...]", target.values.get("local_names", ()))
            target.values["local_names"] = (*earlier, *plain)
            target.places["local_names"] = offset

    # Tokens.

    def take(self, word: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        found = kind == KEYWORD and text == word
        self.at += found
        return found

    def expect(self, kind: str, expected: str) -> Token:
        token = self.tokens[self.at]
        if token[0] != kind:
            self.unexpected(expected, ())
        self.at += 1
        return token

    def string(self, expected: str) -> str:
        return self.expect(STRING, expected)[1]

    def strings(self) -> list[str]:
        values = [self.string("a value")]
        while self.at_value():
            values.append(self.pop_value())
        return values

    def at_value(self) -> bool:
        """Whether the next token is a further value of a list.

        To fetchmail, one of mailhaul's own keywords is a value. Here it begins an option if an
        argument of the right kind follows; ``maildir`` before another keyword is a value.
        """
        kind, text, _ = self.tokens[self.at]
        if kind == KEYWORD and text in OWN_KEYWORDS:
            spelling = ENTRY_KEYWORDS.get(text)
            if spelling is None:
                return True
            kinds = _ARGUMENTS.get(spelling.option.kind, (STRING,))
            return bool(kinds) and self.tokens[self.at + 1][0] not in kinds
        return kind == STRING

    def pop_value(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def number(self) -> int:
        _, text, offset = self.expect(NUMBER, "a number")
        if len(text) > MAX_DIGITS:
            problem = f"the number {quoted(text)} is too large"
            raise _StatementError(ConfigError(self.rc.source.place(offset), problem))
        return int(text)

    def numbers(self) -> list[int]:
        values = [self.number()]
        while self.tokens[self.at][0] == NUMBER:
            values.append(self.number())
        return values

    def word(self, expected: str, words: Collection[str]) -> str:
        kind, text, _ = self.tokens[self.at]
        if kind != KEYWORD or text not in words:
            self.unexpected(expected, words)
        self.at += 1
        return text

    def unexpected(self, expected: str, words: Collection[str]) -> NoReturn:
        """Raise the error for the next token; ``words`` are the keywords allowed there."""
        raise _StatementError(self.token_errors.error_at(self.at, expected, words))
