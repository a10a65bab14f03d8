"""docs/conformance/judgements.md has a line for each failure and error of the results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.matrix.trials import HOME

FOLDER = HOME / "docs" / "conformance"
RESULTS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((FOLDER / "results").glob("*.json"))
}
SERVERS = {name: run for name, run in RESULTS.items() if run["suite"] != "client"}
CLIENTS = {name: run for name, run in RESULTS.items() if run["suite"] == "client"}
CELLS = re.compile(r"(?<!\\)\|")


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table under a heading."""
    page = (FOLDER / "judgements.md").read_text("utf-8")
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in CELLS.split(line)[1:-1]]
        if cells and not set(cells[0]) <= {"-"}:
            yield cells


def judged(heading: str) -> list[tuple[str, str]]:
    """Return target and case of each row but the first, which has the names of the columns."""
    return [(target, case) for target, case, *_ in list(rows(heading))[1:]]


def found(runs: dict[str, Any], *verdicts: str) -> list[tuple[str, str]]:
    return sorted(
        (name, result["id"])
        for name, run in runs.items()
        for result in run["results"]
        if result["verdict"] in verdicts
    )


def test_each_failure_of_a_server_has_one_line() -> None:
    assert sorted(judged("Failures")) == found(SERVERS, "fail")


def test_each_error_of_a_server_has_one_line() -> None:
    assert sorted(judged("Errors")) == found(SERVERS, "error")


def test_each_failure_is_judged_by_a_sentence_and_by_what_was_seen() -> None:
    for cells in list(rows("Failures"))[1:]:
        _, case, sentence, seen, verdict = cells
        assert verdict == "right", case
        assert re.match(r"RFC \d+, \d", sentence), case
        assert not seen.startswith("wanted"), f"{case}: what the report says is no judgement"


def test_the_counts_are_those_of_the_results() -> None:
    counted = {
        name: [run["name"], *(str(number) for number in run["counts"].values())]
        for name, run in SERVERS.items()
    }
    assert {target: cells for target, *cells in list(rows("Counts"))[1:]} == counted


def test_each_failure_and_warning_of_a_client_has_a_line() -> None:
    lines: set[tuple[str, str, str]] = set()
    for client, cases, verdict, _ in list(rows("Clients"))[1:]:
        first, *others = cases.split(", ")
        names = [first, *(first.rpartition("/")[0] + "/" + other for other in others)]
        lines |= {(client.split()[0], name, verdict) for name in names}
    tools = {name: run["name"].split()[0].removesuffix("-smtp") for name, run in CLIENTS.items()}
    expected = {
        (tools[name], case, verdict)
        for verdict in ("fail", "warn", "error")
        for name, case in found(CLIENTS, verdict)
    }
    assert lines == expected
