"""Several runs as one page: a row for each case, a column for each target.

The page is one file that needs no network, and no script for reading: the script only filters.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from ..faults import WrongUse
from ..transcript import Entry, Transcript
from ..verdicts import Level, Verdict
from .wire import dialogue, one_line, unescape

HERE = Path(__file__).parent
SYMBOLS = {
    Verdict.PASS: "\u2713",
    Verdict.FAIL: "\u2717",
    Verdict.WARN: "!",
    Verdict.INFO: "i",
    Verdict.SKIP: "\u2013",
    Verdict.ERROR: "?",
}
MEANINGS = {
    Verdict.PASS: "the requirement was seen to hold",
    Verdict.FAIL: "a MUST was seen broken",
    Verdict.WARN: "a SHOULD was seen broken, or the server differs on purpose",
    Verdict.INFO: "what the server does where the RFC leaves the choice",
    Verdict.SKIP: "does not apply, or something was missing",
    Verdict.ERROR: "the harness or the set-up broke; not the server's fault",
}
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """All results: ``columns`` are names of targets, ``rows`` are cases by id, in order."""

    columns: Sequence[str]
    rows: Mapping[str, Json]
    cells: Mapping[tuple[str, str], Json]


def make_table(runs: Mapping[str, Json]) -> Table:
    """Put the runs together, which are given by the paths of their files. Raises WrongUse."""
    places: dict[tuple[str, str], str] = {}
    rows: dict[str, Json] = {}
    cells: dict[tuple[str, str], Json] = {}
    for path, run in runs.items():
        name = run["name"]
        if earlier := places.get((name, run["suite"])):
            words = f'are both about {run["suite"]} at "{name}"'
            raise WrongUse(f"{earlier} and {path} {words}: run one of them again with --name")
        places[name, run["suite"]] = path
        for result in run["results"]:
            rows.setdefault(result["id"], result)
            cells[result["id"], name] = result
    columns = dict.fromkeys(name for name, _ in places)
    return Table([*columns], dict(sorted(rows.items(), key=order_of)), cells)


def order_of(item: tuple[str, Json]) -> tuple[str, str, tuple[bool, int, str]]:
    """Return the sort key of a case: suite, topic, then the number as a number."""
    suite, topic, last = item[0].split("/")
    return suite, topic, (not last.isdecimal(), int(last) if last.isdecimal() else 0, last)


def page(runs: Mapping[str, Json]) -> str:
    """Return the page for these runs, which are given by the paths of their files."""
    table = make_table(runs)
    style = (HERE / "matrix.css").read_text()
    script = (HERE / "matrix.js").read_text()
    allowed = {"style": hash_of(style), "script": hash_of(script), "img": "data:"}
    sources = "".join(f"; {kind}-src {source}" for kind, source in allowed.items())
    policy = f"default-src 'none'{sources}"
    title = f"Mail conformance: {', '.join(table.columns)}"
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        "<h1>Mail conformance</h1>",
        *targets(runs),
        *legend(),
        "<h2>Cases</h2>",
        *filters(),
        '<p id="shown" role="status"></p>',
        *matrix(table),
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def hash_of(text: str) -> str:
    """Return the source by which a policy allows just this text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}'"


def targets(runs: Mapping[str, Json]) -> Iterator[str]:
    """Yield what is known of each run, with its counts."""
    yield '<h2>Targets</h2><div class="scroll" tabindex="0" role="region" aria-label="Targets">'
    verdicts = "".join(f'<th scope="col" class="number {v}">{mark(v)} {v}</th>' for v in Verdict)
    heads = '<th scope="col">target</th><th scope="col">suite</th>'
    about = '<th scope="col">software</th><th scope="col">date</th><th scope="col">seed</th>'
    yield f'<table class="targets"><thead><tr>{heads}{verdicts}{about}</tr></thead><tbody>'
    for run in runs.values():
        counts = "".join(f'<td class="number">{run["counts"][verdict]}</td>' for verdict in Verdict)
        stopped = f" (stopped: {escape(run['stopped'])})" if run["stopped"] else ""
        seed = "in order" if run["seed"] is None else run["seed"]
        yield (
            f'<tr><th scope="row">{escape(run["name"])}</th>'
            f"<td>{escape(run['suite'])}{stopped}</td>{counts}"
            f'<td class="software">{escape(run["software"])}</td>'
            f'<td class="date">{escape(run["date"][:10])}</td><td>{seed}</td></tr>'
        )
    yield "</tbody></table></div>"


def legend() -> Iterator[str]:
    """Yield what each symbol means."""
    yield '<ul class="legend">'
    for verdict, meaning in MEANINGS.items():
        sign = f'<span class="{verdict}">{mark(verdict)} {verdict}</span>'
        yield f"<li>{sign}: {escape(meaning)}</li>"
    yield "<li>\u2020: the level follows from the grammar or the behaviour that is described</li>"
    yield "</ul>"


