"""What a translator made, as text; the entries are understood by the parser of rc files."""

from __future__ import annotations

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.statements import RcFile
from mailhaul.adapters.migration.new_rcfile import Translation, rcfile_text

CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")


def entries(made: Translation) -> str:
    """Return the entries, after the parser has read them without a warning."""
    text, _ = rcfile_text([made], "test", with_passwords=True)
    # As a dump: entries that are skipped are read too, and a file without entries is no error.
    configuration = load(["-f", "-", "--configdump"], CALLER, text.encode)
    assert len(configuration.accounts) == len(made.entries)
    assert configuration.warnings == ()
    blocks = (
        "\n".join([*made.globals] * (not number) + [*one.lines(with_password=True)])
        for number, one in enumerate(made.entries)
    )
    return "\n\n".join(blocks) + "\n"


def parsed(made: Translation) -> RcFile:
    """Return what the parser finds. A value may be wrong, since it was wrong before."""
    text, _ = rcfile_text([made], "test", with_passwords=True)
    return parse(text.encode("utf-8", "surrogateescape"), "new")


def notes(made: Translation) -> list[str]:
    """Return the notes."""
    return list(map(str, made.notes))
