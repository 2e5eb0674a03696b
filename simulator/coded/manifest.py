"""What a manifest says of the frames that are missing (docs/recordings.md). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.expected import JITTER_SAMPLES, SAMPLES_PER_MS
from simulator.script import Json

EARLY_SAMPLES = 16
"""Timestamps are up to 2 ms early."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples from `at` to `end` of a track's audio in which `frames` are missing, and why."""

    at: int
    end: int
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class Track:
    """What the manifest says of a track: `received` frames that are heard, `left_out` ones, `holes`
    within its audio, which is `samples` long; `broken`: what of it contradicts itself."""

    received: int
    left_out: int
    samples: int
    holes: tuple[Hole, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class End:
    """What is missing after the audio: `frames` of both tracks, at most, until media time
    `until_ms`; `holes` by track, where the manifest tells them apart."""

    frames: int
    until_ms: int
    reason: str
    holes: Mapping[str, tuple[Hole, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """Samples from `at` to `end` that must not be heard, and how many `frames` of each track begin
    there."""

    at: int
    end: int
    frames: Mapping[str, int]

    def holds(self, timestamp: int) -> bool:
        """Whether a frame of that timestamp begins here, as nearly as timestamps say."""
        return self.at - EARLY_SAMPLES <= timestamp * SAMPLES_PER_MS < self.end - EARLY_SAMPLES


def withheld_of(manifest: Json) -> tuple[Withheld, ...]:
    """Return what is withheld. Raises `KeyError`, `TypeError` if it is no manifest."""
    return tuple(
        Withheld(span["at"], span["at"] + span["samples"], span["frames"])
        for span in manifest.get("withheld", ())
    )


def track_of(manifest: Json, name: str) -> Track:
    """One track as it is heard, all segments together; what is withheld is left out. Raises
    `KeyError`, `TypeError` where it is no manifest."""
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


def end_of(manifest: Json) -> End | None:
    """What is missing at the end, if anything may be."""
    told = manifest.get("lost_at_end")
    if not told:
        return None
    tracks = told.get("tracks")
    holes = tracks and {name: tuple(map(_hole, each)) for name, each in tracks.items()}
    return End(told["frames"], told["until_ms"], told["reason"], holes)


def contradictions(manifest: Json) -> list[str]:
    """Where sums of the manifest are not what they are sums of."""
    by_reason, frames = manifest.get("lost_for"), manifest["frames"]
    wrong = []
    if by_reason is not None and sum(by_reason.values()) != frames["lost"]:
        wrong.append(f"lost, by reason {by_reason}, together {frames['lost']}")
    withheld = sum(sum(span.frames.values()) for span in withheld_of(manifest))
    if withheld != frames["withheld"]:
        wrong.append(f"withheld, span by span {withheld}, together {frames['withheld']}")
    return wrong


def reason_of(timestamp: int, name: str, track: Track, end: End | None) -> str | None:
    """Why the frame of that timestamp is missing on the track `name`; None where the manifest does
    not say so."""
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


def _hole(told: Json) -> Hole:
    return Hole(told["at"], told["at"] + told["samples"], told["frames"], told["reason"])


def _near(holes: tuple[Hole, ...], at: int) -> Iterator[Hole]:
    return (hole for hole in holes if hole.at - JITTER_SAMPLES < at < hole.end)
