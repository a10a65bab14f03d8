"""Write the completions for bash, zsh and fish from the tables of options and commands.

python docs/completions.py            writes contrib/completions
python docs/completions.py --check    exits with 1 if one of the files is out of date
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mailhaul.adapters.config import options
from mailhaul.adapters.config.options import OPTIONS, Option
from mailhaul.apps.cli.commands import COMMANDS, Command

FOLDER = Path(__file__).parents[1] / "contrib" / "completions"
NOTICE = "Made by docs/completions.py from the tables of options and commands."
FILE_ARGUMENTS = ("FILE", "FOLDER", "RCFILE", "NEWFILE")
SERVERS = "awk '$1 ~ /^(poll|server|skip)$/ { gsub(/[\\047\":,;]/, \"\", $2); print $2 }'"
"""Prints the servers of an rc file."""


def files() -> dict[Path, str]:
    """Return the texts of the files by their paths."""
    return {
        FOLDER / "mailhaul.bash": bash(),
        FOLDER / "_mailhaul": zsh(),
        FOLDER / "mailhaul.fish": fish(),
    }


# What is completed


class Switch:
    """One option as it is spelled on the command line, with its values."""

    def __init__(self, words: str, help: str, values: Sequence[str], *, path: bool, value: str):
        self.words = words.split()
        self.help = help
        self.values = values
        self.path = path
        self.value = value


def switches() -> Iterator[Switch]:
    """Yield the options of a poll."""
    for option in OPTIONS:
        for words, help in ((option.on, option.help), (option.off, option.off_help)):
            if words:
                path = option.kind == options.PATH or option.argument in FILE_ARGUMENTS
                value = "" if option.kind == options.FORM else option.argument
                yield Switch(words, help, values_of(option), path=path, value=value)


def values_of(option: Option) -> Sequence[str]:
    """Return the values that an option may have on the command line, if they are limited."""
    if option.kind == options.PROTOCOL:
        return options.PROTOCOLS
    if option.kind == options.AUTH:
        return [name for name in options.AUTHS if name not in options.RC_FILE_AUTHS]
    if option.kind == options.POLICY:
        return options.POLICIES
    return [choice for choice in option.choices if choice]


def own_words(command: Command) -> list[str]:
    """Return the words that may follow a command: the first of each line of its synopsis."""
    found: list[str] = []
    for line in command.synopsis.splitlines():
        rest = line.partition(f"mailhaul {command.name} ")[2].split()
        first = " ".join(rest[: rest.index("]") + 1]) if "]" in rest else (rest or [""])[0]
        found += re.findall(r"(?<![\w-])[a-z][a-z0-9-]+", first.replace("...", ""))
    if command.name == "help":
        found = [one.name for one in COMMANDS]
    return list(dict.fromkeys(found))


def own_options(command: Command) -> list[str]:
    """Return the options of a command."""
    synopsis = re.findall(r"(?<![\w-])--?[a-z][\w-]*", command.synopsis)
    return list(dict.fromkeys([*synopsis, "--help"]))


def path_options(command: Command) -> list[str]:
    """Return the options of a command that take a file."""
    names = "|".join(FILE_ARGUMENTS)
    return re.findall(rf"(?<![\w-])(--?[a-z][\w-]*)[ =](?:{names})\b", command.synopsis)


def takes(command: Command, *names: str) -> bool:
    """Whether a command takes one of these arguments, other than as the value of an option."""
    text = command.synopsis
    for option in path_options(command):
        text = re.sub(rf"{re.escape(option)}[ =]\w+", "", text)
    return bool(re.search(rf"\b(?:{'|'.join(names)})\b", text))


# bash


def bash() -> str:
    """Return the completion for bash. It needs no other file."""
    words = [word for one in switches() for word in one.words]
    lines = [
        f"# Completion of mailhaul for bash. {NOTICE}",
        "",
        "_mailhaul_servers() {",
        '    local rc=${FETCHMAILHOME:+$FETCHMAILHOME/fetchmailrc}',
        f'    {SERVERS} "${{rc:-$HOME/.fetchmailrc}}" 2>/dev/null',
        "}",
        "",
        "_mailhaul() {",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=",
        "    # In --option=value bash makes three words.",
        "    if [[ $cur == = ]]; then",
        "        cur=",
        "    elif [[ $prev == = && $COMP_CWORD -gt 2 ]]; then",
        "        prev=${COMP_WORDS[COMP_CWORD-2]}",
        "    fi",
        "    COMPREPLY=()",
        "    if [[ $COMP_CWORD -gt 1 ]]; then",
        "        case ${COMP_WORDS[1]} in",
        *(line for command in COMMANDS for line in bash_command(command)),
        "        esac",
        "    fi",
        "    case $prev in",
        *bash_values(),
        "    esac",
        "    if [[ $cur == -* ]]; then",
        *bash_words(words),
        "    else",
        "        words=$(_mailhaul_servers)",
        "        [[ $COMP_CWORD -gt 1 ]] || words+=' "
        + " ".join(command.name for command in COMMANDS)
        + "'",
        "    fi",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")',
        "}",
        "",
        "complete -o bashdefault -o default -F _mailhaul mailhaul",
    ]
    return "\n".join(lines) + "\n"


def bash_command(command: Command) -> Iterator[str]:
    """Yield the lines for the words after a command."""
    yield f"        {command.name})"
    if paths := path_options(command):
        yield f"            [[ $prev == {' || $prev == '.join(paths)} ]] && return"
    offered = own_options(command)
    yield f"            words='{' '.join(offered)}'"
    yield "            [[ $cur == -* ]] || words="
    if first := own_words(command):
        yield f"            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='{' '.join(first)}'"
    if takes(command, "ACCOUNT", "SERVER"):
        yield '            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"'
    yield '            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")'
    yield "            return ;;"


def bash_values() -> Iterator[str]:
    """Yield the lines for the values of options."""
    for one in switches():
        pattern = "|".join(one.words)
        if one.values:
            words = " ".join(one.values)
            yield f"    {pattern})"
            yield f"        mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$cur\")"
            yield "        return ;;"
        elif one.value:
            # The name of a file is completed by bash itself.
            yield f"    {pattern}) return ;;"


def bash_words(words: Iterable[str]) -> Iterator[str]:
    """Yield the lines that set ``words``, of usual length."""
    line = "        words='"
    for word in words:
        if len(line) + len(word) > 95:
            yield line
            line = "            "
        line += word + " "
    yield line.rstrip() + "'"


# zsh


def zsh() -> str:
    """Return the completion for zsh."""
    lines = [
        "#compdef mailhaul",
        f"# {NOTICE}",
        "",
        "_mailhaul_servers() {",
        "    local -a servers",
        "    local rc=${FETCHMAILHOME:+$FETCHMAILHOME/fetchmailrc}",
        f'    servers=(${{(f)"$({SERVERS} "${{rc:-$HOME/.fetchmailrc}}" 2>/dev/null)"}})',
        "    (( $#servers )) && compadd -a servers",
        "}",
        "",
        "_mailhaul_commands() {",
        "    local -a commands=(",
        *(f"        {zsh_quoted(f'{one.name}:{one.summary}')}" for one in COMMANDS),
        "    )",
        "    _describe command commands",
        "    _mailhaul_servers",
        "}",
        "",
        "_mailhaul_options() {",
        "    _arguments -s -S \\",
        *(f"        {zsh_switch(one)} \\" for one in switches()),
        "        '*:server:_mailhaul_servers'",
        "}",
        "",
        "_mailhaul() {",
        "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then",
        "        _mailhaul_commands",
        "        return",
        "    fi",
        "    case $words[2] in",
        *(line for command in COMMANDS for line in zsh_command(command)),
        "    *) _mailhaul_options ;;",
        "    esac",
        "}",
        "",
        '_mailhaul "$@"',
    ]
    return "\n".join(lines) + "\n"


def zsh_quoted(text: str) -> str:
    """Return text in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_switch(one: Switch) -> str:
    """Return the specification of an option for _arguments."""
    help = re.sub(r"([\[\]:\\])", r"\\\1", one.help)
    value = ""
    if one.values:
        value = f":{one.value}:({' '.join(one.values)})"
    elif one.path:
        value = f":{one.value}:_files"
    elif one.value:
        value = f":{one.value}: "
    text = zsh_quoted(f"[{help}]{value}")
    spelled = [
        word.replace("?", "\\?") + ("=" if value and word.startswith("--") else "")
        for word in one.words
    ]
    if len(spelled) == 1:
        return f"{spelled[0]}{text}"
    return f"'({' '.join(one.words)})'{{{','.join(spelled)}}}{text}"


