"""If a server does not support one login method, another one is tried.

Names and passwords go as the octets that they are.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.login.imap import greet
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.requests import Trust
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.mailbox_names import encode_mailbox
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from .raw import Raw
from .scripted import SOURCE, Script, World

PLAIN = b64encode(b"\0joe\0sesame")
OK, NO, BAD = b"TAG OK in\r\n", b"TAG NO wrong\r\n", b"TAG BAD what\r\n"


PASSWORD = Secret(b"sesame")


def log_in(script: Script, auth: str = "any", password: Secret | None = PASSWORD) -> None:
    """Log in. Raises PollFailed."""
    simulation = Simulation()
    simulation.listen(SOURCE, Raw, script.serve)
    access = Access(
        "server", SOURCE, "joe", password, TlsMode.NEVER, Trust("s"), timeout=20.0, auth=auth
    )
    simulation.run(greet(Channel("server", ImapClient()), access))


def heard(script: Script) -> list[bytes]:
    return [line.partition(b" ")[2] or line for line in script.heard]


def script_of(capabilities: bytes, **answers: bytes) -> Script:
    script = Script({}, capabilities)
    script.answers |= {name.replace("_", " "): answer for name, answer in answers.items()}
    script.answers["*"] = BAD
    return script


def test_a_challenge_that_is_no_base64_leads_to_the_next_mechanism() -> None:
    script = script_of(
        b"LOGINDISABLED AUTH=CRAM-MD5 AUTH=PLAIN", AUTHENTICATE_CRAM=b"+ hello there\r\n"
    )
    script.answers["AUTHENTICATE PLAIN"] = b"+ \r\n"
    tags = iter([b"A0001", b"A0002"])

    def answer(line: bytes) -> bytes:
        script.heard.append(line)
        if b"CRAM" in line:
            return b"+ hello there\r\n"
        if b"PLAIN" in line:
            return b"+ PLAIN supported\r\n"
        if line == b"*":
            return next(tags) + b" BAD cancelled\r\n"
        return b"A0002 OK [CAPABILITY IMAP4rev1] in\r\n"

    script.answer = answer  # type: ignore[method-assign]  # a script of its own
    log_in(script)
    assert script.heard == [
        b"A0001 AUTHENTICATE CRAM-MD5",
        b"*",
        b"A0002 AUTHENTICATE PLAIN",
        PLAIN,
    ]


def test_a_server_that_ignores_the_initial_response_gets_it_again() -> None:
    script = script_of(b"LOGINDISABLED SASL-IR AUTH=PLAIN")

    def answer(line: bytes) -> bytes:
        script.heard.append(line)
        if line.startswith(b"A0001 "):
            return b"+ PLAIN supported\r\n"
        if line == b"*":
            return b"A0001 BAD cancelled\r\n"
        if line.startswith(b"A0002 "):
            return b"+ PLAIN supported\r\n"
        return b"A0002 OK [CAPABILITY IMAP4rev1] in\r\n"

    script.answer = answer  # type: ignore[method-assign]  # a script of its own
    log_in(script)
    assert script.heard == [
        b"A0001 AUTHENTICATE PLAIN " + PLAIN,
        b"*",
        b"A0002 AUTHENTICATE PLAIN",
        PLAIN,
    ]


def test_a_login_that_is_not_understood_leads_to_the_mechanisms() -> None:
    script = script_of(b"SASL-IR AUTH=PLAIN AUTH=LOGIN", LOGIN=BAD, AUTHENTICATE_PLAIN=OK)
    log_in(script)
    assert heard(script)[:2] == [b'LOGIN "joe" "sesame"', b"AUTHENTICATE PLAIN " + PLAIN]


def test_a_refused_login_is_not_retried() -> None:
    script = script_of(b"SASL-IR AUTH=PLAIN AUTH=LOGIN", LOGIN=NO)
    with pytest.raises(PollFailed, match="Authorization failure on joe@server: wrong"):
        log_in(script)
    assert len(script.heard) == 1


def test_the_login_fails_if_no_method_is_supported() -> None:
    script = script_of(b"SASL-IR AUTH=PLAIN AUTH=LOGIN", LOGIN=BAD, AUTHENTICATE=BAD)
    with pytest.raises(PollFailed, match="Authorization failure") as failed:
        log_in(script)
    assert failed.value.code is ExitCode.AUTHFAIL
    assert len(script.heard) <= 5


def test_external_is_tried_without_a_certificate_if_offered() -> None:
    script = script_of(b"SASL-IR AUTH=EXTERNAL", AUTHENTICATE_EXTERNAL=OK)
    log_in(script, "external", None)
    assert heard(script)[0] == b"AUTHENTICATE EXTERNAL " + b64encode(b"joe")


def test_external_without_certificate_is_not_tried_where_it_is_not_offered() -> None:
    script = script_of(b"SASL-IR")
    with pytest.raises(PollFailed, match='no login method for "auth external"'):
        log_in(script, "external", None)
    assert script.heard == []


def test_a_user_name_that_is_no_utf8_goes_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    # The literal is asked for, and read as if its first word were a tag.
    world.script.answers |= {"LOGIN": b"+ go on\r\n", '"sesame"': b"A0001 OK in\r\n"}
    assert world.poll(user=b"j\xf6rg".decode("utf-8", "surrogateescape")) is ExitCode.SUCCESS
    assert world.script.heard[:2] == [b"A0001 LOGIN {4}", b'j\xf6rg "sesame"']


def test_so_it_does_where_it_need_not_be_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path, Script(capabilities=b"LITERAL+"))
    world.script.answers |= {"LOGIN": b"", '"sesame"': b"A0001 OK in\r\n"}
    assert world.poll(user=b"j\xf6rg".decode("utf-8", "surrogateescape")) is ExitCode.SUCCESS
    assert world.script.heard[:2] == [b"A0001 LOGIN {4+}", b'j\xf6rg "sesame"']


def test_a_mailbox_may_be_named_in_octets_that_are_no_utf8() -> None:
    name = b"Entw\xfcrfe"
    assert encode_mailbox(name.decode("utf-8", "surrogateescape")) == name
    assert encode_mailbox("Entw\xfcrfe") == b"Entw&APw-rfe"
