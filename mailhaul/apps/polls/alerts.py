"""Tell a user that polls fail or succeed again, and what a poll has delivered.

``flows/alerts.py`` decides when; here it is done, by a mail to the sink of the account or by the
user's own commands. No poll waits for it. fetchmail sends a mail too, if a server refuses a login:
a user who does not read the log would only notice that no mail comes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.alerts import AlertBook
from ...flows.alerts import Alert, Change, State, login_topic, topic_of
from ...flows.notices import send_notice
from ...flows.outcome import ExitCode, PollFailed
from ...flows.report import Event
from ...flows.requests import LedgerCall
from ...protocols.message.alert import Trouble
from ...protocols.message.trace import format_date
from ...protocols.record import Record
from .accounts import user_at_server
from .context import PollContext
from .packer import Packing
from .sinks import sink_of
from .sources import source_of

if TYPE_CHECKING:
    from ...adapters.ledger.results import EntryResult
    from ...flows.outcome import PollCounts
    from .lines import Lines

RUN_AGAIN = "at the next run"
"""When a single run tries again; a daemon does so at longer and longer intervals."""
LATER = "at longer intervals"
ONCE_A_DAY = "at longer intervals up to once a day"
MAIL = "alert mail"


class News(Record):
    """What a user is told about an entry.

    ``alert`` is what this begins, or what the recovery ends. ``reason`` is the last error.
    ``token`` is true if there is no token to log in with. ``single`` is true in a single run.
    """

    change: Change
    alert: Alert
    failures: int
    success: int
    reason: str
    token: bool = False
    single: bool = False


def state_of(
    settings: AccountSettings, entry: str, code: ExitCode, failures: int, token: str
) -> State:
    """Return how an entry does; ``token`` is the label of the token that is missing, if any."""
    login = login_topic(settings.remote_user, settings.host)
    # Folders of an entry that have connections of their own fail together.
    place = f"{user_at_server(settings)} {settings.entry}"
    return State(entry, code, failures, topic_of(place, login, code, token), login)


def news_of(
    change: Change, state: State, result: EntryResult, ended: Alert | None, sentence: str = ""
) -> News:
    """Return what a user is told. ``ended`` is the alert that a recovery ends.

    ``sentence`` says why there is no token.
    """
    alert = ended or Alert(state.topic, state.entry, result.since, state.code)
    return News(
        change,
        alert,
        result.failures,
        result.success,
        sentence or result.error_words,
        alert.topic.startswith("token "),
    )


async def tell(news: News, settings: AccountSettings, context: PollContext, lines: Lines) -> bool:
    """Tell a user about a change, as the options say; return whether that is done.

    If the mail cannot be delivered, it is not: it is tried again after the next poll. A command is
    run once for each change, whatever comes of it. Raises PollFailed (IOERR) without a ledger.
    """
    book, entry = AlertBook(context.ledger), news.alert.entry
    failing = news.change is Change.FAILURE
    option = "on-failure" if failing else "on-recovery"
    command = settings.onfailure if failing else settings.onrecovery
    since = news.alert.time
    if command:
        is_new = await LedgerCall(lambda: book.say_once(entry, option, since))
        if is_new:
            await run(command, option, facts_of(news, settings), entry, context, lines)
    why = await send_mail(news, settings, context) if wants_mail(settings) else ""
    if why:
        is_new = await LedgerCall(lambda: book.say_once(entry, f"{MAIL} {option}", since))
        if is_new:
            what = "its trouble" if failing else "the end of its trouble"
            lines.complain(f"{entry}: the mail about {what} cannot be sent: {why}", entry)
        return False
    if failing:
        await LedgerCall(lambda: book.tell(news.alert))
    else:
        await LedgerCall(lambda: book.end([news.alert]))
    return True


def wants_mail(settings: AccountSettings) -> bool:
    """Whether a mail is sent: always if the user says so, else if there is no command."""
    if settings.chose("alertmail"):
        return settings.alertmail
    return not (settings.onfailure or settings.onrecovery)


async def run(
    command: str,
    option: str,
    facts: dict[str, str],
    entry: str,
    context: PollContext,
    lines: Lines,
) -> None:
    """Run a hook. Its failure is logged once, until it succeeds."""
    from ...adapters.hooks import run_hook

    book, what = AlertBook(context.ledger), f"failure of {option}"
    how = await run_hook(command, facts)
    if not how:
        await LedgerCall(lambda: book.over(entry, what))
        return
    is_new = await LedgerCall(lambda: book.say_once(entry, what))
    if is_new:
        # The command line itself is not reported, since it may contain a password.
        lines.complain(f"{entry}: the {option} command {how}", entry)


async def send_mail(news: News, settings: AccountSettings, context: PollContext) -> str:
    """Deliver the mail to the sink of the account; return why that failed, or ""."""
    failing = news.change is Change.FAILURE
    try:
        if settings.proxyout:
            from .ways import with_proxy_passwords  # few accounts have a proxy

            settings = await with_proxy_passwords(settings, context)
        _, make_sink = sink_of(settings, context)
        source = source_of(settings, context, ignore_report)
        return await send_notice(
            make_sink,
            Packing(settings, context, source, None),
            lambda packer: packer.alert(trouble_of(news, settings), is_over=not failing),
        )
    except PollFailed as failure:
        return str(failure)


def ignore_report(event: Event) -> None:
    """Ignore reports: no mailbox is opened here."""


def trouble_of(news: News, settings: AccountSettings) -> Trouble:
    """Return the facts of a mail."""
    alert = news.alert
    login = alert.code is ExitCode.AUTHFAIL
    later = ONCE_A_DAY if login or news.token else LATER
    zone = time.localtime(alert.time)
    # A login or a token may be that of several entries; any other trouble is that of one.
    shared = login or news.token
    return Trouble(
        account=user_at_server(settings) if shared else alert.entry,
        code=code_name(alert.code),
        failures=news.failures,
        since=format_date(alert.time, zone.tm_gmtoff, zone.tm_zone).decode("ascii", "replace"),
        reason=news.reason,
        login=login,
        token=news.token,
        again=RUN_AGAIN if news.single else later,
    )


def facts_of(news: News, settings: AccountSettings) -> dict[str, str]:
    """Return the facts for a command: ``MAILHAUL_CODE`` and so on."""
    alert = news.alert
    return {
        **place_of_entry(alert.entry, settings),
        "EVENT": news.change.value,
        "CODE": code_name(alert.code),
        "STATUS": "" if alert.code is None else str(int(alert.code)),
        "ERROR": news.reason,
        "FAILURES": str(news.failures),
        "SINCE": moment(alert.time),
        "LAST_SUCCESS": moment(news.success),
    }


def facts_of_delivery(
    entry: str, settings: AccountSettings, code: ExitCode, counts: PollCounts
) -> dict[str, str]:
    """Return the facts for ``on-delivery``. MAILHAUL_WAITING counts mail that is tried again."""
    return {
        **place_of_entry(entry, settings),
        "EVENT": "delivery",
        "CODE": code.name,
        "STATUS": str(int(code)),
        "FETCHED": str(counts.fetched),
        "MESSAGES": str(counts.delivered),
        "OCTETS": str(counts.octets),
        "REFUSED": str(counts.refused),
        "WAITING": str(counts.postponed),
        "SPAM": str(counts.spam),
    }


def place_of_entry(entry: str, settings: AccountSettings) -> dict[str, str]:
    """Return the facts that all commands get."""
    return {"ACCOUNT": entry, "USER": settings.remote_user, "SERVER": settings.host}


async def run_on_delivery(
    entry: str,
    settings: AccountSettings,
    context: PollContext,
    code: ExitCode,
    counts: PollCounts,
    lines: Lines,
) -> None:
    """Run the command of ``on-delivery``. Raises PollFailed (IOERR) without a ledger."""
    if settings.ondelivery:
        facts = facts_of_delivery(entry, settings, code, counts)
        await run(settings.ondelivery, "on-delivery", facts, entry, context, lines)


def code_name(code: ExitCode | None) -> str:
    """Return the name of a code; "" for the unknown one of another version."""
    return "" if code is None else code.name


def moment(when: int) -> str:
    """Return a time as in RFC 3339, "" for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)) if when else ""