def zsh_command(command: Command) -> Iterator[str]:
    """Yield the lines for the words after a command."""
    yield f"    {command.name})"
    paths = path_options(command)
    if paths:
        test = " || ".join(f"$words[CURRENT-1] == {word}" for word in paths)
        yield f"        if [[ {test} ]]; then _files; return; fi"
    yield "        if [[ $words[CURRENT] == -* ]]; then"
    yield f"            compadd -- {' '.join(own_options(command))}"
    yield "            return"
    yield "        fi"
    if first := own_words(command):
        yield f"        (( CURRENT == 3 )) && compadd -- {' '.join(first)}"
    if takes(command, "ACCOUNT", "SERVER"):
        yield "        _mailhaul_servers"
    if takes(command, *FILE_ARGUMENTS):
        yield "        _files"
    yield "        ;;"


# fish


def fish() -> str:
    """Return the completion for fish."""
    names = " ".join(command.name for command in COMMANDS)
    lines = [
        f"# Completion of mailhaul for fish. {NOTICE}",
        "",
        "function __mailhaul_servers",
        "    set -l rc $HOME/.fetchmailrc",
        "    set -q FETCHMAILHOME; and set rc $FETCHMAILHOME/fetchmailrc",
        f"    {SERVERS} $rc 2>/dev/null",
        "end",
        "",
        "function __mailhaul_polls",
        f"    not __fish_seen_subcommand_from {names}",
        "end",
        "",
        "complete -c mailhaul -f",
        "complete -c mailhaul -n __mailhaul_polls -a '(__mailhaul_servers)'",
    ]
    lines += [
        f"complete -c mailhaul -n __fish_use_subcommand -a {one.name} -d {fish_quoted(one.summary)}"
        for one in COMMANDS
    ]
    for command in COMMANDS:
        lines += fish_command(command)
    lines += map(fish_switch, switches())
    return "\n".join(lines) + "\n"


