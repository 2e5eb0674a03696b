"""The result of a check. Pure."""

from dataclasses import dataclass

from pipeline.check_results import CheckStatus


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A judgement: the status, the observation, and the remedy (empty if none is needed)."""

    status: CheckStatus
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckTrouble:
    """A fact that could not be fetched. `status`: of the HTTP answer, 0 if there was none;
    `is_unset`: because a setting is not set."""

    why: str
    status: int = 0
    is_unset: bool = False


def ok(detail: str) -> CheckOutcome:
    """Return the outcome that the link works."""
    return CheckOutcome(CheckStatus.OK, detail)


def warning(detail: str, remedy: str) -> CheckOutcome:
    """Return the outcome that the link works and needs attention."""
    return CheckOutcome(CheckStatus.WARNING, detail, remedy)


def failure(detail: str, remedy: str) -> CheckOutcome:
    """Return the outcome that the link does not work."""
    return CheckOutcome(CheckStatus.FAILURE, detail, remedy)


def not_checked(because: str) -> CheckOutcome:
    """Return the outcome that the link was not checked, because another check shows the cause."""
    return warning(f"not checked: {because}", "correct the checks that failed, then repeat this")
