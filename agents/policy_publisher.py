"""Publish the monitored list from its file to the topic `policy`, in versions.

Several stream managers may watch a file. A process publishes only when its own file changes, and
never a list that is already in force. So processes with different files do not overwrite each
other's versions again and again.
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from aiokafka.errors import ProducerFenced

from agents.metrics import POLICY_DIFFERS, POLICY_HELD_BACK
from agents.policy_file import Entries, PolicyFile, UnreadableList
from agents.policy_topic import PolicyReader
from agents.policy_writer import PolicyWriter, is_in_force
from pipeline.policy.list_changes import Content, HeldBack, Plan, plan
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.times import rfc3339
from schemas.records import PolicyHeldBack

log = structlog.get_logger(__name__)

POLL_S = 0.25
LOOKS_AT_TOPIC = 40
"""The topic's end is checked once in this many reads of the file."""
RETRY_S = 1.0
GROWS_S = 2.0
MOST_PAUSE_S = 16.0
PUBLISH_TIMEOUT_S = 20.0
DIFFERS_S = 5.0
"""The file and the list in force may differ for this long before health turns bad."""
NAMED = 3
"""The greatest number of entries that a health reason names."""
SUMMARY = 1_000
"""The greatest number of entries in each list of a `PolicyHeldBack`."""


def fenced_pause(times: int, jitter: float) -> float:
    """Return the pause (s) after a publisher was fenced `times` times in a row.

    Several stream managers publish the same list with one transactional id, and each that starts
    fences the one before. On a slow cluster, publishers that all pause for the same time would
    fence one another for ever. So the pauses differ and grow. `jitter`: a random number from 0 to
    1.
    """
    return RETRY_S + jitter * min(MOST_PAUSE_S, GROWS_S * 2.0 ** min(times - 1, 8))


