"""The user who runs mailhaul, from the environment and the user database."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller, find_caller
from mailhaul.adapters.config.errors import ConfigRefused

UID = os.getuid()
OWN = pwd.getpwuid(UID)
OTHER = next(account for account in pwd.getpwall() if account.pw_uid != UID)


@pytest.mark.parametrize("variable", ["FETCHMAILUSER", "LOGNAME", "USER"])
def test_the_name_of_another_user_is_ignored(variable: str, tmp_path: Path) -> None:
    environ = {variable: OTHER.pw_name, "HOME": str(tmp_path)}
    assert find_caller(environ, UID, "/").user == OWN.pw_name
    assert find_caller(environ, OTHER.pw_uid, "/").user == OTHER.pw_name


def test_an_unknown_name_is_ignored(tmp_path: Path) -> None:
    environ = {"USER": "no such user", "HOME": str(tmp_path)}
    assert find_caller(environ, UID, "/").user == OWN.pw_name


def test_home_comes_from_the_environment_and_is_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    caller = find_caller({"HOME": str(tmp_path / "link")}, UID, "/")
    assert caller.home == str(tmp_path / "real")
    caller = find_caller({"HOME_ETC": str(tmp_path), "HOME": "/none"}, UID, "/")
    assert caller.home == str(tmp_path)


def test_without_a_home_in_the_environment_the_user_database_is_used() -> None:
    assert find_caller({}, UID, "/").home == os.path.realpath(OWN.pw_dir)


def test_a_home_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="does not exist") as caught:
        find_caller({"HOME": str(tmp_path / "none")}, UID, "/")
    assert caught.value.exit_code == 23


@pytest.mark.parametrize("variable", ["QMAILINJECT", "NULLMAILER_FLAGS"])
def test_variables_that_change_mail_are_refused(variable: str, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), variable: ""}
    assert find_caller(environ, UID, "/").home == str(tmp_path)
    with pytest.raises(ConfigRefused, match=variable) as caught:
        find_caller({**environ, variable: "f"}, UID, "/")
    assert caught.value.exit_code == 23


def test_the_private_home_has_files_without_dots(tmp_path: Path) -> None:
    caller = find_caller({"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)}, UID, "/")
    assert caller.rcfile == f"{tmp_path}/fetchmailrc"
    assert caller.idfile == f"{tmp_path}/.fetchids"


def test_the_usual_home_has_files_with_dots() -> None:
    caller = Caller("me", 1000, "/home/me")
    assert (caller.rcfile, caller.idfile) == ("/home/me/.fetchmailrc", "/home/me/.fetchids")
