"""Write the option reference and the manual page from the tables of options and commands.

python docs/options.py            writes docs/options.md and docs/mailhaul.1
python docs/options.py --check    exits with 1 if one of them is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from mailhaul.adapters.config import options
from mailhaul.adapters.config.options import GLOBAL, OPTIONS, RUN, SERVER, USER, Option
from mailhaul.apps.cli.commands import COMMANDS

FOLDER = Path(__file__).parent
LEVELS = {
    GLOBAL: ("Global options", "In the rc file, after `set`: `set postmaster joe`."),
    SERVER: ("Server options", "In the rc file, after `poll NAME`, `skip NAME` or `defaults`."),
    USER: ("User options", "In the rc file, after `user NAME` or after the server options."),
}
ARGUMENTS = {
    options.NUMBER: "NUMBER",
    options.PORT: "NUMBER",
    options.NUMBERS: "NUMBER ...",
    options.LIST: "STRING ...",
    options.PROTOCOL: "NAME",
    options.AUTH: "NAME",
    options.SERVICE: "NAME or NUMBER",
    options.ENVELOPE: "[NUMBER] STRING",
    options.POLICY: "`accept` or `reject`",
    options.NAMES: "NAME ...",
    options.PATH: "FILE",
    options.OCTETS: "NUMBER[k|m|g]",
    options.SECONDS: "NUMBER[s|m|h|d]",
    options.PERIOD: "PERIOD",
    options.DAY: "DATE or PERIOD",
    options.NAMED: "NAME STRING",
}
"""The argument of an rc file keyword. A flag has none; options not listed here take a string."""


def pages() -> dict[Path, str]:
    """Return the pages by their paths."""
    return {FOLDER / "options.md": markdown(), FOLDER / "mailhaul.1": manual()}


def markdown() -> str:
    """Return the reference."""
    lines = [
        "# Options",
        "",
        "Generated from `mailhaul/adapters/config/options.py` by `docs/options.py`. The rc file has",
        "fetchmail's format: keywords are in lower case, a string is quoted if it contains spaces or",
        "equals a keyword, and `#` begins a comment. An option on the command line replaces the one",
        "in the file, but values of a list are added to those in the file. `no` before a keyword",
        "turns a flag off; some flags also accept it as one word (`nokeep`).",
        "",
        f"Values of `protocol`: {', '.join(options.PROTOCOLS)}.",
        f"Values of `auth`: {', '.join(options.AUTHS)}.",
        "",
        "## Command line only",
        "",
        "These options cannot be in the rc file.",
        "",
        "| option | meaning |",
        "|---|---|",
    ]
    lines += [f"| {on_line(o)} | {o.help} |" for o in OPTIONS if o.level == RUN]
    lines += commands()
    for level, (title, words) in LEVELS.items():
        lines += ["", f"## {title}", "", words, ""]
        lines += ["| keyword | argument | default | command line | meaning |"]
        lines += ["|---|---|---|---|---|", *(row(o) for o in OPTIONS if o.level == level)]
    lines += mailhaul_only()
    return "\n".join(lines) + "\n"


def commands() -> list[str]:
    """Return the section about commands."""
    return [
        "",
        "## Commands",
        "",
        "A command is the first word of the command line, and `mailhaul COMMAND --help` explains it.",
        "An entry of the rc file that has the name of a command is polled instead; give such an",
        "entry another name, and the name of its host after `via`.",
        "",
        "| command | what it does |",
        "|---|---|",
        *(f"| `mailhaul {command.name}` | {command.summary} |" for command in COMMANDS),
    ]


def mailhaul_only() -> list[str]:
    """Return the section about options that fetchmail does not support."""
    words = [f"`{(option.keywords or (option.on,))[0]}`" for option in OPTIONS if option.own]
    return [
        "",
        "## Not supported by fetchmail 6.4",
        "",
        "An rc file works with both programs if it uses none of these:",
        "",
        f"* the options {', '.join(words)}; fetchmail 7 has some of them;",
        "* `folder` with a pattern (`*` matches anything, `%` anything in one level) or a special",
        '  use (`"\\\\Sent"`), for IMAP: the server lists the mailboxes that match.',
        "",
        "`--configdump=json` on the command line is also new.",
    ]


def row(option: Option) -> str:
    """Return the table row of an rc file option."""
    argument = "" if option.kind == options.FLAG else ARGUMENTS.get(option.kind, "STRING")
    meaning = option.help + choices(option) + " (mailhaul only)" * option.own
    cells = (keywords(option), argument, usual(option), on_line(option), meaning)
    return f"| {' | '.join(cells)} |"


def choices(option: Option) -> str:
    """Return the allowed values of an option, if they are listed in the table."""
    known = ", ".join(f"`{value}`" for value in option.choices if value)
    return f": {known}" if known else ""


def keywords(option: Option) -> str:
    """Return the spellings of an option in the rc file."""
    first, *more = (f"`{word}`" for word in option.keywords)
    negated = {options.GLUED: f", `no{option.keywords[0]}`", options.WORD: ""}
    return ", ".join([first, *more]) + negated.get(option.negation, "")


def usual(option: Option) -> str:
    """Return the default as in an rc file."""
    match option.default:
        case bool() as switched:
            return "on" if switched else "off"
        case None | ():
            return ""
        case tuple() as values:
            return " ".join(map(str, values))
        case value:
            return str(value)


def on_line(option: Option) -> str:
    """Return the spellings of an option on the command line."""
    argument = option.argument if option.argument.startswith("[") else f" {option.argument}"
    argument = argument.rstrip().replace("|", "\\|")
    on = [f"`{word}{argument}`" for word in option.on.split()]
    off = [f"`{word}` (off)" for word in option.off.split()]
    return ", ".join([*on, *off])


def manual() -> str:
    """Return the manual page, in troff with man macros."""
    lines = [
        '.TH MAILHAUL 1 "" mailhaul "User commands"',
        ".SH NAME",
        "mailhaul \\- fetch mail from IMAP and POP3 servers and deliver it",
        ".SH SYNOPSIS",
        ".B mailhaul",
        "[options] [server ...]",
        ".br",
        ".B mailhaul",
        "COMMAND ...",
        ".SH DESCRIPTION",
        "mailhaul reads a .fetchmailrc, fetches mail from the servers named there and delivers",
        "each message by SMTP, LMTP, a command or into a mailbox. It deletes a message from the",
        "server only after the next hop has accepted it. Without server names on the command line",
        "it polls all entries that are not marked \\fBskip\\fR.",
        ".SH OPTIONS",
        *manual_options(),
        ".SH COMMANDS",
        "A command is the first word of the command line. An entry of the rc file that has the name",
        "of a command is polled instead.",
        *manual_commands(),
        ".SH RC FILE",
        "Global options follow \\fBset\\fR; the others belong to a server or to a user.",
        *manual_keywords(),
        ".SH EXIT STATUS",
        "0: mail was delivered. 1: there was no mail. 2: connection or TLS failed. 3: login",
        "failed. 4: protocol error. 5: error in rc file or option. 6: permissions or disk. 7: no",
        "message could be read, or a mailbox was left for the next poll. 8: already running. 9:",
        "mailbox in use. 10: the sink accepts no mail. 11: host name not found. 12: the bsmtp file cannot be written. 13: more mail is",
        "left (fetchlimit). 14: server busy.",
        "23: internal error.",
        ".SH FILES",
        "~/.fetchmailrc, ~/.netrc, ~/.local/state/mailhaul/ledger.db",
    ]
    return "\n".join(lines) + "\n"


def manual_options() -> Iterable[str]:
    """Yield the lines about command line options."""
    for option in OPTIONS:
        for words, text in ((option.on, option.help), (option.off, option.off_help)):
            if words:
                names = ", ".join(f"\\fB{escaped(word)}\\fR" for word in words.split())
                argument = option.argument
                blank = "" if argument.startswith("[") else " "
                yield from (".TP", f"{names}{blank}{escaped(argument)}".rstrip(), escaped(text))


def manual_commands() -> Iterable[str]:
    """Yield the lines about commands: the text of ``--help`` of each."""
    for command in COMMANDS:
        yield from (".TP", f"\\fBmailhaul {escaped(command.name)}\\fR", escaped(command.summary))
        synopsis = command.synopsis.replace("usage: ", "       ", 1).splitlines()
        synopsis = [text.removeprefix("       ") for text in synopsis]
        rest = command.usage.removeprefix(command.synopsis).rstrip().splitlines()
        yield from (".RS", ".nf", *map(line, synopsis))
        yield from (*map(line, rest), ".fi", ".RE")


def line(text: str) -> str:
    """Return a line that troff leaves as it is."""
    return f"\\&{escaped(text)}"


def manual_keywords() -> Iterable[str]:
    """Yield the lines about rc file options."""
    for level, (title, _) in LEVELS.items():
        yield f".SS {title.replace('`', '')}"
        for option in OPTIONS:
            if option.level == level:
                argument = ARGUMENTS.get(option.kind, "STRING")
                shown = "" if option.kind == options.FLAG else f" {argument.replace('`', '')}"
                names = ", ".join(f"\\fB{escaped(word)}\\fR" for word in option.keywords)
                yield from (".TP", f"{names}{shown}", escaped(option.help))


def escaped(text: str) -> str:
    """Return text escaped for troff."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def main() -> int:
    """Write the pages, or check them."""
    if "--check" in sys.argv[1:]:
        stale = [p for p, text in pages().items() if not p.exists() or p.read_text() != text]
        for path in stale:
            print(f"{path}: out of date; run python docs/options.py")
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
