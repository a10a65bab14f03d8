"""Conformance of the IMAP server on the wire (RFC 3501 and the named extensions)."""

from __future__ import annotations

from collections.abc import Iterable
from time import gmtime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.servers.imap import ALL_CAPABILITIES, CAPABILITIES, Clock, Secure, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

USERS = {b"joe": b"sesame"}


class Talk:
    """A session that is fed lines, and returns the responses to each."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        capabilities: Iterable[bytes] = ALL_CAPABILITIES,
        users: dict[bytes, bytes] | None = None,
        secure: Secure | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._channel = Channel("client", ImapServer())
        self._flow = serve_imap(
            *(self._channel, mailboxes, users),
            capabilities=capabilities,
            secure=secure,
            clock=clock,
        )
        self._number = 0
        self._run()

    def _run(self) -> bytes:
        said = b""
        while True:
            try:
                self._flow.send(None)
            except StopIteration:
                return said + b"".join(self._channel.machine.data_to_send())
            new = b"".join(self._channel.machine.data_to_send())
            if not new:
                return said
            said += new

    def raw(self, data: bytes) -> list[bytes]:
        """Send octets; return the received lines."""
        self._channel.machine.receive_data(data)
        return self._run().split(b"\r\n")[:-1]

    def say(self, line: bytes) -> list[bytes]:
        """Send a command; return the received lines, the last one without its tag."""
        self._number += 1
        tag = b"t%d" % self._number
        *untagged, last = self.raw(b"%b %b\r\n" % (tag, line))
        assert last.startswith(tag + b" "), last
        return [*untagged, last[len(tag) + 1 :]]

    def condition(self, line: bytes) -> str:
        """Send a command; return the condition of its tagged response."""
        return self.say(line)[-1].split(b" ")[0].decode("ascii")


def text(subject: bytes = b"x") -> bytes:
    return b"From: ann@example.net\r\nSubject: %b\r\n\r\nhello\r\n" % subject


def boxes(count: int = 3, /, **others: Mailbox) -> Mailboxes:
    inbox = Mailbox([text() for _ in range(count)], uidvalidity=7)
    return Mailboxes({b"INBOX": inbox, **{n.encode(): box for n, box in others.items()}})


def selected(mailboxes: Mailboxes | None = None, **options: Iterable[bytes]) -> Talk:
    talk = Talk(mailboxes or boxes(), **options)  # type: ignore[arg-type]  # capabilities alone
    talk.say(b"SELECT INBOX")
    return talk


# Names


@pytest.mark.parametrize("name", [b"a[b", b"NIL", b"nil", b"a]", b"[", b'"a b"', b'"a\\\\b\\"c"'])
def test_a_mailbox_may_have_any_name(name: bytes) -> None:
    talk = Talk(boxes())
    assert talk.condition(b"CREATE " + name) == "OK"
    assert talk.condition(b"CREATE " + name) == "NO"
    assert talk.condition(b"SELECT " + name) == "OK"
    listed = talk.say(b'LIST "" ' + name)
    assert len(listed) == 2
    assert listed[0].endswith(name if name.startswith(b'"') else b'"%b"' % name)
    assert talk.condition(b"STATUS " + name + b" (MESSAGES)") == "OK"
    assert talk.condition(b"APPEND " + name + b" {1+}\r\nx") == "OK"
    assert talk.condition(b"DELETE " + name) == "OK"


def test_patterns_may_hold_brackets() -> None:
    talk = Talk(boxes(0, **{"a[b": Mailbox(), "a[c/d": Mailbox()}))
    assert len(talk.say(b'LIST "" a[*')) == 4
    assert len(talk.say(b'LIST "" a[%')) == 3


@pytest.mark.parametrize("name", [b'""', b'"/a"', b'"a//b"', b'"\xc3\xa4"', b'"a&b"', b'"a&AGE-"'])
def test_some_names_cannot_be_created(name: bytes) -> None:
    talk = Talk(boxes())
    assert talk.condition(b"CREATE " + name) == "NO"
    assert talk.condition(b"RENAME INBOX " + name) == "NO"


def test_inbox_is_inbox_in_any_case() -> None:
    talk = Talk(boxes())
    assert talk.condition(b"CREATE inbox/x") == "OK"
    assert talk.say(b'LIST "" inb%')[0].endswith(b'"INBOX"')
    assert talk.say(b'LIST "" iNbOx/%')[0].endswith(b'"INBOX/x"')
    assert talk.condition(b"DELETE INBOX") == "NO"
    assert talk.condition(b"SELECT InBox") == "OK"


def test_creating_a_mailbox_creates_the_levels_above_it() -> None:
    talk = Talk(boxes())
    assert talk.condition(b"CREATE a/b/c/") == "OK"
    for name in (b"a", b"a/b", b"a/b/c"):
        assert talk.condition(b"SELECT " + name) == "OK"


def test_a_mailbox_is_created_only_for_a_known_special_use() -> None:
    talk = Talk(boxes())
    assert talk.say(rb"CREATE x (USE (\Colours))")[-1].startswith(b"NO [USEATTR]")
    assert talk.condition(rb"CREATE x (USE (\sent \Drafts))") == "OK"


def uidvalidity(talk: Talk, name: bytes) -> int:
    line = talk.say(b"STATUS %b (UIDVALIDITY)" % name)[0]
    return int(line.rstrip(b")").split(b" ")[-1])


def test_a_recreated_mailbox_has_another_uidvalidity() -> None:
    talk = Talk(boxes(0, a=Mailbox([b"1"], 3)))
    first = uidvalidity(talk, b"a")
    for _ in range(3):
        talk.say(b"DELETE a")
        talk.say(b"CREATE a")
        assert uidvalidity(talk, b"a") > first
        first = uidvalidity(talk, b"a")


def test_a_name_never_has_the_same_uidvalidity_for_other_messages() -> None:
    talk = Talk(boxes(0, a=Mailbox([b"1"], 3), b=Mailbox([b"2"], 3)))
    talk.say(b"DELETE a")
    talk.say(b"RENAME b a")
    assert uidvalidity(talk, b"a") > 3
    talk.say(b"RENAME a c")
    kept = uidvalidity(talk, b"c")
    talk.say(b"CREATE a")
    assert uidvalidity(talk, b"a") > kept


def test_renaming_inbox_leaves_an_empty_one() -> None:
    mailboxes = boxes(2)
    mailboxes.create(b"INBOX/below")
    talk = Talk(mailboxes)
    assert talk.condition(b"RENAME INBOX old/mail") == "OK"
    assert len(mailboxes[b"old/mail"].messages) == 2
    assert mailboxes[b"INBOX"].messages == []
    assert mailboxes[b"INBOX"].uidvalidity > 7
    assert b"INBOX/below" in mailboxes
    assert b"old" in mailboxes


def test_renaming_also_renames_the_mailboxes_below() -> None:
    talk = Talk(boxes(0, **{"a/b": Mailbox(), "a/c": Mailbox(), "x": Mailbox()}))
    assert talk.condition(b"RENAME a b") == "OK"
    assert talk.say(b'LIST "" b/*')[-1].startswith(b"OK")
    assert talk.condition(b"SELECT b/c") == "OK"
    assert talk.condition(b"RENAME b b/d") == "NO"
    assert talk.condition(b"RENAME x b") == "NO"
    assert talk.condition(b"RENAME nothing y") == "NO"


def test_a_deleted_mailbox_with_others_below_it_remains_as_a_name() -> None:
    talk = Talk(boxes())
    talk.say(b"CREATE a/b")
    assert talk.condition(b"DELETE a") == "OK"
    assert talk.condition(b"DELETE a") == "NO"
    assert talk.say(b'LIST "" a')[0] == rb'* LIST (\NonExistent \Noselect \HasChildren) "/" "a"'


# LSUB and LIST with options


def test_lsub_shows_the_levels_above_a_subscription() -> None:
    talk = Talk(boxes(0, **{"foo/bar": Mailbox(), "foo/baz": Mailbox(), "x": Mailbox()}))
    for name in (b"foo/bar", b"foo/baz", b"x"):
        talk.say(b"SUBSCRIBE " + name)
    assert talk.say(b'LSUB "" %')[:-1] == [rb'* LSUB (\Noselect) "/" "foo"', rb'* LSUB () "/" "x"']
    assert len(talk.say(b'LSUB "" *')) == 4
    assert talk.say(b'LSUB "" foo/%')[0] == b'* LSUB () "/" "foo/bar"'
    assert talk.say(b"LSUB foo/ %")[0] == b'* LSUB () "/" "foo/bar"'


def test_a_subscription_outlives_its_mailbox() -> None:
    talk = Talk(boxes(0, a=Mailbox()))
    talk.say(b"SUBSCRIBE a")
    talk.say(b"DELETE a")
    assert talk.say(b'LSUB "" *')[0] == b'* LSUB () "/" "a"'
    [line, _] = talk.say(b'LIST (SUBSCRIBED) "" *')
    assert line == rb'* LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" "a"'


def test_a_parent_is_listed_for_the_mailboxes_below_it() -> None:
    talk = Talk(boxes(0, **{"a": Mailbox(), "a/b": Mailbox(), "c": Mailbox(), "d/e": Mailbox()}))
    for name in (b"a/b", b"c"):
        talk.say(b"SUBSCRIBE " + name)
    assert talk.say(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" %')[:-1] == [
        rb'* LIST (\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))',
        rb'* LIST (\HasNoChildren \Subscribed) "/" "c"',
    ]
    assert len(talk.say(b'LIST (RECURSIVEMATCH SUBSCRIBED) "" *')) == 4


def test_only_the_original_list_asks_for_the_separator_by_an_empty_name() -> None:
    talk = Talk(boxes(0, a=Mailbox()))
    assert talk.say(b'LIST "" ""')[0] == rb'* LIST (\Noselect) "/" ""'
    for line in (b'LIST () "" ""', b'LIST "" ("")', b'LIST "" "" RETURN ()', b'LIST a ("" "")'):
        [answer] = talk.say(line)
        assert answer.startswith(b"OK"), line
    [line, _] = talk.say(b'LIST "" ("" a)')
    assert line.endswith(b' "/" "a"')


@pytest.mark.parametrize(
    "line",
    [
        b'LIST (RECURSIVEMATCH) "" *',
        b'LIST (RECURSIVEMATCH REMOTE) "" *',
        b'LIST (COLOURS) "" *',
        b'LIST "" * RETURN (COLOURS)',
        b'LIST "" * RETURN (STATUS (COLOUR))',
        b'LIST "" * RETURN (STATUS)',
        b"STATUS INBOX (COLOUR)",
    ],
)
def test_unknown_options_are_syntax_errors(line: bytes) -> None:
    assert Talk(boxes()).condition(line) == "BAD"


@pytest.mark.parametrize(
    "line",
    [
        b'LIST (SUBSCRIBED) "" *',
        b'LIST "" (a b)',
        b'LIST "" * RETURN (CHILDREN)',
        b'LIST "" * RETURN (STATUS (MESSAGES))',
        b"SELECT INBOX (CONDSTORE)",
        b"CREATE x (USE (\\Sent))",
        b"STATUS INBOX (HIGHESTMODSEQ)",
        b"SEARCH RETURN (COUNT) ALL",
        b"SEARCH MODSEQ 1",
        b"FETCH 1 MODSEQ",
        b"FETCH 1 FLAGS (CHANGEDSINCE 1)",
        b"STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
        b"IDLE",
        b"MOVE 1 INBOX",
    ],
)
def test_a_capability_that_is_not_announced_is_not_available(line: bytes) -> None:
    talk = selected(capabilities=CAPABILITIES)
    assert talk.condition(line) == "BAD"
    assert selected().condition(b"SELECT INBOX (CONDSTORE)") == "OK"


def test_an_empty_name_is_special_only_without_options() -> None:
    talk = Talk(Mailboxes({b"INBOX": Mailbox()}))
    assert talk.say(b'LIST "" ""') == [rb'* LIST (\Noselect) "/" ""', b"OK done"]
    # RFC 5258, section 3
    assert talk.say(b'LIST "" "" RETURN (CHILDREN)') == [b"OK done"]
    assert talk.say(b'LIST "" "" RETURN (STATUS (MESSAGES))') == [b"OK done"]


def test_starttls_is_announced_until_the_login() -> None:
    async def secure() -> None:
        raise AssertionError("STARTTLS was not sent")

    talk = Talk(Mailboxes({b"INBOX": Mailbox()}), users=USERS, secure=secure)
    assert b"STARTTLS" in talk.say(b"CAPABILITY")[0].split()
    assert b"STARTTLS" not in talk.say(b"LOGIN joe sesame")[-1].split()
    assert b"STARTTLS" not in talk.say(b"CAPABILITY")[0].split()
    talk = Talk(Mailboxes({b"INBOX": Mailbox()}), secure=secure)
    assert b"STARTTLS" not in talk.say(b"CAPABILITY")[0].split()


def test_the_cost_of_a_pattern_is_at_most_its_length_times_that_of_the_name() -> None:
    talk = Talk(boxes(0, **{"a" * 500: Mailbox()}))
    assert len(talk.say(b'LIST "" ' + b"*a" * 200 + b"b")) == 1
    assert len(talk.say(b'LIST "" ' + b"*a%a" * 100 + b"*")) == 2


# BAD for a syntax error, NO for an impossible command


@pytest.mark.parametrize(
    "line",
    [
        *(b"FETCH 0 FLAGS", b"FETCH 4 FLAGS", b"FETCH 1:4 FLAGS", b"UID FETCH 0 FLAGS"),
        *(b"FETCH 1 BODY[", b"FETCH 1 COLOUR", b"FETCH 1 (FAST)", b"FETCH  1 FLAGS"),
        *(b"STORE 4 FLAGS ()", b"STORE 1  FLAGS ()", b"COPY 4 INBOX", b"MOVE 0 INBOX"),
        *(b"SEARCH 4", b"SEARCH COLOUR", b"SEARCH ON x", b"SEARCH RETURN (COLOUR) ALL"),
        *(b"UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", b"SELECT INBOX (QRESYNC (1 2))"),
        *(b"LOGIN joe sesame", b"AUTHENTICATE PLAIN", b"FETCH 1", b"FROB", b"UID FROB 1"),
        *(b'APPEND INBOX "yesterday" {1+}\r\nx', b"APPEND INBOX (\\) {1+}\r\nx"),
    ],
)
def test_a_syntax_error_is_answered_with_bad(line: bytes) -> None:
    talk = selected()
    assert talk.condition(line) == "BAD"
    assert talk.condition(b"NOOP") == "OK"


@pytest.mark.parametrize(
    "line",
    [
        *(b"SELECT nothing", b"DELETE nothing", b"STATUS nothing (MESSAGES)", b"COPY 1 nothing"),
        *(b"SEARCH CHARSET KOI8-R ALL", b"STORE 1 FLAGS (\\Recent)", b"STORE 1 FLAGS (\\Colour)"),
        *(b"SUBSCRIBE nothing", b"APPEND nothing {1+}\r\nx", b"APPEND INBOX (\\Recent) {1+}\r\nx"),
    ],
)
def test_an_impossible_command_is_answered_with_no(line: bytes) -> None:
    assert selected().condition(line) == "NO"


def test_an_empty_mailbox_has_no_last_message_but_accepts_any_uid() -> None:
    talk = selected(boxes(0))
    assert talk.condition(b"FETCH 1:* FLAGS") == "BAD"
    assert talk.condition(b"UID FETCH 1:* FLAGS") == "OK"
    assert talk.condition(b"UID SEARCH UID 1:*") == "OK"


def test_a_range_may_begin_with_its_end() -> None:
    talk = selected()
    assert len(talk.say(b"UID FETCH *:1 UID")) == 4
    assert len(talk.say(b"UID FETCH 999:* UID")) == 2
    assert talk.say(b"UID FETCH 999 UID") == [b"OK done"]


@pytest.mark.parametrize("answer", [b"*", b"!", b"AGpvZQ=="])
def test_a_cancelled_authentication_is_answered_with_bad(answer: bytes) -> None:
    talk = Talk(boxes(), users=USERS)
    assert talk.raw(b"a AUTHENTICATE PLAIN\r\n") == [b"+ "]
    assert talk.raw(answer + b"\r\n")[0].startswith(b"a BAD ")
    assert talk.raw(b"b AUTHENTICATE PLAIN AGpvZQB3cm9uZw==\r\n")[0].startswith(b"b NO [AUTHENT")
    assert talk.raw(b"c AUTHENTICATE NTLM\r\n")[0].startswith(
        b"c NO unknown authentication mechanism"
    )


def test_an_append_is_refused_before_its_text_is_sent() -> None:
    talk = Talk(boxes())
    assert talk.raw(b"a APPEND nothing {5}\r\n")[0].startswith(b"a NO [TRYCREATE]")
    assert talk.raw(b"b APPEND INBOX (\\Recent) {5}\r\n")[0].startswith(b"b NO [CANNOT]")
    assert talk.raw(b"c APPEND INBOX {5}\r\n") == [b"+ go ahead"]


def test_text_after_the_message_of_an_append_is_an_error_and_nothing_is_stored() -> None:
    mailboxes = boxes(0)
    talk = Talk(mailboxes)
    assert talk.condition(b"APPEND INBOX {3+}\r\nabc d") == "BAD"
    assert talk.condition(b"APPEND INBOX {3+}\r\nabc {3}") == "BAD"
    assert talk.condition(b"APPEND INBOX {3+}\r\nabc {9+}\r\na NOOP\r\nx") == "BAD"
    assert talk.condition(b"APPEND nothing {3+}\r\nabc d") == "NO"
    assert talk.condition(b"APPEND nothing {3+}\r\nabc {9+}\r\na NOOP\r\nx") == "NO"
    assert mailboxes[b"INBOX"].messages == []
    assert talk.condition(b"NOOP") == "OK"


def test_a_message_without_a_date_has_the_time_of_its_arrival() -> None:
    moments = iter([gmtime(1_770_091_506), (2027, 12, 31, 23, 59, 58)])
    mailboxes = boxes(0)
    talk = Talk(mailboxes, clock=lambda: next(moments))
    for date in (b"", b'"17-Jul-1996 02:44:25 -0700" ', b""):
        assert talk.condition(b"APPEND INBOX " + date + b"{1+}\r\nx") == "OK"
    assert [message.date for message in mailboxes[b"INBOX"].messages] == [
        b"03-Feb-2026 04:05:06 +0000",
        b"17-Jul-1996 02:44:25 -0700",
        b"31-Dec-2027 23:59:58 +0000",
    ]


# Responses about the selected mailbox


def test_the_responses_to_select() -> None:
    mailboxes = boxes()
    inbox = mailboxes[b"INBOX"]
    inbox.messages[0].flags = {rb"\Seen", b"$Work"}
    lines = Talk(mailboxes).say(b"SELECT INBOX")
    system = rb"\Answered \Flagged \Deleted \Seen \Draft $Work"
    assert lines[:4] == [
        b"* FLAGS (%b)" % system,
        rb"* OK [PERMANENTFLAGS (%b \*)] permanent flags" % system,
        b"* 3 EXISTS",
        b"* 3 RECENT",
    ]
    codes = [line.split(b"]")[0].removeprefix(b"* OK [") for line in lines[4:-1]]
    assert codes == [b"UNSEEN 2", b"UIDVALIDITY 7", b"UIDNEXT 4", b"HIGHESTMODSEQ 4"]
    assert lines[-1] == b"OK [READ-WRITE] done"


def test_a_new_keyword_is_announced_before_it_is_used() -> None:
    mailboxes = boxes()
    one, other = selected(mailboxes), selected(mailboxes)
    lines = one.say(b"STORE 1 +FLAGS (New)")
    assert [line[:7] for line in lines[:3]] == [b"* FLAGS", b"* OK [P", b"* 1 FET"]
    assert lines[0].endswith(b" New)")
    assert other.say(b"NOOP")[0].endswith(b" New)")
    assert one.say(b"STORE 2 +FLAGS (New)")[0].startswith(b"* 2 FETCH")
    assert one.say(b"FETCH 1 FLAGS")[0].startswith(b"* 1 FETCH")


def test_messages_that_no_other_session_has_seen_are_recent() -> None:
    mailboxes = boxes(1)
    looking = Talk(mailboxes)
    assert b"* 1 RECENT" in looking.say(b"EXAMINE INBOX")
    assert looking.say(b"STATUS INBOX (RECENT)")[0].endswith(b"(RECENT 1)")
    first = Talk(mailboxes)
    assert b"* 1 RECENT" in first.say(b"SELECT INBOX")
    second = Talk(mailboxes)
    assert b"* 0 RECENT" in second.say(b"SELECT INBOX")
    assert second.say(b"STATUS INBOX (RECENT)")[0].endswith(b"(RECENT 0)")
    assert first.say(b"FETCH 1 FLAGS")[0] == rb"* 1 FETCH (FLAGS (\Recent))"
    assert second.say(b"FETCH 1 FLAGS")[0] == rb"* 1 FETCH (FLAGS ())"
    mailboxes[b"INBOX"].append(text())
    assert first.say(b"NOOP")[:-1] == [b"* 2 EXISTS", b"* 2 RECENT"]
    assert second.say(b"NOOP")[:-1] == [b"* 2 EXISTS", b"* 0 RECENT"]
    assert first.say(b"SEARCH NEW")[0] == b"* SEARCH 1 2"
    assert second.say(b"SEARCH OLD")[0] == b"* SEARCH 1 2"


def test_no_expunge_is_sent_during_a_command_that_uses_numbers() -> None:
    mailboxes = boxes()
    one, other = selected(mailboxes), selected(mailboxes)
    one.say(rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    one.say(b"EXPUNGE")
    for line in (b"FETCH 2 UID", rb"STORE 2 +FLAGS (\Seen)", b"SEARCH ALL"):
        assert not any(b"EXPUNGE" in said for said in other.say(line))
    assert b"* 1 EXPUNGE" in other.say(b"UID FETCH 2 UID")


def test_expunged_messages_are_neither_copied_nor_moved() -> None:
    mailboxes = boxes(3, a=Mailbox())
    one, other = selected(mailboxes), selected(mailboxes)
    assert one.condition(b"MOVE 1 a") == "OK"
    assert other.say(b"MOVE 1:2 a")[-1].startswith(b"NO [EXPUNGEISSUED]")
    assert len(mailboxes[b"a"].messages) == 1
    other.say(b"UID MOVE 1:2 a")
    assert len(mailboxes[b"a"].messages) == 2


def test_silent_hides_no_changes_of_other_sessions() -> None:
    mailboxes = boxes()
    one, other = selected(mailboxes), selected(mailboxes)
    one.say(rb"STORE 1 +FLAGS (\Flagged)")
    assert other.say(rb"STORE 1:2 +FLAGS.SILENT (\Seen)")[:-1] == [
        rb"* 1 FETCH (FLAGS (\Flagged \Seen))"
    ]
    assert other.say(rb"STORE 1 +FLAGS.SILENT (\Draft)") == [b"OK done"]


def test_close_expunges_silently_and_unselect_does_not_expunge() -> None:
    mailboxes = boxes(2)
    talk = selected(mailboxes)
    talk.say(rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert talk.say(b"UNSELECT") == [b"OK done"]
    assert len(mailboxes[b"INBOX"].messages) == 2
    talk.say(b"SELECT INBOX")
    assert talk.say(b"CLOSE") == [b"OK done"]
    assert len(mailboxes[b"INBOX"].messages) == 1
    assert talk.condition(b"FETCH 1 FLAGS") == "BAD"
    talk.say(b"EXAMINE INBOX")
    assert talk.condition(rb"STORE 1 +FLAGS (\Deleted)") == "NO"
    assert talk.condition(b"EXPUNGE") == "NO"
    assert talk.condition(b"CLOSE") == "OK"


# Mod-sequences


@pytest.mark.parametrize(
    "line",
    [
        b"FETCH 1 (MODSEQ)",
        b"FETCH 1 (FLAGS) (CHANGEDSINCE 99)",
        b"SEARCH MODSEQ 99",
        rb"STORE 1 (UNCHANGEDSINCE 99) +FLAGS (\Seen)",
        b"STATUS INBOX (HIGHESTMODSEQ)",
        b"ENABLE CONDSTORE",
    ],
)
def test_the_first_use_of_mod_sequences_gives_the_highest_one(line: bytes) -> None:
    talk = selected()
    assert b"* OK [HIGHESTMODSEQ 4] mailbox state" in talk.say(line)
    assert not any(b"HIGHESTMODSEQ 4]" in each for each in talk.say(line))
    assert talk.say(rb"STORE 2 +FLAGS (\Draft)")[0].startswith(b"* 2 FETCH (UID 2 FLAGS")
    talk.say(b"SELECT INBOX")
    assert b" MODSEQ (" in talk.say(rb"STORE 3 +FLAGS (\Draft)")[0]


def test_a_flag_that_fetch_sets_comes_with_uid_and_mod_sequence() -> None:
    talk = selected()
    talk.say(b"ENABLE CONDSTORE")
    said = b" ".join(talk.say(b"FETCH 1 RFC822.TEXT"))
    assert b"UID 1" in said
    assert said.count(b"MODSEQ (5)") == 1
    assert b"MODSEQ" not in b" ".join(talk.say(b"FETCH 1 RFC822.TEXT"))


def test_another_select_closes_the_mailbox_audibly() -> None:
    closed = b"* OK [CLOSED] previous mailbox closed"
    assert selected().say(b"SELECT INBOX")[0] == closed
    assert closed not in selected(capabilities=CAPABILITIES).say(b"SELECT INBOX")


def test_a_move_gives_the_new_highest_mod_sequence() -> None:
    talk = selected(boxes(3, a=Mailbox()))
    assert talk.say(b"MOVE 1 a")[-1] == b"OK [HIGHESTMODSEQ 5] done"
    assert talk.say(b"UID MOVE 1 a")[-1] == b"OK done"


def test_qresync_reports_changes_of_the_known_messages() -> None:
    mailboxes = boxes(5)
    inbox = mailboxes[b"INBOX"]
    before = inbox.modseq
    inbox.remove({2, 5})
    for message in inbox.messages:
        inbox.touch(message)
    talk = Talk(mailboxes)
    talk.say(b"ENABLE QRESYNC")
    lines = talk.say(b"SELECT INBOX (QRESYNC (7 %d 1:3))" % before)
    changes = [line for line in lines if b"VANISHED" in line or b"FETCH" in line]
    assert changes[0] == b"* VANISHED (EARLIER) 2"
    assert [line.split(b" ")[1] for line in changes[1:]] == [b"1", b"2"]
    lines = talk.say(b"UID FETCH 4:* FLAGS (CHANGEDSINCE %d VANISHED)" % before)
    assert lines[0] == b"* VANISHED (EARLIER) 5"
    assert talk.condition(b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)") == "BAD"
    talk.say(rb"STORE 1 +FLAGS (\Deleted)")
    assert talk.say(b"EXPUNGE")[-1] == b"OK [HIGHESTMODSEQ %d] done" % inbox.modseq
    assert talk.say(b"EXPUNGE")[-1] == b"OK done"


@pytest.mark.parametrize(
    ("options", "place"), [(b"MIN", 0), (b"MAX", 2), (b"COUNT", 1), (b"MIN MAX", 2), (b"ALL", 1)]
)
def test_an_esearch_result_has_the_modseq_of_the_messages_that_it_names(
    options: bytes, place: int
) -> None:
    mailboxes = boxes(3)
    inbox = mailboxes[b"INBOX"]
    for index in (2, 0, 1):
        inbox.touch(inbox.messages[index])
    [*_, line, _] = selected(mailboxes).say(b"SEARCH RETURN (%b) MODSEQ 1" % options)
    expected = max(inbox.messages[0].modseq, inbox.messages[2].modseq)
    if options != b"MIN MAX":
        expected = inbox.messages[place].modseq
    assert line.endswith(b" MODSEQ %d" % expected)


def test_the_word_modseq_in_a_string_does_not_request_modseqs() -> None:
    assert selected().say(b"SEARCH SUBJECT modseq")[0] == b"* SEARCH"
    assert selected().say(b"SEARCH (OR SEEN (MODSEQ 1))")[-2].endswith(b"(MODSEQ 4)")


# Texts


def test_a_part_that_does_not_exist_is_nil() -> None:
    talk = selected()
    assert talk.say(b"FETCH 1 (BODY.PEEK[1] BODY.PEEK[2])")[:2] == [
        b"* 1 FETCH (BODY[1] {7}",
        b"hello",
    ]
    assert talk.say(b"FETCH 1 BODY.PEEK[2.MIME]")[0] == b"* 1 FETCH (BODY[2.MIME] NIL)"


@pytest.mark.parametrize(("first", "most"), [(0, 4), (6, 3), (3, 30), (40, 1000), (9999, 5)])
def test_a_partial_fetch_returns_the_requested_octets(first: int, most: int) -> None:
    mailboxes = boxes(1)
    whole = mailboxes[b"INBOX"].messages[0].text
    mailboxes[b"INBOX"].messages[0].chunks = lambda: (whole[:5], whole[5:7], whole[7:])
    lines = selected(mailboxes).say(b"FETCH 1 BODY.PEEK[]<%d.%d>" % (first, most))
    expected = whole[first : first + most]
    start = b"* 1 FETCH (BODY[]<%d> {%d}\r\n%b)" % (first, len(expected), expected)
    assert b"\r\n".join(lines).startswith(start)


def test_header_fields_are_selected_by_any_name() -> None:
    lines = selected().say(b'FETCH 1 BODY.PEEK[HEADER.FIELDS ("subject" NIL)]')
    assert lines[:2] == [b"* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT NIL)] {14}", b"Subject: x"]


# Arbitrary input

WORDS = st.sampled_from(
    [
        *(
            b"1",
            b"0",
            b"*",
            b"1:*",
            b"*:1",
            b"2,4",
            b"9",
            b"UID",
            b"NOT",
            b"OR",
            b"ALL",
            b"NIL",
            b"()",
        ),
        *(
            b"INBOX",
            b"inbox/x",
            b"a/b",
            b'"a[b"',
            b"a*",
            b'""',
            b"%",
            b"{3+}\r\na b",
            b"{0+}\r\n",
            b"\xff",
        ),
        *(
            b"FLAGS",
            b"+FLAGS.SILENT",
            rb"(\Seen)",
            rb"\Deleted",
            b"(x $y)",
            b"FETCH",
            b"STORE",
            b"COPY",
        ),
        *(b"(FLAGS UID MODSEQ)", b"ENVELOPE", b"BODYSTRUCTURE", b"BODY[1.1]", b"BODY.PEEK[]<0.3>"),
        *(b"BODY[HEADER.FIELDS (x)]", b"(CHANGEDSINCE 1)", b"(UNCHANGEDSINCE 1)", b"FULL", b"FAST"),
        *(
            b"SUBJECT",
            b"TEXT",
            b"SINCE",
            b"1-Jan-2026",
            b"KEYWORD",
            b"MODSEQ",
            b"CHARSET",
            b"UTF-8",
        ),
        *(
            b"RETURN",
            b"(MIN MAX)",
            b"(STATUS (MESSAGES))",
            b"(SUBSCRIBED)",
            b"(RECURSIVEMATCH SUBSCRIBED)",
        ),
        *(b"(MESSAGES RECENT HIGHESTMODSEQ)", b"(CONDSTORE)", b"(QRESYNC (7 1 1:2))", b"QRESYNC"),
        *(
            b"(CHILDREN SPECIAL-USE)",
            rb"(USE (\Sent))",
            b"SET",
            b"NONE",
            b"(personal NONE)",
            b"MOVE",
        ),
    ]
)
VERBS = st.sampled_from(
    [
        *(
            b"FETCH",
            b"UID FETCH",
            b"STORE",
            b"UID STORE",
            b"SEARCH",
            b"UID SEARCH",
            b"COPY",
            b"UID MOVE",
        ),
        *(
            b"SELECT",
            b"EXAMINE",
            b"CREATE",
            b"DELETE",
            b"RENAME",
            b"SUBSCRIBE",
            b"UNSUBSCRIBE",
            b"LIST",
        ),
        *(b"LSUB", b"STATUS", b"EXPUNGE", b"UID EXPUNGE", b"CLOSE", b"UNSELECT", b"CHECK", b"NOOP"),
        *(
            b"ENABLE",
            b"NOTIFY",
            b"ID",
            b"NAMESPACE",
            b"CAPABILITY",
            b"APPEND INBOX {3+}\r\nabc",
            b"FROB",
        ),
    ]
)
COMMANDS = st.tuples(VERBS, st.lists(WORDS, max_size=4)).map(lambda c: b" ".join([c[0], *c[1]]))


@given(st.lists(COMMANDS, max_size=25))
def test_every_command_is_answered(commands: list[bytes]) -> None:
    talk = selected(
        boxes(3, **{"a[b": Mailbox([text()], special_use=[rb"\Sent"]), "a/b": Mailbox()})
    )
    for command in commands:
        assert talk.condition(command) in {"OK", "NO", "BAD"}
    assert talk.condition(b"NOOP") == "OK"
