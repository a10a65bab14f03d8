"""The options of ``mailhaul conformance imap`` and the like."""

from __future__ import annotations

from argparse import SUPPRESS

from .options import Parser, positive, seconds

EPILOG = """\
TARGET is host:port, tls://host:port (TLS first), starttls://host:port (every session begins with
STARTTLS) or unix:/path. Usual ports may be left out. With --command it may be missing.
CASE is an id (pop3/dele/1) or a beginning of ids (pop3/dele); without one all cases are run.
"mailhaul conformance list" shows them.

The users are for tests alone: THE CASES DELETE THEIR MAIL. --mail is a way to their mail without
the protocol under test; cases that need one are skipped without it:
  maildir:PATH   a Maildir; the messages in new and cur are replaced
  mbox:PATH      a mailbox file; its contents are replaced
  command:CMD    a program that is run without a shell
                   CMD fill USER FOLDER  gives USER exactly the messages in FOLDER, in the order of
                                         their names (0001, 0002, ...); lines end with CRLF
                   CMD read USER         prints the messages of USER as a mailbox file (mboxrd)
                 any exit status but 0 means that it has failed
In PATH, %u stands for the name of the user, %n for its part before the @, %d for that after it.

Exit codes: 0 no failure, 1 a case failed, 2 wrong use, 3 the server cannot be reached or a case
cannot be set up, 4 a fault of mailhaul itself; 130 and 143 after SIGINT and SIGTERM.

Example: mailhaul conformance pop3 localhost:1100 --user joe --password-file pw \\
             --mail maildir:/srv/mail/%u --junit report.xml
"""


def server_parser(protocol: str) -> Parser:
    """Return the parser for the words after a protocol."""
    about = f"Run cases against a server that speaks {protocol.upper()}."
    parser = Parser(protocol, "TARGET [CASE ...]", about, EPILOG)
    parser.add_argument("words", nargs="*", help=SUPPRESS)
    add_target(parser)
    if protocol in {"smtp", "lmtp"}:
        add_envelope(parser)
    parser.add_choice(slow=True)
    add_run(parser)
    add_reports(parser)
    return parser


def add_target(parser: Parser) -> None:
    """Add the options about the target."""
    add = parser.add_argument_group("target").add_argument
    add(
        "--command",
        metavar="ARGV",
        default="",
        help="the server speaks on standard input and output of this program, which is run "
        "without a shell; %%h and %%p are host and port of TARGET",
    )
    add("--user", metavar="NAME", default="", help="a user for tests")
    add(
        "--password-file",
        metavar="FILE",
        default="",
        help="the first line is the password (- is standard input: one line for each user)",
    )
    add("--user2", metavar="NAME", default="", help="another user, for cases that need two")
    add("--password-file2", metavar="FILE", default="", help="the password of that user")
    add(
        "--plain",
        metavar="PLACE",
        default="",
        help="where the server speaks in the clear, if TARGET begins with TLS",
    )
    add("--mail", metavar="WAY", default="", help="another way to the mail, see below")
    add("--ca", metavar="FILE", default="", help="certificates to trust, in PEM")
    add("--no-verify", dest="verify", action="store_false", help="accept any certificate")
    add(
        "--capability-off",
        dest="without",
        metavar="NAME",
        action="append",
        default=[],
        help="take this capability as not announced; may be given more than once",
    )
    add("--name", metavar="LABEL", default="", help="the name of the target in reports")


def add_envelope(parser: Parser) -> None:
    """Add the options about a server that takes mail."""
    add = parser.add_argument_group("addresses").add_argument
    add(
        "--from",
        "--sender",
        dest="sender",
        metavar="ADDRESS",
        default="",
        help="a sender that the server accepts (default: the first recipient)",
    )
    add(
        "--to",
        "--recipient",
        dest="recipients",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="a recipient that the server accepts; its mail goes to --user, and that of the "
        "second one to --user2",
    )
    add(
        "--unknown-recipient",
        metavar="ADDRESS",
        default="",
        help="a recipient that the server refuses after RCPT",
    )
    add(
        "--failing-recipient",
        metavar="ADDRESS",
        default="",
        help="one that is accepted after RCPT and refused after the text (over quota; LMTP)",
    )
    add("--login-first", action="store_true", help="the server takes mail only after AUTH")
    add(
        "--delivery",
        metavar="SECONDS",
        type=seconds,
        default=10.0,
        help="until accepted mail is stored (default 10)",
    )
    add(
        "--client-name",
        metavar="HOST",
        default="client.example.org",
        help="what the client calls itself (default client.example.org)",
    )


def add_run(parser: Parser) -> None:
    """Add the options about the course of the run."""
    add = parser.add_argument_group("run").add_argument
    add("--seed", metavar="N", type=positive, help="the order of an earlier run")
    add(
        "--random",
        metavar="N",
        type=positive,
        default=0,
        help="instead of cases: N random steps, drawn from --seed, compared with a model",
    )
    add(
        "--connections",
        metavar="K",
        type=positive,
        default=3,
        help="sessions at a time with --random (IMAP; default 3)",
    )
    add("--in-order", action="store_true", help="start the cases in the order of the list")
    add("--jobs", metavar="N", type=positive, default=4, help="cases side by side (default 4)")
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=5.0,
        help="for each reply (default 5)",
    )
    add(
        "--case-timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="for each case (default 30)",
    )
    add(
        "--slow-timeout",
        metavar="SECONDS",
        type=seconds,
        default=2400.0,
        help="for each slow case (default 2400)",
    )
    add(
        "--run-timeout",
        metavar="SECONDS",
        type=seconds,
        default=3600.0,
        help="for the whole run (default 3600)",
    )
    add("--strict", action="store_true", help="warnings count as failures")
    add("--expect", metavar="FILE", default="", help="known results: id, verdict, reason a line")


def add_reports(parser: Parser) -> None:
    """Add the options about the output."""
    add = parser.add_argument_group("reports").add_argument
    add("--tap", action="store_true", help="print TAP instead of text for people")
    add("--junit", metavar="FILE", default="", help="write JUnit XML")
    add("--json", metavar="FILE", default="", help="write JSON, also for matrix")
