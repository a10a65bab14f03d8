"""A run as JSON, for programs and for the page that compares runs; schema.json describes it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

from ... import __version__
from ..cases import Case
from ..faults import WrongUse
from ..transcript import Entry
from ..verdicts import Result, Verdict
from .run import Run
from .schema_check import faults_of
from .wire import MAX_OCTETS, escape

FORMAT = "mailhaul-conformance"
VERSION = 1
"""Grows with every change that a reader of the older form would not understand."""
SCHEMA = Path(__file__).with_name("schema.json")
PRINTABLE = frozenset(range(0x20, 0x7F)) | {0x0D, 0x0A, 0x09}
MAX_FILE = 256 << 20


def run_as_json(run: Run) -> str:
    """Return the whole document."""
    counts = run.counts()
    description = run.description
    document = {
        "format": FORMAT,
        "version": VERSION,
        "mailhaul": __version__,
        "suite": run.suite,
        "target": run.target,
        "name": run.name,
        "software": escape(description.greeting),
        "capabilities": [escape(word) for word in description.capabilities],
        "date": run.date,
        "seconds": round(run.seconds, 3),
        "seed": run.seed,
        "strict": run.strict,
        "stopped": run.stopped,
        "exit_code": int(run.exit_code()),
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "results": [result_as_json(case, result, run) for case, result in run.pairs()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def case_as_json(case: Case[Any]) -> dict[str, Any]:
    """Return what is fixed about a case."""
    return {
        "id": case.id,
        "topic": case.topic,
        "rfc": case.rfc,
        "section": case.section,
        "level": str(case.level),
        "implied": case.implied,
        "slow": case.slow,
        "text": case.text,
        "note": case.note,
    }


def result_as_json(case: Case[Any], result: Result, run: Run) -> dict[str, Any]:
    """Return a case and its result."""
    expectation = run.expectations.get(case.id)
    return {
        **case_as_json(case),
        "verdict": str(result.verdict),
        "reason": result.reason,
        "expected": result.expected,
        "got": result.got,
        "seconds": round(result.seconds, 3),
        "unstable": result.unstable,
        "finished": result.finished,
        "known": expectation
        and {"verdict": str(expectation.verdict), "reason": expectation.reason},
        "transcript": [entry_as_json(entry) for entry in result.transcript.entries],
    }


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Return one piece of a dialogue. Octets that are not printable are there as base64 too."""
    found = {
        "seconds": round(entry.seconds, 3),
        "session": entry.session,
        "who": entry.who,
        "text": escape(entry.octets[:MAX_OCTETS]),
        "length": len(entry.octets),
    }
    if not PRINTABLE.issuperset(entry.octets):
        found["base64"] = b64encode(entry.octets).decode("ascii")
    return found


def read_run(path: str) -> dict[str, Any]:
    """Read a document and check it. Raises WrongUse."""
    try:
        with open(path, "rb") as file:
            document: Any = json.loads(file.read(MAX_FILE))
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise WrongUse(f'{path} is no JSON; give a file that "--json FILE" has written') from None
    found = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    if found.get("format") != FORMAT:
        raise WrongUse(f'{path} is no result; give a file that "--json FILE" has written')
    if found.get("version") != VERSION:
        words = f"has version {found.get('version')}, and this mailhaul reads {VERSION}"
        raise WrongUse(f"{path} {words}: run the cases again")
    if fault := next(faults_of(found, json.loads(SCHEMA.read_text())), None):
        raise WrongUse(f"{path}: {fault}")
    return found
