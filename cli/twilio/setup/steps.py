"""The steps of the set-up at Twilio. Each step looks first and changes only the difference, so that
the set-up can be stopped and run again at any moment."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cli.twilio.setup.aws_side import AwsSide
from cli.twilio.sinks import SinkRequests
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import ErrorVerdict, health_of_twilio
from pipeline.twilio.event_streams import (
    WANTED_TYPES,
    EventSink,
    Subscription,
    best_of,
    description_of,
    is_ours,
    leads_to,
    missing_types,
    surplus_types,
)

TESTS = 3
TEST_S = 20.0
"""How long a test event may take. A new role is known everywhere in AWS after some seconds."""
ACTIVE_S = 20.0
POLL_S = 0.5
CREATE_ATTEMPTS = 3

Say = Callable[[str], None]


class SetupFailed(Exception):
    """A step failed. The text says what to do."""


class TestReader(Protocol):
    """Reads the test events that reach the Kinesis stream."""

    async def begin(self) -> None:
        """Note the present end of the Kinesis stream."""

    async def arrived(self, seconds: float) -> list[str]:
        """Return the ids of test events that arrive within the time."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps. `say`: prints a line; `is_dry_run`: nothing is changed. All raise `TwilioError`
    and `SetupFailed`."""

    requests: SinkRequests
    side: AwsSide
    reader: TestReader
    say: Say
    is_dry_run: bool = False

    @property
    def description(self) -> str:
        """The description of our sink and subscription."""
        return description_of(self.side.kinesis_stream)

    async def run(self, sink: EventSink | None) -> None:
        """Create or correct the sink and the subscription. `sink`: the one that exists already."""
        offered = await self.requests.types()
        sink = await self._sink(sink)
        found = [] if sink is None else await self.requests.subscriptions(sink.sid)
        # Twilio may create sinks that are active: without a subscription, this one is untested.
        if sink is not None and not (sink.is_active and found):
            sink = await self._activate(sink)
        await self._subscribe(sink, found, offered)

    async def _sink(self, sink: EventSink | None) -> EventSink | None:
        if sink is not None:
            self.say(f"exists: sink {sink.sid}, {sink.status}, {self.description!r}")
            return sink
        if self.is_dry_run:
            self.say(f"would create: sink {self.description!r} for {self.side.stream_arn}")
            return None
        sink = await self._created()
        self.say(f"created: sink {sink.sid}, {self.description!r}, for {self.side.stream_arn}")
        return sink

    async def _created(self) -> EventSink:
        """Create the sink. If Twilio may have created it without an answer, look before the
        request is repeated."""
        side = self.side
        for attempt in range(CREATE_ATTEMPTS):
            try:
                return await self.requests.create(
                    self.description, side.stream_arn, side.role_arn, side.external_id
                )
            except TwilioError as error:
                is_unknown = health_of_twilio(error.status, error.code) is ErrorVerdict.BACK_OFF
                if not is_unknown or attempt + 1 == CREATE_ATTEMPTS:
                    raise
            sink = existing_sink(await self.requests.sinks(), side)
            if sink is not None:
                return sink
        raise AssertionError

    async def _activate(self, sink: EventSink) -> EventSink:
        """Let Twilio send a test event, read it from the Kinesis stream, and validate the sink
        unless it is active already."""
        if self.is_dry_run:
            self.say(f"would test: sink {sink.sid}")
            return sink
        await self.reader.begin()
        for _ in range(TESTS):
            if not await self._begins_test(sink):
                return sink
            for test_id in await self.reader.arrived(TEST_S):
                if sink.is_active:
                    self.say(
                        f"tested: sink {sink.sid}, by a test event read from the Kinesis stream"
                    )
                    return sink
                if await self._is_validated(sink.sid, test_id):
                    return await self._once_active(sink.sid)
        raise SetupFailed(
            f"Twilio's test event did not reach the Kinesis stream {self.side.kinesis_stream} "
            f"within {TESTS * TEST_S:.0f} s. Twilio must be able to assume {self.side.role_arn} "
            f"with the external id {self.side.external_id}, and to write to the Kinesis stream. "
            "Correct the AWS side and run this command again; for another role, run `flexcapture "
            "twilio teardown` before"
        )

    async def _begins_test(self, sink: EventSink) -> bool:
        """Let Twilio send a test event. Return False if it does not test a sink that is active."""
        try:
            await self.requests.begin_test(sink.sid)
        except TwilioError as error:
            if not _is_of_the_sink(error):
                raise
            if sink.is_active:
                self.say(
                    f"not tested: sink {sink.sid} is active, and Twilio refuses a test: {error}"
                )
                return False
            raise SetupFailed(
                f"Twilio refuses to test sink {sink.sid}, which is {sink.status}: {error}. Run "
                "`flexcapture twilio teardown`, and then this command again"
            ) from error
        return True

    async def _is_validated(self, sid: str, test_id: str) -> bool:
        try:
            await self.requests.validate(sid, test_id)
        except TwilioError as error:
            if _is_of_the_sink(error):
                return False  # the test event of another sink
            raise
        self.say(f"validated: sink {sid}, by a test event read from the Kinesis stream")
        return True

    async def _once_active(self, sid: str) -> EventSink:
        for _ in range(round(ACTIVE_S / POLL_S)):
            sink = await self.requests.sink(sid)
            if sink.is_active:
                return sink
            await asyncio.sleep(POLL_S)
        raise SetupFailed(f"sink {sid} is {sink.status}, not active: run this command again")

    async def _subscribe(
        self, sink: EventSink | None, found: list[Subscription], offered: dict[str, str]
    ) -> None:
        """Make the subscription have exactly the wanted types that the API offers. `found`: the
        subscriptions of the sink."""
        for name in sorted(set(WANTED_TYPES) - set(offered)):
            self.say(f"not offered by this account: {name}")
        ours = next((s for s in found if s.description == self.description), None)
        missing = missing_types((name for each in found for name in each.types), offered)
        if ours is None and missing:
            await self._create_subscription(sink, await self._versions(missing, offered))
        elif ours is not None:
            await self._correct(ours, await self._versions(missing, offered))
        else:
            self.say("exists: a subscription with all event types, which this command did not make")

    async def _versions(self, names: list[str], offered: dict[str, str]) -> dict[str, int]:
        """Return the newest schema version of each type."""
        newest = {
            schema: await self.requests.newest_version(schema)
            for schema in sorted({offered[name] for name in names})
        }
        for name in names:
            if newest[offered[name]] is None:
                raise SetupFailed(f"Twilio lists no schema version of {name}")
        return {name: newest[offered[name]] or 0 for name in names}

    async def _create_subscription(self, sink: EventSink | None, versions: dict[str, int]) -> None:
        if sink is None or self.is_dry_run:
            self.say(f"would create: subscription with {len(versions)} event types")
            for name, version in versions.items():
                self.say(f"  {name}, schema version {version}")
            return
        sid = await self._subscribed_once(sink, versions)
        self.say(f"created: subscription {sid} with {len(versions)} event types")

    async def _subscribed_once(self, sink: EventSink, versions: dict[str, int]) -> str:
        for attempt in range(CREATE_ATTEMPTS):
            try:
                return await self.requests.subscribe(self.description, sink.sid, versions)
            except TwilioError as error:
                is_unknown = health_of_twilio(error.status, error.code) is ErrorVerdict.BACK_OFF
                if not is_unknown or attempt + 1 == CREATE_ATTEMPTS:
                    raise
            for each in await self.requests.subscriptions(sink.sid):
                if each.description == self.description:
                    return each.sid
        raise AssertionError

    async def _correct(self, ours: Subscription, missing: dict[str, int]) -> None:
        surplus = surplus_types(ours.types)
        verb = "would " if self.is_dry_run else ""
        if not missing and not surplus:
            self.say(f"exists: subscription {ours.sid} with {len(ours.types)} event types")
        for name, version in missing.items():
            if not self.is_dry_run:
                await self.requests.add_type(ours.sid, name, version)
            self.say(f"{verb}add: {name}, schema version {version}, to {ours.sid}")
        for name in surplus:
            if not self.is_dry_run:
                await self.requests.remove_type(ours.sid, name)
            self.say(f"{verb}remove: {name} from {ours.sid}")


def _is_of_the_sink(error: TwilioError) -> bool:
    """Return whether Twilio refuses a request for the sink's sake, not for the account's."""
    return 400 <= error.status < 500 and error.status not in (401, 403, 429)


def existing_sink(sinks: list[EventSink], side: AwsSide) -> EventSink | None:
    """Return the sink to use: ours, else an active one that leads to the Kinesis stream."""
    arn = side.stream_arn if side.is_known else ""
    ours = [sink for sink in sinks if is_ours(sink, side.kinesis_stream, arn)]
    others = [s for s in sinks if s.is_active and leads_to(s, side.kinesis_stream, arn)]
    return best_of(ours) or best_of(others)


async def tear_down(requests: SinkRequests, side: AwsSide, say: Say, *, is_dry_run: bool) -> None:
    """Delete our subscriptions, then our sinks. Raise `TwilioError`."""
    arn = side.stream_arn if side.is_known else ""
    verb = "would delete" if is_dry_run else "deleted"
    description, found = description_of(side.kinesis_stream), await requests.sinks()
    sinks = [sink for sink in found if is_ours(sink, side.kinesis_stream, arn)]
    used = [s for s in found if leads_to(s, side.kinesis_stream, arn)]
    for sink in {each.sid: each for each in (*sinks, *used)}.values():
        for subscription in await requests.subscriptions(sink.sid):
            if subscription.description == description:
                if not is_dry_run:
                    await requests.delete_subscription(subscription.sid)
                say(f"{verb}: subscription {subscription.sid}")
    for sink in sinks:
        if not is_dry_run:
            await requests.delete_sink(sink.sid)
        say(f"{verb}: sink {sink.sid}")
    if not sinks:
        say("there is no sink of this command")
