"""What a run prints."""

from collections.abc import Mapping

from simulator.coded.judgement import total
from tests.system.chaos.stage import Say
from tests.system.chaos_audio.judging import FRAME_MS, FRAMES, Assessment
from tests.system.chaos_audio.options import AudioOptions
from tests.system.chaos_audio.run import Played

SHOWN = 20


def report(options: AudioOptions, played: Played, result: Assessment, say: Say) -> None:
    """Print the counts, and below them the differences."""
    sums = total(list(result.judgements.values()))
    lateness = played.lateness
    say(f"seed {options.seed}")
    say(f"calls                {len(played.scripts)}")
    say(f"media streams        {len(result.judgements)}, {_never(played)} more never sent a frame")
    say(f"kills                {_counted(played.kills)}")
    say(f"unasked ends         {len(played.processes.unasked)}")
    say(f"the sender was late  in {lateness.late} of {lateness.slots} ms, {lateness.worst_ms:.0f} "
        "ms at most")  # fmt: skip
    say(f"frames sent          {sums.sent}")
    say(f"  recorded in place  {sums.recorded}")
    say(f"  reported lost      {sums.lost.total()} ({_counted(sums.lost)})")
    say(f"  withheld           {sums.withheld}, and {sums.unread} more that were never read")
    say(f"  in gaps            {sums.in_gap}, after a silence, with a gateway that died")
    say(f"  in bursts          {sums.in_burst}, of a late sender, with a gateway that died")
    say(f"  neither            {sums.unaccounted}")
    say(f"never made           {sums.silent.total()} ({_counted(sums.silent)})")
    say(f"strange frames       {sums.strange.total()} ({_counted(sums.strange)})")
    say(f"not taken in time    {_thrown_away(played)}: thrown away by Twilio, never sent")
    say(f"lost at one end      {sums.lost_at_end * FRAME_MS} ms at most")
    say(f"streamed             {_streamed(played):.1f} % of each call, from its first frame on")
    if not played.kills:  # what a killed process had used is not known
        cores = {role: f"{used:.2f}" for role, used in played.usage.cores().items()}
        say(f"cores                {_counted(cores)}")
    wrong = [f"{sid}: {text}" for sid, j in result.judgements.items() for text in j.wrong]
    wrong += result.wrong
    for text in [*played.processes.unasked, *(f"WRONG: {one}" for one in wrong[:SHOWN])]:
        say(text)
    say("all of it holds" if result.holds else f"{len(wrong)} WRONG")


def _never(played: Played) -> int:
    return sum(not coded.turns for coded in played.streams)


def _thrown_away(played: Played) -> int:
    return FRAMES * sum(len(coded.thrown_away) for coded in played.streams)


def _streamed(played: Played) -> float:
    """How much of the time in which a call had a media stream, or should have had the next."""
    on = wanted = 0
    for script in played.scripts:
        streams = played.of_call(script)
        begun = [coded.began_at for coded in streams if coded.began_at is not None]
        ended = played.hung_up[script.task_sid]
        ran = [(coded.began_at or ended, FRAME_MS * coded.turns) for coded in streams]
        on += sum(min(lasting, ended - began) for began, lasting in ran)
        wanted += ended - min(begun, default=ended)
    return 100 * on / wanted if wanted else 0.0


def _counted(counts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
