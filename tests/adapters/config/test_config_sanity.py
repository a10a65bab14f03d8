"""Errors and warnings about settings that cannot work or are not supported."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config import sanity
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.grammar import parse
from mailhaul.adapters.config.merge import account_settings, global_settings
from mailhaul.adapters.config.options import SSL_PROTOS
from mailhaul.adapters.config.sanity import check
from mailhaul.adapters.config.selection import select


def findings(text: str, *arguments: str) -> tuple[list[str], list[str]]:
    rc = parse(text.encode(), "rc", "/rc")
    caller = Caller("me", 1000, "/home/me", None, "/cwd")
    line = parse_command_line(arguments, caller.folder)
    found = account_settings(rc, select(rc, line.servers), line, caller)
    errors, warnings = check(global_settings(rc, line, caller), found)
    return [str(error) for error in errors], [str(warning) for warning in warnings]


@pytest.mark.parametrize("order", [("mda", "maildir"), ("maildir", "mda")])
def test_an_own_sink_goes_with_no_other_wherever_it_stands_in_the_table(
    monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    monkeypatch.setattr(sanity, "_SINKS", order)
    errors, _ = findings("poll h protocol imap user u password p maildir d mda cat")
    assert '"maildir" together with "mda"; mail can go to one destination only' in errors[0]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "via v aka a dns timeout 5 interval 3 uidl tracepolls bad-header accept principal p",
        "plugin 'ssh h' plugout 'ssh h' auth ssh",
        "auth password service imap2 port 143 esmtpname e",
        "user u is u=l here pass p folder a b keep fetchall flush limitflush",
        "user u limit 5 fetchlimit 5 expunge 5 batchlimit 5 fetchsizelimit 5 fastuidl 0",
        "smtphost a b/2525 /run/lmtp smtpaddress example.org smtpname joe@example.org",
        "smtphost a/24 /run/lmtp lmtp",
        "mda 'cat %T' lmtp",
        "mbox m",
        "maildir d",
        "mda 'x -f %F %T' rewrite stripcr forcecr pass8bits dropstatus dropdelivered mimedecode",
        "ssl sslcertck sslkey k sslcert c sslproto TLS1.2+ sslcommonname n sslcertfile f",
        "sslproto '' no sslcertck antispam -1 warnings 5 properties p",
        "no envelope qvirtual q checkalias localdomains example.org",
    ],
)
def test_valid_settings_cause_no_findings(options: str) -> None:
    assert findings(f"set invisible set postmaster '' poll h proto imap {options}") == ([], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proto odmr", '"protocol odmr" is not supported; ask the provider'),
        ("proto kpop", '"protocol kpop" is not supported; it needs Kerberos 4'),
        ("auth ntlm proto imap", '"auth ntlm" is not supported yet'),
        ("forceidle", '"forceidle" is not supported yet'),
        ("interface e/1", '"interface" is not supported yet'),
        ("monitor e", '"monitor" is not supported yet'),
        ("lmtp", 'LMTP cannot use the SMTP port of "localhost"'),
        ("lmtp smtphost a/25", 'LMTP cannot use the SMTP port of "a"'),
        ("lmtp smtphost a/smtp", 'LMTP cannot use the SMTP port of "a"'),
        ("mbox m mda cat", '"mbox" together with "mda"; mail can go to one destination only'),
        ("mbox m maildir d", '"maildir" together with "mbox"'),
        ('append "imap://u@h/m" mda cat', '"append" together with "mda"'),
        ("maildir d bsmtp b", '"maildir" together with "bsmtp"'),
        ("port 0", "0 is not a port number"),
        ("service 65536", "65536 is not a port number"),
        ("mda \"x '%T'\"", "%F and %T must not be quoted"),
    ],
)
def test_an_invalid_setting_is_one_error_at_its_place(text: str, expected: str) -> None:
    start = "poll h" if text.startswith("proto") else "poll h proto imap"
    (error,), _ = findings(f"{start}\n {text}")
    place, _, problem = error.partition(": ")
    assert problem.startswith(expected)
    assert place.startswith("rc:2:")
    assert "qZ7" not in error


@pytest.mark.parametrize(
    ("server", "user"),
    [
        ("\n via \u2603", ""),
        ("", "\n smtphost a \u2603/25"),
        ("", "\n sslcommonname \u2603"),
        ("", "\n smtpaddress \u2603"),
        ("\n aka a \u2603", "is *"),
        ("\n localdomains \u2603", "is a b"),
        ("plugin 'nc %h'\n via \u2603", ""),
        ("", '\n append "imaps://u@\u2603/m"'),
    ],
)
def test_a_name_that_idna_refuses_is_an_error_at_its_place(server: str, user: str) -> None:
    (error,), _ = findings(f"poll h proto imap {server} user u {user}")
    assert error.startswith("rc:2:2: ")
    assert "IDNA 2008 does not allow it" in error
    assert "xn--" in error or "imaps://" in error


@pytest.mark.parametrize(
    "text",
    [
        "poll stra\xdfe.example aka \xfc proto imap smtphost b\xfccher.example is a b",
        # Names that only a plugin uses, and names that are never compared.
        "poll \u2603 proto imap plugin 'nc %h' sslproto ''",
        "poll \u2603 proto imap plugin 'nc %h' sslcommonname h",
        "poll h aka \u2603 proto imap",
        "poll h proto imap smtphost \u2603 mda cat",
        "poll h proto imap smtphost /run/\u2603",
    ],
)
def test_other_names_need_not_be_ascii(text: str) -> None:
    assert findings(text) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "imaps://u@H.example/INBOX",
        "imaps://u@h.example./inbox",
        "imap://u@h.example",
        "imaps://u@h.EXAMPLE/Inbox",
    ],
)
def test_append_to_the_source_mailbox_is_an_error_in_any_spelling(url: str) -> None:
    (error,), _ = findings(f'poll h.example proto imap user u append "{url}"')
    assert "the same mail would be fetched again without end" in error


@pytest.mark.parametrize(
    ("folder", "refused"),
    [("*", True), ("Arch%", True), ("Old* Archive", True), ("Sent", False), ("archive", False)],
)
def test_append_to_a_mailbox_that_a_pattern_includes_is_an_error(
    folder: str, refused: bool
) -> None:
    folders = " ".join(f'"{name}"' for name in folder.split())
    errors, _ = findings(f'poll h proto imap user u append "imaps://u@h/Archive" folder {folders}')
    assert bool(errors) is refused


def test_an_account_without_a_protocol_is_tried_as_imap() -> None:
    assert findings("\npoll h") == ([], [])


def test_pop3_has_no_folders() -> None:
    errors, _ = findings("poll h proto pop3 folder x")
    assert any("pop3 has no folders" in error for error in errors)


def test_only_accounts_to_be_polled_are_checked() -> None:
    assert findings("skip h proto odmr\npoll i proto imap") == ([], [])
    assert len(findings("skip h proto odmr\npoll i proto imap", "h")[0]) == 1


def test_an_error_of_a_server_is_reported_once_for_all_its_users() -> None:
    assert len(findings("poll h proto odmr user a user b")[0]) == 1


def test_an_error_in_a_command_line_option_is_at_the_command_line() -> None:
    (error,), _ = findings("poll h proto imap", "--interface", "e/1")
    assert error.startswith('command line: "interface" is not supported yet')


@pytest.mark.parametrize("arguments", [[], ["-d0"], ["-c"], ["--idle"]])
def test_a_daemon_and_idle_are_fine(arguments: list[str]) -> None:
    assert findings("set daemon 300 poll h proto imap", *arguments) == ([], [])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("port 993", 'rc:1:19: warning: port 993 usually needs "ssl"'),
        ("service pop3s", 'rc:1:19: warning: port 995 usually needs "ssl"'),
        ("port 143 ssl", 'rc:1:19: warning: port 143 is usually used without "ssl"'),
        (
            "sslproto TLSv1.2",
            'rc:1:19: warning: sslproto "TLSv1.2" is unknown; "auto" is used; '
            'did you mean "tls1.2"?',
        ),
        (
            "sslmode 'starttls=must' ssl",
            'rc:1:43: warning: "sslmode starttls=must" is used, although "ssl" contradicts it',
        ),
        (
            "sslmode wrapped sslproto ''",
            'rc:1:35: warning: "sslmode wrapped" is used, although "sslproto" contradicts it',
        ),
        ("smtphost a/99999 b", 'rc:1:19: warning: 99999 is not a port number of "a"'),
        ("smtphost a/0", 'rc:1:19: warning: 0 is not a port number of "a"'),
        ("port 993 sslmode none", 'rc:1:19: warning: port 993 usually needs "ssl"'),
        (
            "mda cat smtpparallel 4",
            'rc:1:27: warning: "smtpparallel" has no effect together with "mda"',
        ),
        (
            "fetchread fetchall",
            'rc:1:19: warning: "fetchread" has no effect together with "fetchall"',
        ),
        ("sslproto x", 'rc:1:19: warning: sslproto "x" is unknown; "auto" is used'),
    ],
)
def test_a_probable_mistake_is_a_warning(options: str, expected: str) -> None:
    assert findings(f"poll h proto imap {options}") == ([], [expected])


@pytest.mark.parametrize("word", [*SSL_PROTOS, "AUTO", "TLS1.2+", "Ssl3+"])
def test_the_versions_of_the_table_are_known_in_any_case(word: str) -> None:
    assert findings(f'poll h proto imap sslproto "{word}"') == ([], [])


@pytest.mark.parametrize("word", ["NONE", "maybe", ""])
def test_an_unknown_mode_of_tls_is_an_error_that_names_all(word: str) -> None:
    (error,), _ = findings(f'poll h proto imap sslmode "{word}"')
    assert error.startswith(f'rc:1:19: unknown sslmode "{word}"; use one of "none", "wrapped"')


@pytest.mark.parametrize(
    "pin",
    [
        ":".join(["AB"] * 16),
        "ab" * 16,
        ":".join(["AB"] * 32),
    ],
)
def test_a_pin_is_md5_or_sha_256(pin: str) -> None:
    assert findings(f'poll h proto imap sslfingerprint "{pin}"') == ([], [])


@pytest.mark.parametrize("pin", [":".join(["AB"] * 20), "AB", "", "xy" * 16, "ab" * 31])
def test_a_pin_that_no_certificate_can_have_is_an_error(pin: str) -> None:
    (error,), _ = findings(f'poll h proto imap sslfingerprint "{pin}"')
    assert "give MD5 (32 hexadecimal digits) or SHA-256 (64)" in error
    assert ("SHA-1" in error) == (len(pin) == 59)


def test_keep_with_fetchall_is_a_warning_only_in_a_daemon() -> None:
    text = "poll h proto imap keep fetchall"
    assert findings(text) == ([], [])
    assert "fetchall" in findings(text, "-d5")[1][0]


@pytest.mark.parametrize(
    "options",
    ["port 993 sslmode wrapped", "port 143 sslmode 'starttls=must'", "sslmode wrapped ssl"],
)
def test_a_consistent_sslmode_causes_no_warning(options: str) -> None:
    assert findings(f"poll h proto imap {options}") == ([], [])


def test_fetchread_has_an_effect_only_with_imap() -> None:
    assert findings("poll h proto imap fetchread") == ([], [])
    assert findings("poll h fetchread") == ([], [])
    (warning,) = findings("poll h proto pop3 fetchread")[1]
    assert warning.startswith('rc:1:19: warning: "fetchread" is for IMAP; over pop3')


@pytest.mark.parametrize(
    ("text", "arguments", "on"),
    [("fetchread", [], True), ("nofetchread", [], False), ("", ["--fetchread"], True)],
)
def test_fetchread_is_set_in_the_file_or_on_the_command_line(
    text: str, arguments: list[str], on: bool
) -> None:
    rc = parse(f"poll h proto imap {text}".encode(), "rc")
    line = parse_command_line(arguments, "/")
    caller = Caller("me", 1000, "/home/me")
    (account,) = account_settings(rc, select(rc, ()), line, caller)
    assert account.fetchread is on


OWN_PATHS = ("maildir", "mbox", "bsmtp", "passwordfile", "appendpasswordfile")


@pytest.mark.parametrize("option", OWN_PATHS)
def test_a_path_below_the_home_folder_is_completed(option: str) -> None:
    rc = parse(f'poll x proto imap user u {option} "~/Mail/x"\n'.encode(), "rc", "/rc")
    line = parse_command_line([], "/cwd")
    caller = Caller("me", 1000, "/home/me", None, "/cwd")
    [account] = account_settings(rc, select(rc, ()), line, caller)
    assert getattr(account, option) == "/home/me/Mail/x"


@pytest.mark.parametrize("option", OWN_PATHS)
@pytest.mark.parametrize("path", ["$HOME/Mail", "~joe/Mail", "a/${x}", "~"])
def test_a_path_that_only_a_shell_would_understand_is_refused(option: str, path: str) -> None:
    errors, _ = findings(f'poll x proto imap\nuser u {option} "{path}"\n')
    [error] = errors
    assert error.startswith(f"rc:2:8: {option}: ")
    assert '"~/"' in error


def test_paths_on_the_command_line_are_treated_alike() -> None:
    line = parse_command_line(["--bsmtp=~/batch", "--transcript=~/t"], "/cwd")
    assert (line.options["bsmtp"], line.run.trace) == ("~/batch", "~/t")
    assert parse_command_line(["--bsmtp=b"], "/cwd").options["bsmtp"] == "/cwd/b"


def test_addresses_in_a_second_shell_are_a_warning() -> None:
    errors, warnings = findings("poll x user u mda 'ssh host deliver -f %F'\n")
    assert errors == []
    [warning] = warnings
    assert "mda passes addresses to a second shell (ssh)" in warning
    assert findings("poll x user u mda 'ssh host deliver joe'\n") == ([], [])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("set metrics '127.0.0.1:9100'", ""),
        ("set metrics '9100'", ""),
        ("set metrics '0.0.0.0:9100'", "other hosts could read them"),
        ("set metrics '[2001:db8::1]:9100'", "other hosts could read them"),
        ("set metrics '0.0.0.0:9100' set metricsanywhere", ""),
        ("set metrics 'mail.example.org:9100'", "neither an IP address nor localhost"),
        ("set metrics x", "no port"),
    ],
)
def test_metrics_are_served_to_this_host_unless_the_user_wants_more(
    words: str, problem: str
) -> None:
    pytest.importorskip("h11")
    errors, _ = findings(f"{words}\npoll h protocol imap user joe password x mda cat\n")
    if not problem:
        assert errors == []
        return
    (error,) = errors
    assert error.startswith("rc:1:5: metrics ")
    assert problem in error
