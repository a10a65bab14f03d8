"""How an mda string becomes a command: addresses are arguments, never part of a script."""

from __future__ import annotations

import subprocess

import pytest

from mailhaul.adapters.sinks.mda import Template

SENDER = 'o\'brien $(id) "x" `y`@example.org'
RECIPIENT = "joe; rm -rf *"


def output_of(command: str, sender: str = SENDER, recipient: str = RECIPIENT) -> str:
    template = Template(command)
    argv = template.argv(sender, recipient)
    if template.shell:
        argv = ("/bin/sh", "-c", argv[0], "sh", *argv[1:])
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_plain_command_runs_without_a_shell() -> None:
    template = Template("/usr/lib/sendmail -oem -f %F %T")
    assert not template.shell
    assert template.argv("a@b", "joe") == ("/usr/lib/sendmail", "-oem", "-f", "a@b", "joe")


@pytest.mark.parametrize("command", ["cat >>/dev/null", "a | b", "a 'b c'", "a $HOME", "a=1 b"])
def test_shell_syntax_is_left_to_the_shell(command: str) -> None:
    assert Template(command).shell


@pytest.mark.parametrize(
    "command",
    [
        "printf %s: %F %T",
        "printf %s: %F %T | cat",
        'printf %s: "%F" "%T"',
        "printf %s: '%F' '%T'",
        "exec printf '%s:' %F \"%T\"",
    ],
)
def test_addresses_arrive_whole_whatever_quotes_surround_them(command: str) -> None:
    # printf's own %s is a recipient too, as it is for fetchmail; give it one of its own.
    command = command.replace("printf %s:", "printf '%b:'").replace("'%s:'", "'%b:'")
    assert output_of(command) == f"{SENDER}:{RECIPIENT}:"


def test_percent_s_is_the_recipient() -> None:
    assert output_of("echo %s", recipient="joe") == "joe\n"


def test_other_percent_signs_stay() -> None:
    assert output_of("echo 100% %x %%", recipient="joe") == "100% %x %%\n"


def test_a_part_of_a_word_is_replaced_too() -> None:
    assert Template("deliver -d%T").argv("", "joe")[-1] == "-djoe"
