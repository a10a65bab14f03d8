"""Asks the keyring of the system for a secret, with the package keyring."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from threading import Lock, Thread
from typing import Final, Protocol, TypeVar, cast

from ...protocols.secret import Secret
from .secret_commands import Patience

T = TypeVar("T")

CHECK_INTERVAL: Final = 0.1
"""Seconds between checks whether to wait any longer."""
UNLOCK: Final = "unlock it in the desktop session, or use another way for a service"
STORE: Final = "store it with: keyring set {} {}"
PROBLEMS: Final = {
    "KeyringLocked": ("the keyring is locked", UNLOCK),
    "NoKeyringError": (
        "this system has no keyring that can be used",
        '"keyring diagnose" shows why; or use another way',
    ),
    "InitError": ("the keyring cannot be opened", UNLOCK),
}
"""What to say of an exception of the package, by its name."""

_one_at_a_time = Lock()
"""A request may wait for the user. Then no thread is started for another one."""


class KeyringFailed(Exception):
    """The keyring gave no secret. ``hint`` is the next step."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class Keyring(Protocol):
    """The part of the package that is used."""

    def get_password(self, service_name: str, username: str) -> str | None: ...

    def set_password(self, service_name: str, username: str, password: str) -> None: ...

    def delete_password(self, service_name: str, username: str) -> None: ...


def in_keyring(work: Callable[[Keyring], T], patience: Patience) -> T | None:
    """Do something with the keyring in a thread of its own, as it may wait for the user.

    Returns None if it was cancelled meanwhile. Raises KeyringFailed.
    """
    answer: list[T | Exception] = []

    def run() -> None:
        try:
            answer.append(work(cast(Keyring, import_module("keyring"))))
        except Exception as error:
            # Each system's keyring has exceptions of its own.
            answer.append(error)
        finally:
            _one_at_a_time.release()

    try:
        while not _one_at_a_time.acquire(timeout=CHECK_INTERVAL):
            if patience.is_over():
                raise KeyringFailed("the request was cancelled", "try again")
        asking = started(run)
        while asking.is_alive() and not patience.is_over():
            asking.join(CHECK_INTERVAL)
    except TimeoutError:
        problem = f"the keyring did not answer within {patience.seconds:g} seconds"
        raise KeyringFailed(problem, UNLOCK) from None
    found = answer[0] if answer else None
    if isinstance(found, ModuleNotFoundError) and found.name == "keyring":
        hint = 'install it with: pip install "mailhaul[keyring]"'
        raise KeyringFailed("the package keyring is not installed", hint)
    if isinstance(found, Exception):
        name = type(found).__name__
        raise KeyringFailed(*PROBLEMS.get(name, (f"the keyring fails ({name})", UNLOCK)))
    return found


def started(run: Callable[[], None]) -> Thread:
    """Return a thread that does this. Raises KeyringFailed, and the lock is free again."""
    thread = Thread(target=run, name="keyring", daemon=True)
    try:
        thread.start()
    except BaseException as error:
        _one_at_a_time.release()
        if not isinstance(error, RuntimeError):
            raise
        hint = "the system has too many threads or too little memory; try again later"
        raise KeyringFailed("the keyring cannot be asked: no thread can be started", hint) from None
    return thread


def ask_keyring(service: str, user: str, patience: Patience) -> Secret:
    """Return the secret of a user of a service. Raises KeyringFailed."""
    found = in_keyring(lambda keyring: keyring.get_password(service, user), patience)
    if not found:
        problem = f'it has no password of user "{user}" for "{service}"'
        raise KeyringFailed(problem, STORE.format(service, user))
    return Secret(found.encode("utf-8", "surrogateescape"))
