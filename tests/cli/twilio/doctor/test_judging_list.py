"""Judgements about the monitored list."""

import pytest

from cli.twilio.doctor.facts import Facts, ListFacts
from cli.twilio.doctor.judging_list import list_entries, monitored_list, unlisted_workers
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from tests.cli.twilio.doctor.healthy import ANN, HEALTHY, of_account, of_facts

OK, WARNING, FAILURE = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILURE


def with_list(*entries: str, **more: str) -> Facts:
    """Return a healthy installation with this list."""
    return of_facts(monitored=ListFacts("/l", entries, **more))(HEALTHY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (ListFacts("/l", ("*",)), OK, "1 entries"),
        (ListFacts(), FAILURE, "there is no list"),
        (ListFacts("/l", why="cannot be read"), FAILURE, "cannot be read"),
        (ListFacts("/l", ("*",), bad=("line 3: x",)), FAILURE, "/l: line 3: x"),
        (ListFacts("/l"), FAILURE, "is empty"),
    ],
)
def test_a_list_must_have_valid_entries(found: ListFacts, status: CheckStatus, words: str) -> None:
    """Without it no call is recorded."""
    outcome = monitored_list(of_facts(monitored=found)(HEALTHY))
    assert (status, True) == (outcome.status, words in outcome.detail)


@pytest.mark.parametrize(
    ("entries", "lost"),
    [
        (("*",), ""),
        ((ANN, "team:gold", "worker:ben"), ""),
        (("queue:claims", "!queue:legal"), ""),  # the account's queues are not asked for
        ((ANN, "team:silver", "joe@example.com"), "team:silver, joe@example.com"),
        (tuple(f"x{n}" for n in range(12)), "x8, x9 and 2 more"),
    ],
)
def test_an_entry_must_match_a_worker(entries: tuple[str, ...], lost: str) -> None:
    """A misspelled one would be noticed only when a call is not recorded."""
    outcome = list_entries(with_list(*entries))
    assert (WARNING if lost else OK) is outcome.status
    assert lost in outcome.detail


@pytest.mark.parametrize(
    ("entries", "status", "words"),
    [
        (("*",), OK, "every worker"),
        ((ANN, "worker:ben"), OK, "each of 2 workers"),
        ((ANN,), WARNING, "1 of 2 workers match no entry, so their calls are not recorded: Ben"),
        (("!queue:legal", ANN), WARNING, "Ben"),
        ((ANN, "queue:claims"), OK, "by their names these are not: Ben"),
        ((ANN, "worker:ben", "queue:claims"), OK, "by their queues too"),
    ],
)
def test_a_worker_without_an_entry_is_named(
    entries: tuple[str, ...], status: CheckStatus, words: str
) -> None:
    """A queue may cover any worker."""
    outcome = unlisted_workers(with_list(*entries))
    assert (status, True) == (outcome.status, words in outcome.detail)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (with_list(), "no entry"),
        (of_facts(account=CheckTrouble("x"))(HEALTHY), "account cannot be asked"),
        (of_account(workers=CheckTrouble("403: denied", 403))(HEALTHY), "403: denied"),
    ],
)
def test_without_workers_nothing_is_compared(facts: Facts, words: str) -> None:
    """The cause is named."""
    for judge in (list_entries, unlisted_workers):
        assert (WARNING, True) == (judge(facts).status, words in judge(facts).detail)
