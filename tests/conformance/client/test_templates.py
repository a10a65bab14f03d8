"""The templates that come with the package: what they say can be replaced, and it is right."""

from __future__ import annotations

import re

import pytest

from mailhaul.conformance.client.template import (
    CHOICES,
    PLACES,
    find_template,
    replaced,
    template_names,
)

TEMPLATES = template_names()


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_name_in_braces_is_known(name: str) -> None:
    template = find_template(name)
    words = [text for texts in template.words.values() for text in texts.values()]
    texts = [*template.command, *template.files.values(), *template.folders, *words]
    found = {name for text in texts for name in re.findall(r"\{(\w+)\}", text)}
    assert found <= PLACES | CHOICES.keys() | template.files.keys()


@pytest.mark.parametrize(
    ("protocol", "tls", "url", "demands"),
    [
        ("pop3", "clear", "pop3://localhost:4711/1", False),
        ("pop3", "starttls", "pop3://localhost:4711/1", True),
        ("pop3", "implicit", "pop3s://localhost:4711/1", False),
        ("imap", "starttls", "imap://localhost:4711/INBOX;MAILINDEX=1", True),
        ("imap", "implicit", "imaps://localhost:4711/INBOX;MAILINDEX=1", False),
    ],
)
def test_curl_is_told_how_to_use_tls(protocol: str, tls: str, url: str, demands: bool) -> None:
    template = find_template("curl")
    places = {"authority": "/ca.pem", "host": "localhost", "port": "4711"}
    values = template.values({"protocol": protocol, "tls": tls}, places)
    text = replaced(template.files["rcfile"], values)
    assert f'url = "{url}"' in text
    assert ("cacert = /ca.pem" in text) is (tls != "clear")
    assert ("ssl-reqd" in text) is demands
