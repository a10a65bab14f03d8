"""All commands, in one table: ``mailhaul COMMAND``.

The dispatcher, ``mailhaul help``, ``--help`` of each command, the manual page and the reference use
this table. It is loaded only if the command line begins with a word that may be a command.

To add a command, add a row, write its function, and run ``python docs/options.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...protocols.record import Record
from ..polls.lines import escape


class Command(Record):
    """One command.

    ``name`` is the word on the command line, ``summary`` one line for lists, without a full stop.
    ``usage`` is the text of ``--help``: lines that begin with ``usage:`` or are indented under it,
    an empty line, and an explanation. ``target`` is the function, as ``module:function``; it is
    imported when the command runs and called with the arguments after the name, the Caller and the
    Lines. It returns the exit code, and raises Misused for arguments that cannot be meant.
    ``nested``: words of the command have a ``--help`` of their own. ``needs_home``: the command
    cannot run without a home folder.
    """

    name: str
    summary: str
    usage: str
    target: str
    nested: bool = False
    needs_home: bool = True

    @property
    def synopsis(self) -> str:
        """The first lines of the usage, up to the explanation."""
        return self.usage.partition("\n\n")[0].rstrip() + "\n"


class Misused(Exception):
    """The arguments of a command cannot be meant.

    ``str()`` says what is wrong with them; if it is empty, the synopsis alone says enough.
    """


def invalid(arguments: Sequence[str]) -> Misused:
    """Return the exception for arguments that do not match the usage."""
    if not arguments:
        return Misused("")
    return Misused(f'invalid arguments: "{escape(" ".join(arguments))}"')


COMMANDS: Final = (
    Command(
        "init",
        "set up an account: find the server, try the login, write the file",
        """\
usage: mailhaul init [ADDRESS] [options]

Asks for your mail address and your password, finds the server, tries the
login, and writes an rc file that keeps all mail on the server and delivers
into a Maildir. It asks only for what these options leave open:
--address ADDRESS           the mail address
--host HOST[:PORT]          the server; it is not looked for then
--protocol imap|pop3        the protocol; otherwise IMAP, or POP3 without IMAP
--user NAME                 the login, if it is not the address
--password-command COMMAND  a command that prints the password; it is written
                            into the file in place of the password
--passwordfd NUMBER         a descriptor to read the password from, as in
                            --passwordfd 3 3<FILE
--maildir FOLDER            where the mail goes (~/Maildir)
--oauthclient ID            the client ID of an account that wants tokens
                            (docs/oauth.md)
--oauthsecretfile FILE      the file with its client secret, if there is one
-f, --rcfile FILE           the file to write (~/.fetchmailrc)
--append                    append to this file if it exists; it is never
                            overwritten
--dry                       show what would be written, without login, and
                            write nothing
""",
        "mailhaul.apps.cli.init:init",
    ),
    Command(
        "check",
        "find everything that would make a poll fail, without the network",
        """\
usage: mailhaul check [--json] [-f FILE] [ACCOUNT...]

Check the rc file (FILE), the files and folders, the passwords and tokens, and
the sinks of all accounts, or of these. Password commands are run; nothing is
connected, and nothing is changed.

--json  prints the findings as JSON

An ACCOUNT is the name of a server in the rc file, or USER@SERVER.
The exit code is 0 without errors and warnings, 1 with warnings only, and
otherwise that of the first error: 5 for the configuration, 6 for files, 3 for
passwords and tokens, 2 for TLS, 10 for sinks.
""",
        "mailhaul.apps.cli.check:check",
    ),
    Command(
        "explain",
        "sign in, and show what a server offers and what is used of it",
        """\
usage: mailhaul explain ACCOUNT [--json] [-v] [-f FILE]

Sign in to the server of an account, and show what it announces, what a poll
uses of it and why or why not, its TLS certificate, and its folders; then what
the listener announces. Nothing is changed at the server: the client refuses
all commands that could.

--json  prints the same as JSON
-v      also prints the dialogue, without secrets

ACCOUNT is the name of a server in the rc file (FILE), a user, or USER@SERVER.
""",
        "mailhaul.apps.cli.explain:explain",
    ),
    Command(
        "status",
        "show how the polls of each account ended, and what waits",
        """\
usage: mailhaul status [--json | --metrics | --textfile FILE | --watch]
                       [-f FILE]

Shows each entry of the rc file (FILE): how its last poll ended, and what
waits. With a daemon, also what it does right now.
--json      prints a JSON document; "mailhaul schema status" describes it
--metrics   prints metrics for Prometheus (OpenMetrics)
--textfile  writes metrics to a file, for the textfile collector of the
            node_exporter
--watch     shows the table again and again, until Ctrl-C
The exit code is 0 if all is well, 7 if an entry fails, 1 if nothing was polled
yet, and 5 for invalid arguments.
""",
        "mailhaul.apps.cli.status:status",
    ),
    Command(
        "poll",
        "let the running daemon poll now",
        """\
