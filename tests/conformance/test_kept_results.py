"""Results that are kept in docs/conformance: what is shortened and replaced, and what stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.matrix.results import FIRST_ENTRIES, LAST_ENTRIES, keep, shortened


def entry(text: str) -> dict[str, Any]:
    return {"seconds": 1.5, "session": 1, "who": "S", "text": text, "length": len(text)}


def document(*texts: str, got: str = "") -> dict[str, Any]:
    result: dict[str, Any] = dict.fromkeys(("reason", "expected"), "")
    result |= {"id": "imap/delete/2", "verdict": "fail", "got": got, "seconds": 3.0}
    result["transcript"] = [entry(text) for text in texts]
    return {"software": "", "target": "localhost:4711", "results": [result]}


def kept(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    source = folder / "raw.json"
    source.write_text(json.dumps(found))
    result: dict[str, Any] = keep(source, folder / "kept.json")["results"][0]
    return result


def test_times_that_differ_still_differ(tmp_path: Path) -> None:
    texts = ("[UIDVALIDITY 1796086847]", "[UIDVALIDITY 1796086849]", "[APPENDUID 796086847 1]")
    found = kept(document(*texts, got="1796086847, 1796086847"), tmp_path)
    assert found["got"] == "1767607200, 1767607200"
    assert [each["text"] for each in found["transcript"]] == [
        "[UIDVALIDITY 1767607200]",
        "[UIDVALIDITY 1767607201]",
        "[APPENDUID 1767607202 1]",
    ]


def test_numbers_that_are_no_times_stay(tmp_path: Path) -> None:
    found = kept(document(r"RETR 4294967297\r\n", "RETR 2147483648"), tmp_path)
    assert [each["text"] for each in found["transcript"]] == [
        r"RETR 4294967297\r\n",
        "RETR 2147483648",
    ]


def test_the_end_of_a_long_transcript_is_kept(tmp_path: Path) -> None:
    texts = [f"line {number}" for number in range(100)]
    found = kept(document(*texts), tmp_path)["transcript"]
    assert [each["text"] for each in found[:FIRST_ENTRIES]] == texts[:FIRST_ENTRIES]
    assert found[FIRST_ENTRIES]["text"] == "72 entries are left out here"
    assert [each["text"] for each in found[-LAST_ENTRIES:]] == texts[-LAST_ENTRIES:]


def test_what_was_shortened_is_not_shortened_again() -> None:
    once = shortened([entry(f"line {number}") for number in range(100)])
    assert shortened(once) == once
