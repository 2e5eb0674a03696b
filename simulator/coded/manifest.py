"""Read the missing frames from a manifest (docs/recordings.md). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.expected import JITTER_SAMPLES, SAMPLES_PER_MS
from simulator.script import Json

EARLY_SAMPLES = 16
"""Timestamps are up to 2 ms early."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A span of a track's audio, from sample `at` to `end`, in which `frames` are missing."""

    at: int
    end: int
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class Track:
    """A track according to the manifest. `received`: frames that are heard; `left_out`: frames that
    are not in the audio; `samples`: the length of the audio; `holes`: within it; `broken`: the
    manifest's contradictions."""

    received: int
    left_out: int
    samples: int
    holes: tuple[Hole, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The frames missing after the audio, until media time `until_ms`. `frames`: at most how many,
    of both tracks; `holes`: by track, if the manifest lists the tracks separately."""

    frames: int
    until_ms: int
    reason: str
    holes: Mapping[str, tuple[Hole, ...]] | None = None


@dataclass(frozen=True, slots=True)
class WithheldFrames:
    """A span of samples, from `at` to `end`, that must not be heard. `frames`: how many frames of
    each track begin in it."""

    at: int
    end: int
    frames: Mapping[str, int]

    def holds(self, timestamp: int) -> bool:
        """Return whether a frame with this timestamp begins in the span. Timestamps may be early by
        `EARLY_SAMPLES`."""
        return self.at - EARLY_SAMPLES <= timestamp * SAMPLES_PER_MS < self.end - EARLY_SAMPLES


def withheld_of(manifest: Json) -> tuple[WithheldFrames, ...]:
    """Return the withheld spans. Raise `KeyError`, `TypeError` if the manifest is invalid."""
    return tuple(
        WithheldFrames(span["at"], span["at"] + span["samples"], span["frames"])
        for span in manifest.get("withheld", ())
    )


def track_of(manifest: Json, name: str) -> Track:
    """Return one track of all segments, without its withheld audio. Raise `KeyError`, `TypeError`
    if the manifest is invalid."""
    received = left_out = end = 0
    holes: list[Hole] = []
    broken: list[str] = []
    for part in (segment["tracks"].get(name) for segment in manifest["segments"]):
        if part is None:
            continue
        left_out += sum(run["frames"] for run in part["left_out"])
        for one in part["ranges"]:
            if one["at"] != end:
                broken.append(f"{name}: a range at {one['at']}, the one before ends at {end}")
            length = one["frames"] * one["size"] if one["kind"] == "received" else one["samples"]
            end = one["at"] + length
            if one["kind"] == "received":
                received += one["frames"]
            elif one["kind"] == "lost":
                holes.append(_hole(one))
    spans = withheld_of(manifest)
    received -= sum(span.frames[name] for span in spans)
    holes = [hole for hole in holes if not any(s.at <= hole.at < s.end for s in spans)]
    end = manifest["tracks"][name]["samples"] if spans else end
    return Track(received, left_out, end, tuple(holes), tuple(broken))


def end_of(manifest: Json) -> EndOfStream | None:
    """Return the frames that may be missing at the end, or None."""
    lost = manifest.get("lost_at_end")
    if not lost:
        return None
    tracks = lost.get("tracks")
    holes = tracks and {name: tuple(map(_hole, each)) for name, each in tracks.items()}
    return EndOfStream(lost["frames"], lost["until_ms"], lost["reason"], holes)


def contradictions(manifest: Json) -> list[str]:
    """Return the sums of the manifest that differ from the sum of their parts."""
    by_reason, frames = manifest.get("lost_for"), manifest["frames"]
    wrong = []
    if by_reason is not None and sum(by_reason.values()) != frames["lost"]:
        wrong.append(f"lost, by reason {by_reason}, together {frames['lost']}")
    withheld = sum(sum(span.frames.values()) for span in withheld_of(manifest))
    if withheld != frames["withheld"]:
        wrong.append(f"withheld, span by span {withheld}, together {frames['withheld']}")
    return wrong


def reason_of(timestamp: int, name: str, track: Track, end: EndOfStream | None) -> str | None:
    """Return the reason why the frame with this timestamp is missing on the track `name`; None if
    the manifest does not list it."""
    at = timestamp * SAMPLES_PER_MS
    holes = track.holes
    if end is not None and end.holes is not None:
        holes += end.holes.get(name, ())
    for hole in _near(holes, at):
        if hole.reason:
            return hole.reason
    if end is None or end.holes is not None:
        return None
    after = at > track.samples - JITTER_SAMPLES and timestamp < end.until_ms
    return (after and end.reason) or None


def _hole(lost: Json) -> Hole:
    return Hole(lost["at"], lost["at"] + lost["samples"], lost["frames"], lost["reason"])


def _near(holes: tuple[Hole, ...], at: int) -> Iterator[Hole]:
    return (hole for hole in holes if hole.at - JITTER_SAMPLES < at < hole.end)
