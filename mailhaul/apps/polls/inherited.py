"""What a process has from whoever started it, and must not be trusted with.

Ignored and blocked signals, open descriptors and the current folder outlive an exec. A starter that
ignores SIGCHLD, as many supervisors do, takes every exit status away from us.
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
"""Signals that a starter ignores on purpose, for all that it starts: nohup, a shell's "&"."""
OURS = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python itself ignores, so that a write fails instead. Children get the default."""
DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


def stand_on_our_own() -> None:
    """Set right what was inherited, before anything is started or opened."""
    stand_on_open_descriptors()
    hand_on_no_descriptors()
    listen_to_signals()
    undo_locale_coercion()


def stand_on_open_descriptors() -> None:
    """Make sure that 0, 1 and 2 are open: a socket that got one of them would be printed to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python sets these to None, against what their types say, when it finds them closed.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def hand_on_no_descriptors() -> None:
    """Keep what else the starter left open to this process: a child would hold its locks."""
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


def listen_to_signals() -> None:
    """Block no signal, and ignore none but those of which the starter means it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - KEPT - OURS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def is_wanted(number: signal.Signals) -> bool:
    """Whether a signal is to end us: not where the starter ignores it, as nohup does."""
    return signal.getsignal(number) is not signal.SIG_IGN


def undo_locale_coercion() -> None:
    """Take back what Python adds to the environment in the C locale (PEP 538)."""
    if "LC_CTYPE" not in os.environ:
        return
    with suppress(OSError), open("/proc/self/environ", "rb") as file:
        if not any(line.startswith(b"LC_CTYPE=") for line in file.read().split(b"\0")):
            del os.environ["LC_CTYPE"]


def current_folder() -> str:
    """Return the current folder; where it has been removed, one in which there is nothing."""
    try:
        return os.getcwd()
    except OSError:
        return "/proc/self/cwd"
