"""Which lines hand an address to a second shell, and which addresses such a shell may see."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from mailhaul.adapters.second_shells import is_in_path, is_text, leaves_folder, second_shell
from mailhaul.adapters.sinks.mda import Template

PLAIN = [
    "/usr/lib/sendmail -oi -oem -f %F %T",
    "/usr/bin/procmail -d %T",
    "/usr/sbin/exim4 -oi -f %F -- %T >>log",
    "sudo -u joe /usr/lib/dovecot/deliver -f %F -d %T",
    'maildrop -f "%F" -d "%T"',
    "formail -s procmail -a '%F'",
    "env LANG=C deliver %T",
    "sh -c 'deliver -f \"$1\" -d joe' sh %F",
    'bash -c "deliver" bash %F %T',
    "/bin/sh /home/joe/deliver.sh %F %T",
    "ssh host deliver joe",
    "su -c deliver joe",
    "sh -c 'cat >/dev/null'",
    "python3 deliver.py %F",
    'deliver "--from=%F"',
    "deliver -m mail %T >>mail 2>/var/log/sed",
]
NESTED = {
    "ssh host /usr/lib/sendmail -f %F joe": "ssh",
    "su joe -c 'deliver -f %F'": "su",
    'sh -c "deliver -f %F"': "sh",
    "sh -c deliver\\ -f\\ %F": "sh",
    "sh %F": "sh",
    "sh -c 'ssh host deliver -f \"$1\"' sh %F": "ssh",
    "sh -c 'eval \"$1\"' sh %F": "eval",
    "sudo sh -c '/usr/bin/deliver %T'": "sh",
    "sudo -u joe -i deliver %T": "sudo",
    "doas -s deliver %T": "sudo",
    "eval deliver %T": "eval",
    "echo %T | xargs deliver": "xargs",
    "echo deliver %T | sh": "sh",
    "/usr/bin/zsh-5.9 -c %T": "zsh",
    "env -S 'deliver %T'": "a quoted command",
    "perl -e 'system \"deliver %F\"'": "a quoted command",
    "python3 -c \"deliver('%F')\"": "a quoted command",
    "deliver 'unfinished %F": "a quoted command",
    "sed -e s/FROM/%F/": "sed",
    "mail -s new %T": "mail",
    "cat >x; sudo /usr/bin/mailx -s new %T": "mailx",
    "sed -e s/FROM/%F/ | ssh host deliver": "sed",
}


@pytest.mark.parametrize("command", PLAIN)
def test_a_plain_command_gets_every_address(command: str) -> None:
    assert second_shell(command) == ""
    assert Template(command).reason_to_refuse("sender", "`id`;$(id)@x", trusted=False) == ""


@pytest.mark.parametrize("command", NESTED)
def test_a_line_with_a_second_shell_is_known(command: str) -> None:
    assert second_shell(command) == NESTED[command]


ORDINARY = [
    "joe", "ann.b@example.org", "bounces+joe=example.org@list.example.net",
    "SRS0=Hq/+=TT=example.org=ann@forwarder.example", "prvs=1234abcd=ann@x", "caf_=a=b@mail.x",
]  # fmt: skip
STRANGE = [
    "a|touch${IFS}pwned|b@x", "`id`@x", "$(id)@x", "a;id@x", "a&id@x", "a>f@x", "o'brien@x",
    '"a b"@x', "a\\b@x", "a*@x", "~root@x", "a!b@x", "{a,b}@x", "a#b@x", "a%s@x", "=ls@x", "",
    "+f@x", "a\nb@x", "a@x\n", "jörg@x", "<>",
]  # fmt: skip


@pytest.mark.parametrize("address", ORDINARY)
def test_ordinary_addresses_are_text_for_every_shell(address: str) -> None:
    assert is_text(address, "ssh")
    assert shlex.split(f"deliver {address}") == ["deliver", address]


@pytest.mark.parametrize("address", STRANGE)
@pytest.mark.parametrize("interpreter", ["sh", "ssh", "mail", "a quoted command"])
def test_what_a_shell_could_take_for_more_is_not(address: str, interpreter: str) -> None:
    assert not is_text(address, interpreter)


@pytest.mark.parametrize("address", ["a/w@x", "a=b@x"])
def test_other_languages_see_less(address: str) -> None:
    assert is_text(address, "sh")
    assert not is_text(address, "sed")


@pytest.mark.parametrize(
    ("command", "inside"),
    [
        ("cat >>/var/mail/%T", True),
        ("cat >> %T", True),
        ("deliver -d/var/mail/x%T.box", True),
        ("/usr/bin/deliver %T", False),
        ("cat >>/var/mail/joe; log %T", False),
        ("cat >>/var/mail/%F", False),
    ],
)
def test_an_address_in_the_name_of_a_file_is_known(command: str, inside: bool) -> None:
    assert is_in_path(command, ("%T", "%s")) is inside
    objection = Template(command).reason_to_refuse("recipient", "../ann/.profile", trusted=False)
    assert bool(objection) is inside
    assert leaves_folder("..")
    assert not leaves_folder("joe")


def test_names_that_the_user_wrote_down_are_passed_on() -> None:
    template = Template("su -c 'deliver -f %F -d %T'")
    assert template.reason_to_refuse("recipient", "o'brien", trusted=True) == ""
    assert "sh -c 'PROGRAM -f \"$1\"' sh %F" in template.reason_to_refuse(
        "recipient", "o'brien", trusted=False
    )


@pytest.mark.parametrize("sender", [None, b""])
def test_a_second_shell_is_given_a_word_where_there_is_no_sender(sender: bytes | None) -> None:
    assert Template("ssh host deliver -f %F joe").sender(sender) == "MAILER-DAEMON"


@pytest.mark.parametrize("command", [name for name in NESTED if "sh" in name and "-c" in name])
def test_what_is_passed_on_runs_nothing(command: str, tmp_path: Path) -> None:
    """Played by real shells, with every address that is let through and every one that is not."""
    if not command.startswith(("sh", "bash")):
        command = f"sh -c '{command.partition(chr(39))[2]}"
    template = Template(command.replace("deliver", f"touch {tmp_path}/ran; echo"))
    for address in (*ORDINARY, *STRANGE):
        evil = address.replace("id", f"touch${{IFS}}{tmp_path}/pwned")
        if template.reason_to_refuse("sender", evil, trusted=False):
            continue
        argv = template.argv(evil, ["joe"])
        subprocess.run(["/bin/sh", "-c", argv[0], "sh", *argv[1:]], check=False, cwd=tmp_path,
                       stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
    assert not (tmp_path / "pwned").exists()
