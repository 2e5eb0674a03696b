"""Each frame of the day is once in a recording of its contact, or lost for its true reason."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from pipeline.store.repository import Repository
from schemas.codec import decode
from schemas.records import Contact, ContactRecording, MediaBatch, MediaDropped
from schemas.topics import MEDIA
from simulator.coded.frames import Code, codes_in
from simulator.expected import TRACKS
from simulator.wav import read_wav
from tests.system.chaos_day.calls import STEP_MS, DayCall

FIRST_MS = 100
HELD_MS = 2_000
"""The frames that a killed gateway may lose in addition to those in its memory."""


@dataclass(slots=True)
class OnTheLog:
    """The frames that gateways published, and those that they said to have dropped."""

    published: set[Code] = field(default_factory=set)
    dropped: dict[Code, str] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """The result of all calls: the numbers of frames by their fate, and the differences."""

    fates: Counter[str] = field(default_factory=Counter)
    supplements: int = 0
    wrong: list[str] = field(default_factory=list)


async def on_the_log(settings: Settings, calls: Iterable[DayCall]) -> OnTheLog:
    """Read `media`: which frames are there."""
    numbers = {call.stream_sid: call.number for call in calls}
    found, log = OnTheLog(), Log(settings, lambda *_: None)
    await log.start()
    try:
        for span in await log.spans(MEDIA):
            async for message in log.read(span):
                record = decode(message.value)
                if isinstance(record, MediaBatch | MediaDropped):
                    _note(found, record, numbers[record.stream_sid])
    finally:
        await log.stop()
    return found


def _note(found: OnTheLog, record: MediaBatch | MediaDropped, number: int) -> None:
    for track in record.tracks:
        for run in track.runs:
            for n in range(run.frames):
                timestamp = run.timestamp + n * run.step
                code = Code(number, track.track, (timestamp - FIRST_MS) // STEP_MS)
                if isinstance(record, MediaBatch):
                    found.published.add(code)
                else:
                    found.dropped[code] = record.reason


async def verify(settings: Settings, repository: Repository, calls: Sequence[DayCall]) -> Verdict:
    """Compare the sent audio with the recordings."""
    verdict = Verdict()
    log = await on_the_log(settings, calls)
    store = AudioStore.from_url(str(settings.recordings_url))
    for call in calls:
        contact = repository.contact(call.task_sid)
        if contact is None:
            verdict.wrong.append(f"call {call.number}: no contact")
            continue
        await _verify_call(verdict, store, call, contact, log)
    return verdict


async def _verify_call(
    verdict: Verdict, store: AudioStore, call: DayCall, contact: Contact, log: OnTheLog
) -> None:
    label = f"call {call.number} on {call.planned.gateway}"
    found_codes: Counter[Code] = Counter()
    lost: Counter[str] = Counter()
    for recording in contact.recordings:
        verdict.supplements += bool(recording.supplement_of)
        if recording.state != "complete":
            verdict.wrong.append(f"{label}: {recording.inum} is not complete")
            continue
        found, reported = await _recorded(verdict, store, recording)
        found_codes.update(found)
        lost.update(reported)
    sent = {Code(call.number, track, n) for track in TRACKS for n in range(call.sent)}
    verdict.wrong += _duplicates(label, found_codes, sent)
    missing = sent - found_codes.keys()
    verdict.fates["recorded"] += len(found_codes)
    if wrong := (missing & log.published):
        verdict.wrong.append(f"{label}: {len(wrong)} frames are on the log and not recorded")
    reasons = Counter(log.dropped.get(code, "in memory") for code in missing)
    verdict.fates.update(reasons)
    _verify_losses(verdict, label, reasons, lost)
    in_memory = [code for code in missing if code not in log.dropped]
    verdict.wrong += _unreported(label, call, contact, in_memory, lost)
    if not missing and call.sent and contact.capture != "complete":
        verdict.wrong.append(f"{label}: {contact.capture}, gaps {contact.gaps}")


async def _recorded(
    verdict: Verdict, store: AudioStore, recording: ContactRecording
) -> tuple[list[Code], dict[str, int]]:
    assert recording.audio is not None
    assert recording.manifest is not None
    audio = await store.get(recording.audio)
    manifest: dict[str, Any] = orjson.loads(await store.get(recording.manifest))
    if hashlib.sha256(audio).hexdigest() != manifest["audio"]["sha256"]:
        verdict.wrong.append(f"{recording.inum}: the audio is not that of the manifest")
    samples = read_wav(audio).samples
    found = [code for side in range(2) for _, code in codes_in(samples[side::2])]
    if len(found) != manifest["frames"]["received"]:
        verdict.wrong.append(f"{recording.inum}: {len(found)} frames, {manifest['frames']}")
    return found, manifest["lost_for"]


def _duplicates(label: str, found: Counter[Code], sent: set[Code]) -> list[str]:
    twice = sum(count > 1 for count in found.values())
    strange = len(found.keys() - sent)
    return [f"{label}: {twice} frames are recorded twice"] * bool(twice) + [
        f"{label}: {strange} frames of other calls"
    ] * bool(strange)


def _verify_losses(verdict: Verdict, label: str, reasons: Counter[str], lost: Counter[str]) -> None:
    """What a gateway dropped is lost for its reason, exactly; nothing else is, but what a gateway
    that was killed may have had."""
    for reason in {*reasons, *lost} - {"in memory", "gateway-died"}:
        if reasons[reason] != lost[reason]:
            verdict.wrong.append(
                f"{label}: {lost[reason]} frames lost for {reason}, really {reasons[reason]}"
            )


def _unreported(
    label: str, call: DayCall, contact: Contact, in_memory: Iterable[Code], lost: Counter[str]
) -> list[str]:
    """Frames that were only in the memory of a killed gateway: lost with it, or in a gap."""
    spans = [(gap.started_at - HELD_MS, gap.ended_at + HELD_MS) for gap in contact.gaps]
    outside = 0
    for code in in_memory:
        at = call.begins + STEP_MS * code.number
        outside += not any(begin <= at <= end for begin, end in spans)
    if outside > lost["gateway-died"]:
        return [f"{label}: {outside} frames are neither recorded nor lost nor in a gap"]
    return []