usage: mailhaul poll [ACCOUNT...]

An ACCOUNT is the name of a server in the rc file, or USER@SERVER. The default
is all accounts.
Without a daemon, "mailhaul" and "mailhaul SERVER" poll.
""",
        "mailhaul.apps.cli.control:poll",
    ),
    Command(
        "pause",
        "let the running daemon poll an account no longer",
        """\
usage: mailhaul pause [ACCOUNT...]

An ACCOUNT is the name of a server in the rc file, or USER@SERVER. The default
is all accounts.
A poll that is running ends first.
""",
        "mailhaul.apps.cli.control:pause",
    ),
    Command(
        "resume",
        "let the running daemon poll an account again",
        """\
usage: mailhaul resume [ACCOUNT...]

An ACCOUNT is the name of a server in the rc file, or USER@SERVER. The default
is all accounts.
""",
        "mailhaul.apps.cli.control:resume",
    ),
    Command(
        "login",
        "sign in at an issuer of tokens (OAuth), or list the tokens",
        """\
usage: mailhaul login ACCOUNT [--device | --paste] [-f FILE]
       mailhaul login --list [--json]

Asks the issuer of the account for a token: you give your consent in the
browser. ACCOUNT is a user, a server, or USER@SERVER as in the rc file (FILE).
--paste   does not open a browser: open the address anywhere, and paste the
          address that the browser ends at, even if it shows an error there
--device  shows a code to enter on another device, if the issuer allows that
--list    lists the tokens: whose, from which issuer, for what, and until when;
          --json: as JSON
""",
        "mailhaul.apps.cli.login:login",
    ),
    Command(
        "logout",
        "revoke and remove a token",
        """\
usage: mailhaul logout ACCOUNT [-f FILE]

Revokes the token at the issuer, and removes it.
ACCOUNT is a user, a server, or USER@SERVER as in the rc file (FILE).
""",
        "mailhaul.apps.cli.login:logout",
    ),
    Command(
        "retention",
        "show what delete-after deletes from the servers, and permit it",
        """\
usage: mailhaul retention [list] [ACCOUNT] [-f FILE]
       mailhaul retention show ACCOUNT
       mailhaul retention confirm ACCOUNT
       mailhaul retention adopt ACCOUNT

ACCOUNT is a user, a server, or USER@SERVER of an entry with "delete-after" in
the rc file (FILE).
list     says for each mailbox how many messages were delivered, how many of
         these are old enough to be deleted from the server, since when, and
         what holds the deletions back
show     lists the messages that are old enough
confirm  lets the next polls delete what is old enough now, whatever holds it
         back
adopt    lets messages that an earlier version of mailhaul has fetched count as
         delivered now
Nothing is deleted by this command itself.
""",
        "mailhaul.apps.cli.retention:retention",
    ),
    Command(
        "quarantine",
        "list, show, retry or delete messages that the sink keeps refusing",
        """\
usage: mailhaul quarantine [list] [--json] [-f FILE]
       mailhaul quarantine show ID...
       mailhaul quarantine retry ID... | all
       mailhaul quarantine drop ID...

A message that was refused ten times in a day or more, while others were
accepted, is in quarantine: it stays on its server and is not offered to the
sink again.
list   lists the messages in quarantine; --json: as "mailhaul schema
       quarantine" describes
show   shows all details of a message
retry  offers a message to the sink again at the next poll
drop   deletes a message from its server at the next poll, without delivering it
-f     names the rc file, if "set store" in it says where the ledger is
""",
        "mailhaul.apps.cli.quarantine:quarantine",
    ),
    Command(
        "ledger",
        "list, rename or forget the accounts in the ledger",
        """\
usage: mailhaul ledger [list] [--json] [-f FILE]
       mailhaul ledger rename OLD NEW
       mailhaul ledger forget NAME
       mailhaul ledger import [FILE] [-f RCFILE]

The ledger records which messages were fetched and kept (SEEN), and which are
in progress (OPEN). Over IMAP the server records most of this itself (\\Seen).
list    lists the mailboxes in the ledger; --json: as "mailhaul schema ledger"
        describes
rename  moves the records of account OLD to NEW, so that its messages are not
        fetched again, with its rest, its daylimit, the results of its polls
        and the alerts
forget  deletes the records of an account; messages kept on its server are
        fetched again
import  copies the records of a file of SQLite, by default the one in the state
        folder, into the database that "set store" names
-f      names the rc file, if "set store" in it says where the ledger is
No poll of these accounts may be running.
""",
        "mailhaul.apps.cli.ledger:ledger",
    ),
    Command(
        "accounts",
        "add, list, pause and remove accounts of a shared store",
        """\
