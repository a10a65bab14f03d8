"""Prints the reference of the public namespaces into docs/api, from docstrings and signatures.

    python docs/api.py            writes the pages
    python docs/api.py --check    exits with 1 if a page is not what the code says

What answers each command is said here, in REPLIES: the code has it only in its flow.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType, UnionType
from typing import Any, get_args

from mailhaul.protocols.imap.client_lines import NAMES as IMAP_VERBS
from mailhaul.protocols.pop3.client_lines import VERBS as POP3_VERBS
from mailhaul.protocols.record import Record, annotations_of
from mailhaul.protocols.smtp.command_lines import verb_of

FOLDER = Path(__file__).parent / "api"
NAMESPACES = ("imap", "pop3", "smtp", "sasl", "servers")
MACHINES = ("imap", "pop3", "smtp")
"""Those that have a client and a server, commands and events."""
DATA = "`BodyStart` `BodyChunk` `BodyEnd` `NoText` `Fetched`"
CHALLENGED = "`Challenge`, to be answered with `Respond` or `CancelAuthentication`"
IMAP_REPLIES = {
    "Capability": "`Capabilities`",
    "Logout": "`SaidBye`",
    "Id": "`Identified`",
    "StartTls": "`TlsReady`, or `Completed` if refused",
    "Authenticate": CHALLENGED,
    "Login": "`Capabilities` from some servers",
    "Enable": "`Enabled`",
    "Namespace": "`Namespaces`",
    "GetQuotaRoot": "`Quota`",
    "Select": "`Flags` `Exists` `Recent` `Status`; with `resync` also `Vanished` `Fetched`",
    "ListMailboxes": "`Listed`; with `status` also `MailboxStatus`",
    "ListSubscribed": "`Listed` with `lsub`",
    "AskStatus": "`MailboxStatus`",
    "Append": "`ReadyForText`, to be followed by `AppendChunk`",
    "Idle": "`Idling`, then news until `Done` is sent",
    "Notify": "`Status` `MailboxStatus`, then news at any time",
    "Expunge": "`Expunged` or `Vanished`",
    "UidExpunge": "`Expunged` or `Vanished`",
    "Search": "`Found`; with `returning` `FoundInShort`",
    "UidSearch": "`Found`; with `returning` `FoundInShort`",
    "Fetch": DATA,
    "UidFetch": f"{DATA} `Vanished`",
    "Store": "`Fetched`, unless silent",
    "UidStore": "`Fetched`, unless silent",
    "Move": "`Status` `Expunged` or `Vanished`",
    "UidMove": "`Status` `Expunged` or `Vanished`",
}
POP3_REPLIES = {
    "Capa": "`Capabilities`",
    "StartTls": "`TlsReady`, or `Completed` if refused",
    "Authenticate": CHALLENGED,
    "Lang": "`Line`, where there is a list",
    "Stat": "`Counted`",
    "List": "`Listed`",
    "Uidl": "`UniqueId`",
    "Top": "`BodyStart` `BodyChunk`",
    "Retrieve": "`BodyStart` `BodyChunk`",
    "Last": "`LastRead`",
    "Envelope": "`Line`",
}
SMTP_REPLIES = {
    "StartTls": "`TlsReady`, or `Answered` if refused",
    "Authenticate": f"{CHALLENGED}; `Answered`",
    "BodyChunk": "none",
    "EndOfData": "`Answered`; in LMTP one for each recipient",
    "Bdat": "`Answered`, after its `BodyChunk`; in LMTP with `last` one for each recipient",
}
CONTINUATIONS = {
    "Respond": "the response to a `Challenge`",
    "CancelAuthentication": "`*`",
    "AppendChunk": "octets of a message",
    "Done": "`DONE`",
}
"""What is said inside a command, and how it looks on the wire."""
CONSTANTS = {
    "ALL_IMAP_CAPABILITIES": "All capabilities that `serve_imap` can announce.",
    "DEFAULT_EXTENSIONS": (
        "What a server announces by default: PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES."
    ),
    "Trace": (
        "A `Callable[[str, bytes], None]`: called with `<` or `>` and one line of the dialogue, "
        "without secrets and message text."
    ),
    "Clock": (
        "A `Callable[[], Sequence[int]]` that returns the current time in UTC from the year to the "
        "second, such as `time.gmtime`."
    ),
    "Nonces": "A `Callable[[], bytes]` that returns a random, printable and unique nonce.",
    "Policy": (
        "A `Callable[[smtp.Heard], smtp.Reply | HangUp | Stall | None]`: returns the reply to a "
        "command or a chunk of text; `None` means the default reply. Text has no reply of its own: "
        "a 421 for a chunk is sent at once and ends the connection."
    ),
    "Secure": (
        "A `Callable[[], Awaitable[None]]` that performs the server side of the TLS handshake."
    ),
}
"""What has no docstring of its own."""


def table(name: str, module: ModuleType) -> Iterator[str]:
    """Yield the table of commands."""
    replies: dict[str, str]
    verb: Callable[[Any], str]
    match name:
        case "imap":
            replies, verb, last = IMAP_REPLIES, imap_verb, "`Completed`"
        case "pop3":
            replies, verb, last = POP3_REPLIES, POP3_VERBS.__getitem__, "`Completed`"
        case _:
            replies, verb, last = SMTP_REPLIES, smtp_verb, "`Answered`"
    yield from ("## Commands", "", "| command | on the wire | reply events |", "|---|---|---|")
    commands = get_args(module.Command)
    if strange := set(replies) - {kind.__name__ for kind in commands}:
        raise ValueError(f"no commands: {strange}")
    for kind in commands:
        said = replies.get(kind.__name__, "")
        complete = (name == "smtp" and said) or "if refused" in said
        reply = said if complete else " ".join(filter(None, [said + ";" * bool(said), last]))
        yield f"| [`{kind.__name__}`](#{anchor(kind.__name__)}) | {verb(kind)} | {reply} |"
    for kind in get_args(module.Continuation):
        own = kind.__name__
        yield f"| [`{own}`](#{anchor(own)}) | {CONTINUATIONS[own]} | |"
    yield ""


def imap_verb(kind: type[Any]) -> str:
    """Return what a command of IMAP is on the wire."""
    return "SELECT, EXAMINE" if kind.__name__ == "Select" else IMAP_VERBS[kind]


def smtp_verb(kind: type[Any]) -> str:
    """Return what a command of SMTP is on the wire."""
    special = {"BodyChunk": "the message", "EndOfData": "`.`", "Ehlo": "EHLO, LHLO"}
    return special.get(kind.__name__) or verb_of(object.__new__(kind))


def groups(name: str, module: ModuleType) -> Iterator[tuple[str, list[str]]]:
    """Yield titles and the names below each: every exported name once, in the order of its code."""
    left = dict.fromkeys(module.__all__)
    if name in MACHINES:
        unions = ("Command", "Continuation", "Heard", "Event")
        commands = [kind.__name__ for kind in get_args(module.Heard)]
        events = [kind.__name__ for kind in get_args(module.Event)]
        yield "Machines", ["Client", "Server"]
        yield "Commands, one by one", commands
        yield "Events", [event for event in events if event not in commands]
        yield "Unions", list(unions)
        for each in ("Client", "Server", *unions, *commands, *events):
            left.pop(each, None)
    errors = [n for n in left if is_error(getattr(module, n))]
    records = [n for n in left if isinstance(getattr(module, n), type) and n not in errors]
    others = [n for n in left if n not in errors and n not in records]
    yield "Other classes" if name in MACHINES else "Classes", records
    yield "Functions and constants", others
    if errors:
        yield "Errors", errors


def is_error(value: object) -> bool:
    """Whether this is a class of exceptions."""
    return isinstance(value, type) and issubclass(value, Exception)


def entry(own: str, value: Any) -> Iterator[str]:
    """Yield what there is to say of one name."""
    yield from (f"### {own}", "")
    if isinstance(value, UnionType):
        yield from (" \\| ".join(f"`{short(kind)}`" for kind in get_args(value)), "")
        return
    if isinstance(value, FunctionType):
        yield from ("```python", *signature(own, value), "```", "")
        yield from (*text_of(value), "")
        return
    if not isinstance(value, type):
        said = CONSTANTS.get(own) or f"A `{short(type(value))}`. {first_line(value)}"
        yield from (said, "")
        return
    kind: type[Any] = value
    if not issubclass(kind, Enum) and callable_by_users(kind):
        yield from ("```python", *signature(own, kind), "```", "")
    yield from (*text_of(kind), "")
    yield from members(kind)


def members(kind: type[Any]) -> Iterator[str]:
    """Yield the members of an enum, or the methods and properties of another class."""
    if issubclass(kind, Enum):
        yield from (*(f"* `{member.name}`: `{member.value!r}`" for member in kind), "")
    elif not issubclass(kind, Exception) and (rows := list(methods(kind))):
        yield from ("| | |", "|---|---|", *rows, "")


def methods(kind: type[Any]) -> Iterator[str]:
    """Yield the public methods and properties of a class, its bases' included, as rows."""
    bases = [base for base in kind.__mro__ if base not in Record.__mro__]
    for name in dict.fromkeys(n for base in bases for n in vars(base)):
        member = inspect.getattr_static(kind, name)
        if name.startswith("_") or not isinstance(member, FunctionType | property):
            continue
        function: Any = member.fget if isinstance(member, property) else member
        if not (function.__module__ or "").startswith("mailhaul."):
            continue
        shown = name
        if isinstance(member, FunctionType):
            shown = "".join(signature(name, member, joined=True))
        elif returned := function.__annotations__.get("return"):
            shown = f"{name}: {returned}"
        escaped = shown.replace("|", "\\|")
        yield f"| `{escaped}` | {first_line(function)} |"


