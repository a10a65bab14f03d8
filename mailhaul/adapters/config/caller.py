"""The user who runs mailhaul, and the paths of this user's files."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...protocols.record import Record
from .errors import EXIT_ENVIRONMENT, ConfigRefused


class Caller(Record):
    """The invoking user. ``private_home`` is FETCHMAILHOME, ``folder`` the current folder.

    ``account_home`` is the home folder in the user database; the environment may name another.
    """

    user: str
    uid: int
    home: str
    private_home: str | None = None
    folder: str = "/"
    account_home: str = ""

    @property
    def rcfile(self) -> str:
        """The path of the rc file, unless the command line names one."""
        if self.private_home is not None:
            return f"{self.private_home}/fetchmailrc"
        return f"{self.home}/.fetchmailrc"

    @property
    def idfile(self) -> str:
        """The default path of fetchmail's file of UIDs."""
        return f"{self.home if self.private_home is None else self.private_home}/.fetchids"


def find_caller(environ: Mapping[str, str], uid: int, folder: str) -> Caller:
    """Read the caller's name and home from the environment and the password database.

    Raises ConfigRefused (exit code 23) if there is no such user or home.
    """
    for name in ("QMAILINJECT", "NULLMAILER_FLAGS"):
        if environ.get(name):
            problem = f"the environment variable {name} is set; unset it, as it changes mail"
            raise ConfigRefused(problem, EXIT_ENVIRONMENT)
    user, account_home = _account(environ, uid)
    home = environ.get("HOME_ETC") or environ.get("HOME") or account_home
    real = os.path.realpath(home)
    if not os.path.isdir(real):
        raise ConfigRefused(f"the home directory {home} does not exist", EXIT_ENVIRONMENT)
    private = environ.get("FETCHMAILHOME")
    if private is not None:
        private = os.path.realpath(private)
    return Caller(user, uid, real, private, folder, account_home)


def _account(environ: Mapping[str, str], uid: int) -> tuple[str, str]:
    """Return name and home folder. A name in the environment must belong to the caller's uid."""
    import pwd

    name = environ.get("FETCHMAILUSER") or environ.get("LOGNAME") or environ.get("USER")
    if name:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            account = None
        if account is not None and account.pw_uid == uid:
            return account.pw_name, account.pw_dir
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigRefused(f"there is no user with the uid {uid}", EXIT_ENVIRONMENT) from None
    return account.pw_name, account.pw_dir
