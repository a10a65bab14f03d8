"""How an mda string becomes a command: addresses are arguments, never part of a script."""

from __future__ import annotations

import subprocess

import pytest

from mailhaul.adapters.sinks.mda import Template

SENDER = 'o\'brien $(id) "x" `y`@example.org'
RECIPIENT = "joe; rm -rf *"


def output_of(command: str, sender: str = SENDER, recipient: str = RECIPIENT) -> str:
    template = Template(command)
    argv = template.argv(sender, [recipient])
    if template.shell:
        argv = ("/bin/sh", "-c", argv[0], "sh", *argv[1:])
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_plain_command_runs_without_a_shell() -> None:
    template = Template("/usr/lib/sendmail -oem -f %F %T")
    assert not template.shell
    assert template.argv("a@b", ["joe"]) == ("/usr/lib/sendmail", "-oem", "-f", "a@b", "joe")


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
def test_addresses_stay_single_arguments_inside_any_quotes(command: str) -> None:
    # The %s of printf is a recipient too, as in fetchmail; so its format is written differently.
    command = command.replace("printf %s:", "printf '%b:'").replace("'%s:'", "'%b:'")
    assert output_of(command) == f"{SENDER}:{RECIPIENT}:"


def test_percent_s_is_the_recipient() -> None:
    assert output_of("echo %s", recipient="joe") == "joe\n"


def test_other_percent_signs_stay() -> None:
    assert output_of("echo 100% %x %%", recipient="joe") == "100% %x %%\n"


def test_a_part_of_a_word_is_replaced_too() -> None:
    assert Template("deliver -d%T").argv("", ["joe"])[-1] == "-djoe"


SEVERAL = ["joe", "ann b", "$(id)"]


def arguments(command: str, *, split: bool) -> list[str]:
    """Return the arguments of a command that prints "|" after each of them."""
    template = Template(command, split=split)
    argv = template.argv(SENDER, SEVERAL)
    if template.shell:
        argv = ("/bin/sh", "-c", argv[0], "sh", *argv[1:])
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout.split("|")[:-1]


def test_several_recipients_are_one_argument_as_with_fetchmail() -> None:
    assert Template("x %F %T").argv(SENDER, SEVERAL) == ("x", SENDER, "joe ann b $(id)")
    assert arguments("printf '%b|' %F %T", split=False) == [SENDER, "joe ann b $(id)"]


@pytest.mark.parametrize(
    "command",
    ["printf '%b|' %F %T | cat", 'printf \'%b|\' "%F" "%T"', "printf '%b|' '%F' '%T'"],
)
def test_each_recipient_may_be_an_argument_of_its_own(command: str) -> None:
    assert arguments(command, split=True) == [SENDER, *SEVERAL]


def test_each_recipient_may_be_an_argument_of_its_own_without_a_shell() -> None:
    template = Template("x -f %F -- %T", split=True)
    assert template.argv("a@b", SEVERAL) == ("x", "-f", "a@b", "--", *SEVERAL)
