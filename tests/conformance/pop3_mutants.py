"""For every POP3 case a server that breaks just its requirement."""

from __future__ import annotations

from .interposed import Answer, Change
from .pop3_server import Mutant, said

MUTANTS: dict[str, Mutant] = {
    "pop3/dele/1": said(Answer(rb"DELE 1", b"+OK again\r\n", after=1)),
    "pop3/dele/2": said(Change(rb"OK\r\n2 (\d+)\r\n3 (\d+)\r\n\.", rb"OK\r\n1 \1\r\n2 \2\r\n.")),
    "pop3/stat/1": said(Change(rb"\+OK 3 (\d)(\d*)\r\n$", rb"+OK 3 9\1\2\r\n")),
}
