"""The dialogue of an SMTP or LMTP client: what may be sent, and what may come, when.

The states are those of the sending side. With pipelining the replies arrive while it is
further on already, so most of them change nothing here; client.py pairs them with their
commands.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble
from .dialogue import follow


class Dialogue(Protocol):
    """What can happen to an SMTP client."""

    def welcomed(self) -> None:
        """The server greeted with 220."""

    def turned_away(self) -> None:
        """The server greeted with anything else."""

    def introduction_sent(self) -> None:
        """We sent EHLO, LHLO or HELO."""

    def introduced(self) -> None:
        """The introduction was accepted."""

    def not_introduced(self) -> None:
        """The introduction was refused."""

    def start_tls_sent(self) -> None:
        """We asked for TLS."""

    def tls_granted(self) -> None:
        """The server waits for the handshake."""

    def tls_refused(self) -> None:
        """The server wants no TLS."""

    def tls_started(self) -> None:
        """The handshake is done."""

    def auth_sent(self) -> None:
        """We began to authenticate."""

    def auth_over(self) -> None:
        """The authentication was answered."""

    def etrn_sent(self) -> None:
        """We asked for what waits for a domain."""

    def mail_sent(self) -> None:
        """We began a transaction."""

    def mail_refused(self) -> None:
        """The transaction that we are in was refused."""

    def rcpt_sent(self) -> None:
        """We named a recipient."""

    def data_sent(self) -> None:
        """We asked to send the text."""

    def text_granted(self) -> None:
        """354, and somebody will get the text."""

    def text_in_vain(self) -> None:
        """354, although the sender or every recipient was refused (RFC 2920, 3.1)."""

    def data_refused(self) -> None:
        """DATA was refused; the transaction is still open."""

    def all_refused(self) -> None:
        """DATA was refused, as MAIL was: there is no transaction."""

    def bdat_sent(self) -> None:
        """We announced a chunk."""

    def chunk_over(self) -> None:
        """All octets of a chunk are sent, and more chunks follow."""

    def last_chunk_over(self) -> None:
        """All octets of the last chunk are sent."""

    def dot_sent(self) -> None:
        """We sent the final dot."""

    def lone_dot_answered(self) -> None:
        """The final dot of an empty text was answered."""

    def text_cut_short(self) -> None:
        """The server answered before the final dot."""

    def rset_sent(self) -> None:
        """We gave the transaction up."""

    def noop_sent(self) -> None:
        """We asked for a reply."""

    def quit_sent(self) -> None:
        """We said good-bye."""

    def quit_answered(self) -> None:
        """The server said good-bye."""

    def going_away(self) -> None:
        """421: the server is about to close (RFC 5321, 3.8)."""

    def ended(self) -> None:
        """The server closed."""

    def failed(self) -> None:
        """The server broke the rules."""


class Facts:
    """What the dialogue knows of the connection."""

    def __init__(self) -> None:
        self.state = "greeting"
        self.encrypted = False

    def arrive(self, state: str) -> None:
        """Note where the dialogue stands."""
        self.state = state


builder = TypeMachineBuilder(Dialogue, Facts)

greeting = builder.state("greeting")
start = builder.state("start")
introducing = builder.state("introducing")
ready = builder.state("ready")
tls_pending = builder.state("tls-pending")
tls_handover = builder.state("tls-handover")
authenticating = builder.state("authenticating")
envelope = builder.state("envelope")
chunk = builder.state("chunk")
chunking = builder.state("chunking")
data_pending = builder.state("data-pending")
body = builder.state("body")
lone_dot = builder.state("lone-dot")
lone_dot_pending = builder.state("lone-dot-pending")
cut_short = builder.state("cut-short")
parting = builder.state("parting")
quitting = builder.state("quitting")
done = builder.state("done")
closed = builder.state("closed")
error = builder.state("error")

greeting.upon(Dialogue.welcomed).to(start).returns(None)
greeting.upon(Dialogue.turned_away).to(parting).returns(None)

start.upon(Dialogue.introduction_sent).to(introducing).returns(None)
start.upon(Dialogue.quit_sent).to(quitting).returns(None)
introducing.upon(Dialogue.introduced).to(ready).returns(None)
introducing.upon(Dialogue.not_introduced).to(start).returns(None)

ready.upon(Dialogue.introduction_sent).to(introducing).returns(None)
ready.upon(Dialogue.start_tls_sent).to(tls_pending).returns(None)
ready.upon(Dialogue.auth_sent).to(authenticating).returns(None)
ready.upon(Dialogue.etrn_sent).loop().returns(None)
ready.upon(Dialogue.mail_sent).to(envelope).returns(None)
ready.upon(Dialogue.rset_sent).loop().returns(None)
ready.upon(Dialogue.noop_sent).loop().returns(None)
ready.upon(Dialogue.quit_sent).to(quitting).returns(None)

tls_pending.upon(Dialogue.tls_granted).to(tls_handover).returns(None)
tls_pending.upon(Dialogue.tls_refused).to(ready).returns(None)


@tls_handover.upon(Dialogue.tls_started).to(start)
def begin_anew(inputs: Dialogue, facts: Facts) -> None:
    """What was said in clear counts no more (RFC 3207, section 4.2)."""
    facts.encrypted = True


authenticating.upon(Dialogue.auth_over).to(ready).returns(None)

envelope.upon(Dialogue.rcpt_sent).loop().returns(None)
envelope.upon(Dialogue.bdat_sent).to(chunk).returns(None)
envelope.upon(Dialogue.data_sent).to(data_pending).returns(None)
envelope.upon(Dialogue.mail_refused).to(ready).returns(None)
envelope.upon(Dialogue.rset_sent).to(ready).returns(None)
envelope.upon(Dialogue.noop_sent).loop().returns(None)
envelope.upon(Dialogue.quit_sent).to(quitting).returns(None)

# Octets that were announced have to follow, whatever the server says meanwhile.
chunk.upon(Dialogue.chunk_over).to(chunking).returns(None)
chunk.upon(Dialogue.last_chunk_over).to(ready).returns(None)
chunking.upon(Dialogue.bdat_sent).to(chunk).returns(None)
chunking.upon(Dialogue.rset_sent).to(ready).returns(None)
chunking.upon(Dialogue.noop_sent).loop().returns(None)
chunking.upon(Dialogue.quit_sent).to(quitting).returns(None)

data_pending.upon(Dialogue.mail_refused).loop().returns(None)
data_pending.upon(Dialogue.text_granted).to(body).returns(None)
data_pending.upon(Dialogue.text_in_vain).to(lone_dot).returns(None)
data_pending.upon(Dialogue.data_refused).to(envelope).returns(None)
data_pending.upon(Dialogue.all_refused).to(ready).returns(None)

body.upon(Dialogue.dot_sent).to(ready).returns(None)
body.upon(Dialogue.text_cut_short).to(cut_short).returns(None)
lone_dot.upon(Dialogue.dot_sent).to(lone_dot_pending).returns(None)
lone_dot.upon(Dialogue.text_cut_short).to(cut_short).returns(None)
lone_dot_pending.upon(Dialogue.lone_dot_answered).to(ready).returns(None)

for place in (start, ready, authenticating, envelope, chunking, data_pending, parting):
    place.upon(Dialogue.going_away).to(parting).returns(None)
parting.upon(Dialogue.auth_over).loop().returns(None)
parting.upon(Dialogue.mail_refused).loop().returns(None)
parting.upon(Dialogue.data_refused).loop().returns(None)
parting.upon(Dialogue.all_refused).loop().returns(None)
parting.upon(Dialogue.quit_sent).to(quitting).returns(None)
quitting.upon(Dialogue.going_away).loop().returns(None)
quitting.upon(Dialogue.quit_answered).to(done).returns(None)
done.upon(Dialogue.going_away).loop().returns(None)

for place in (start, ready, cut_short, parting, done):
    place.upon(Dialogue.ended).to(closed).returns(None)
for place in (
    *(greeting, start, introducing, ready, tls_pending, tls_handover, authenticating, envelope),
    *(chunk, chunking, data_pending),
    *(body, lone_dot, lone_dot_pending, cut_short, parting, quitting, done, closed),
):
    place.upon(Dialogue.failed).to(error).returns(None)

machine = assemble(builder)


def begin(facts: Facts) -> Dialogue:
    """Return a new dialogue, which keeps ``facts.state`` up to date."""
    dialogue = machine(facts)
    follow(dialogue, facts.arrive)
    return dialogue