def mark(verdict: Verdict) -> str:
    """Return the symbol of a verdict."""
    return f'<span class="symbol" aria-hidden="true">{SYMBOLS[verdict]}</span>'


def filters() -> Iterator[str]:
    """Yield the form, which the script shows."""
    every = '<option value="">all</option>'
    levels = every + "".join(f"<option>{level}</option>" for level in Level)
    verdicts = every + "".join(f"<option>{verdict}</option>" for verdict in Verdict)
    yield '<form id="filter" hidden>'
    yield '<label>text <input type="search" name="text" autocomplete="off"></label>'
    yield f'<label>level <select name="level">{levels}</select></label>'
    yield f'<label>verdict <select name="verdict">{verdicts}</select></label>'
    yield (
        '<label class="check"><input type="checkbox" name="differ"> only where they differ</label>'
    )
    yield '<button type="reset">show all</button>'
    yield "</form>"


def matrix(table: Table) -> Iterator[str]:
    """Yield the table of cases."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    yield '<table class="cases"><thead><tr><th scope="col">case</th>'
    yield f'<th scope="col">source</th>{names}</tr></thead>'
    group = ""
    for case, about in table.rows.items():
        topic = "/".join(case.split("/")[:2])
        if topic != group:
            yield "</tbody>" if group else ""
            width = len(table.columns) + 2
            yield f'<tbody><tr class="topic"><th scope="rowgroup" colspan="{width}">'
            yield f"{escape(topic)}</th></tr>"
            group = topic
        yield from row(case, about, table)
    yield "</tbody></table>" if group else "</table>"


def row(case: str, about: Json, table: Table) -> Iterator[str]:
    """Yield the row of one case."""
    results = [table.cells.get((case, name)) for name in table.columns]
    found = [result for result in results if result]
    verdicts = " ".join(dict.fromkeys(result["verdict"] for result in found))
    differs = "yes" if len({answer_of(result) for result in found}) > 1 else "no"
    place = escape(case)
    yield f'<tr id="{place}" data-level="{about["level"]}" data-verdicts="{verdicts}"'
    yield f' data-differs="{differs}"><th scope="row"><a class="id" href="#{place}">{place}</a>'
    yield f"{escape(about['text'])}</th>"
    implied = "\u2020" if about["implied"] else ""
    source = f"RFC {about['rfc']}, {escape(about['section'])}"
    yield f'<td class="source">{about["level"]}{implied}<br>{source}</td>'
    for name, result in zip(table.columns, results, strict=True):
        yield cell(name, result)
    yield "</tr>"


def answer_of(result: Json) -> str:
    """Return what is compared between targets: the verdict, and the answer to a MAY."""
    verdict = str(result["verdict"])
    return result["reason"].partition(":")[0] if verdict == Verdict.INFO else verdict


def cell(name: str, result: Json | None) -> str:
    """Return the cell of one case and target."""
    target = escape(name)
    if result is None:
        return f'<td data-target="{target}" class="none">not run</td>'
    verdict = Verdict(result["verdict"])
    word = f"{verdict}: {escape(answer_of(result))}" if verdict is Verdict.INFO else str(verdict)
    notes = " (unstable)" * result["unstable"] + " (known)" * is_known(result)
    inside = "".join(details(result))
    return (
        f'<td data-target="{target}" class="{verdict}"><details>'
        f"<summary>{mark(verdict)} {word}{notes}</summary><div>{inside}</div></details></td>"
    )


def is_known(result: Json) -> bool:
    """Whether this result was expected."""
    return bool(result["known"]) and result["known"]["verdict"] == result["verdict"]


def details(result: Json) -> Iterator[str]:
    """Yield what a cell shows when it is opened."""
    facts = {
        "expected": result["expected"],
        "got": result["got"],
        "reason": "" if result["expected"] and not result["unstable"] else result["reason"],
        "known": result["known"]["reason"] if result["known"] else "",
        "note": result["note"],
    }
    listed = "".join(
        f"<dt>{key}</dt><dd>{escape(one_line(fact))}</dd>" for key, fact in facts.items() if fact
    )
    if listed:
        yield f"<dl>{listed}</dl>"
    lines = [*dialogue(transcript_of(result))]
    if lines:
        text = escape("\n".join(lines))
        yield f'<pre tabindex="0" aria-label="transcript of {escape(result["id"])}">{text}</pre>'
    elif not listed:
        yield "<p>no transcript</p>"


def transcript_of(result: Json) -> Transcript:
    """Return the transcript of a result."""
    entries: list[Entry] = []
    for entry in result["transcript"]:
        octets = unescape(entry["text"])
        if entry["length"] > len(octets):
            octets += b" ... (%d octets)\r\n" % entry["length"]
        entries.append(Entry(entry["seconds"], entry["session"], entry["who"], octets))
    return Transcript(entries)
