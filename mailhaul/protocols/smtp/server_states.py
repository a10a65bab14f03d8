"""The dialogue of an SMTP or LMTP server: which command is allowed when (RFC 5321, 4.1.4).

Inputs are commands heard and the server's own replies to them. A command that has no
transition from the present state is answered with 503.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble
from .dialogue import follow


class Dialogue(Protocol):
    """What can happen to an SMTP server."""

    def welcomed(self) -> None:
        """We greeted with 220."""

    def turned_away(self) -> None:
        """We greeted with anything else."""

    def introduction_heard(self) -> None:
        """The client sent EHLO, LHLO or HELO."""

    def introduced(self) -> None:
        """We accepted it."""

    def start_tls_heard(self) -> None:
        """The client asked for TLS."""

    def tls_granted(self) -> None:
        """We wait for the handshake."""

    def tls_started(self) -> None:
        """The handshake is done."""

    def mail_heard(self) -> None:
        """The client sent MAIL."""

    def mail_taken(self) -> None:
        """We accepted the sender."""

    def rcpt_heard(self) -> None:
        """The client sent RCPT."""

    def rcpt_taken(self) -> None:
        """We accepted a recipient."""

    def data_heard(self) -> None:
        """The client sent DATA."""

    def data_granted(self) -> None:
        """We said 354."""

    def text_over(self) -> None:
        """The final dot came, or the last chunk."""

    def bdat_heard(self) -> None:
        """The client announced a chunk."""

    def chunk_refused(self) -> None:
        """We refused a chunk behind which more were to come: the message is lost."""

    def auth_heard(self) -> None:
        """The client wants to authenticate."""

    def rset_heard(self) -> None:
        """The client gave its transaction up."""

    def noop_heard(self) -> None:
        """The client sent NOOP, VRFY, EXPN, HELP or ETRN."""

    def quit_heard(self) -> None:
        """The client said good-bye."""


class Facts:
    """What the dialogue knows of the connection."""

    def __init__(self) -> None:
        self.state = "greeting"

    def arrive(self, state: str) -> None:
        """Note where the dialogue stands."""
        self.state = state


builder = TypeMachineBuilder(Dialogue, Facts)

greeting = builder.state("greeting")
start = builder.state("start")
ready = builder.state("ready")
tls_handover = builder.state("tls-handover")
sender = builder.state("sender")
recipients = builder.state("recipients")
body = builder.state("body")
chunking = builder.state("chunking")
parting = builder.state("parting")

greeting.upon(Dialogue.welcomed).to(start).returns(None)
greeting.upon(Dialogue.turned_away).to(parting).returns(None)

# EHLO at any point begins anew and forgets the transaction (4.1.4).
for place in (start, ready, sender, recipients, chunking):
    place.upon(Dialogue.introduction_heard).to(start).returns(None)
    place.upon(Dialogue.noop_heard).loop().returns(None)
    place.upon(Dialogue.quit_heard).to(parting).returns(None)
start.upon(Dialogue.introduced).to(ready).returns(None)
start.upon(Dialogue.rset_heard).loop().returns(None)
for place in (ready, sender, recipients, chunking):
    place.upon(Dialogue.rset_heard).to(ready).returns(None)

for place in (start, ready):
    place.upon(Dialogue.start_tls_heard).loop().returns(None)
    place.upon(Dialogue.tls_granted).to(tls_handover).returns(None)
tls_handover.upon(Dialogue.tls_started).to(start).returns(None)

ready.upon(Dialogue.auth_heard).loop().returns(None)
ready.upon(Dialogue.mail_heard).loop().returns(None)
ready.upon(Dialogue.mail_taken).to(sender).returns(None)
for place in (sender, recipients):
    place.upon(Dialogue.rcpt_heard).loop().returns(None)
    place.upon(Dialogue.rcpt_taken).to(recipients).returns(None)
recipients.upon(Dialogue.data_heard).loop().returns(None)
recipients.upon(Dialogue.data_granted).to(body).returns(None)
body.upon(Dialogue.text_over).to(ready).returns(None)
# Behind a first chunk only chunks may come (RFC 3030, section 2).
for place in (recipients, chunking):
    place.upon(Dialogue.bdat_heard).to(chunking).returns(None)
chunking.upon(Dialogue.text_over).to(ready).returns(None)
chunking.upon(Dialogue.chunk_refused).to(ready).returns(None)

# After a greeting of 554 every command but QUIT gets 503 (3.1).
parting.upon(Dialogue.quit_heard).loop().returns(None)

machine = assemble(builder)


def begin(facts: Facts) -> Dialogue:
    """Return a new dialogue, which keeps ``facts.state`` up to date."""
    dialogue = machine(facts)
    follow(dialogue, facts.arrive)
    return dialogue
