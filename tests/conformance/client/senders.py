"""The delivering part of the scripted client: SMTP, LMTP and APPEND."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Protocol

from mailhaul.conformance.client.starting import Plan

from .wire import GaveUp, Wire

Opened = Callable[[Wire], None]
Reply = tuple[int, list[bytes]]


class Sender(Protocol):
    """Where fetched mail goes."""

    def send(self, text: bytes) -> bool:
        """Deliver a message; return whether it need not be kept."""
        ...

    def close(self) -> None:
        """End the session."""
        ...


class SmtpSender:
    """``own`` says that this is the client's own protocol, and not that of its deliveries."""

    def __init__(
        self, plan: Plan, faults: frozenset[str], opened: Opened, *, own: bool = False
    ) -> None:
        self._plan, self._faults, self._opened, self._own = plan, faults, opened, own
        self._wire: Wire | None = None
        self._extensions: dict[bytes, bytes] = {}
        self._left = b""
        self._lmtp = plan.choices["protocol" if own else "deliver"] == "lmtp"

    def send(self, text: bytes) -> bool:
        try:
            if self._wire is None:
                self._open()
            return self._transaction(self._sender(), self._recipients(text), text)
        except (GaveUp, OSError):
            self._wire = None
            return "lost replies are good" in self._faults

    def close(self) -> None:
        if self._wire and "no QUIT" not in self._faults:
            self._wire.send(b"QUIT\r\n")
            if "leaves at once" not in self._faults:
                self._reply()
        if self._wire:
            self._wire.close()

    # Opening

    def _open(self) -> None:
        values, choices = self._plan.values, self._plan.choices
        prefix = "" if self._own else "sink_"
        port = int(values[prefix + "port"])
        if self._lmtp and port == 25 and "port 25" not in self._faults:
            raise GaveUp("LMTP is not spoken on port 25")
        self._wire = Wire(values[prefix + "host"], port, self._opened)
        tls = choices.get("tls" if self._own else "sink_tls")
        if tls == "implicit":
            self._start_tls()
        if "talks first" in self._faults:
            self._wire.send(b"NOOP\r\n")
        if self._reply()[0] != 220:
            raise GaveUp("refused")
        if "talks first" in self._faults:
            self._reply()
        self._introduce()
        if tls == "starttls":
            self._begin_tls()
        if choices.get("login") == "password":
            self._log_in()

    def _introduce(self) -> None:
        verb = b"LHLO" if self._lmtp else b"EHLO"
        if "HELO" in self._faults:
            verb = b"HELO"
        if "EHLO for LMTP" in self._faults:
            verb = b"EHLO"
        code, lines = self._command(verb + b" client.example.org")
        if code != 250 and verb == b"EHLO":
            code, lines = self._command(b"HELO client.example.org")
        if code != 250:
            raise GaveUp("no greeting")
        pairs = (line.partition(b" ") for line in lines[1:])
        self._extensions = {name.upper(): rest for name, _, rest in pairs}

    def _begin_tls(self) -> None:
        if b"STARTTLS" not in self._extensions:
            if "goes on in the clear" in self._faults:
                return
            raise GaveUp("no TLS")
        if self._command(b"STARTTLS")[0] != 220:
            raise GaveUp("no TLS")
        self._start_tls()
        if "no new EHLO" not in self._faults:
            old = self._extensions
            self._introduce()
            if "old extensions" in self._faults:
                self._extensions = old
            if "TLS in TLS" in self._faults:
                self._command(b"STARTTLS")

    def _start_tls(self) -> None:
        values = self._plan.values
        check = "trusts anybody" not in self._faults
        host = values["host"] if self._own else values["sink_host"]
        assert self._wire
        self._wire.start_tls(values["authority"], host, check=check)

    def _log_in(self) -> None:
        user, password = (self._plan.values[name].encode() for name in ("user", "password"))
        mechanisms = self._extensions.get(b"AUTH", b"").split()
        if b"CRAM-MD5" in mechanisms:
            if "sends ahead of AUTH" in self._faults and self._wire:
                self._wire.send(b"AUTH CRAM-MD5\r\nNOOP\r\n")
                self._reply()
            code, lines = self._command(b"AUTH CRAM-MD5")
            if code != 334:
                raise GaveUp("no login")
            try:
                challenge = b64decode(lines[0], validate=True)
            except ValueError:
                if "decodes anything" not in self._faults:
                    self._command(b"*")
                    raise GaveUp("a broken challenge") from None
                challenge = b""
            digest = hmac.new(password, challenge, "md5").hexdigest().encode()
            code, _ = self._command(b64encode(user + b" " + digest))
        else:
            initial = b64encode(b"\0" + user + b"\0" + password)
            code, _ = self._command(b"AUTH PLAIN " + initial)
        if code != 235:
            raise GaveUp("no login")

    # Messages

    def _sender(self) -> bytes:
        return b"<" + self._plan.values["sender"].encode() + b">"

    def _recipients(self, text: bytes) -> list[bytes]:
        if self._plan.choices.get("recipients") != "two":
            return [self._plan.values["recipient"].encode()]
        to = re.search(rb"^To: (.*)$", text, re.MULTILINE)
        return re.findall(rb"<([^>]*)>", to[1] if to else b"")

    def _transaction(self, sender: bytes, recipients: list[bytes], text: bytes) -> bool:
        mail = b"MAIL FROM:" + sender + self._parameters(text)
        rcpts = [b"RCPT TO:<" + recipient + b">" for recipient in recipients]
        assert self._wire
        if b"PIPELINING" in self._extensions or "always ahead" in self._faults:
            self._wire.send(b"".join(line + b"\r\n" for line in (mail, *rcpts, b"DATA")))
            replies = [self._reply() for _ in range(len(rcpts) + 2)]
            accepted = [code for code, _ in replies[1:-1] if self._good(code)]
            codes = [code for code, _ in replies[:-1]]
            if not accepted and "ignores RCPT" not in self._faults:
                if replies[-1][0] == 354:
                    self._command(b".")
                return self._refused(max(codes), sender, text)
            go_on = replies[-1][0]
        else:
            codes = [self._command(line)[0] for line in (mail, *rcpts)]
            accepted = [code for code in codes[1:] if self._good(code)]
            if not (accepted and self._good(codes[0])):
                self._command(b"RSET")
                return self._refused(max(codes), sender, text)
            go_on = self._command(b"DATA")[0]
        if go_on != 354 and "mixes texts" in self._faults:
            self._left = text
        if go_on != 354 and "text without 354" not in self._faults:
            self._command(b"RSET")
            return self._refused(go_on, sender, text)
        self._wire.send(self._stuffed(text))
        count = len(accepted) if self._lmtp and "one reply" not in self._faults else 1
        if "a reply for each" in self._faults:
            count = len(rcpts)
        codes = [self._reply()[0] for _ in range(count)]
        return all(map(self._good, codes)) or self._refused(max(codes), sender, text)

    def _good(self, code: int) -> bool:
        if "known codes only" in self._faults:
            return code == 250
        return code // 100 == 2 or "all replies are good" in self._faults

    def _refused(self, code: int, sender: bytes, text: bytes) -> bool:
        """Return whether a refused message may go: a bounce was sent."""
        if "refusals are good" in self._faults:
            return True
        if code // 100 != 5 or sender == b"<>" or self._own or self._lmtp:
            return False
        if "drops silently" in self._faults:
            return True
        back = b"<daemon@example.org>" if "bounces with sender" in self._faults else b"<>"
        bounce = b"From: daemon\r\nSubject: refused\r\n\r\nIt was refused.\r\n"
        if back != b"<>":
            return self._command(b"MAIL FROM:" + back)[0] == 250 and self._finish(sender, bounce)
        return self._transaction(back, [sender.strip(b"<>")], bounce)

    def _finish(self, recipient: bytes, text: bytes) -> bool:
        self._command(b"RCPT TO:" + recipient)
        self._command(b"DATA")
        assert self._wire
        self._wire.send(self._stuffed(text))
        return self._good(self._reply()[0])

    def _parameters(self, text: bytes) -> bytes:
        found = b""
        if b"SIZE" in self._extensions or "always SIZE" in self._faults:
            found += b" SIZE=%d" % len(text)
        if not text.isascii():
            if b"8BITMIME" in self._extensions and "no BODY" not in self._faults:
                found += b" BODY=8BITMIME"
            elif "just sends 8" not in self._faults and "no BODY" not in self._faults:
                raise GaveUp("8 bit text")
        return found

    def _stuffed(self, text: bytes) -> bytes:
        text = self._left + text
        if "bare LF" not in self._faults:
            text = re.sub(
                rb"\r\n|\n" if "bare CR" in self._faults else rb"\r\n|\r|\n", b"\r\n", text
            )
        if "stuffs no dots" not in self._faults:
            text = re.sub(rb"(?m)^\.", b"..", text)
        if "an empty line more" in self._faults:
            text += b"\r\n"
        return text + b".\r\n"

    # Replies

    def _command(self, line: bytes) -> Reply:
        assert self._wire
        self._wire.send(line + b"\r\n")
        return self._reply()

    def _reply(self) -> Reply:
        assert self._wire
        lines: list[bytes] = []
        while True:
            line = self._wire.line().rstrip(b"\r\n")
            lines.append(line[4:])
            if line[3:4] != b"-" or "one line" in self._faults:
                return int(line[:3]), lines


class ImapAppender:
    def __init__(self, plan: Plan, faults: frozenset[str], opened: Opened) -> None:
        self._faults = faults
        values = plan.values
        self._wire = Wire(values["sink_host"], int(values["sink_port"]), opened)
        self._wire.line()
        login = f'a LOGIN "{values["user"]}" "{values["password"]}"\r\n'
        self._wire.send(login.encode())
        while not self._wire.line().startswith(b"a OK"):
            pass

    def send(self, text: bytes) -> bool:
        if "always {n+}" in self._faults:
            self._wire.send(b"b APPEND INBOX {%d+}\r\n" % len(text))
        else:
            self._wire.send(b"b APPEND INBOX {%d}\r\n" % len(text))
            if "does not wait for +" not in self._faults:
                self._wire.line()
        self._wire.send(text + b"\r\n")
        while not (line := self._wire.line()).startswith(b"b "):
            pass
        return line.startswith(b"b OK")

    def close(self) -> None:
        self._wire.send(b"c LOGOUT\r\n")
        while not self._wire.line().startswith(b"c "):
            pass
