"""Judgements about the monitored list, compared with the account's workers. Pure."""

from collections.abc import Sequence

from cli.twilio.doctor.facts import Facts, ListedWorker
from cli.twilio.doctor.results import CheckOutcome, CheckTrouble, failure, not_checked, ok, warning

_SETTING = "FLEXCAPTURE_MONITORED_AGENTS"
_NO_LIST = "the list has no entry"
_SHOWN = 10
_OF_QUEUES = ("queue:", "!queue:")


def monitored_list(facts: Facts) -> CheckOutcome:
    """Judge the list's file."""
    found = facts.monitored
    if not found.path:
        return failure("no worker is monitored: there is no list", f"set {_SETTING}")
    if found.why:
        return failure(found.why, f"correct the file, or {_SETTING}")
    if found.bad:
        return failure(f"{found.path}: {'; '.join(found.bad[:_SHOWN])}", "correct these lines")
    if not found.entries:
        return failure(f"{found.path} is empty: no worker is monitored", "add workers to it")
    return ok(f"{len(found.entries)} entries")


def list_entries(facts: Facts) -> CheckOutcome:
    """Judge whether each entry names a worker of the account."""
    workers = _workers(facts)
    if isinstance(workers, CheckOutcome):
        return workers
    words = {word for worker in workers for word in worker.words}
    lost = [e for e in facts.monitored.entries if not _is_of_queue(e) and e not in words | {"*"}]
    if lost:
        return warning(
            f"entries that match no worker: {_shortened(lost)}",
            "correct the spelling (e-mail address, worker SID, worker:NAME, team:NAME), or remove "
            "them",
        )
    return ok(f"each entry matches one of {len(workers)} workers, or is of a queue")


def unlisted_workers(facts: Facts) -> CheckOutcome:
    """Judge whether each worker of the account is on the list."""
    workers = _workers(facts)
    if isinstance(workers, CheckOutcome):
        return workers
    entries = set(facts.monitored.entries)
    if "*" in entries:
        return ok("every worker is monitored (*)")
    unlisted = [worker for worker in workers if worker.words.isdisjoint(entries)]
    names = _shortened([worker.name for worker in unlisted])
    if any(entry.startswith("queue:") for entry in entries):
        also = f"; by their names these are not: {names}" if unlisted else ""
        return ok(f"workers are monitored by their queues too{also}")
    if unlisted:
        return warning(
            f"{len(unlisted)} of {len(workers)} workers match no entry, so their calls are not "
            f"recorded: {names}",
            "add them to the list, if their calls must be recorded",
        )
    return ok(f"each of {len(workers)} workers matches an entry")


def _workers(facts: Facts) -> Sequence[ListedWorker] | CheckOutcome:
    if not facts.monitored.entries:
        return not_checked(_NO_LIST)
    if isinstance(facts.account, CheckTrouble):
        return not_checked("the account cannot be asked")
    if isinstance(facts.account.workers, CheckTrouble):
        return not_checked(facts.account.workers.why)
    return facts.account.workers


def _is_of_queue(entry: str) -> bool:
    return entry.startswith(_OF_QUEUES)


def _shortened(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
