"""Judge the assumptions about Twilio's answers to requests. Pure."""

from collections.abc import Callable, Mapping

from cli.check_call.observations import Observations
from cli.check_call.verdicts import NO_AUDIO, Judged, Status, differs, holds, not_seen
from pipeline.twilio.errors import CALL_NOT_IN_PROGRESS, NOT_FOUND, ErrorVerdict, verdict_on_start

LATE_ANSWER_MS = 150


def _start_answer(seen: Observations) -> Judged:
    opened = seen.opened_first()
    if opened is None or seen.first is None or not seen.first.is_success:
        return not_seen(NO_AUDIO)
    late = seen.first.at - opened.at
    if late > LATE_ANSWER_MS:
        return differs(f"the answer came {late} ms after the socket was open")
    return holds("the answer comes before the socket, or with it")


def _start_while_ringing(seen: Observations) -> Judged:
    answer = seen.while_ringing
    if answer is None or not answer.status:
        return not_seen("the call was answered before a start was tried")
    if answer.is_success:
        return differs("a start is taken while the leg rings")
    if answer.code == CALL_NOT_IN_PROGRESS:
        return holds("a start while the leg rings is refused with 21220")
    verdict = verdict_on_start(answer.status, answer.code, answer.message)
    if verdict in (ErrorVerdict.LOOK_UP_AGAIN, ErrorVerdict.ASK_AGAIN, ErrorVerdict.BACK_OFF):
        return differs(f"a start while the leg rings is refused with {answer.codes}")
    return Status.CHANGE, f"a start while the leg rings is refused with {answer.codes}"


def _same_name(seen: Observations) -> Judged:
    answer = seen.same_name
    if answer is None or not answer.status:
        return not_seen("no second start was answered")
    if not answer.is_success:
        known = verdict_on_start(answer.status, answer.code, answer.message, repeated=True)
        found = f"a second start under the name is refused with {answer.codes}"
        return holds(found) if known is ErrorVerdict.DONE else (Status.CHANGE, found)
    is_same = seen.first is not None and answer.sid == seen.first.sid
    return differs(
        "a second start under the name answers with the media stream that runs"
        if is_same
        else "a second start under the name starts another media stream"
    )


def _track_limit(seen: Observations) -> Judged:
    if seen.second is None or not seen.second.status:
        return not_seen("no second media stream was asked for")
    if not seen.second.is_success:
        return differs(f"a second media stream is refused with {seen.second.codes}")
    if seen.third is not None and seen.third.is_success:
        return differs("more than 4 tracks run on a call")
    return holds("4 tracks run on a call, and no more")


def _stop_after_end(seen: Observations) -> Judged:
    answer = seen.stop_after_end
    if answer is None or not answer.status:
        return not_seen("no stop was answered after the call")
    found = f"a stop after the call's end is answered {answer.codes}"
    if answer.status in NOT_FOUND or answer.code in NOT_FOUND:
        return holds(found)
    tolerated = answer.is_success or answer.code == CALL_NOT_IN_PROGRESS
    return differs(found) if tolerated else (Status.CHANGE, found)


def _paging(seen: Observations) -> Judged:
    if not seen.next_page_uri:
        return not_seen("no list has a second page")
    is_relative = seen.next_page_uri.startswith("/")
    return (holds if is_relative else differs)(
        "next_page_uri is relative" if is_relative else "next_page_uri is absolute"
    )


REQUESTS: Mapping[str, Callable[[Observations], Judged]] = {
    "start-answer": _start_answer,
    "start-while-ringing": _start_while_ringing,
    "same-name": _same_name,
    "stop-after-end": _stop_after_end,
    "track-limit": _track_limit,
    "paging": _paging,
}
"""By the name of the assumption."""
