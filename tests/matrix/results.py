"""Makes a result fit to be kept: what differs from run to run is taken out.

Transcripts are kept only for what is not as it should be. Keeping a result twice changes nothing.
"""

from __future__ import annotations

import json
import platform
import re
import socket
from pathlib import Path
from typing import Any

KEPT = {"fail", "warn", "error"}
"""The verdicts whose transcripts are kept."""
FIRST_ENTRIES, LAST_ENTRIES = 4, 24
"""Entries that are kept of a long transcript. The last ones are what the verdict is about."""
MOST_OCTETS = 200
DATE = "2026-01-05T10:00:00Z"
"""In place of that of the run."""


def own_names() -> set[str]:
    """Return the names of this machine."""
    return {"localhost.localdomain", socket.gethostname(), socket.getfqdn("127.0.0.1")}


MOVING = (
    (re.compile(r"conformance-[0-9a-f]{8}"), "conformance-00000000"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "0" * 24),
    (re.compile(r"(localhost|127\.0\.0\.1):\d+"), r"\1:port"),
    (re.compile(r"/tmp/mh-\w+"), "/tmp/mh"),
    (re.compile(r"/mailhaul-client-\w+"), "/mailhaul-client"),
    # The tags of Python's imaplib.
    (re.compile(r"(?<![A-Z])[A-P]{4}(?=\d+ )"), "AAAA"),
    (
        re.compile(r"\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 20\d\d"),
        "5 Jan 2026",
    ),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), "), "Mon, "),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "10:00:00"),
    (re.compile(r"<(?=[^@>]*\d)[0-9A-Fa-f.]+[\w.+/=]*@"), "<1.1@"),
    (re.compile(r"\bid=?\s?[0-9A-Za-z-]{14,18}\b"), "id=1"),
    (re.compile(r"(Nice to meet you), [\w.-]+"), r"\1, localhost"),
    (re.compile(r"queued as \w+"), "queued as 1"),
    (re.compile(r"\b334 [A-Za-z0-9+/]{16,}={0,2}"), "334 Y2hhbGxlbmdl"),
    (re.compile(re.escape(platform.release())), "6.1.0"),
    (re.compile(rf"\b(?<!/)({'|'.join(map(re.escape, own_names()))})\b"), "localhost"),
)
"""Names, times and numbers that a run or a server draws, or that this machine has."""
SECONDS = re.compile(r"\b1[6-9]\d{8}\b|(?:(?<=VALIDITY )|(?<=APPENDUID )|(?<=COPYUID ))\d{9,10}\b")
"""Seconds since 1970, or since another time, as in UIDVALIDITY."""
FIRST_SECOND = 1767607200


def keep(source: Path, target: Path) -> dict[str, Any]:
    """Write a result in the form that is kept; return it."""
    document: dict[str, Any] = json.loads(source.read_text())
    document |= {"date": DATE, "seconds": 0, "software": Settled().text(document["software"])}
    document["target"] = Settled().text(document["target"])
    for result in document["results"]:
        settled = Settled()
        for key in ("reason", "expected", "got"):
            result[key] = settled.text(result[key])
        result["seconds"] = 0
        entries: list[dict[str, Any]] = result["transcript"] if result["verdict"] in KEPT else []
        result["transcript"] = [entry_kept(entry, settled) for entry in shortened(entries)]
    target.write_text(in_lines(document))
    return document


def in_lines(document: dict[str, Any]) -> str:
    """Return a document as JSON with a line for each result, so that changes are seen."""
    about = {key: value for key, value in document.items() if key != "results"}
    head = json.dumps(about, indent=1, ensure_ascii=False).removesuffix("\n}")
    results = ",\n".join(json.dumps(each, ensure_ascii=False) for each in document["results"])
    return f'{head},\n "results": [\n{results}\n]}}\n'


def shortened(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first and the last entries, with a remark for those between."""
    # The remark counts too: what has been shortened before stays as it is.
    if len(entries) <= FIRST_ENTRIES + LAST_ENTRIES + 1:
        return entries
    first, last = entries[:FIRST_ENTRIES], entries[-LAST_ENTRIES:]
    text = f"{len(entries) - len(first) - len(last)} entries are left out here"
    return [*first, {**first[0], "who": "*", "text": text, "length": len(text)}, *last]


def entry_kept(entry: dict[str, Any], settled: Settled) -> dict[str, Any]:
    """Return an entry without its time, and with no more than the beginning of its text."""
    text = settled.text(entry["text"])
    # Not in the middle of an escape.
    text = text if len(text) <= MOST_OCTETS else text[:MOST_OCTETS].rpartition(" ")[0]
    return {**{key: entry[key] for key in ("session", "who", "length")}, "seconds": 0, "text": text}


class Settled:
    """Replaces what was drawn in the texts of one result.

    Times that differ still differ afterwards, for a verdict may be about that.
    """

    def __init__(self) -> None:
        self._times: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text with what was drawn replaced."""
        for pattern, instead in MOVING:
            text = pattern.sub(instead, text)
        return SECONDS.sub(self._time, text)

    def _time(self, found: re.Match[str]) -> str:
        return self._times.setdefault(found[0], str(FIRST_SECOND + len(self._times)))
