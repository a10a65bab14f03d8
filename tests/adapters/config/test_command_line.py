"""The command line, with the syntax of getopt_long."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.command_line import CommandLine, parse_command_line, usage
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.options import OPTIONS


def read(*arguments: str) -> CommandLine:
    return parse_command_line(arguments, "/cwd")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--limit=5"], {"limit": 5}),
        (["--limit", "5"], {"limit": 5}),
        (["-l5"], {"limit": 5}),
        (["-l", "5"], {"limit": 5}),
        (["-l", "-5"], {"limit": 0}),
        (["-l", "0x10"], {"limit": 16}),
        (["--limit=010"], {"limit": 8}),
        (["-l", " +5"], {"limit": 5}),
        (["-kl5"], {"keep": True, "limit": 5}),
        (["-kK"], {"keep": False}),
        (["--al"], {"fetchall": True}),
        (["--prot", "Imap"], {"protocol": "imap"}),
        (["--user=joe"], {"remote_user": "joe"}),
        (["--nosslcertck"], {"sslcertck": False}),
        (["-n"], {"rewrite": False}),
        (["--auth", "EXTERNAL"], {"auth": "external"}),
        (["--auth", "kerberos"], {"auth": "kerberos5"}),
        (["--auth", "cram"], {"auth": "cram-md5"}),
        (["--bad-header", "ACCEPT"], {"bad_header": "accept"}),
        (["-P", "imaps"], {"service": "imaps"}),
        (["--port=993"], {"service": 993}),
        (["-E", "X-Env:"], {"envelope": "X-Env:"}),
        (["--sslproto="], {"sslproto": ""}),
        (["--sslkey", "k"], {"sslkey": "/cwd/k"}),
        (["-t0"], {"timeout": 300}),
        (["--plugin", "-x"], {"plugin": "-x"}),
    ],
)
def test_options_have_values(arguments: list[str], expected: dict[str, object]) -> None:
    line = read(*arguments)
    assert line.options == expected
    assert (line.servers, line.globals, line.appended) == ((), {}, {})


def test_lists_are_split_at_commas_and_collected() -> None:
    line = read("-r", "a,,b", "--folder=c", "-Z", "571,0x10", "-S", "")
    assert line.appended == {"folders": ("a", "b", "c"), "antispam": (571, 16)}


def test_options_and_servers_are_mixed() -> None:
    line = read("a", "-k", "b", "-", "--", "-v", "--check")
    assert line.servers == ("a", "b", "-", "-v", "--check")
    assert line.options == {"keep": True}
    assert (line.run.verbose, line.run.check) == (0, False)


def test_global_options_are_kept_apart() -> None:
    line = read("-d", "30", "--nobounce", "--nosoftbounce", "-L", "log", "--invisible")
    assert line.globals == {
        "daemon": 30, "bouncemail": False, "softbounce": False, "logfile": "/cwd/log",
        "invisible": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "silent", "verbose"),
    [
        ([], False, 0), (["-s"], True, 0), (["-v"], False, 1), (["-vv"], False, 2),
        (["-vvv"], False, 2), (["-vs"], True, 0), (["-sv"], False, 1), (["-vsv"], False, 1),
    ],
)  # fmt: skip
def test_the_last_of_silent_and_verbose_wins(
    arguments: list[str], silent: bool, verbose: int
) -> None:
    run = read(*arguments).run
    assert (run.silent, run.verbose) == (silent, verbose)


@pytest.mark.parametrize(
    ("arguments", "rcfile"),
    [(["-f", "rc"], "/cwd/rc"), (["-f-"], "-"), (["--fetchmailrc=/x"], "/x"), ([], None)],
)
def test_the_rc_file_is_relative_to_the_current_folder(
    arguments: list[str], rcfile: str | None
) -> None:
    assert read(*arguments).run.rcfile == rcfile


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--protcol=imap"], 'unknown option "--protcol"; did you mean "--protocol"?'),
        (
            ["--password=qZ7"],
            'unknown option "--password"; "mailhaul --help" lists the options',
        ),
        (["-kx"], 'unknown option "-x"; "mailhaul --help" lists the options'),
        (["--lim", "5"], 'the option "--lim" is ambiguous: --limit, --limitflush; '
         '"mailhaul --help" lists the options'),
        (["--keep=1"], 'the option "--keep" takes no value; "mailhaul --help" lists the options'),
        (["--timeout"], 'the option "--timeout" needs a value; '
         '"mailhaul --help" lists the options'),
        (["-t"], 'the option "-t" needs a value; "mailhaul --help" lists the options'),
        (["-l", "5 "], '"5 " is not a number for "-l"'),
        (["-l", "0x"], '"0x" is not a number for "-l"'),
        (["-l", "09"], '"09" is not a number for "-l"'),
        (["-l", "1_0"], '"1_0" is not a number for "-l"'),
        (["-l", ""], '"" is not a number for "-l"'),
        (["--limit", "9" * 20], f'"{"9" * 20}" is not a number for "--limit"'),
        (["-Z", "1,x"], '"x" is not a number for "-Z"'),
        (["-p", "imap5"], 'unknown protocol "imap5"; did you mean "imap"?'),
        (["--auth", "SSH"], 'unknown authentication method "SSH"'),
        (["--bad-header", "no"], 'unknown policy "no"'),
        (["-m", "a", "-S", "b"], "only one of --mda and --smtphost can be given"),
        (["-m", "a", "-m", "b"], "--mda can be given only once"),
        (["-S", "a", "-S", "b"], "--smtphost can be given only once; "
         "separate several hosts by commas"),
        (["--bsmtp", "a", "-m", "b"], "only one of --bsmtp and --mda can be given"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(arguments: list[str], expected: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(*arguments)
    assert str(caught.value) == f"command line: {expected}"
    assert caught.value.exit_code == 5


def test_the_help_text_names_every_option_once() -> None:
    text = usage()
    words = [
        word.strip(",").partition("[")[0]
        for line in text.splitlines()[1:]
        for word in line.split()[:4]
    ]
    for option in OPTIONS:
        for word in (option.on + " " + option.off).split():
            assert words.count(word) == 1, word
    assert all(len(line) <= 80 for line in text.splitlines())


def test_no_two_options_share_a_spelling() -> None:
    words = [word for option in OPTIONS for word in (option.on + " " + option.off).split()]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("words", "only"),
    [
        (["-q"], True),
        (["-sq"], True),
        (["-s", "--qu"], True),
        (["h", "-q"], True),
        (["-q", "-s", "-q"], True),
        (["-q", "-s"], False),
        (["-qs"], False),
        (["-q", "h"], False),
        (["-q", "--"], False),
        (["-qd0"], False),
        (["-q", "--pidfile", "p"], False),
    ],
)
def test_quit_as_the_last_argument_only_stops_the_daemon(words: list[str], only: bool) -> None:
    run = parse_command_line(words, "/").run
    assert (run.quit, run.quit_only) == (True, only)


def test_every_option_describes_its_negation() -> None:
    assert all(option.off_help for option in OPTIONS if option.off)
    assert "not: " not in usage()
    assert "--nobounce                   bounces go to the postmaster\n" in usage()
