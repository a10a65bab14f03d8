"""Typical rc files from decades of use, unchanged."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.adapters.config.settings import AccountSettings

Accounts = Callable[..., list[AccountSettings]]

SSH = """\
skip centralserver.myisp.net with proto IMAP:
    preauth ssh
    plugin "ssh -i /home/joeuser/.ssh/mykey
 joeuser@centralserver.myisp.net /usr/sbin/imapd"
"""

SSH_JOINED = """\
skip centralserver.myisp.net with proto IMAP:
    preauth ssh
    plugin "ssh -i /home/joeuser/.ssh/mykey \\
 joeuser@centralserver.myisp.net /usr/sbin/imapd"
"""

SSH_BOTH = """\
skip centralserver.myisp.net with proto IMAP:
    preauth ssh
    plugin "ssh -i /home/joeuser/.ssh/mykey
 joeuser@centralserver.myisp.net /usr/sbin/imapd"
    plugout "ssh -i /home/joeuser/.ssh/mykey
 joeuser@centralserver.myisp.net /usr/lib/sendmail -bs"
"""

SSL = """\
skip centralserver.myisp.net with proto IMAP:
    port 993
    user joeuser password somePassWord ssl
"""

DEFAULTS = """\
defaults fetchall no keep
skip mail.example.org proto imap
    user joe mda "cat >>/dev/null"
"""

MDA = """\
skip mail.example.org
    mda "/usr/lib/sendmail -oem -f %F %T"
"""


def test_imap_over_ssh_breaks_its_command_over_two_lines(accounts: Accounts) -> None:
    (account,) = accounts(SSH, "centralserver.myisp.net")
    assert account.plugin == (
        "ssh -i /home/joeuser/.ssh/mykey\n joeuser@centralserver.myisp.net /usr/sbin/imapd"
    )
    assert (account.protocol, account.auth, account.skip) == ("imap", "ssh", True)
    assert (account.remote_user, account.password) == ("me", None)


def test_a_backslash_in_the_command_joins_its_lines(accounts: Accounts) -> None:
    (account,) = accounts(SSH_JOINED, "centralserver.myisp.net")
    assert account.plugin == (
        "ssh -i /home/joeuser/.ssh/mykey  joeuser@centralserver.myisp.net /usr/sbin/imapd"
    )


def test_mail_leaves_by_the_same_way_that_it_came(accounts: Accounts) -> None:
    (account,) = accounts(SSH_BOTH, "centralserver.myisp.net")
    assert account.plugout == (
        "ssh -i /home/joeuser/.ssh/mykey\n joeuser@centralserver.myisp.net /usr/lib/sendmail -bs"
    )


def test_ssl_follows_the_password(accounts: Accounts) -> None:
    (account,) = accounts(SSL, "centralserver.myisp.net")
    assert (account.port, account.ssl, account.remote_user) == (993, True, "joeuser")
    assert account.password is not None
    assert account.password.reveal() == b"somePassWord"


def test_defaults_reach_a_skipped_entry(accounts: Accounts) -> None:
    (account,) = accounts(DEFAULTS, "mail.example.org")
    assert (account.fetchall, account.keep, account.stripcr) == (True, False, True)
    assert account.mda == "cat >>/dev/null"


def test_a_command_for_delivery_stays_as_it_is(accounts: Accounts) -> None:
    (account,) = accounts(MDA, "mail.example.org")
    assert account.mda == "/usr/lib/sendmail -oem -f %F %T"
    assert account.stripcr


def test_several_skipped_entries_stay_in_order(accounts: Accounts) -> None:
    text = "defaults keep\n" + SSH + SSL.replace("central", "other")
    assert accounts(text) == []
    names = ("otherserver.myisp.net", "centralserver.myisp.net")
    found = accounts(text, *names)
    assert [a.pollname for a in found] == ["centralserver.myisp.net", "otherserver.myisp.net"]
    assert all(account.keep for account in found)
