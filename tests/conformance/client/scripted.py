"""A client for all protocols in one small piece, run in a thread: whole, or with one fault.

``faults`` are words; each is looked for at the one place where it makes the client do wrong.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Collection
from pathlib import Path

from mailhaul.conformance.client.starting import Ended, Plan
from mailhaul.conformance.client.template import CHOICES, Template

from .imap_fetcher import ImapFetcher
from .pop3_fetcher import Pop3Fetcher
from .senders import ImapAppender, Sender, SmtpSender
from .wire import GaveUp, Wire

FETCHER = Template(
    "scripted fetcher",
    ("fetch",),
    words={
        name: {value: value for value in values if (name, value) not in {("deliver", "stdout")}}
        for name, values in CHOICES.items()
    },
)
SENDER = Template(
    "scripted sender",
    ("send",),
    words={
        "protocol": {"smtp": "smtp", "lmtp": "lmtp"},
        **{name: {value: value for value in CHOICES[name]} for name in ("tls", "login")},
    },
    reads_message=True,
)


class Scripted:
    """One start of the client."""

    def __init__(self, plan: Plan, faults: Collection[str]) -> None:
        self._plan = plan
        self._faults = frozenset(faults)
        self._wires: list[Wire] = []
        self._ended: Ended | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def poll(self) -> Ended | None:
        return self._ended

    def stop(self, hard: bool) -> None:
        del hard
        if self._ended is None:
            for wire in self._wires:
                wire.break_off()
        self._thread.join(5)
        for wire in self._wires:
            wire.close()

    def _run(self) -> None:
        try:
            status, words = self._work(), b""
        except (GaveUp, OSError) as fault:
            status, words = 2, str(fault).encode()
        except Exception:
            status, words = 70, traceback.format_exc().encode()
        if "crashes" in self._faults and status:
            status = -11
        self._ended = Ended(status, errors=words)

    def _work(self) -> int:
        plan, faults = self._plan, self._faults
        protocol = plan.choices["protocol"]
        if protocol in {"smtp", "lmtp"}:
            sender = SmtpSender(plan, faults, self._wires.append, own=True)
            good = sender.send(plan.message.replace(b"\n", b"\r\n"))
            sender.close()
            return 0 if good or "says nothing" in faults else 1
        fetcher = Pop3Fetcher if protocol == "pop3" else ImapFetcher
        return fetcher(plan, faults, self._wires.append, self._sender()).run()

    def _sender(self) -> Sender:
        match self._plan.choices["deliver"]:
            case "append":
                return ImapAppender(self._plan, self._faults, self._wires.append)
            case "smtp" | "lmtp":
                return SmtpSender(self._plan, self._faults, self._wires.append)
            case _:
                return FolderSender(self._plan)


class FolderSender:
    """Puts mail where a delivery program would."""

    def __init__(self, plan: Plan) -> None:
        self._folder = Path(plan.values["maildir"]) / "new"

    def send(self, text: bytes) -> bool:
        """Store a message."""
        number = len(list(self._folder.iterdir()))
        (self._folder / f"{number}.mail").write_bytes(text)
        return True

    def close(self) -> None:
        """There is nothing to close."""
