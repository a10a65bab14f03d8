"""What a process inherits from its starter, and must not rely on.

Ignored and blocked signals, open descriptors and the current folder outlive an exec. If the
starter ignores SIGCHLD, as many supervisors do, no exit status of a child can be read.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

KEPT = frozenset(
    {
        *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    }
)
"""Signals that a starter ignores on purpose: nohup, or "&" in a shell."""
IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python ignores, so that a write fails instead. Children get the default."""
DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


def reset_inherited_state() -> None:
    """Reset what was inherited, before anything is started or opened."""
    open_standard_streams()
    close_on_exec()
    reset_signals()
    undo_locale_coercion()


def open_standard_streams() -> None:
    """Open 0, 1 and 2 if they are closed: else output could go to a socket with that number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python sets these to None if they are closed, contrary to their types.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def close_on_exec() -> None:
    """Do not pass on other descriptors of the starter: a child would hold its locks."""
    for folder in DESCRIPTORS:
        with suppress(OSError):
            numbers = [int(name) for name in os.listdir(folder)]
            break
    else:
        numbers = list(range(256))
    for number in numbers:
        if number > 2:
            with suppress(OSError):
                os.set_inheritable(number, False)


def reset_signals() -> None:
    """Block no signal, and ignore only those that the starter ignores on purpose."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - KEPT - IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def is_wanted(number: signal.Signals) -> bool:
    """Whether a signal ends the program: not if the starter ignores it, as nohup does."""
    return signal.getsignal(number) is not signal.SIG_IGN


def undo_locale_coercion() -> None:
    """Remove what Python adds to the environment in the C locale (PEP 538)."""
    if "LC_CTYPE" not in os.environ:
        return
    with suppress(OSError), open("/proc/self/environ", "rb") as file:
        if not any(line.startswith(b"LC_CTYPE=") for line in file.read().split(b"\0")):
            del os.environ["LC_CTYPE"]


def current_folder() -> str:
    """Return the current folder, or an empty one if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return "/proc/self/cwd"
