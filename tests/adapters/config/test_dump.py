"""What --configdump prints can be read again, as Python and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.dump import json_dump, python_dump, server_lines
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.merge import account_settings, global_settings
from mailhaul.adapters.config.options import DUMP_FORMS, GLOBAL, OPTIONS, SERVER, USER
from mailhaul.adapters.config.secret_table import SECRETS
from mailhaul.adapters.config.selection import all_entries
from mailhaul.adapters.config.settings import AccountSettings, GlobalSettings

from .conftest import Accounts

FILE = b"""
set daemon 30
poll a.example.org protocol imap auth external esmtppassword "listener's":
    user "jo\\x22e" password "p\xc3\xa4ss\\x01" is a=b c * here folder A B antispam 571 550
    user bob there
skip q.example.org with proto etrn no dns
"""


def settings_of(caller: Caller, *arguments: str) -> tuple[GlobalSettings, list[AccountSettings]]:
    rc = parse(FILE, "rc", caller.folder)
    line = parse_command_line(arguments, caller.folder)
    entries = all_entries(rc, line.servers)
    return global_settings(rc, line, caller), list(account_settings(rc, entries, line, caller))


def evaluated(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    dump: dict[str, Any] = names["fetchmailrc"]
    return dump


def test_the_plain_dump_is_python(caller: Caller) -> None:
    dump = evaluated(python_dump(*settings_of(caller), "here.example.org"))
    assert dump["poll_interval"] == 30
    server, other = dump["servers"]
    assert (server["pollname"], server["active"], other["active"]) == ("a.example.org", 1, 0)
    assert "auth" not in server
    assert server["esmtppassword"] == "listener's"
    joe, bob = server["users"]
    assert (joe["remote"], joe["password"]) == ('jo"e', "päss\x01")
    assert joe["localnames"] == [("a", "b"), "c", "*"]
    assert (joe["antispam"], joe["mailboxes"], bob["mailboxes"]) == ("571 550", ["A", "B"], [])
    assert other["users"][0]["fetchdomains"] == ["here.example.org"]


def test_servers_named_on_the_command_line_stand_last(caller: Caller) -> None:
    dump = evaluated(python_dump(*settings_of(caller, "-k", "new", "a.example.org"), "here"))
    assert [s["pollname"] for s in dump["servers"]] == ["a.example.org", "q.example.org", "new"]
    assert all(user["keep"] for server in dump["servers"] for user in server["users"])


def test_json_holds_every_option_and_no_password(caller: Caller) -> None:
    dump = json.loads(json_dump(*settings_of(caller), with_secrets=False))
    assert {o.name for o in OPTIONS if o.level == GLOBAL} == set(dump) - {"servers"}
    server = dump["servers"][0]
    assert {o.name for o in OPTIONS if o.level == SERVER} < set(server)
    user = server["users"][0]
    assert {o.name for o in OPTIONS if o.level == USER} < set(user)
    assert (user["password"], server["users"][1]["password"]) == (True, None)
    assert "listener" not in json.dumps(dump)


@pytest.mark.parametrize("kind", SECRETS)
def test_json_hides_every_kind_of_secret(kind: str, caller: Caller) -> None:
    rc = parse(f"poll h {kind} sesame".encode(), "rc", caller.folder)
    line = parse_command_line([], caller.folder)
    found = list(account_settings(rc, rc.entries, line, caller))
    settings = global_settings(rc, line, caller)
    hidden = json_dump(settings, found, with_secrets=False)
    assert "sesame" not in hidden
    assert f'"{kind}": true' in hidden
    assert f'"{kind}": "sesame"' in json_dump(settings, found, with_secrets=True)


def test_json_shows_passwords_when_asked(caller: Caller) -> None:
    dump = json.loads(json_dump(*settings_of(caller), with_secrets=True))
    assert dump["servers"][0]["users"][0]["password"] == "päss\x01"


@pytest.mark.parametrize("form", DUMP_FORMS)
def test_the_form_of_the_dump_is_named_after_an_equals_sign(form: str) -> None:
    assert parse_command_line([f"--configdump={form}"], "/").run.configdump == form
    assert parse_command_line(["--configdump", "host"], "/").servers == ("host",)


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(ConfigErrors, match="form of the dump"):
        parse_command_line(["--configdump=xml"], "/")


def test_a_name_with_a_line_end_does_not_leave_its_comment(accounts: Accounts) -> None:
    lines = server_lines(accounts('poll "h\nexit(1)" user u'), "here")
    assert not any("\n" in line for line in lines)
