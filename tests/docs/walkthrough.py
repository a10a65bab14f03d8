"""A page of the documentation as steps that can be run: commands, what they print, and files.

How a page is written so that it can be run:

* A block marked ``console`` has commands after ``$`` and below each what it prints; ``...`` stands
  for anything. A name before the ``$`` is that of another machine (``joe@server$``).
* Any other block is a file. The paragraph before it ends with a colon, and the last path in it
  is where the file goes: ``Put this into `~/.fetchmailrc`:``. If the paragraph begins with
  "Add", the text is added at the end.
* A block marked ``crontab`` is for cron: each command is run once, as cron runs it.
* A comment ``<!-- not run: REASON -->`` before a block says why it cannot be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^```(?P<language>[\w{}-]*)[^\n]*\n(?P<fenced>.*?)^```$"
    r"|(?P<indented>(?:^ {4}[^\n]*\n(?:^\n(?= {4}))*)+)",
    re.MULTILINE | re.DOTALL,
)
PROMPT = re.compile(r"^(?P<machine>[\w@.-]*)\$ (?P<command>.*)$")
PLACE = re.compile(r"`((?:~|\.|/)[\w./~-]+)`")
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)
OPEN_END = "..."


@dataclass(frozen=True, slots=True)
class Command:
    """A command on a machine (the reader's is ""), and what it prints."""

    line: int
    machine: str
    text: str
    output: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader writes, or adds to."""

    line: int
    path: str
    text: str
    added: bool = False


@dataclass(frozen=True, slots=True)
class CronLine:
    """A command that cron runs."""

    line: int
    text: str


Step = Command | File | CronLine


class PageFault(Exception):
    """A block of a page cannot be understood; the text says where and why."""


def steps(page: Path) -> Iterator[Step]:
    """Yield the steps of a page, in order. Raises PageFault."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text[: block.start()].count("\n") + 1
        before = text[: block.start()].rstrip()
        if NOT_RUN.search(before) or (block["language"] or "").startswith("{"):
            continue
        match block["language"]:
            case "console":
                yield from commands(block["fenced"], line + 1)
            case "crontab":
                lines = enumerate(block["fenced"].splitlines(), line + 1)
                yield from (CronLine(n, one.split(None, 5)[5]) for n, one in lines)
            case _:
                yield file_of(f"{page.name}:{line}", line, before, block)


def commands(text: str, first: int) -> Iterator[Command]:
    """Yield the commands of a console block. A line that begins with ">" goes on with one."""
    machine, command, output, start = "", "", "", first
    for number, line in enumerate(text.splitlines(), first):
        if line.startswith("> ") and not output:
            command += "\n" + line.removeprefix("> ")
        elif found := PROMPT.match(line):
            if command:
                yield Command(start, machine, command, output)
            machine, command, output, start = found["machine"], found["command"], "", number
        else:
            output += line + "\n"
    if command:
        yield Command(start, machine, command, output)


def file_of(where: str, line: int, before: str, block: re.Match[str]) -> File:
    """Return the file that a block is."""
    paragraph = before.rpartition("\n\n")[2]
    places = PLACE.findall(paragraph)
    if not places or not paragraph.endswith(":"):
        raise PageFault(f"{where}: no paragraph before this block says which file it is")
    text = block["fenced"]
    if text is None:
        text = re.sub("^ {4}", "", block["indented"], flags=re.MULTILINE)
    return File(line, places[-1], text, paragraph.startswith("Add"))


def agrees(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; ``...`` stands for anything."""
    pieces = [re.escape(piece) for piece in trimmed(shown).split(OPEN_END)]
    return re.fullmatch(".*".join(pieces), trimmed(printed), re.DOTALL) is not None


def trimmed(text: str) -> str:
    """Return text without blanks at the ends of lines, and without the last line end."""
    return "\n".join(map(str.rstrip, text.strip("\n").split("\n")))
