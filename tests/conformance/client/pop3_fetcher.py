"""The POP3 part of the scripted client."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

from mailhaul.conformance.client.starting import Plan

from .senders import Sender
from .wire import GaveUp, Wire

Opened = Callable[[Wire], None]


class Pop3Fetcher:
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
        self._capabilities: dict[bytes, bytes] | None = None
        self._failed = False
        self._late: list[bytes] = []

    def run(self) -> int:
        self._greet()
        if not self._log_in():
            if "goes on without a login" in self._faults:
                self._command(b"STAT")
            elif "does not recover" in self._faults:
                self._state.write_bytes(b"broken")
            return 3
        if self._state.exists() and self._state.read_bytes() == b"broken":
            return 3
        if "crashes" in self._faults:
            raise GaveUp("a crash")
        try:
            self._fetch()
        finally:
            self._state.write_bytes(b"\n".join(sorted(self._seen)))
        if "no QUIT" not in self._faults:
            self._quit()
        for text in self._late:
            self._sender.send(text)
        self._sender.close()
        return int(self._failed)

    # Before the maildrop

    def _greet(self) -> None:
        tls = self._plan.choices["tls"]
        if tls == "implicit":
            self._start_tls()
        if "talks first" in self._faults:
            self._wire.send(b"CAPA\r\n")
        if not self._wire.line().startswith(b"+OK") and "ignores the greeting" not in self._faults:
            raise GaveUp("refused")
        if "talks first" in self._faults:
            self._wire.line()
            self._lines()
        self._capabilities = self._list(b"CAPA")
        if self._capabilities is None and "needs CAPA" in self._faults:
            raise GaveUp("no CAPA")
        if tls == "starttls":
            if b"STLS" in (self._capabilities or {}):
                if not self._command(b"STLS").startswith(b"+OK"):
                    raise GaveUp("no STLS")
                self._start_tls()
                if "trusts the old list" not in self._faults:
                    self._capabilities = self._list(b"CAPA")
            elif "goes on in the clear" not in self._faults:
                raise GaveUp("no TLS")

    def _start_tls(self) -> None:
        values = self._plan.values
        check = "trusts anybody" not in self._faults
        keep = "uses injected text" in self._faults
        self._wire.start_tls(values["authority"], values["host"], check=check, keep=keep)

    def _log_in(self) -> bool:
        announced = self._capabilities
        mechanisms = (announced or {}).get(b"SASL", b"").split()
        stale = "trusts the old list" in self._faults and b"PLAIN" in mechanisms
        if stale or "tries AUTH anyway" in self._faults:
            good = self._command(b"AUTH PLAIN " + self._initial()).startswith(b"+OK")
            if good:
                return True
        plain = announced is None or b"USER" in announced or not mechanisms
        if not plain and b"CRAM-MD5" in mechanisms and "password in clear" not in self._faults:
            reply = self._command(b"AUTH CRAM-MD5")
            challenge = b64decode(reply.partition(b" ")[2])
            digest = hmac.new(self._password, challenge, "md5").hexdigest().encode()
            return self._command(b64encode(self._user + b" " + digest)).startswith(b"+OK")
        self._command(b"USER " + self._user)
        return self._command(b"PASS " + self._password).startswith(b"+OK")

    def _initial(self) -> bytes:
        return b64encode(b"\0" + self._user + b"\0" + self._password)

    # The maildrop

    def _fetch(self) -> None:
        listed = self._list(b"UIDL") or {}
        sizes = self._list(b"LIST") or {}
        numbers = sorted(map(int, listed))
        uids = {int(number): uid for number, uid in listed.items()}
        if "numbers are names" in self._faults:
            uids = {number: b"%d" % number for number in numbers}
        twice = {uid for uid in uids.values() if list(uids.values()).count(uid) > 1}
        new = [number for number in numbers if uids[number] not in self._seen - twice]
        if b"PIPELINING" in (self._capabilities or {}) or "always ahead" in self._faults:
            self._wire.send(b"".join(b"RETR %d\r\n" % number for number in new))
            texts = {number: self._text(self._wire.line(), sizes) for number in new}
            if "miscounts" in self._faults and None in texts.values():
                good = [text for text in texts.values() if text is not None]
                texts = dict(zip(new, [*good, good[-1]], strict=False))
            for number, text in texts.items():
                self._deal_with(number, uids[number], text)
            return
        done = set[bytes]()
        for number in new:
            if "duplicates are deleted" in self._faults and uids[number] in done:
                self._command(b"DELE %d" % number)
                continue
            done.add(uids[number])
            text = self._text(self._command(b"RETR %d" % number), sizes)
            self._deal_with(number, uids[number], text)

    def _text(self, reply: bytes, sizes: dict[bytes, bytes]) -> bytes | None:
        if not reply.startswith(b"+OK"):
            return b"" if "errors are mail" in self._faults else None
        lines = self._lines()
        if "keeps stuffed dots" not in self._faults:
            lines = [line.removeprefix(b".") for line in lines]
        text = b"".join(line + b"\r\n" for line in lines)
        if "bare LF" in self._faults:
            text = text.replace(b"second\r\n", b"second\n")
        if "believes sizes" in self._faults:
            text = text[: min(map(int, sizes.values()))]
        return text

    def _deal_with(self, number: int, uid: bytes, text: bytes | None) -> None:
        if text is None:
            self._failed = True
            return
        if "delivers at the end" in self._faults:
            self._late.append(text)
            self._seen.add(uid)
            self._state.write_bytes(b"\n".join(sorted(self._seen)))
            self._command(b"DELE %d" % number)
            return
        good = self._sender.send(text)
        if not good and "deletes anyway" not in self._faults:
            self._failed = True
            return
        if self._keep:
            self._seen.add(uid)
        else:
            self._command(b"DELE %d" % number)

    def _quit(self) -> None:
        try:
            self._command(b"QUIT")
        except GaveUp:
            self._failed = True
            self._late.clear()

    # Replies

    def _command(self, line: bytes) -> bytes:
        self._wire.send(line + b"\r\n")
        return self._wire.line().rstrip(b"\r\n")

    def _list(self, command: bytes) -> dict[bytes, bytes] | None:
        if not self._command(command).startswith(b"+OK"):
            return None
        return {name: rest for name, _, rest in (line.partition(b" ") for line in self._lines())}

    def _lines(self) -> list[bytes]:
        lines: list[bytes] = []
        try:
            while (line := self._wire.line().removesuffix(b"\n").removesuffix(b"\r")) != b".":
                lines.append(line)
        except GaveUp:
            if "waits for the rest" in self._faults:
                self._wire.wait_for_break()
            if "half is whole" not in self._faults:
                raise
            self._sender.send(b"".join(line + b"\r\n" for line in lines))
            self._state.write_bytes(b"broken")
            raise
        return lines
