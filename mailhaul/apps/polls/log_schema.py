"""The schema of one record of the JSON log (``set jsonlog``)."""

from __future__ import annotations

from typing import Any

from ...flows.outcome import ExitCode, Verdict
from .status import COUNT, TIME, closed

ACCOUNT = {
    "type": ["string", "null"],
    "description": "The name of the entry; unique. null for a line about no entry.",
}
CODE = {"enum": [code.name for code in ExitCode]}
LEVEL = {"enum": ["debug", "info", "error"]}
VERDICTS = [verdict.value for verdict in Verdict]
MESSAGE = {
    "time": TIME,
    "level": LEVEL,
    "event": {"const": "message"},
    "account": ACCOUNT,
    "code": CODE,
    "folder": {"type": "string"},
    "uid": {"type": "string"},
    "sink": {"type": "string"},
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:log",
    "title": "a record of the JSON log",
    "description": "One line of the log is one record. It never contains message text.",
    "oneOf": [
        closed(
            {
                "time": TIME,
                "level": LEVEL,
                "event": {"const": "line"},
                "account": ACCOUNT,
                "code": {
                    "enum": [*CODE["enum"], None],
                    "description": "How a poll ended, if the line says so.",
                },
                "text": {"type": "string"},
            },
            title="a line for people",
        ),
        closed(
            {
                "time": TIME,
                "level": {"enum": ["info", "error"]},
                "event": {"const": "poll"},
                "account": ACCOUNT,
                "code": CODE,
                "fetched": COUNT,
                "delivered": COUNT,
                "size": {**COUNT, "description": "Octets of all messages that were read."},
                "refused": COUNT,
                "postponed": COUNT,
                "spam": COUNT,
            },
            title="the end of a poll",
        ),
        closed(
            {
                **MESSAGE,
                "size": COUNT,
                "outcome": {"enum": VERDICTS},
                "reason": {"type": "string"},
                "recipients": {"type": "array", "items": {"enum": VERDICTS}},
                "deleted": {"type": "boolean"},
            },
            title="a message that was read",
        ),
        closed(
            {**MESSAGE, "outcome": {"const": "returned"}, "deleted": {"type": "boolean"}},
            title="a message that was returned to its sender",
        ),
    ],
}
