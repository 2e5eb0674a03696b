"""Fetch all recordings and compare them with the sent audio, frame by frame."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulator.coded.judgement import Judgement
from simulator.coded.judging import judge, without_recording
from simulator.coded.sent import CodedStream
from simulator.console import Console, ConsoleError, Endpoints
from simulator.script import Json, Script
from tests.system.chaos.accounting import unexplained
from tests.system.chaos_audio.console import once_complete
from tests.system.chaos_audio.ends import ends
from tests.system.chaos_audio.options import AudioOptions
from tests.system.chaos_audio.run import Played, fetched

FRAMES = 2
"""In 20 ms."""
FRAME_MS = 20


@dataclass(slots=True)
class Assessment:
    """The results by media stream, and the differences that are not about frames."""

    judgements: dict[str, Judgement] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return not self.wrong and not any(j.wrong for j in self.judgements.values())


async def assess(options: AudioOptions, played: Played, endpoints: Endpoints) -> Assessment:
    """Fetches and judges each recording."""
    result = Assessment(wrong=list(played.console))
    async with Console(endpoints.console, endpoints.console_token) as console:
        for script in played.scripts:
            contact = played.contacts.get(script.task_sid)
            streams = played.of_call(script)
            result.wrong += _of_call(options, script, contact, streams)
            by_sid = {r["stream_sid"]: r for r in contact["recordings"]} if contact else {}
            for coded in streams:
                recording = by_sid.get(coded.media_stream.sid)
                sid = coded.media_stream.sid
                result.judgements[sid] = await _judged(console, coded, recording, contact)
        await _console(console, endpoints, played, result.wrong)
    result.wrong += _without_excuse(options, played, result)
    result.wrong += ends(played)
    result.wrong += _too_much(options, result)
    return result


async def _judged(
    console: Console, coded: CodedStream, recording: Json | None, contact: Json | None
) -> Judgement:
    if recording is None or recording["state"] != "complete":
        return without_recording(coded)
    try:
        audio, manifest = await fetched(console, recording)
    except (ConsoleError, ValueError) as error:
        judgement = without_recording(coded)
        judgement.wrong.append(str(error))
        return judgement
    return await asyncio.to_thread(judge, coded, recording, audio, manifest, contact)


def _of_call(
    options: AudioOptions, script: Script, contact: Json | None, streams: Sequence[CodedStream]
) -> list[str]:
    """Return the mistakes in a call's contact, regardless of the content of its recordings."""
    call = f"call {script.task_sid}"
    if contact is None:
        return [f"{call}: no contact"]
    mistakes = [] if streams else [f"{call}: was never streamed"]
    if contact["state"] != "ended":
        mistakes.append(f"{call}: contact is {contact['state']}")
    recorded = sorted(recording["stream_sid"] for recording in contact["recordings"])
    ran = {coded.media_stream.sid for coded in streams}
    mistakes += [f"{call}: {sid} is recorded twice" for sid in ran if recorded.count(sid) > 1]
    foreign = set(recorded) - ran
    mistakes += [f"{call}: a recording of {sid}, which is not its own" for sid in foreign]
    mistakes += [f"{call}: {text}" for text in unexplained(contact)]
    if options.loses_nothing and len(streams) > 1:
        mistakes.append(f"{call}: {len(streams)} media streams, and no gateway was killed")
    return mistakes


def _without_excuse(options: AudioOptions, played: Played, result: Assessment) -> list[str]:
    """Return the losses and the closed sockets. There must be none if no gateway was killed."""
    if not options.loses_nothing:
        return []
    mistakes = []
    for coded in played.streams:
        sid, judgement = coded.media_stream.sid, result.judgements.get(coded.media_stream.sid)
        if coded.media_stream.trouble and not coded.line.stays_on_ms:
            mistakes.append(f"{sid}: {coded.media_stream.trouble}")
        if coded.thrown_away:
            frames = FRAMES * len(coded.thrown_away)
            mistakes.append(f"{sid}: the gateway did not read {frames} frames in time")
        if judgement and judgement.lost:
            mistakes.append(f"{sid}: {judgement.lost.total()} frames lost: {dict(judgement.lost)}")
    return mistakes


def _too_much(options: AudioOptions, result: Assessment) -> list[str]:
    """A killed gateway takes little with it: what Kafka did not take is on its disk."""
    lost = {sid: FRAME_MS * j.lost_at_end for sid, j in result.judgements.items()}
    return [
        f"{sid}: {ms} ms were lost at its end, more than {options.most_lost}"
        for sid, ms in lost.items()
        if ms > options.most_lost
    ]


async def _console(
    console: Console, endpoints: Endpoints, played: Played, violations: list[str]
) -> None:
    """Check the console's answers about the longest recording."""
    every = (r for contact in played.contacts.values() for r in contact["recordings"])
    complete = [recording for recording in every if recording["state"] == "complete"]
    if not complete:
        violations.append("no recording is complete")
        return
    longest = max(complete, key=lambda recording: recording["duration_ms"])
    audio, _ = await fetched(console, longest)
    await once_complete(endpoints, longest, audio, violations)
