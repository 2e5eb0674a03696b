"""Decide which tasks are voice tasks, by the unique name of their task channel. Pure.

Twilio's own channel for voice is `voice`. Old dial pads use another channel for voice, and an
operator may name further ones (`FLEXCAPTURE_VOICE_CHANNELS`). A task without a channel counts as
voice.
"""

from collections.abc import Mapping

from schemas.records import Call, Fact

VOICE_CHANNELS = frozenset({"voice"})
"""The default, in lower case."""

_DEFAULT = "voice"
_CALL_FACTS = frozenset(
    {"call_sid", "customer_call_sid", "customer_joined", "worker_call_sid", "conference_sid"}
)


def channel_facts(channel: str | None, voice_channels: frozenset[str]) -> dict[str, str | None]:
    """Return the facts that an event states about its task's channel. `voice_channels`: lower-case
    names. A fact that the channel is voice is added only if its name does not show it."""
    if channel is None:
        return {}
    is_voice = channel.lower() in voice_channels
    if is_voice == (channel.lower() == _DEFAULT):
        return {"channel": channel}
    return {"channel": channel, "is_voice": str(is_voice).lower()}


def is_voice(facts: Mapping[str, Fact]) -> bool:
    """Return whether a task with these facts is of a voice channel."""
    stated = facts.get("is_voice")
    if stated is not None:
        return stated.value == "true"
    channel = facts.get("channel")
    return channel is None or channel.value.lower() == _DEFAULT


def names_call(call: Call) -> bool:
    """Return whether anything in the task's events shows a call or a conference."""
    return bool(call.legs) or not _CALL_FACTS.isdisjoint(call.facts)
