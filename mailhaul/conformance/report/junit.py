"""A run as JUnit XML, in the form that CI servers read.

A failure is a broken requirement, an error a fault of the harness or the set-up. Expected results
and cases that do not apply are skipped, with the reason as the message.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from ..cases import Case
from ..verdicts import Result, Verdict
from .run import Run
from .wire import dialogue, one_line

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an XML 1.0 document must not contain."""


def junit(run: Run) -> bytes:
    """Return the whole document in UTF-8."""
    counts = {
        "tests": str(len(run.results)),
        "failures": str(sum(run.is_failure(result) for result in run.results)),
        "errors": str(sum(run.is_error(result) for result in run.results)),
        "skipped": str(sum(is_skipped(result, run) for result in run.results)),
        "time": f"{run.seconds:.3f}",
    }
    name = legal(f"mailhaul conformance {run.suite} {run.name}")
    root = ElementTree.Element("testsuites", {"name": name, **counts})
    # The form has no time zone; all dates are in UTC.
    stamp = run.date.removesuffix("Z")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, "timestamp": stamp, **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (("target", run.target), ("seed", str(run.seed)), ("stopped", run.stopped)):
        ElementTree.SubElement(properties, "property", {"name": key, "value": legal(value)})
    for case, result in run.pairs():
        add_case(suite, case, result, run)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def add_case(parent: ElementTree.Element, case: Case[Any], result: Result, run: Run) -> None:
    """Add the element of one case."""
    about = {
        "name": f"{case.id} {case.text}",
        "classname": f"{run.suite}.{case.topic}",
        "time": f"{result.seconds:.3f}",
    }
    element = ElementTree.SubElement(parent, "testcase", about)
    if run.is_failure(result):
        add_fault(element, "failure", case, result, run)
    elif run.is_error(result):
        add_fault(element, "error", case, result, run)
    elif is_skipped(result, run):
        expected = run.is_expected(result)
        reason = f"expected: {run.expectations[case.id].reason}" if expected else result.reason
        ElementTree.SubElement(element, "skipped", {"message": legal(reason)})
    output = ElementTree.SubElement(element, "system-out")
    lines = [f"{result.verdict}: {one_line(result.reason)}" if result.reason else result.verdict]
    output.text = legal("\n".join([*lines, *dialogue(result.transcript)]))


def add_fault(
    element: ElementTree.Element, kind: str, case: Case[Any], result: Result, run: Run
) -> None:
    """Add what went wrong."""
    about = {"message": legal(run.reason(result)), "type": f"{case.level} {case.source}"}
    fault = ElementTree.SubElement(element, kind, about)
    parts = [f"requirement: {case.text}"]
    if result.expected:
        parts += [f"expected: {result.expected}", f"got: {result.got}"]
    fault.text = legal("\n".join(map(one_line, parts)))


def is_skipped(result: Result, run: Run) -> bool:
    """Whether a result is neither a pass nor a fault."""
    return result.verdict is Verdict.SKIP or run.is_expected(result)


def legal(text: str) -> str:
    """Return text without what XML cannot contain."""
    return ILLEGAL.sub("\ufffd", text)
