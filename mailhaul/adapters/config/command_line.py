"""The command line, with the syntax of getopt_long: options and servers in any order.

Long options may be abbreviated if they stay unambiguous, and short options may be bundled. Unlike
in fetchmail, an unknown option is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import options
from .errors import COMMAND_LINE, ConfigError, ConfigErrors, did_you_mean, quoted, time_error
from .options import (
    AUTHS,
    DEFAULT_TIMEOUT,
    DUMP_FORMS,
    OPTIONS,
    POLICIES,
    PROTOCOLS,
    RC_FILE_AUTHS,
    Option,
    Spelling,
)
from .settings import RunSettings
from .values import absolute, c_number, day, period, service

_MAX_NUMBER: Final = 2**63 - 1
_HELP_HINT: Final = '"mailhaul --help" lists the options'
_TITLES: Final = {
    options.RUN: "What to do",
    options.GLOBAL: "For all accounts",
    options.SERVER: "How to reach the server",
    options.USER: "Which mail, where it goes, and TLS",
}
"""Titles of the options in ``--help``, by level."""
_COLUMNS: Final = 80
_LEFT: Final = 35
"""Columns in front of the description of an option in ``--help``."""


EXCLUSIVE_OPTIONS = {"mda": "--mda", "bsmtp": "--bsmtp", "smtphosts": "--smtphost"}
"""Options that exclude each other and can be given only once."""


class CommandLine:
    """The parsed command line. Values have the types of the settings.

    ``options`` replace values of the rc file; ``appended`` are lists to add to its lists.
    """

    __slots__ = ("appended", "globals", "options", "run", "servers")

    def __init__(self) -> None:
        self.run = RunSettings({})
        self.globals: dict[str, object] = {}
        self.options: dict[str, object] = {}
        self.appended: dict[str, tuple[object, ...]] = {}
        self.servers: tuple[str, ...] = ()


def parse_command_line(arguments: Sequence[str], folder: str) -> CommandLine:
    """Parse the arguments, without the name of the program.

    Relative paths are relative to ``folder``. Raises ConfigErrors with the first error.
    """
    reader = _Reader(folder)
    reader.read(list(arguments))
    return reader.finish()


class _Reader:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._run: dict[str, object] = {}
        self._servers: list[str] = []
        self._sinks: list[str] = []
        self._result = CommandLine()
        self._short: dict[str, Spelling] = {}
        self._long: dict[str, Spelling] = {}
        for option in OPTIONS:
            for words, value in ((option.on, True), (option.off, False)):
                spelling = Spelling(option, value)
                for word in words.split():
                    table = self._long if word.startswith("--") else self._short
                    table[word.lstrip("-")] = spelling

    def read(self, arguments: list[str]) -> None:
        arguments.reverse()
        while arguments:
            argument = arguments.pop()
            if argument == "--":
                self._servers.extend(reversed(arguments))
                return
            if argument.startswith("--"):
                self._read_long(argument, arguments)
            elif argument.startswith("-") and len(argument) > 1:
                self._read_short(argument[1:], arguments)
            else:
                self._servers.append(argument)

    def finish(self) -> CommandLine:
        sinks = list(dict.fromkeys(self._sinks))
        if len(sinks) > 1:
            raise _error(f"only one of {' and '.join(sinks)} can be given", "")
        if len(self._sinks) > 1:
            hint = "separate several hosts by commas" if sinks == ["--smtphost"] else ""
            raise _error(f"{sinks[0]} can be given only once", hint)
        if self._run.get("json") and not self._run.get("dry_run"):
            # It was the short form of --jsonlog before there was a dry run.
            del self._run["json"]
            self._result.globals["jsonlog"] = True
        self._result.run = RunSettings(self._run)
        self._result.servers = tuple(self._servers)
        return self._result

    # Options.

    def _read_long(self, argument: str, rest: list[str]) -> None:
        word, equals, value = argument[2:].partition("=")
        spelling = self._long.get(word) or self._abbreviated(word)
        if spelling.option.kind in (options.FLAG, options.COUNT):
            if equals:
                raise _error(f"the option {quoted('--' + word)} takes no value")
            self._set_flag(spelling, last=not rest)
            return
        if not equals and spelling.option.kind == options.FORM:
            value = DUMP_FORMS[0]
        elif not equals:
            value = self._pop_value("--" + word, rest)
        self._set_value(spelling.option, value, "--" + word)

    def _abbreviated(self, word: str) -> Spelling:
        found = {full: spelling for full, spelling in self._long.items() if full.startswith(word)}
        # An abbreviation of a fetchmail option keeps its meaning, whatever options mailhaul adds.
        fetchmails = {full: spelling for full, spelling in found.items() if not spelling.option.own}
        found = fetchmails or found
        meanings = {(id(spelling.option), spelling.value) for spelling in found.values()}
        if len(meanings) == 1:
            return next(iter(found.values()))
        if found:
            names = ", ".join(f"--{name}" for name in sorted(found))
            raise _error(f"the option {quoted('--' + word)} is ambiguous: {names}")
        hint = did_you_mean("--" + word, ["--" + name for name in self._long])
        raise _error(f"unknown option {quoted('--' + word)}", hint or _HELP_HINT)

    def _read_short(self, letters: str, rest: list[str]) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            spelling = self._short.get(letter)
            if spelling is None:
                raise _error(f"unknown option {quoted('-' + letter)}")
            if spelling.option.kind in (options.FLAG, options.COUNT):
                self._set_flag(spelling, last=not (letters or rest))
                continue
            value = letters or self._pop_value("-" + letter, rest)
            self._set_value(spelling.option, value, "-" + letter)
            return

    def _pop_value(self, spelled: str, rest: list[str]) -> str:
        if not rest:
            raise _error(f"the option {quoted(spelled)} needs a value")
        return rest.pop()

    # Values.

    def _set_flag(self, spelling: Spelling, *, last: bool) -> None:
        name = spelling.option.name
        if name == "quit":
            self._run["quit_only"] = last
        if name == "verbose":
            # The last of -s and -v wins; -v twice prints more.
            before = 0 if self._run.pop("silent", False) else self._run.get("verbose", 0)
            self._run["verbose"] = 2 if before else 1
            return
        if name == "silent":
            self._run.pop("verbose", None)
        self._target(spelling.option)[name] = spelling.value

    def _target(self, option: Option) -> dict[str, object]:
        if option.level == options.RUN:
            return self._run
        return self._result.globals if option.level == options.GLOBAL else self._result.options

    def _set_value(self, option: Option, text: str, spelled: str) -> None:
        if option.name in EXCLUSIVE_OPTIONS:
            self._sinks.append(EXCLUSIVE_OPTIONS[option.name])
        if option.kind in (options.LIST, options.NUMBERS):
            pieces = [piece for piece in text.split(",") if piece]
            numbers = option.kind == options.NUMBERS
            more = [_number(piece, spelled) if numbers else piece for piece in pieces]
            appended = self._result.appended
            if more:
                appended[option.name] = (*appended.get(option.name, ()), *more)
            return
        value = self._value(option, text, spelled)
        # A negative number of seconds counts as not given.
        if not (option.name == "daemon" and text.startswith("-")):
            self._target(option)[option.name] = value

    def _value(self, option: Option, text: str, spelled: str) -> object:
        match option.kind:
            case options.NUMBER:
                number = max(_number(text, spelled), 0)
                return number or (DEFAULT_TIMEOUT if option.name == "timeout" else 0)
            case options.PATH:
                return absolute(text, self._folder, tilde=option.name in options.OWN_PATHS)
            case options.SERVICE:
                return service(text)
            case options.PERIOD | options.DAY:
                value = (period if option.kind == options.PERIOD else day)(text)
                if value is None:
                    raise ConfigErrors([time_error(COMMAND_LINE, option.kind, spelled, text)])
                return value
            case options.PROTOCOL:
                return _word(text, text.lower(), PROTOCOLS, "protocol")
            case options.FORM:
                return _word(text, text, DUMP_FORMS, "form of the dump")
            case options.POLICY:
                return _word(text, text.lower(), POLICIES, "policy")
            case options.AUTH:
                word = text.lower() if text.lower() == "external" else text
                known = [name for name in AUTHS if name not in RC_FILE_AUTHS]
                name = AUTHS[_word(text, word, known, "authentication method")]
                # In the rc file "kerberos" has another meaning.
                return "kerberos5" if text == "kerberos" else name
            case _:
                return text


def _number(text: str, spelled: str) -> int:
    number = c_number(text)
    if number is None or abs(number) > _MAX_NUMBER:
        raise _error(f"{quoted(text)} is not a number for {quoted(spelled)}", "")
    return number


def _word(text: str, word: str, words: Sequence[str] | dict[str, str], what: str) -> str:
    if word not in words:
        raise _error(f"unknown {what} {quoted(text)}", did_you_mean(word, words))
    return word


def _error(problem: str, hint: str = _HELP_HINT) -> ConfigErrors:
    return ConfigErrors([ConfigError(COMMAND_LINE, problem, hint=hint)])


def usage(program: str = "mailhaul") -> str:
    """Return the text of ``--help`` for 80 columns.

    ``program`` is the name that the program was called by.
    """
    # Loaded only for a user who waits for a page of text.
    from textwrap import wrap

    lines = [f"usage: {program} [options] [server ...]"]
    title = ""
    for option in OPTIONS:
        if option.on and title != _TITLES[option.level]:
            title = _TITLES[option.level]
            lines += ["", f"{title}:"]
        for words, negated in ((option.on, False), (option.off, True)):
            if words:
                left = f"  {_left_column(words, option.argument)}"
                what = option.off_help if negated else option.help
                first, *rest = wrap(what, _COLUMNS - _LEFT)
                if len(left) < _LEFT:
                    lines.append(f"{left:<{_LEFT}}{first}")
                else:
                    lines += [left, f"{'':{_LEFT}}{first}"]
                lines += [f"{'':{_LEFT}}{line}" for line in rest]
    return "\n".join(lines) + "\n"


def _left_column(words: str, argument: str) -> str:
    spellings = ", ".join(words.split())
    if words.startswith("--"):
        spellings = "    " + spellings
    return f"{spellings}{'' if argument.startswith('[') else ' '}{argument}".rstrip()
