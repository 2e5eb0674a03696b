"""What a run prints: how it went, and of each call that came out wrong its whole story."""

from collections import Counter
from collections.abc import Callable

from simulator.world import MediaStream
from tests.system.chaos.assessing import Assessment, Judged
from tests.system.chaos.judging import span_of
from tests.system.chaos.options import Options
from tests.system.chaos.topics import TopicRecord
from tests.system.chaos.uptime import Span

SHOWN_CALLS = 10
WORST = 5

Say = Callable[[str], None]


def report(options: Options, assessment: Assessment, unasked: list[str], say: Say) -> None:
    """Print the summary, and below it the differences."""
    calls = assessment.calls
    wrong = [call for call in calls if call.verdict.wrong]
    say(f"seed {options.seed}")
    say(f"calls           {len(calls)}, {len(wrong)} of them wrong")
    say(f"media streams   {sum(len(call.ran) for call in calls)}")
    say(f"kills           {_counted(assessment.kills)}")
    say(f"unasked ends    {len(unasked)}")
    say(f"Twilio's faults {_counted(assessment.troubles)}")
    say(f"list damaged    {assessment.damages} times")
    say(f"Twilio away     {assessment.outages} times")
    contacts = [call.contact for call in calls if call.contact is not None]
    say(f"capture         {_counted(Counter(c['capture'] for c in contacts))}")
    say(f"gaps            {_counted(Counter(g['reason'] for c in contacts for g in c['gaps']))}")
    withheld = [r["frames"]["withheld"] for c in contacts for r in c["recordings"]]
    say(f"withheld        {sum(withheld)} frames of {sum(map(bool, withheld))} recordings")
    say(f"not counted on  {sum(s.end - s.begin for s in assessment.blocked) / 1000:.0f} s")
    stops = [over for c in calls for over in c.verdict.stops]
    prompt = sum(c.verdict.prompt for c in calls)
    say(f"stops           {len(stops)}, {prompt} of them with nothing in the way")
    say(f"worst overruns  {_worst(stops)} ms")
    say(f"worst missing   {_worst([late for c in calls for late in c.verdict.missing])} ms")
    for text in unasked:
        say(text)
    for text in assessment.wrong[:SHOWN_CALLS]:
        say(f"WRONG: {text}")
    for call in wrong[:SHOWN_CALLS]:
        _report_call(call, assessment.blocked, say)
    for call in wrong[SHOWN_CALLS:]:
        say(f"also wrong: {call.script.task_sid}: {'; '.join(call.verdict.wrong)}")
    say("all of it holds" if assessment.holds else f"{len(wrong) + len(assessment.wrong)} WRONG")


def _counted(counter: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


def _worst(values: list[int]) -> str:
    return ", ".join(map(str, sorted(values, reverse=True)[:WORST]))


def _report_call(call: Judged, blocked: list[Span], say: Say) -> None:
    """One call, everything in order of time, from its beginning (s)."""
    script, zero = call.script, call.script.begins_at
    say(f"\nWRONG: {script.title}, {script.task_sid}, began {zero}")
    for text in call.verdict.wrong:
        say(f"  {text}")
    lines = [(one.at, _line(one)) for one in call.records]
    lines += [line for stream in call.ran for line in _of_stream(stream)]
    if call.truth is not None:
        lines += [
            (s.begin, f"model: to be recorded until {_s(s.end, zero)}")
            for s in call.truth.demand.keep
        ]
        lines += [
            (s.begin, f"model: to be begun until {_s(s.end, zero)}")
            for s in call.truth.demand.begin
        ]
    for gap in call.contact["gaps"] if call.contact else ():
        say(f"  gap of {gap['duration_ms']} ms: {gap['reason']}, from {gap['from']}")
    here = Span(zero, max([at for at, _ in lines], default=zero))
    lines += [
        (s.begin, f"not counted on until {_s(s.end, zero)}") for s in blocked if s.meets(here)
    ]
    for at, text in sorted(lines):
        say(f"  {_s(at, zero)}  {text}")


def _s(at: int, zero: int) -> str:
    return f"{(at - zero) / 1000:8.3f}"


def _of_stream(stream: MediaStream) -> list[tuple[int, str]]:
    span = span_of(stream)
    return [
        (stream.requested_at, f"Twilio was asked for {stream.sid}, {stream.name}"),
        (span.begin, f"{stream.sid} begins"),
        (span.end, f"{stream.sid} ends ({stream.trouble or 'in good order'})"),
    ]


def _line(one: TopicRecord) -> str:
    record = one.record
    kind = type(record).__name__
    shown = {
        "CtiEvent": lambda: (
            f"{record.type.removeprefix('com.twilio.')} {record.event_id[-6:]} of {record.time}"
        ),
        "Call": lambda: (
            f"{record.revision} {record.state} "
            + " ".join(f"{c.extension}:{c.state}" for c in record.connections)
        ),
        "RecordingDecided": lambda: f"{record.decision}: {record.reason}",
        "MediaStreamChanged": lambda: f"{record.generation} {record.state}: {record.reason}",
        "StartDuplicateStream": lambda: f"{record.generation} {record.command_id} {record.reason}",
        "StopDuplicateStream": lambda: f"{record.generation} {record.command_id} {record.reason}",
        "CommandAnswered": lambda: (
            f"{record.command} {record.generation} {record.outcome} {record.detail}"
        ),
        "MediaStreamClosed": lambda: f"{record.stream_sid} {record.reason}",
        "MediaStreamOpened": lambda: f"{record.stream_sid}",
    }
    detail = shown.get(kind, lambda: "")()
    return f"{one.topic}[{one.partition}]@{one.offset} {kind} {detail}"