class PolicyPublisher:
    """Watches the file and publishes its list.

    Health is bad (`monitored-list`) while the file is invalid, its list is held back, or it differs
    from the list in force.
    """

    def __init__(
        self,
        settings: Settings,
        reader: PolicyReader,
        health: Health,
        now: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
        writer: PolicyWriter | None = None,
    ) -> None:
        self._now = now
        self._settings = settings
        self._reader = reader
        self._health = health
        self._clock = clock
        self._writer = writer or PolicyWriter(settings, now)
        self._file = PolicyFile(settings.monitored_agents, clock)
        self._instance = settings.instance or f"{socket.gethostname()}-{os.getpid()}"
        self._wanted: Content | None = None
        self._wanted_since = 0.0
        self._hash = ""
        self._planned_for: tuple[object, ...] = ()
        self._acceptances = 0
        self._taken: Content | None = None
        self._held: PolicyHeldBack | None = None
        self._differs_since: float | None = None
        self._lost = False
        self._failure = ""
        self._retry_at = 0.0
        self._fenced = 0
        if settings.monitored_agents is None:
            log.warning("FLEXCAPTURE_MONITORED_AGENTS is not set: no agent is monitored")

    async def watch(self) -> None:
        """Check the file every `POLL_S`, and the topic now and then, until cancelled."""
        looks = 0
        while True:
            looks += 1
            if looks % LOOKS_AT_TOPIC == 0 and await self._reader.is_topic_lost():
                log.error("the topic policy was lost; publishing the list again")
                self._taken, self._lost = None, True
            await self.look()
            await asyncio.sleep(POLL_S)

    async def begin(self, seconds: float = 5.0) -> None:
        """Check the file until its list is published, held back or refused, for at most
        `seconds`."""
        end = self._clock() + seconds
        while not await self.look() and self._clock() < end:  # noqa: ASYNC110 - a file is polled
            await asyncio.sleep(POLL_S)

    async def look(self) -> bool:
        """Read the file once and act on it. Return False if there is more to do, because the file
        is too new or publishing failed."""
        found = await self._file.read()
        match found:
            case None:
                return False
            case UnreadableList(why):
                self._wanted = None
                self._alarm(f"{why}; the last good list stays in force")
                return True
            case Entries():
                return await self._look_at(found)

    async def _look_at(self, found: Entries) -> bool:
        wanted = Content(
            found.entries, self._settings.record_inbound, self._settings.record_outbound
        )
        if wanted != self._wanted:
            self._wanted, self._wanted_since = wanted, self._clock()
            self._hash = wanted.hash
            self._acceptances = self._reader.acceptances
        if not found.agreed and not is_in_force(wanted, 0, self._reader.history):
            self._compare(wanted)
            return False
        if wanted != self._taken or self._held is not None:
            await self._take(wanted)
        self._compare(wanted)
        return wanted == self._taken or self._held is not None

    async def _take(self, wanted: Content) -> None:
        """Publish the part of the list that takes effect now, and announce the part that is held
        back."""
        history = self._reader.history
        due = self._unchanged_s() >= self._settings.list_shrink_seconds
        planned_for = (self._hash, due, self._reader.acceptances, id(history.latest.entries))
        if self._clock() < self._retry_at or (self._held and planned_for == self._planned_for):
            return
        planned = self._plan(wanted, history)
        base = history.base.version if planned.held_back else 0
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                content = replace(wanted, entries=planned.entries)
                await self._writer.publish(content, base, history, anew=self._lost)
                await self._hold(planned.held_back)
        except Exception as error:  # noqa: BLE001 - after any error the last list stays in force
            self._fenced = self._fenced + 1 if isinstance(error, ProducerFenced) else 0
            pause = fenced_pause(self._fenced, random.random()) if self._fenced else RETRY_S  # noqa: S311
            self._retry_at = self._clock() + pause
            if self._failure != repr(error):
                self._failure = repr(error)
                log.warning("monitored list not published; retrying", error=self._failure)
            return
        self._failure, self._lost, self._fenced = "", False, 0
        self._planned_for = planned_for
        if planned.held_back is None:
            self._taken = wanted

    def _unchanged_s(self) -> float:
        return self._clock() - self._wanted_since

    def _plan(self, wanted: Content, history: PolicyHistory) -> Plan:
        base = history.base
        return plan(
            base.entries,
            history.latest.entries,
            wanted.entries,
            accepted=self._reader.is_accepted(self._hash, base.version, self._acceptances),
            unchanged_ms=round(self._unchanged_s() * 1000),
            shrink_ms=round(self._settings.list_shrink_seconds * 1000),
        )

    async def _hold(self, held_back: HeldBack | None) -> None:
        """Announce the held-back list, or that none is held back any more; each only once."""
        if held_back is None:
            if self._instance in self._reader.held_back or self._held is not None:
                await self._writer.announce(self._instance, None)
            self._held = None
            POLICY_HELD_BACK.set(0)
            return
        base = self._reader.history.base.version
        if self._held is not None and (self._held.hash, self._held.base) == (self._hash, base):
            return
        now = self._now()
        left = self._settings.list_shrink_seconds - self._unchanged_s()
        held = PolicyHeldBack(
            hash=self._hash,
            base=base,
            instance=self._instance,
            at=now,
            effective_at=now + max(0, round(left * 1000)),
            in_force=held_back.in_force,
            lost_entries=len(held_back.lost),
            lost=held_back.lost[:SUMMARY],
            added_entries=len(held_back.added),
            added=held_back.added[:SUMMARY],
        )
        await self._writer.announce(self._instance, held)
        self._held = held
        POLICY_HELD_BACK.set(held.lost_entries)

    def _compare(self, wanted: Content) -> None:
        """Set health: bad while a loss is held back, or if the list in force has differed for too
        long."""
        history = self._reader.history
        if is_in_force(wanted, 0, history):
            self._differs_since = None
            POLICY_DIFFERS.set(0)
            self._health.good("monitored-list")
            return
        POLICY_DIFFERS.set(1)
        if self._differs_since is None:
            self._differs_since = self._clock()
        if self._held is not None and not self._failure:
            self._alarm(_held_reason(self._held))
        elif self._clock() - self._differs_since > DIFFERS_S:
            self._alarm(self._difference(wanted, history))
        elif not self._failure:
            self._health.good("monitored-list")

    def _difference(self, wanted: Content, history: PolicyHistory) -> str:
        latest = history.latest
        in_force = f"version {latest.version} with {len(latest.entries)} entries stays in force"
        if self._failure:
            return f"the list could not be published ({self._failure}); {in_force}; retrying"
        if wanted != self._taken:
            return f"the file keeps changing; {in_force}"
        other = sorted(frozenset(wanted.entries) ^ frozenset(latest.entries))
        return (
            f"version {latest.version}, which another process published, differs from this "
            f"process's settings in {len(other)} entries ({_some(other, len(other))}): give every "
            "stream manager the same list"
        )

    def _alarm(self, reason: str) -> None:
        if reason != self._health.reasons.get("monitored-list"):
            log.error("the list of monitored agents in force differs from the file", why=reason)
        self._health.bad("monitored-list", reason)


def _held_reason(held: PolicyHeldBack) -> str:
    lost = _some(held.lost, held.lost_entries)
    return (
        f"the list would lose {held.lost_entries} of {held.in_force} entries ({lost}); they stay "
        "in force. Accept the list with `flexcapture policy accept`, else it takes effect at "
        f"{rfc3339(held.effective_at)}"
    )


def _some(entries: Sequence[str], count: int) -> str:
    named = ", ".join(entries[:NAMED])
    return named if count <= NAMED else f"{named}, and {count - NAMED} more"
