"""Each page under docs stands in one list of contents, and each list names pages that exist."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIRST = "index"


def pages(docs: Path) -> set[str]:
    """Return the names of all pages, as lists of contents have them."""
    return {str(path.relative_to(docs).with_suffix("")) for path in docs.rglob("*.md")}


def listed(docs: Path) -> list[str]:
    """Return what the lists name, each name as often as it is there."""
    names: list[str] = []
    for page in pages(docs):
        for block in TREE.findall((docs / f"{page}.md").read_text()):
            lines = [line.strip() for line in block.splitlines()]
            for line in (line for line in lines if line and not line.startswith(":")):
                # A pattern may leave a place for pages that are yet to come.
                names += fnmatch.filter(pages(docs), line) if "*" in line else [line]
    return names


def faults(docs: Path) -> list[str]:
    """Return what is wrong with the lists, as sentences."""
    counted = Counter(listed(docs))
    here = pages(docs)
    return [
        *(
            f"docs/{name}.md stands in no list of contents: add it to a toctree in docs/index.md"
            for name in sorted(here - {FIRST, *counted})
        ),
        *(
            f"a list of contents names {name}, which does not exist"
            for name in counted.keys() - here
        ),
        *(f"{name} stands in {n} lists of contents" for name, n in counted.items() if n > 1),
    ]


def test_every_page_stands_in_one_list_of_contents() -> None:
    assert faults(DOCS) == []


def test_a_page_in_no_list_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text(
        "# A\n\n```{toctree}\n:caption: All\n\none\none\ngone\nmore*\n```\n"
    )
    (tmp_path / "one.md").write_text("# One\n")
    (tmp_path / "two.md").write_text("# Two\n")
    (tmp_path / "more-of-it.md").write_text("# More\n")
    assert faults(tmp_path) == [
        "docs/two.md stands in no list of contents: add it to a toctree in docs/index.md",
        "a list of contents names gone, which does not exist",
        "one stands in 2 lists of contents",
    ]
