"""Each user has one ledger, independent of the environment of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.settings import GlobalSettings
from mailhaul.apps.polls import state_folder as module
from mailhaul.apps.polls.state_folder import (
    link_usual_folder,
    second_ledger,
    state_folder,
    usual_folder,
)
from mailhaul.flows.outcome import ExitCode, PollFailed


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    (tmp_path / "home").mkdir()
    (tmp_path / "account").mkdir()
    return Caller(
        "joe", os.getuid(), str(tmp_path / "home"), account_home=str(tmp_path / "account")
    )


def with_ledger(folder: str) -> str:
    os.makedirs(folder)
    Path(folder, "ledger.db").touch()
    return folder


def settings(idfile: str = "/home/.fetchids", pidfile: str | None = None) -> GlobalSettings:
    return GlobalSettings({"idfile": idfile, "pidfile": pidfile})


def test_the_environment_names_where_a_new_ledger_is_made(caller: Caller, tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "x")}
    assert state_folder(caller, environ) == str(tmp_path / "x" / "mailhaul")
    assert state_folder(caller, {"XDG_STATE_HOME": "x"}) == usual_folder(caller)
    assert state_folder(caller, {}) == f"{caller.home}/.local/state/mailhaul"


def test_an_existing_ledger_in_the_default_folder_is_used(caller: Caller, tmp_path: Path) -> None:
    usual = with_ledger(usual_folder(caller))
    assert state_folder(caller, {"XDG_STATE_HOME": str(tmp_path / "x")}) == usual


def test_a_run_that_does_not_know_the_variable_uses_the_same_ledger(
    caller: Caller, tmp_path: Path
) -> None:
    folder = state_folder(caller, {"XDG_STATE_HOME": str(tmp_path / "x")})
    link_usual_folder(folder, caller)
    with_found = state_folder(caller, {})
    assert os.path.realpath(with_found) == folder
    # And the run that knows it finds nothing else.
    again = state_folder(caller, {"XDG_STATE_HOME": str(tmp_path / "x")})
    assert os.path.samefile(again, folder)
    assert second_ledger(again, caller, {"XDG_STATE_HOME": str(tmp_path / "x")}) == ""


def test_a_dangling_link_does_not_lead_to_a_second_ledger(caller: Caller, tmp_path: Path) -> None:
    usual = Path(usual_folder(caller))
    usual.parent.mkdir(parents=True)
    usual.symlink_to(tmp_path / "not mounted")
    assert state_folder(caller, {"XDG_STATE_HOME": str(tmp_path / "x")}) == str(usual)


def test_an_existing_file_is_never_replaced_by_a_link(caller: Caller, tmp_path: Path) -> None:
    usual = Path(usual_folder(caller))
    usual.mkdir(parents=True)
    link_usual_folder(str(tmp_path / "x" / "mailhaul"), caller)
    assert not usual.is_symlink()


def test_two_ledgers_are_reported(caller: Caller, tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "x")}
    other = with_ledger(str(tmp_path / "x" / "mailhaul"))
    usual = with_ledger(usual_folder(caller))
    assert state_folder(caller, environ) == usual
    assert second_ledger(usual, caller, environ) == f"{other}/ledger.db"


class TestAHomeOfSomebodyElse:
    @pytest.fixture(autouse=True)
    def not_writable(self, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root can write everywhere, so the check is replaced."""
        allowed = module.may_write
        monkeypatch.setattr(
            module,
            "may_write",
            lambda folder: not folder.startswith(caller.home) and allowed(folder),
        )

    def test_the_idfile_decides_the_state_folder(self, caller: Caller, tmp_path: Path) -> None:
        chosen = settings(str(tmp_path / "data" / "ids"), str(tmp_path / "run" / "pid"))
        assert state_folder(caller, {}, chosen) == str(tmp_path / "data" / "mailhaul")

    def test_else_it_is_the_home_in_the_user_database(self, caller: Caller, tmp_path: Path) -> None:
        chosen = settings(caller.idfile, str(tmp_path / "run" / "pid"))
        expected = f"{caller.account_home}/.local/state/mailhaul"
        assert state_folder(caller, {}, chosen) == expected
        assert state_folder(caller, {}) == expected

    def test_the_pidfile_is_the_last_choice(self, caller: Caller, tmp_path: Path) -> None:
        nobody = Caller("joe", os.getuid(), caller.home, account_home=caller.home)
        chosen = settings(nobody.idfile, str(tmp_path / "run" / "pid"))
        assert state_folder(nobody, {}, chosen) == str(tmp_path / "run" / "mailhaul")

    def test_a_ledger_that_is_there_is_used_before_a_better_place(
        self, caller: Caller, tmp_path: Path
    ) -> None:
        there = with_ledger(f"{caller.account_home}/.local/state/mailhaul")
        chosen = settings(str(tmp_path / "data" / "ids"))
        assert state_folder(caller, {}, chosen) == there

    def test_a_ledger_in_a_read_only_home_is_not_replaced_by_another(
        self, caller: Caller, tmp_path: Path
    ) -> None:
        there = with_ledger(usual_folder(caller))
        assert state_folder(caller, {}, settings(str(tmp_path / "data" / "ids"))) == there

    def test_without_a_usable_folder_a_hint_is_given(self, caller: Caller) -> None:
        nobody = Caller("joe", os.getuid(), caller.home, account_home=caller.home)
        with pytest.raises(PollFailed, match="XDG_STATE_HOME") as caught:
            state_folder(nobody, {})
        assert caught.value.code is ExitCode.IOERR


def test_the_home_of_the_account_is_left_alone_where_the_home_can_be_written(
    caller: Caller,
) -> None:
    with_ledger(f"{caller.account_home}/.local/state/mailhaul")
    assert state_folder(caller, {}) == usual_folder(caller)