usage: mailhaul accounts [list] [--json] [NAME...] [-f FILE]
       mailhaul accounts show NAME...
       mailhaul accounts add [ENTRIES]
       mailhaul accounts pause|resume|poll|remove NAME...

The store is that of "set store" in the rc file (FILE). All daemons that share
it take up a change within a second.
list    lists the accounts of the store, and the entries of the rc files;
        --json: as JSON
show    prints the entries of accounts, with passwords if these are in them
add     adds the entries in a file (or in the standard input), which are
        written as in an rc file; an entry with the name of an account changes
        it
pause   lets nobody poll an account; a poll that is running ends first
resume  lets it be polled again, at once
poll    lets it be polled at once, whatever happened before
remove  removes an account; what is known of its messages stays
A NAME is USER@SERVER, as in the list.
""",
        "mailhaul.apps.cli.accounts:accounts",
    ),
    Command(
        "import",
        "take over from another program: what it has fetched, its rc file",
        """\
usage: mailhaul import fetchmail|getmail|mpop|fdm [FILE...] [-f RCFILE]
                       [--dry-run]
       mailhaul import rc getmail|mpop|fdm|mbsync|offlineimap [FILE...]
                       [-o NEWFILE]

Records in the ledger which messages the other program has fetched: they are
not fetched again. Each account must have an entry in the rc file (RCFILE).
FILE is fetchmail's .fetchids, a file or folder of lists of getmail
(oldmail-...) or mpop, or fdm's fdm.conf; the default is the usual one.
--dry-run  says what would be recorded
rc         makes an rc file from that of the other program, and names the lines
           that are not translated; the passwords are copied into NEWFILE only,
           which must not exist yet
"docs/switching.md" is the guide.
""",
        "mailhaul.apps.cli.migration:import_command",
    ),
    Command(
        "export",
        "write what was fetched over POP3 in the format of fetchmail",
        """\
usage: mailhaul export fetchids [-f RCFILE] [-o NEWFILE]

Writes the unique ids of the messages that were delivered, for the accounts of
the rc file, as lines of fetchmail's .fetchids: then fetchmail does not fetch
them again. NEWFILE must not exist yet.
""",
        "mailhaul.apps.cli.migration:export_command",
    ),
    Command(
        "replay",
        "replay a transcript",
        """\
usage: mailhaul replay FILE

Replays a transcript that "mailhaul --transcript FILE" has recorded, without
any connection, and shows where this version would do something else.
""",
        "mailhaul.apps.cli.transcript:play",
    ),
    Command(
        "schema",
        "print the JSON Schema of an output for programs",
        """\
usage: mailhaul schema [NAME]

Prints the JSON Schema (2020-12) of an output for programs. Without NAME, lists
the names.
""",
        "mailhaul.apps.cli.schema:schema",
    ),
    Command(
        "version",
        "show the versions of all parts, and which extras are installed",
        """\
usage: mailhaul version [--json]

Prints the versions of mailhaul and of what it uses, and which extras are
installed.
"mailhaul -V" prints what the rc file means.
""",
        "mailhaul.apps.cli.about:about",
    ),
    Command(
        "conformance",
        "test mail servers and mail clients against the RFCs",
        """\
usage: mailhaul conformance imap|pop3|smtp|lmtp TARGET [CASE ...] [options]
       mailhaul conformance client [CASE ...] [options] [-- COMMAND ...]
       mailhaul conformance serve --PROTOCOL ADDRESS ... [options]
       mailhaul conformance list [CASE ...] [options]
       mailhaul conformance matrix RESULT.json ... -o FILE.html

Judges mail servers and mail clients by the RFCs, one case for each
requirement.
imap, pop3, smtp, lmtp  run the cases against a server; nothing else may use
                        its mailboxes meanwhile
client                  plays servers for a client that it starts, and judges
                        what the client does
serve                   serves with faults, for the tests of other programs
list                    shows the cases, or with --faults the faults that serve
                        knows
matrix                  makes a page that compares the results of several runs

"mailhaul conformance pop3 --help" shows the options, and docs/conformance.md
is the guide.
Exit codes: 0 no failure, 1 a case failed, 2 wrong use, 3 the server cannot be
reached or a case cannot be set up, 4 a fault of mailhaul itself.
""",
        "mailhaul.apps.conformance.main:command",
        nested=True,
        needs_home=False,
    ),
    Command(
        "help",
        "explain a command",
        """\
usage: mailhaul help [COMMAND]

Explains a command, or lists all of them. "mailhaul --help" lists all options
of a poll.
""",
        "mailhaul.apps.cli.help:show",
        needs_home=False,
    ),
)

NAMES: Final = frozenset(command.name for command in COMMANDS)


def find_command(name: str) -> Command | None:
    """Return the command with this name, or None."""
    return next((command for command in COMMANDS if command.name == name), None)
