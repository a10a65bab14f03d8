"""The page that compares runs: one row for each case, nothing unescaped, and enough contrast."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mailhaul.conformance.faults import WrongUse
from mailhaul.conformance.report.json import run_as_json
from mailhaul.conformance.report.matrix import HERE, MEANINGS, SYMBOLS, make_table, page
from mailhaul.conformance.report.run import Run
from mailhaul.conformance.verdicts import Result, Verdict

from .finished_runs import CASES, finished_run

VOID = {"meta", "link", "input", "br"}


def as_json(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_as_json(run))
    return found


def two_runs() -> dict[str, dict[str, Any]]:
    """Return two runs: the second target passes one case that the first one does not."""
    other = finished_run(name="<theirs>")
    other.cases, other.results = CASES[:3], [*other.results[:3]]
    other.results[2] = Result("pop3/retr/1", Verdict.PASS)
    return {"a.json": as_json(finished_run()), "b.json": as_json(other)}


class Outline(HTMLParser):
    """Checks that all elements are closed, and collects what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: dict[str, dict[str, str | None]] = {}
        self.cells: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        self.tags.append((tag, about))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr" and "data-level" in about:
            self.rows[str(about["id"])] = about
        if tag == "td" and "data-target" in about:
            self.cells.append((str(about["data-target"]), str(about["class"])))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_rows_are_cases_and_columns_are_targets() -> None:
    outline = Outline(page(two_runs()))
    assert sorted(outline.rows) == sorted(case.id for case in CASES)
    assert [*outline.rows][-4:] == ["pop3/stls/1", "pop3/uidl/1", "pop3/uidl/2", "pop3/uidl/10"]
    assert len(outline.cells) == 2 * len(CASES)
    assert outline.cells[:4] == [
        *(("ours", "pass"), ("<theirs>", "pass")),
        *(("ours", "info"), ("<theirs>", "info")),
    ]
    assert ("<theirs>", "none") in outline.cells
    row = outline.rows["pop3/retr/1"]
    assert (row["data-level"], row["data-verdicts"], row["data-differs"]) == (
        *("MUST", "fail pass", "yes"),
    )
    assert outline.rows["pop3/greet/1"]["data-differs"] == "no"
    assert outline.rows["pop3/uidl/1"]["data-differs"] == "no"


def test_answers_to_a_may_can_differ() -> None:
    runs = two_runs()
    runs["b.json"]["results"][1]["reason"] = "no: never"
    outline = Outline(page(runs))
    assert outline.rows["pop3/greet/2"]["data-differs"] == "yes"


def test_a_cell_has_what_was_expected_and_the_transcript() -> None:
    text = page(two_runs())
    assert "<dt>expected</dt><dd>&lt;all&gt; of it</dd>" in text
    assert r"<dd>a part\x1b[2J\x00 \u202e</dd>" in text
    assert "C1: PASS ***" in text
    assert "alert(1)&lt;/script&gt;" in text
    assert text.count("<script>") == 1
    assert "open sesame" not in text
    assert "(unstable)" in text
    assert "(known)" in text
    assert "see https://example.org/dispute" in text


def test_the_first_part_has_counts_and_no_score() -> None:
    text = page(two_runs()).partition("<h2>Cases</h2>")[0]
    assert '<th scope="row">ours</th><td>pop3</td><td class="number">2</td>' in text
    assert "+OK ready &lt;1@host&gt;" in text
    assert "%" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    for verdict, meaning in MEANINGS.items():
        assert f"{verdict}</span>: {meaning.replace(chr(39), '&#x27;')}" in text
    assert len(set(SYMBOLS.values())) == len(Verdict)


def test_the_page_needs_no_network_and_only_its_own_script() -> None:
    text = page(two_runs())
    outline = Outline(text)
    for tag, about in outline.tags:
        for name in ("src", "href"):
            assert re.match("#|data:,|$", str(about.get(name) or "")), (tag, about)
        assert not any(name.startswith("on") or name == "style" for name in about)
    policy = next(
        str(about["content"])
        for tag, about in outline.tags
        if tag == "meta" and about.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_same_target_twice_needs_two_names() -> None:
    runs = {"a.json": as_json(finished_run()), "b.json": as_json(finished_run())}
    with pytest.raises(WrongUse, match=r"a\.json and b\.json .*--name"):
        page(runs)


def test_runs_of_two_protocols_share_a_column() -> None:
    other = as_json(finished_run())
    other["suite"] = "imap"
    for result in other["results"]:
        result["id"] = result["id"].replace("pop3/", "imap/")
    table = make_table({"a.json": as_json(finished_run()), "b.json": other})
    assert table.columns == ["ours"]
    assert len(table.rows) == 2 * len(CASES)
    assert next(iter(table.rows)).startswith("imap/")


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_has_enough_contrast(theme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", (HERE / "matrix.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[theme]))
    for name in ("text", "dim", "link", *Verdict):
        assert contrast(colours[name], colours["ground"]) >= 4.5, name
        assert contrast(colours[name], colours["raised"]) >= 4.5, name
    for verdict in ("fail", "warn", "error"):
        ground = colours[f"{verdict}-ground"]
        assert contrast(colours[verdict], ground) >= 4.5
        assert contrast(colours["text"], ground) >= 4.5
        assert contrast(colours["dim"], ground) >= 4.5