def fish_quoted(text: str) -> str:
    """Return text in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_command(command: Command) -> Iterator[str]:
    """Yield the lines for the words after a command."""
    begin = f"complete -c mailhaul -n '__fish_seen_subcommand_from {command.name}'"
    if first := own_words(command):
        yield f"{begin} -a '{' '.join(first)}'"
    if takes(command, "ACCOUNT", "SERVER"):
        yield f"{begin} -a '(__mailhaul_servers)'"
    if takes(command, *FILE_ARGUMENTS):
        yield f"{begin} -F"
    paths = path_options(command)
    for word in own_options(command):
        kind = "-l" if word.startswith("--") else "-s"
        yield f"{begin} {kind} {word.lstrip('-')}" + (" -r -F" if word in paths else "")


def fish_switch(one: Switch) -> str:
    """Return the line for an option of a poll."""
    names = [word.lstrip("-").replace("?", "'?'") for word in one.words]
    kinds = ["-l" if word.startswith("--") else "-s" for word in one.words]
    words = [f"{kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    value = ""
    if one.values:
        value = f" -x -a '{' '.join(one.values)}'"
    elif one.path:
        value = " -r -F"
    elif one.value:
        value = " -x"
    help = fish_quoted(one.help)
    return f"complete -c mailhaul -n __mailhaul_polls {' '.join(words)}{value} -d {help}"


def main() -> int:
    """Write the files, or check them."""
    made = files()
    if "--check" in sys.argv[1:]:
        stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
        for path in stale:
            print(f"{path}: out of date; run python docs/completions.py")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
