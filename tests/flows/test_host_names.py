"""Host names are encoded by IDNA 2008; names that it does not allow are refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mailhaul.flows.host_names import BadHostName, ascii_host


@pytest.mark.parametrize(
    ("typed", "encoded"),
    [
        # IDNA 2003 makes strasse and xn--pxaahjbcf... of these, which belong to others.
        ("stra\xdfe.invalid", "xn--strae-oqa.invalid"),
        ("Stra\xdfe.INVALID", "xn--strae-oqa.invalid"),
        ("\u03b2\u03cc\u03bb\u03bf\u03c2.example", "xn--nxasmm1c.example"),
        ("mu\u0308nchen.example", "xn--mnchen-3ya.example"),
        ("b\xfccher.example.", "xn--bcher-kva.example."),
        ("\xfc\u3002example", "xn--tda.example"),
    ],
)
def test_a_name_is_encoded_as_registered(typed: str, encoded: str) -> None:
    assert ascii_host(typed) == encoded


@pytest.mark.parametrize(
    "name", ["mail.example.org", "MAIL", "127.0.0.1", "::1", "a_b", "", "a..b"]
)
def test_ascii_stays_as_it_is(name: str) -> None:
    assert ascii_host(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("\u2603.example", "U+2603"),
        ("\ufb01sh.example", "U+FB01"),
        ("\uff4d\uff41\uff49\uff4c.example", "U+FF4D"),
        ("m\xe4_il.example", "U+005F"),
        ("a..\xfc", "empty Label"),
        ("-\xfc.example", "hyphen"),
        ("\xfc" * 64, "too long"),
        ("stra\udcdfe.example", "not UTF-8"),
        ("a\u200db", "U+200D"),
    ],
)
def test_names_that_idna_2008_does_not_allow_are_refused(name: str, words: str) -> None:
    with pytest.raises(BadHostName, match=words.replace("+", "[+]")):
        ascii_host(name)


def test_idna_is_imported_only_for_names_that_need_it() -> None:
    code = (
        "import sys, mailhaul.runtimes.dialling, mailhaul.runtimes.tls\n"
        "from mailhaul.flows.host_names import ascii_host\n"
        "ascii_host('mail.example.org'); assert 'idna' not in sys.modules\n"
        "ascii_host('\xfc'); assert 'idna' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
