"""Random rc files and command lines over the whole language, valid and broken, from a seed.

Everything is drawn from the option table, so an option that is new there is tried here too.
"""

from __future__ import annotations

from random import Random

from mailhaul.adapters.config import options
from mailhaul.adapters.config.options import (
    AUTHS,
    GLOBAL,
    OPTIONS,
    OWN_AUTHS,
    PROTOCOLS,
    RUN,
    SERVER,
    USER,
    Option,
)

WORDS = [
    *("x", "joe", "a.example.org", "b", "/abs/olute", "rel/ative", "x@y", "a*", "p#q", "10k"),
    *("'it'", '"a b"', "'c \"d\"'", '"x\\ty"', "\\x41z", "\\065", '"\\101"', '"a\\\nb"', '"a\nb"'),
    *("''", '""', '"#b"', '"keep"', "'poll'", '"12"', "\\q", '"\\\\"', '"a=b"', '"a,b"'),
]
OWN_NAMES = ["xoauth2"]
"""Names that are words of mailhaul's own, and names to both programs wherever they stand here.

Others begin an option where one can stand, as docs/differences.md says.
"""
BROKEN = [
    *("poll", "skip", "set", "no", "here", "there", "and", "=", "keep", "nokeep", "user", "is"),
    *("12", "-1", "defaults", '"', "'", "\\", "#", "#c\n", "folder", "imap", "IMAP", "Imap"),
    *("auth", "password", "timeout", "kerberos", "KEEP", "nossl", "imaps", "port"),
]
NUMBERS = ["0", "1", "5", "25", "143", "993", "3600", "-5", "007", "2147483647"]
SEPARATORS = [" ", " ", " ", "\n", "\t", ", ", " ; ", "\n  ", " : ", " # c\n", " \\\n"]
NOISE = ["and", "with", "has", "wants", "options", ",", ";"]
ARGUMENTS = ["x", "a b", "/p", "r", "", "a,b", "IMAP", "pop3", "12", "0x10", "010", "ssh", "h/25"]


KNOWN = [option for option in OPTIONS if not option.own]
KNOWN_AUTHS = [name for name in AUTHS if name not in OWN_AUTHS]
"""What fetchmail knows as well."""


class Writer:
    """Writes one rc file and one command line."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def file(self) -> str:
        """Return the text of a file; about one in three is broken."""
        random = self._random
        tokens: list[str] = []
        for _ in range(random.choice([0, 0, 1, 3])):
            tokens += ["set", *self._option(GLOBAL)]
        if random.random() < 0.3:
            tokens += ["defaults", *self._options(SERVER, 2), *self._options(USER, 3)]
        for name in random.sample(
            ["h", "a.example.org", "other", "'q r'", *OWN_NAMES], random.choice([0, 1, 1, 2])
        ):
            tokens += [random.choice(["poll", "skip", "server"]), name, *self._body()]
        if random.random() < 0.35:
            self._break(tokens)
        return "".join(token + random.choice(SEPARATORS) for token in tokens) + "\n"

    def command_line(self) -> list[str]:
        """Return arguments, mostly none."""
        random = self._random
        arguments: list[str] = []
        for _ in range(random.choice([0, 0, 0, 1, 2, 4])):
            option = random.choice(KNOWN)
            spellings = (option.on + " " + option.off).split()
            if not spellings or option.name in {"help", "version", "quit", "rcfile", "configdump"}:
                continue
            arguments += self._argument(option, random.choice(spellings))
        if random.random() < 0.2:
            arguments.append(random.choice(["h", "other", "new.example.org", "B"]))
        return arguments

    def _argument(self, option: Option, word: str) -> list[str]:
        random = self._random
        if word.startswith("--") and random.random() < 0.1:
            word = word[: random.randint(3, len(word))]
        if option.kind in (options.FLAG, options.COUNT):
            return [word]
        if option.kind in (options.NUMBER, options.NUMBERS) and random.random() < 0.8:
            value = random.choice(NUMBERS)
        elif option.kind == options.PROTOCOL and random.random() < 0.8:
            value = random.choice(PROTOCOLS)
        elif option.kind == options.AUTH and random.random() < 0.8:
            value = random.choice(KNOWN_AUTHS)
        else:
            value = random.choice(ARGUMENTS)
        return (
            [f"{word}={value}"]
            if word.startswith("--") and random.random() < 0.5
            else [word, value]
        )

    def _body(self) -> list[str]:
        random = self._random
        tokens = self._options(SERVER, 4)
        if random.random() < 0.5:
            return tokens + self._options(USER, 5)
        for _ in range(random.choice([0, 1, 1, 2])):
            tokens += self._login() + self._options(USER, 4)
        return tokens

    def _login(self) -> list[str]:
        name = self._random.choice([self._word(), self._word(), *OWN_NAMES])
        return ["user", name, *self._random.choice([[], ["there"], ["here"]])]

    def _options(self, level: str, most: int) -> list[str]:
        tokens: list[str] = []
        for _ in range(self._random.randint(0, most)):
            tokens += self._option(level)
            if self._random.random() < 0.15:
                tokens.append(self._random.choice(NOISE))
        return tokens

    def _option(self, level: str) -> list[str]:
        random = self._random
        rows = [o for o in KNOWN if o.level == level and o.level != RUN and o.kind != options.LOGIN]
        option = random.choice(rows)
        word = random.choice(option.keywords)
        if option.negation and random.random() < 0.3:
            return ["no" + word] if option.negation == options.GLUED else ["no", word]
        return [word, *self._value(option)]

    def _value(self, option: Option) -> list[str]:
        random = self._random
        match option.kind:
            case options.FLAG:
                return []
            case options.NUMBER | options.PORT:
                return [random.choice(NUMBERS)]
            case options.NUMBERS:
                return [random.choice(NUMBERS) for _ in range(random.randint(1, 3))]
            case options.LIST:
                return [self._word() for _ in range(random.randint(1, 3))]
            case options.PROTOCOL:
                return [random.choice([random.choice(PROTOCOLS), "IMAP", "POP3"])]
            case options.AUTH:
                return [random.choice(KNOWN_AUTHS)]
            case options.SERVICE:
                return [random.choice([*NUMBERS, "imaps", "pop3", "'smtp'"])]
            case options.POLICY:
                return [random.choice(["accept", "reject"])]
            case options.ENVELOPE:
                return [*random.choice([[], ["2"]]), self._word()]
            case options.NAMES:
                names = [self._name() for _ in range(random.randint(1, 3))]
                return names + random.choice([[], ["here"], ["there"] if len(names) == 1 else []])
            case _:
                return [
                    *random.choice([[], [], ["="]] if option.level == GLOBAL else [[]]),
                    self._word(),
                ]

    def _name(self) -> str:
        return self._random.choice([self._word(), "*", f"{self._word()} = {self._word()}"])

    def _word(self) -> str:
        return self._random.choice(WORDS)

    def _break(self, tokens: list[str]) -> None:
        random = self._random
        for _ in range(random.randint(1, 2)):
            place = random.randint(0, len(tokens))
            what = random.random()
            if what < 0.5 or not tokens:
                tokens.insert(place, random.choice(BROKEN))
            elif what < 0.75:
                del tokens[min(place, len(tokens) - 1)]
            else:
                other = random.randrange(len(tokens))
                place = min(place, len(tokens) - 1)
                tokens[place], tokens[other] = tokens[other], tokens[place]
