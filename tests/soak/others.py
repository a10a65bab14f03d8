"""What happens to the mail between polls, and what the world itself does: not our faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhaul.servers.mailboxes import Message

from .faults import ALL_AGAIN, Fault, Kind
from .scenario import draw_text

if TYPE_CHECKING:
    from .world import World

ANY = ("between imap", "between pop3")
IMAP_ONLY = ("between imap",)
POP3_ONLY = ("between pop3",)
DAY = 86400.0


class Others:
    """Whoever else writes to the mailbox. ``touched`` texts are theirs to answer for.

    Of those that are ``hidden`` nobody can know that they are new, or that they are ours to delete.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.touched: set[bytes] = set()
        self.hidden: set[bytes] = set()

    def _touch(self, amount: int) -> Message | None:
        messages = self._world.inbox.messages
        if not messages:
            return None
        message = messages[amount % len(messages)]
        self.touched.add(message.text)
        return message

    def deliver(self, size: int = 0) -> Message:
        """Put a new message into the mailbox, of this size if that is possible."""
        world = self._world
        world.arrived += 1
        text = draw_text(world.random, world.scenario.seed, world.arrived)
        if size > len(text):
            text = text.removesuffix(b"\r\n") + b"x" * (size - len(text)) + b"\r\n"
        return world.inbox.append(text)

    def delete(self, uid: int) -> None:
        """Delete this message for good."""
        texts = [m.text for m in self._world.inbox.messages if m.uid == uid]
        self.touched.update(texts)
        self._world.inbox.remove({uid})

    def delete_one(self, amount: int) -> None:
        """Delete a message for good."""
        if message := self._touch(amount):
            self._world.inbox.remove({message.uid})

    def flag_one(self, amount: int, flag: bytes) -> None:
        """Flag a message."""
        if message := self._touch(amount):
            message.flags |= {flag}
            self._world.inbox.touch(message)


def deliver(world: World, fault: Fault) -> None:
    for _ in range(1 + fault.amount % 2):
        world.others.deliver()


def delete(world: World, fault: Fault) -> None:
    world.others.delete_one(fault.amount)


def read(world: World, fault: Fault) -> None:
    world.others.flag_one(fault.amount, rb"\Seen")


def flag_as_deleted(world: World, fault: Fault) -> None:
    world.others.flag_one(fault.amount, rb"\Deleted")


def unread_all(world: World, fault: Fault) -> None:
    for message in world.inbox.messages:
        message.flags -= {rb"\Seen"}


def expunge(world: World, fault: Fault) -> None:
    world.inbox.expunge()


def number_anew(world: World, fault: Fault) -> None:
    """Give all messages new UIDs, which were those of others before (RFC 3501, 2.3.1.1)."""
    if not world.compared:
        change_identity(world)
    inbox = world.inbox
    inbox.uidvalidity += 1
    world.uidls.clear()
    for uid, message in enumerate(inbox.messages, 1):
        message.uid = uid
        if message.flags:
            world.others.hidden.add(message.text)
    inbox.uidnext = len(inbox.messages) + 1


def reuse_uidl(world: World, fault: Fault) -> None:
    """Let a new message have the unique id of one that has been (RFC 1939, section 7).

    It may have as many octets, too.
    """
    before = list(world.uidls.items())
    if not before:
        return
    if not world.compared:
        change_identity(world)
    uid, uidl = before[fault.amount % len(before)]
    there = {message.uid for message in world.inbox.messages}
    if uid in there:
        world.others.delete(uid)
    message = world.others.deliver(size=world.sizes.get(uid, 0) if fault.amount % 2 else 0)
    world.uidls[message.uid] = uidl
    if fault.amount % 2 and "keep" in world.scenario.options:
        # Under keep the size is all that shows a new message under an id that was seen.
        world.others.hidden.add(message.text)


def change_identity(world: World) -> None:
    """Allow all copies: not all that an account of another name knows is listed as it was.

    That may be another mailbox, whose mail must not be taken for read.
    """
    world.copies_allowed += ALL_AGAIN


def rename_sink(world: World, fault: Fault) -> None:
    """Let the user write down the same sink in another way."""
    world.sink_name = f"sink {fault.amount % 3}"


def rename_account(world: World, fault: Fault) -> None:
    """Let the user write down the same account in another way."""
    world.renamed, world.compared = True, False
    names = {*world.struck, *(other.name for other in world.faults.drawn)}
    if names & {"UIDL used again", "new UIDVALIDITY"}:
        change_identity(world)
    world.account_name = f"{world.scenario.source} joe@server{fault.amount % 3}"


def go_back_in_time(world: World, fault: Fault) -> None:
    world.now -= 365 * DAY


def let_days_pass(world: World, fault: Fault) -> None:
    world.now += 2 * DAY


FAULTS = {
    "mail comes": Kind("new messages", ANY, deliver),
    "another deletes": Kind("another client deletes a message", ANY, delete),
    "another reads": Kind("another client reads a message", IMAP_ONLY, read),
    "another flags": Kind("another client flags a message as deleted", IMAP_ONLY, flag_as_deleted),
    "another marks all as new": Kind("all is unread again", IMAP_ONLY, unread_all, ALL_AGAIN),
    "another expunges": Kind("what is flagged as deleted goes", IMAP_ONLY, expunge),
    "new UIDVALIDITY": Kind("all messages get other UIDs", ANY, number_anew, ALL_AGAIN),
    "UIDL used again": Kind("a new message has an old unique id", POP3_ONLY, reuse_uidl, 1),
    "another sink name": Kind("the same sink, written down otherwise", ANY, rename_sink, 1),
    "another account name": Kind("the account, written down otherwise", ANY, rename_account),
    "clock back": Kind("the clock goes back by a year", ANY, go_back_in_time),
    "days pass": Kind("nobody polls for two days", ANY, let_days_pass),
}
