"""The end of a run: get the audio, judge every call, and count."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson

from simulator.console import ConsoleError
from simulator.media import clock
from simulator.recorded import RecordedCall, RecordedConferences, RecordingQuirk
from simulator.script import Json, Script
from tests.system.chaos_recover.judging import (
    EXACT_MS,
    Aligned,
    RecoverFacts,
    RecoverResult,
    RecoverVerdict,
    judge,
)
from tests.system.chaos_recover.plan import GONE, PlannedCall
from tests.system.chaos_recover.run import RecoverRun

SHOWN = 20
ALLOWED_OF = 100
"""One of so many starts that must be exact may be wrong."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """A call with its verdict."""

    call: PlannedCall
    script: Script
    verdict: RecoverVerdict
    contact: Json | None


@dataclass(slots=True)
class RecoverAssessment:
    """All verdicts."""

    calls: list[JudgedCall] = field(default_factory=list)

    @property
    def exact(self) -> list[Aligned]:
        """The recordings that must have an exact start."""
        every = [aligned for judged in self.calls for aligned in judged.verdict.aligned]
        return [aligned for aligned in every if aligned.must_be_exact]

    @property
    def inexact(self) -> list[Aligned]:
        """Those of them that have none."""
        return [aligned for aligned in self.exact if abs(aligned.error_ms) > EXACT_MS]

    @property
    def holds(self) -> bool:
        """Whether all is as it must be."""
        is_exact = len(self.inexact) <= len(self.exact) // ALLOWED_OF
        return is_exact and not any(judged.verdict.wrong for judged in self.calls)


async def assess(run: RecoverRun) -> RecoverAssessment:
    """Judge all calls of a run."""
    found = RecoverAssessment()
    for call, script in run.scripts:
        contact = run.contacts.get(script.task_sid)
        result = await _result(run, contact)
        verdict = judge(facts_of(run, call, script), result)
        found.calls.append(JudgedCall(call, script, verdict, contact))
    return found


def facts_of(run: RecoverRun, call: PlannedCall, script: Script) -> RecoverFacts:
    """Return the truth about a call."""
    world, rest = run.stage.simulation.world, run.stage.rest.recordings
    legs = [world.legs[sid] for sid in script.legs if sid in world.legs]
    recorded = _recorded(run, script)
    sid = recorded.recording.sid if recorded else ""
    return RecoverFacts(
        script=script,
        ran=[stream for leg in legs for stream in leg.media_streams],
        recorded=recorded,
        is_there=recorded is not None and call.quirk not in GONE,
        is_mono=call.quirk is RecordingQuirk.MONO,
        origin=world.origins.get(script.task_sid, 0),
        fetched=rest.media_requests.count(sid),
    )


def _recorded(run: RecoverRun, script: Script) -> RecordedCall | None:
    """Return the sound of the conference, also if Twilio does not have it any more."""
    every = RecordedConferences(run.stage.simulation.world)
    return every.of_call(script.task_sid, script.customer_call_sid, clock())


async def _result(run: RecoverRun, contact: Json | None) -> RecoverResult:
    audio: dict[str, bytes] = {}
    manifests: dict[str, Json] = {}
    for recording in contact["recordings"] if contact else ():
        if recording["source"] != "twilio-recording" or not recording["audio_url"]:
            continue
        try:
            audio[recording["inum"]] = await run.stage.console.bytes(recording["audio_url"])
            path = recording["audio_url"].removesuffix("/audio") + "/manifest"
            manifests[recording["inum"]] = orjson.loads(await run.stage.console.bytes(path))
        except ConsoleError as error:
            run.stage.say(f"{recording['inum']}: {error}")
    return RecoverResult(contact, audio, manifests)


def report(found: RecoverAssessment, say: Say) -> None:
    """Print the summary, and the differences."""
    results = Counter(judged.verdict.result for judged in found.calls)
    say(f"calls      {len(found.calls)}: {_counted(results)}")
    contacts = [judged.contact for judged in found.calls if judged.contact]
    gaps = Counter(
        f"{gap['reason']} {'covered' if gap['covered_by'] else 'open'}"
        for contact in contacts
        for gap in contact["gaps"]
    )
    say(f"gaps       {_counted(gaps)}")
    added = [c["reconciliation"]["events_added"] for c in contacts if c["reconciliation"]]
    say(f"events     {sum(added)} added to {sum(map(bool, added))} calls")
    _say_starts(found, say)
    wrong = [judged for judged in found.calls if judged.verdict.wrong]
    for judged in wrong[:SHOWN]:
        say(f"WRONG: {judged.call.part.name}, {judged.script.title}, {judged.script.task_sid}")
        for text in judged.verdict.wrong:
            say(f"    {text}")
    say("all of it holds" if found.holds else f"{len(wrong)} calls are WRONG")


def _say_starts(found: RecoverAssessment, say: Say) -> None:
    exact, every = found.exact, [a for j in found.calls for a in j.verdict.aligned]
    others = [aligned for aligned in every if not aligned.must_be_exact]
    say(
        f"starts     {len(exact)} to be exact, {len(found.inexact)} of them not: {_worst(exact)} ms"
    )
    say(f"           {len(others)} others: {_worst(others)} ms at most")


def _worst(aligned: Sequence[Aligned]) -> int:
    return round(max((abs(each.error_ms) for each in aligned), default=0))


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
