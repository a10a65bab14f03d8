"""Detect commands in the rc file that pass their arguments to a second interpreter.

An address is passed to an mda as an argument, which no shell parses. But ``sh -c "deliver %F"``,
``su -c``, ``ssh`` and others join their arguments to a new command line, which a second shell
parses. No quoting is right for all of them, so such a command is only given addresses without
special characters. What a program does internally with its arguments cannot be detected.
"""

from __future__ import annotations

import re

TOKENS = ("%F", "%T", "%s")
SHELLS = frozenset(
    {
        "ash", "autossh", "bash", "batch", "busybox", "csh", "dash", "dbclient", "eval",
        "fish", "ksh", "mksh", "mosh", "parallel", "pdksh", "plink", "rbash", "rsh",
        "runuser", "screen", "script", "sg", "sh", "ssh", "su", "tcsh", "tmux", "watch",
        "xargs", "zsh"
    }
)  # fmt: skip
"""Programs that parse their arguments or their input as a shell does, locally or remotely."""
OTHERS = frozenset(
    {
        "Mail", "awk", "ed", "ex", "gawk", "m4", "mail", "mailx", "make", "mawk", "mutt",
        "nail", "nawk", "ncat", "sed", "socat"
    }
)  # fmt: skip
"""Programs with their own language, in which an argument may be a command."""
ROOT_SHELL = re.compile(
    r"\b(?:sudo|doas)\s+(?:-\S+\s+(?:[^-\s]\S*\s+)?)*?(?:-[A-Za-z]*[si]\b|--shell\b|--login\b)"
)
NAME = re.compile(r"[\w.+/-]+")
COMMAND = re.compile(
    r"(?:^|[|;&(`])\s*(?:(?:exec|sudo|doas|env|nice|nohup|time)\s+(?:-\S+\s+|\w+=\S*\s+)*)*"
    r"([\w.+/-]+)"
)
REDIRECTION = re.compile(r"[<>]+&?\s*[^\s;|&()<>]+")
VERSION = re.compile(r"[-.\d]+$")
PLAIN_QUOTED = re.compile(r"[\w.,:/@+=%-]*")
"""Quoted text that is a single word, which a second shell would not parse further."""
ARGUMENT_OF_A_SCRIPT = re.compile(
    r"""(?:(?<=[\s/|;&(])|^)(?:ba|da|a|k|mk|z)?sh\s+"""
    r"""(?:-[A-Za-z]*c\s+(?:'([^'%]*)'|"([^"$`\\%]*)")\s+[\w.-]+(?=\s|$)|/[\w./+-]+(?=\s|$))"""
)
"""A shell with an inline script or a script file: the following words become "$1", "$2"."""
TEXT_FOR_A_SHELL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@/-]*")
TEXT_FOR_ALL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*")


def program(word: str) -> str:
    """Return the name of a program without folder and version."""
    return VERSION.sub("", word.rpartition("/")[2])


def has_addresses(command: str) -> bool:
    """Whether a command contains an address."""
    return any(token in command for token in TOKENS)


def second_shell(command: str) -> str:
    """Return the second interpreter that parses the addresses in a command, or ""."""
    if not has_addresses(command):
        return ""
    # The script itself contains no address, but it may pass its arguments to other programs.
    rest = ARGUMENT_OF_A_SCRIPT.sub(lambda found: f" {found[1] or found[2] or ''} ", command)
    rest = REDIRECTION.sub(" ", rest)
    names = [program(word) for word in NAME.findall(rest)]
    commands = [program(word) for word in COMMAND.findall(rest)]
    # These allow fewer characters, so they are checked first.
    found = [name for name in commands if name in OTHERS]
    found += [name for name in names if name in SHELLS]
    if found:
        return found[0]
    if ROOT_SHELL.search(rest):
        return "sudo"
    return "a quoted command" if has_address_in_quotes(command) else ""


def has_address_in_quotes(command: str) -> bool:
    """Whether a quoted text of more than one word contains an address."""
    quote, start, position = "", 0, 0
    while position < len(command):
        character = command[position]
        if character == "\\" and quote != "'":
            position += 1
        elif quote and character == quote:
            quoted = command[start:position]
            if has_addresses(quoted) and not PLAIN_QUOTED.fullmatch(quoted):
                return True
            quote = ""
        elif not quote and character in "'\"":
            quote, start = character, position + 1
        position += 1
    return bool(quote) and has_addresses(command[start:])


def is_text(address: str, interpreter: str) -> bool:
    """Whether an address has no special meaning for this interpreter, nor for any shell."""
    allowed = TEXT_FOR_ALL if interpreter in OTHERS else TEXT_FOR_A_SHELL
    return bool(allowed.fullmatch(address))


def is_in_path(command: str, tokens: tuple[str, ...]) -> bool:
    """Whether any of these tokens is part of a path, or is the target of a redirection."""
    names = "|".join(token[1] for token in tokens)
    return bool(re.search(rf"(?:/|[<>]\s*)[^\s/;|&<>()]*%(?:{names})", command))


def leaves_folder(address: str) -> bool:
    """Whether an address, used as a file name, leads to another folder."""
    return "/" in address or address in {".", ".."}
