"""What the writer writes, the parser reads back unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.adapters.config import options
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.lexer import tokenize
from mailhaul.adapters.config.options import OPTIONS, SERVER, USER, Option
from mailhaul.adapters.config.writer import host_name, quote, write_entry, write_option
from mailhaul.protocols.secret import Secret

TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("\"'\\ \n\t#=:;,\udc80\udcff")
)
VALUES = {
    options.FLAG: st.just(True),
    options.NUMBER: st.integers(1, 10**9),
    options.PORT: st.integers(1, 65535),
    options.SERVICE: st.integers(1, 65535),
    options.NUMBERS: st.lists(st.integers(1, 999), min_size=1).map(tuple),
    options.LIST: st.lists(TEXTS, min_size=1).map(tuple),
    options.TEXT: TEXTS,
    options.LOGIN: TEXTS,
    options.PATH: TEXTS.map(lambda text: f"/{text}"),
    options.HIDDEN: TEXTS.map(lambda text: Secret(text.encode("utf-8", "surrogateescape"))),
    options.PROTOCOL: st.sampled_from(options.PROTOCOLS),
    options.AUTH: st.sampled_from(["any", "password", "oauth", "cram-md5"]),
}
WRITTEN = [o for o in OPTIONS if o.level in {SERVER, USER} and o.kind in VALUES]


def read(text: str) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return the poll name, the options of the server and those of the user."""
    rc = parse(text.encode("utf-8", "surrogateescape"), "rc")
    assert rc.warnings == []
    [entry] = rc.entries
    [user] = entry.users
    return entry.pollname, entry.server.values, user.values


def plain(value: object) -> object:
    """Return a value that can be compared."""
    return value.reveal() if isinstance(value, Secret) else value


@given(TEXTS)
def test_a_quoted_text_is_read_back(text: str) -> None:
    pollname, _, user = read(write_entry(text, {}, {"remote_user": text, "maildir": f"/{text}"}))
    assert (pollname, user["remote_user"], user["maildir"]) == (text, text, f"/{text}")


@given(TEXTS)
def test_a_password_is_read_back_and_hidden(text: str) -> None:
    secret = Secret(text.encode("utf-8", "surrogateescape"))
    written = write_entry("mail.example.org", {}, {"password": secret, "keep": True})
    _, _, user = read(written)
    assert (plain(user["password"]), user["keep"]) == (plain(secret), True)
    [_, token, _] = tokenize(f"password {quote(text)} ").list
    assert token[:2] == ("hidden", "")


@settings(max_examples=200)
@given(data=st.data())
def test_every_option_is_read_back(data: st.DataObject) -> None:
    option = data.draw(st.sampled_from(WRITTEN))
    value = data.draw(VALUES[option.kind])
    written = write_option(option, value)
    _, server, user = read(f"poll mail.example.org\n    {written}\n")
    assert plain((server if option.level == SERVER else user)[option.name]) == plain(value)


@pytest.mark.parametrize("option", [o for o in WRITTEN if o.kind == options.FLAG and o.negation])
def test_a_flag_is_switched_off(option: Option) -> None:
    _, server, user = read(f"poll mail.example.org {write_option(option, False)}\n")
    assert (server if option.level == SERVER else user)[option.name] is False


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("mail.example.org", "mail.example.org"),
        ("mail-1.example.org", "mail-1.example.org"),
        ("imap", '"imap"'),
        ("127.0.0.1", '"127.0.0.1"'),
        ("::1", '"::1"'),
        ("", '""'),
        ("mäil.example.org", '"mäil.example.org"'),
    ],
)
def test_a_host_has_quotes_where_it_needs_them(name: str, written: str) -> None:
    assert host_name(name) == written
    assert read(write_entry(name, {}, {}))[0] == name


def test_an_entry_is_written_as_people_do() -> None:
    text = write_entry(
        "imap.example.org",
        {"protocol": "imap", "service": 1993},
        {
            "remote_user": "joe@example.org",
            "password": Secret(b'a "b" c'),
            "ssl": True,
            "sslcertck": False,
            "keep": True,
        },
    )
    assert text == (
        "poll imap.example.org protocol IMAP service 1993\n"
        '    user "joe@example.org"\n'
        '    password "a \\x22b\\x22 c"\n'
        "    ssl\n"
        "    no sslcertck\n"
        "    keep\n"
    )


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")
    with pytest.raises(ValueError, match="keep is no option here"):
        write_entry("mail.example.org", {"keep": True}, {})
    with pytest.raises(ValueError, match="cannot have this value"):
        write_entry("mail.example.org", {"timeout": "long"}, {})
    flag = next(o for o in OPTIONS if o.level in {SERVER, USER} and o.kind == options.FLAG)
    never = Option(USER, "never", options.FLAG, False, "", keywords=flag.keywords[0])
    with pytest.raises(ValueError, match="cannot be switched off"):
        write_option(never, False)
