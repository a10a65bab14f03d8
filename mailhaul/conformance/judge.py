"""Runs one case and turns what happens into a verdict."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from ..flows.requests import Now, RuntimeFault
from .cases import Case
from .environment import Environment
from .session import Session
from .verdicts import Broken, Finding, Level, Result, SetUpFailed, Skipped, Verdict

E = TypeVar("E", bound=Environment[Session])


async def judge(case: Case[E], environment: E) -> Result:
    """Return the result of a case. Nothing that goes wrong in it is raised here."""
    began = await Now()
    await environment.begin()
    result = Result(case.id, Verdict.PASS, transcript=environment.transcript)
    try:
        answer = await case.check(environment)
        if isinstance(answer, Finding):
            result.verdict = Verdict.INFO
            result.reason = f"{'yes' if answer.yes else 'no'}: {answer.detail}".rstrip(": ")
    except Broken as broken:
        result.verdict = verdict_of(case.level, lenient=broken.lenient)
        result.expected, result.got = broken.expected, broken.got
        result.reason = str(broken)
    except Skipped as skipped:
        result.verdict, result.reason = Verdict.SKIP, str(skipped)
    except (SetUpFailed, RuntimeFault) as failure:
        result.verdict, result.reason = Verdict.ERROR, str(failure)
    except Exception as fault:
        # A fault of the harness must never look like one of the server.
        result.verdict, result.internal = Verdict.ERROR, True
        result.reason = f"internal error in {case.check.__name__}: {fault!r}"
    for name in ("reason", "expected", "got"):
        setattr(result, name, environment.transcript.masked(getattr(result, name)))
    with suppress(RuntimeFault):
        await environment.close()
    result.seconds = await Now() - began
    return result


def verdict_of(level: Level, *, lenient: bool) -> Verdict:
    """Return what a broken requirement of this level comes to."""
    if level is Level.MUST and not lenient:
        return Verdict.FAIL
    return Verdict.INFO if level is Level.MAY else Verdict.WARN