def callable_by_users(kind: type[Any]) -> bool:
    """Whether it is made by calling it with something that is worth to be shown."""
    return not getattr(kind, "_is_protocol", False) and (
        issubclass(kind, Record) or "__init__" in vars(kind)
    )


def signature(name: str, what: Any, *, joined: bool = False) -> Iterable[str]:
    """Return a signature with types as they are written, in one line or one line each."""
    parameters = [p for p in inspect.signature(what).parameters.values() if p.name != "self"]
    types = types_of_fields(what)
    words: list[str] = []
    keyword_only = False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            words.append("*")
        keyword_only = keyword_only or p.kind in {p.KEYWORD_ONLY, p.VAR_POSITIONAL}
        word = f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name
        written = types.get(p.name) or (p.annotation if isinstance(p.annotation, str) else "")
        word += f": {written}" if written else ""
        word += "" if p.default is p.empty else f" = {value_text(p.default)}"
        words.append(word)
    returned = getattr(what, "__annotations__", {}).get("return", "") if not types else ""
    end = f") -> {returned}" if returned and isinstance(what, FunctionType) else ")"
    line = f"{name}({', '.join(words)}{end}"
    if joined or len(line) <= 96:
        return [line]
    return [f"{name}(", *(f"    {word}," for word in words), end]


