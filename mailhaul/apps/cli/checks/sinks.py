"""Check where the mail of an account goes: folders, files and commands. Nothing is opened."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator

from ....adapters.config.settings import AccountSettings
from ....adapters.sinks.kinds import chosen_sink, sink_value
from ....flows.outcome import ExitCode
from .files import existing, may_append
from .findings import Finding, error, ok, warning

FOLDERS = ("tmp", "new", "cur")
SHELL_WORDS = frozenset(
    {
        *(
            "cd",
            "exec",
            "export",
            "if",
            "for",
            "while",
            "until",
            "case",
            "test",
            "[",
            "{",
            "(",
            "!",
        ),
        *("set", "umask", "ulimit", "trap", "eval", ".", ":", "true", "false", "echo", "printf"),
    }
)
"""First words of a shell command that are not programs, or are in every shell."""


def check_sink(settings: AccountSettings) -> Iterator[Finding]:
    """Check the sink of an account."""
    kind = chosen_sink(settings)
    value = sink_value(kind, settings)
    place = str(settings.place(kind.option))
    checks = {"maildir": check_maildir, "mbox": check_file, "bsmtp": check_file, "mda": check_mda}
    if check := checks.get(kind.option):
        yield from check(value, kind.title, place)
    elif kind.option in {"append", "gmail"}:
        yield ok("sink", kind.title, f"{value} (not connected)", place)
    else:
        yield from check_listeners(value, kind.title, place)


def check_maildir(path: str, title: str, place: str) -> Iterator[Finding]:
    """Check a Maildir; folders that are missing are created by the first delivery."""
    missing = [name for name in FOLDERS if not os.path.lexists(os.path.join(path, name))]
    for folder in (path, *(os.path.join(path, name) for name in FOLDERS)):
        if not os.path.lexists(folder):
            continue
        if not os.path.isdir(folder):
            text, hint = f"{folder} is not a folder", "name a Maildir, or move it away"
            yield error("sink", title, text, place, hint, ExitCode.IOERR)
            return
        if not is_writable(folder):
            text = f"no file can be created in {folder}"
            yield error("sink", title, text, place, "make it yours and writable", ExitCode.IOERR)
            return
    if missing and not is_writable(above := existing(path)):
        text = f"{path} cannot be created in {above}"
        yield error("sink", title, text, place, f"create it, for you: {path}", ExitCode.IOERR)
    elif missing:
        yield ok("sink", title, f"{path}, which the first delivery creates", place)
    else:
        yield ok("sink", title, path, place)


def is_writable(folder: str) -> bool:
    """Whether files can be created in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def check_file(path: str, title: str, place: str) -> Iterator[Finding]:
    """Check a mailbox file, or a batched SMTP file."""
    if path == "-":
        yield ok("sink", title, "standard output", place)
    elif os.path.isdir(path):
        text, hint = f"{path} is a folder", "name a file in it"
        yield error("sink", title, text, place, hint, ExitCode.IOERR)
    elif may_append(path):
        yield ok("sink", title, path, place)
    else:
        there = os.path.isdir(os.path.dirname(path) or ".")
        text = f"{path} cannot be written to" if there else f"the folder of {path} does not exist"
        hint = "make it yours" if there else f"mkdir -p {os.path.dirname(path)}"
        yield error("sink", title, text, place, hint, ExitCode.IOERR)


def check_listeners(value: str, title: str, place: str) -> Iterator[Finding]:
    """Check listeners: the sockets that are files; others are reached over the network."""
    for listener in value.split():
        if not listener.startswith("/"):
            yield ok("sink", title, f"{listener} (not connected)", place)
            continue
        try:
            is_socket = stat.S_ISSOCK(os.stat(listener).st_mode)
        except OSError as fault:
            text = f"{listener}: {fault.strerror}"
            hint = "start the server that listens there, or correct the path"
            yield error("sink", title, text, place, hint, ExitCode.SMTP)
            continue
        if is_socket:
            yield ok("sink", title, f"{listener} (not connected)", place)
        else:
            text, hint = f"{listener} is not a socket", "name the socket of an LMTP server"
            yield error("sink", title, text, place, hint, ExitCode.SMTP)


def check_mda(command: str, title: str, place: str) -> Iterator[Finding]:
    """Check that the program of an mda command exists."""
    from ....adapters.sinks.mda import SHELL_SYNTAX

    yield from check_command(
        command, "sink", title, place, shell=not SHELL_SYNTAX.isdisjoint(command)
    )


def check_command(
    command: str, name: str, subject: str, place: str, *, shell: bool
) -> Iterator[Finding]:
    """Check that the program of a command exists. The command is not printed: it may have secrets.

    The first word of a ``shell`` command may be a function or a variable: then it is not known.
    """
    word = first_word(command, shell=shell)
    if not word:
        hint = "write a command, or leave the option out"
        yield error(name, subject, "the command is empty", place, hint, ExitCode.SYNTAX)
    elif shell and (word in SHELL_WORDS or not set("$`*?=").isdisjoint(word)):
        yield ok(name, subject, "a shell command", place)
    elif found := shutil.which(word):
        yield ok(name, subject, f"runs {found}", place)
    else:
        what = "is not executable" if os.path.exists(word) else "does not exist"
        if "/" not in word:
            what = "is not in PATH"
        hint = "install it, or correct the command"
        if shell:
            yield warning(name, subject, f"the program {word} {what}", place, hint)
        else:
            text = f"the program {word} {what}"
            yield error(name, subject, text, place, hint, ExitCode.SMTP)


def first_word(command: str, *, shell: bool) -> str:
    """Return the name of the program that a command runs."""
    if not shell:
        return (command.split() or [""])[0]
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    # NAME=VALUE before a command sets a variable for it.
    return next((w for w in words if not w.partition("=")[0].isidentifier() or "=" not in w), "")
