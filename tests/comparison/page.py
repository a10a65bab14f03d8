"""The tables of docs/comparison.md, between their marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .documented import WISHES
from .experiments import EXPERIMENTS
from .programs import NOT_HERE, Program
from .verdicts import Seen

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
Results = Mapping[tuple[str, str], Seen]


def written(page: str, programs: Sequence[Program], results: Results) -> str:
    """Return the page with new tables."""
    versions = ", ".join(f"{one.name} {one.version}" for one in programs)
    page = between(page, "versions", f"Run with {versions}.")
    page = between(page, "run", experiments_table(programs, results))
    return between(page, "read", facts_table(programs))


def between(page: str, name: str, text: str) -> str:
    """Replace what stands between the marks of a part."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE} has no part {name}")
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def experiments_table(programs: Sequence[Program], results: Results) -> str:
    """Return the table of what was run: a row for each experiment."""
    rows = [
        [f"**{one.title}**: {one.how}", *(str(results[one.title, p.name]) for p in programs)]
        for one in EXPERIMENTS
    ]
    return table(["", *(one.name for one in programs)], rows)


def facts_table(programs: Sequence[Program]) -> str:
    """Return the table of what was read: a row for each program."""
    names = [*(one.name for one in programs), *NOT_HERE]
    rows = [[f"**{name}**", *(wish.facts[name].text for wish in WISHES)] for name in names]
    return table(["", *(wish.title for wish in WISHES)], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
