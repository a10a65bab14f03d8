"""A single run over a store that several machines share: only what no other machine is polling."""

from __future__ import annotations

from ...adapters.config.caller import Caller
from ...flows.outcome import ExitCode, PollCounts, PollFailed
from ...protocols.record import replace
from ..polls.lines import Lines
from ..polls.shared_store import Claimed, claim_all, release_all
from .once import Run, poll_run


def poll_shared(run: Run, lines: Lines, caller: Caller) -> ExitCode:
    """Claim the entries of a run, poll those that are free, and give them back.

    Raises PollFailed and Interrupted.
    """
    configuration = run.configuration
    try:
        claimed = claim_all(run.context, configuration.accounts, run.names, lines)
        for name, sentence in claimed.others.items():
            lines.of(name).complain(sentence, code=ExitCode.EXCLUDE.name)
            run.recorder.note(name, ExitCode.EXCLUDE, sentence, PollCounts(), 0.0)
    except BaseException:
        run.context.ledger.close()
        raise
    accounts = [configuration.accounts[place] for place in claimed.places]
    return poll_run(
        replace(
            run,
            configuration=configuration.with_accounts(accounts),
            names=[run.names[place] for place in claimed.places],
            context=claimed.context,
            others=[ExitCode.EXCLUDE] * len(claimed.others),
            ended=lambda: give_back(claimed, run, lines),
        ),
        lines,
        caller,
    )


def give_back(claimed: Claimed, run: Run, lines: Lines) -> None:
    """Give back what was claimed. If that fails, it is free when the lease expires."""
    try:
        # A test run (``--check``) leaves no record.
        release_all(claimed, {} if run.context.check else run.recorder.codes)
    except PollFailed as fault:
        lines.detail(str(fault))
