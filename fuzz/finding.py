"""What a target reports: a promise of the protocol core that does not hold."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent

Target = Callable[[bytes], None]
"""Takes the fuzzer's bytes; returns when every promise holds, and raises anything when not."""


class Finding(AssertionError):
    """A promise that is broken, and how."""


def promise(holds: bool, broken: str) -> None:
    """Raise Finding unless a promise holds."""
    if not holds:
        raise Finding(broken)


def signature(fault: BaseException) -> str:
    """Return what tells one finding from another: the exception, and where in the code."""
    frames = traceback.extract_tb(fault.__traceback__)
    ours = [frame for frame in frames if "/mailhaul/" in frame.filename] or frames
    last = ours[-1]
    where = f"{Path(last.filename).name}:{last.name}"
    what = str(fault) if isinstance(fault, Finding) else ""
    return " ".join(filter(None, (type(fault).__name__, where, what)))


def signature_of(target: Target, data: bytes) -> str | None:
    """Run a target; return the signature of what it finds, None for nothing."""
    try:
        target(data)
    except Exception as fault:  # whatever it is, it is what was looked for
        return signature(fault)
    return None


def minimised(target: Target, data: bytes, wanted: str) -> bytes:
    """Return a shorter input with the same finding: drop pieces, ever smaller, while it stays."""
    size = max(len(data) // 2, 1)
    while size:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            if signature_of(target, shorter) == wanted:
                data = shorter
            else:
                start += size
        size //= 2
    return data
