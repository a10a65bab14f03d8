"""What Sphinx does with these pages beyond Markdown: colours for rc files, tables for diagrams.

The pages are plain Markdown, so that they can be read without being built. A block of an rc file
or of commands has no mark there and is recognized by its first word. Nothing is fetched
from elsewhere, neither at build time nor by the built pages: the diagrams, which repository
hosts draw from their source, become tables of transitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, String, Text, Whitespace
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from mailhaul.adapters.config.options import OPTIONS

ENTRIES = ("poll", "skip", "defaults", "set", "server")
PROGRAMS = ("mailhaul", "python3", "python", "pip", "make", "ssh", "systemctl", "chmod", "sh")
UNMARKED = "none"
"""The language of a block without one."""
ALONE = (r"(?<![^\s])", r"(?![^\s,;:])")
"""What stands before and after a word of its own."""
TRANSITION = re.compile(r"^\s*(\S+) --> (\S+)(?: : (.*))?$", re.MULTILINE)


WHOLE_FILES = {"changes": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}
"""Pages that only point to a file at the top of the repository, and have its text when built."""
LINK = re.compile(r"\[([^\]\n]*)\]\((?!https?:|#)([^)\s]+)\)")


class RcLexer(RegexLexer):
    """Colours of an rc file: entries, options, strings, numbers, comments."""

    name = "fetchmailrc"
    aliases: ClassVar[list[str]] = ["fetchmailrc"]
    url = ""
    version_added = ""
    tokens: ClassVar[Any] = {
        "root": [
            (r"#.*$", Comment.Single),
            (r'"(?:\\.|[^"\\])*"', String.Double),
            (r"'(?:\\.|[^'\\])*'", String.Single),
            (words(ENTRIES, *ALONE), Keyword.Namespace),
            (words(("no", "is", "here", "there", "and", "with"), *ALONE), Keyword),
            (words([word for o in OPTIONS for word in o.keywords], *ALONE), Name.Function),
            (words([f"no{word}" for o in OPTIONS for word in o.keywords], *ALONE), Name.Function),
            (r"\d+(?![^\s,;:])", Number),
            (r"\s+", Whitespace),
            (r"[^\s]+", Text),
        ]
    }


class FindLanguages(SphinxTransform):
    """Name the language of blocks without one, by their first word."""

    default_priority = 10

    def apply(self, **kwargs: Any) -> None:
        """Change this document."""
        for block in self.document.findall(nodes.literal_block):
            if block.get("language") == "crontab":
                block["language"] = "sh"
            elif block.get("language", UNMARKED) == UNMARKED:
                match block.astext().split(None, 1):
                    case [first, *_] if first in ENTRIES:
                        block["language"] = "fetchmailrc"
                    case [first, *_] if first in PROGRAMS:
                        block["language"] = "sh"
                    case _:
                        pass


def complete(app: Sphinx, name: str, source: list[str]) -> None:
    """Change the source of a page before it is read.

    The text of a whole file is put in. Patterns in a list of contents that match no page are left
    out. A link whose text is the name of a page gets its title; one to a folder becomes text.
    """
    top = Path(app.srcdir)
    text = source[0]
    if name in WHOLE_FILES:
        path = top.parent / WHOLE_FILES[name]
        app.env.note_dependency(path)
        text = LINK.sub(lambda link: f"[{link[1]}]({inside(link[2])})", path.read_text())
    elif name == app.config.root_doc:
        lines = text.splitlines(keepends=True)
        text = "".join(line for line in lines if "*" not in line or any_page(app, line.strip()))
    folder = (top / name).parent
    source[0] = LINK.sub(lambda link: shown_link(folder, link), text)


def shown_link(folder: Path, link: re.Match[str]) -> str:
    """Return a link as it is in the built pages."""
    text, target = link.groups()
    if (folder / target).is_dir():
        return text
    return f"[]({target})" if text == target else link[0]


def inside(target: str) -> str:
    """Return a link of a file at the top as it is in a page under docs."""
    pages = {file: f"{page}.md" for page, file in WHOLE_FILES.items()}
    known = target in pages or target.startswith("docs/")
    return pages.get(target, target.removeprefix("docs/")) if known else f"../{target}"


def any_page(app: Sphinx, pattern: str) -> bool:
    """Whether a line is no pattern for pages, or one that matches a page."""
    return not pattern.endswith("*") or any(Path(app.srcdir).glob(f"{pattern}.md"))


class ShowTransitions(SphinxTransform):
    """Replace the source of each state diagram by a table of its transitions."""

    default_priority = 10

    def apply(self, **kwargs: Any) -> None:
        """Change this document."""
        for block in [*self.document.findall(nodes.literal_block)]:
            if block.get("language") == "mermaid":
                block.replace_self(table(("state", "input", "next state"), rows(block.astext())))


def rows(diagram: str) -> Iterator[tuple[str, str, str]]:
    """Yield state, inputs and next state; names in a diagram have "_" in place of "-"."""
    before = ""
    for state, following, inputs in TRANSITION.findall(diagram):
        if state == "[*]":
            yield "(start)", "", following.replace("_", "-")
        else:
            shown = state.replace("_", "-")
            yield "" if shown == before else shown, inputs, following.replace("_", "-")
            before = shown


def table(head: tuple[str, ...], body: Iterator[tuple[str, ...]]) -> nodes.table:
    """Return a table of plain text."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", row(head))
    group += nodes.tbody("", *map(row, body))
    return nodes.table("", group)


def row(cells: tuple[str, ...]) -> nodes.row:
    """Return a row of plain text."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything; Sphinx calls this."""
    app.add_lexer("fetchmailrc", RcLexer)
    # All pages are read again when this file has changed.
    app.add_config_value("rendering_changed", Path(__file__).stat().st_mtime, "env", float)
    app.connect("source-read", complete)
    app.add_transform(FindLanguages)
    app.add_transform(ShowTransitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