def types_of_fields(what: object) -> dict[str, str]:
    """Return the types of a record's fields as they are written; of anything else, nothing."""
    return annotations_of(what) if isinstance(what, type) and issubclass(what, Record) else {}


def value_text(value: object) -> str:
    """Return a default as it is written; a function is its name."""
    if isinstance(value, FunctionType):
        return "..." if value.__name__ == "<lambda>" else value.__name__
    if type(value).__name__ == "Limits":
        return "DEFAULT_LIMITS"
    if type(value).__name__ == "mappingproxy" or isinstance(value, dict):
        return "DEFAULT_EXTENSIONS"
    return repr(value)


def text_of(value: Any) -> Iterator[str]:
    """Yield the docstring as Markdown."""
    text = inspect.getdoc(value) or ""
    yield from markdown(text).splitlines()


def first_line(value: Any) -> str:
    """Return the first paragraph of a docstring in one line."""
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return markdown(" ".join(text.split())).replace("|", "\\|")


def markdown(text: str) -> str:
    """Return text with the code marks of Markdown."""
    text = re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    return re.sub(r"(?<![`\w])b\"[^\"]*\"(?!`)", lambda found: f"`{found[0]}`", text)


def short(kind: Any) -> str:
    """Return the name of a type."""
    return "None" if kind is type(None) else getattr(kind, "__name__", str(kind))


def anchor(own: str) -> str:
    """Return where a heading is found."""
    return own.lower()


def page(name: str) -> str:
    """Return the page of a namespace."""
    module = import_module(f"mailhaul.{name}")
    first, *rest = (inspect.getdoc(module) or "").splitlines()
    example = [line.removeprefix("    ") for line in rest if not line or line.startswith("    ")]
    lines = [f"# mailhaul.{name}", "", first, ""]
    lines += ["```python", *"\n".join(example).strip("\n").split("\n"), "```", ""]
    lines += ["Printed from the code by `docs/api.py`; [core.md](../core.md) is the guide.", ""]
    if name in MACHINES:
        lines += ["A client sends commands and hears events; a server hears commands and sends"]
        lines += [
            "`Reply`, and `Challenge` during `Authenticate`." if name == "smtp" else "events."
        ]
        lines += [""]
        lines += table(name, module)
    for title, names in groups(name, module):
        lines += [f"## {title}", ""]
        for own in names:
            lines += entry(own, getattr(module, own))
    text = "\n".join(lines)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def main() -> int:
    """Write the pages, or check them."""
    pages = {FOLDER / f"{name}.md": page(name) for name in NAMESPACES}
    if "--check" in sys.argv[1:]:
        stale = [p for p, text in pages.items() if not p.exists() or p.read_text() != text]
        stale += sorted(set(FOLDER.glob("*.md")) - set(pages))
        for path in stale:
            print(f"{path}: not what the code says; run python docs/api.py")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
