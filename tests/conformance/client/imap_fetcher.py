"""The IMAP part of the scripted client."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from time import sleep

from mailhaul.conformance.client.starting import Plan

from .senders import Sender
from .wire import GaveUp, Wire

Opened = Callable[[Wire], None]


class ImapFetcher:
    def __init__(self, plan: Plan, faults: frozenset[str], opened: Opened, sender: Sender) -> None:
        self._plan, self._faults, self._sender = plan, faults, sender
        values = plan.values
        self._wire = Wire(
            values["host"], int(values["port"]), opened, hasty="one segment" in faults
        )
        self._user, self._password = values["user"].encode(), values["password"].encode()
        self._keep = plan.choices.get("keep") == "yes"
        self._state = Path(plan.home) / "seen"
        self._seen = set(self._state.read_bytes().split()) if self._state.exists() else set[bytes]()
        self._capabilities: set[bytes] = set()
        self._uidvalidity = b""
        self._number = 0
        self._failed = False
        self._deleted = False
        self._untagged: list[bytes] = []

    def run(self) -> int:
        preauth = self._greet()
        if not preauth and not self._log_in():
            if "goes on without a login" in self._faults:
                self._command(b"SELECT INBOX")
            self._command(b"LOGOUT")
            return 3
        good = self._command(b"SELECT INBOX")
        if not good and "goes on without a mailbox" not in self._faults:
            self._command(b"LOGOUT")
            return 3
        for line in self._untagged:
            if found := re.search(rb"\[UIDVALIDITY (\d+)\]", line):
                self._uidvalidity = found[1]
        self._fetch()
        if self._plan.choices.get("idle") == "yes":
            while True:
                self._idle()
                self._fetch()
        if "no LOGOUT" not in self._faults:
            self._wire.send(b"Z LOGOUT\r\n")
            if "leaves at once" not in self._faults:
                while not self._response().startswith(b"Z "):
                    pass
        self._sender.close()
        return int(self._failed)

    # Before the mailbox

    def _greet(self) -> bool:
        tls = self._plan.choices["tls"]
        if tls == "implicit":
            self._start_tls()
        if "talks first" in self._faults:
            self._wire.send(b"T NOOP\r\n")
        greeting = self._wire.line()
        if "talks first" in self._faults:
            self._response()
        if greeting.startswith(b"* BYE") and "ignores BYE" not in self._faults:
            raise GaveUp("refused")
        preauth = greeting.startswith(b"* PREAUTH") and "ignores PREAUTH" not in self._faults
        if preauth and tls == "starttls":
            if "PREAUTH replaces TLS" in self._faults:
                return True
            raise GaveUp("PREAUTH in the clear")
        if preauth and "wants to log in" in self._faults:
            raise GaveUp("PREAUTH")
        self._ask_capabilities()
        if tls == "starttls":
            if b"STARTTLS" in self._capabilities:
                if not self._command(b"STARTTLS"):
                    raise GaveUp("no TLS")
                self._start_tls()
                if "trusts the old list" not in self._faults:
                    self._ask_capabilities()
            elif "goes on in the clear" not in self._faults:
                raise GaveUp("no TLS")
        return preauth

    def _ask_capabilities(self) -> None:
        self._command(b"CAPABILITY")
        for line in self._untagged:
            if line.startswith(b"* CAPABILITY "):
                self._capabilities = set(line.rstrip(b"\r\n").upper().split()[2:])

    def _start_tls(self) -> None:
        values = self._plan.values
        check = "trusts anybody" not in self._faults
        keep = "uses injected text" in self._faults
        self._wire.start_tls(values["authority"], values["host"], check=check, keep=keep)

    def _log_in(self) -> bool:
        if b"ID" in self._capabilities:
            self._command(b"ID NIL")
        disabled = b"LOGINDISABLED" in self._capabilities
        if b"AUTH=PLAIN" in self._capabilities and b"SASL-IR" in self._capabilities:
            initial = b64encode(b"\0" + self._user + b"\0" + self._password)
            return self._command(b"AUTHENTICATE PLAIN " + initial)
        if disabled and "ignores LOGINDISABLED" not in self._faults:
            raise GaveUp("no way to log in")
        if self._password.isascii():
            return self._command(b'LOGIN "%b" "%b"' % (self._user, self._password))
        return self._command(b"LOGIN %b {%d}" % (self._user, len(self._password)), self._password)

    # The mailbox

    def _fetch(self) -> None:
        by_uid = "uses numbers" not in self._faults
        prefix = b"UID " if by_uid else b""
        self._command(prefix + b"SEARCH UNDELETED")
        found = [line for line in self._untagged if line.startswith(b"* SEARCH")]
        names = [name for line in found for name in line.split()[2:]]
        for name in names:
            key = name if "ignores UIDVALIDITY" in self._faults else self._uidvalidity + b"/" + name
            if key in self._seen:
                continue
            text = self._text(prefix, name)
            if text is None:
                self._failed = True
                continue
            if not self._sender.send(text) and "deletes anyway" not in self._faults:
                self._failed = True
                continue
            self._seen.add(key)
            if "uses numbers" in self._faults:
                self._command(b"NOOP")
            if not self._keep:
                self._deleted = True
                self._command(prefix + b"STORE %b +FLAGS.SILENT (\\Deleted)" % name)
        self._state.write_bytes(b"\n".join(sorted(self._seen)))
        if self._deleted:
            uids = b"UID EXPUNGE " + b",".join(names)
            plus = b"UIDPLUS" in self._capabilities and "expunges all" not in self._faults
            self._command(uids if plus and by_uid else b"EXPUNGE")

    def _text(self, prefix: bytes, name: bytes) -> bytes | None:
        good = self._command(prefix + b"FETCH " + name + b" (UID RFC822.SIZE BODY.PEEK[])")
        if not good and "errors are mail" in self._faults:
            return b""
        for line in self._untagged:
            head = re.match(rb"\* \d+ FETCH \((.*?)BODY\[\] \{(\d+)\}\r\n", line, re.DOTALL)
            if head and (b"UID " in head[1] or "UID first" not in self._faults):
                size = int(head[2])
                if "believes sizes" in self._faults:
                    told = re.search(rb"RFC822\.SIZE (\d+)", line)
                    size = min(int(told[1]), size) if told else size
                return line[head.end() : head.end() + size]
        return b"" if "errors are mail" in self._faults else None

    def _idle(self) -> None:
        if b"IDLE" not in self._capabilities and "always IDLE" not in self._faults:
            sleep(0.1)
            self._command(b"NOOP")
            return
        self._wire.send(b"I IDLE\r\n")
        while not (line := self._response()).endswith(b"EXISTS\r\n"):
            if line.startswith(b"I "):
                sleep(0.1)
                return
        if "no DONE" in self._faults:
            self._command(b"NOOP")
        self._wire.send(b"DONE\r\n")
        while not self._response().startswith(b"I "):
            pass

    # Responses

    def _command(self, command: bytes, literal: bytes = b"") -> bool:
        self._number += 1
        tag = b"A%d" % self._number
        self._wire.send(tag + b" " + command + b"\r\n")
        if literal:
            if "does not wait for +" not in self._faults:
                self._wire.line()
            self._wire.send(literal + b"\r\n")
        self._untagged = []
        while not (line := self._response()).startswith(tag + b" "):
            if not line.startswith((b"* ", b"+")) and "strict" in self._faults:
                raise GaveUp("unknown response")
            if b"X-MHTEST" in line and "knows all data" in self._faults:
                raise GaveUp("unknown data")
            if line.startswith(b"* BYE") and "BYE is an end" in self._faults:
                return True
            self._untagged.append(line)
        if b"[X-MHTEST" in line and "knows all codes" in self._faults:
            raise GaveUp("an unknown code")
        return line[len(tag) + 1 :].startswith(b"OK")

    def _response(self) -> bytes:
        """Return a response with its literals."""
        whole = self._wire.line()
        while (
            literal := re.search(rb"\{(\d+)\}\r\n$", whole)
        ) and "no literals" not in self._faults:
            whole += self._wire.octets(int(literal[1])) + self._wire.line()
        return whole
