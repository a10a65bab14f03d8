"""The health of a daemon, as ``/healthz`` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .status import COUNT, closed, shown


def health(accounts: int, late: Sequence[str], *, stopping: bool) -> dict[str, Any]:
    """Return the document: how many entries there are, and which were not polled when due."""
    return {
        "ok": not (late or stopping),
        "stopping": stopping,
        "accounts": accounts,
        "late": list(map(shown, late)),
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:health",
    "title": "/healthz",
    "description": "Whether a daemon polls as it should. If not, the HTTP status is 503.",
    **closed(
        {
            "ok": {"type": "boolean"},
            "stopping": {"type": "boolean", "description": "Whether the daemon ends."},
            "accounts": COUNT,
            "late": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Entries whose poll is more than two minutes late.",
            },
        }
    ),
}
