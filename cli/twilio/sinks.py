"""The requests for sinks, subscriptions and event types."""

import json
from dataclasses import dataclass

from cli.twilio.api import AdminApi
from pipeline.twilio.event_streams import (
    KINESIS,
    EventSink,
    Subscription,
    newest_version,
    sink_of,
    subscription_of,
    types_form,
)
from pipeline.twilio.urls import EVENTS


@dataclass(frozen=True, slots=True)
class SinkRequests:
    """The requests of one account. All raise `TwilioError`."""

    api: AdminApi

    async def sinks(self) -> list[EventSink]:
        """Return all sinks."""
        return [sink_of(item) for item in await self.api.rows(f"{EVENTS}/Sinks", "sinks")]

    async def sink(self, sid: str) -> EventSink:
        """Return a sink."""
        return sink_of(await self.api.get(f"{EVENTS}/Sinks/{sid}"))

    async def create(
        self, description: str, arn: str, role_arn: str, external_id: str
    ) -> EventSink:
        """Create a sink for a Kinesis stream."""
        configuration = {"arn": arn, "role_arn": role_arn, "external_id": external_id}
        form = {
            "Description": description,
            "SinkType": KINESIS,
            "SinkConfiguration": json.dumps(configuration),
        }
        return sink_of(await self.api.post(f"{EVENTS}/Sinks", form))

    async def begin_test(self, sid: str) -> None:
        """Let Twilio send a test event to the sink."""
        await self.api.post(f"{EVENTS}/Sinks/{sid}/Test", is_safe=True)

    async def validate(self, sid: str, test_id: str) -> None:
        """Show that the test event arrived."""
        await self.api.post(f"{EVENTS}/Sinks/{sid}/Validate", {"TestId": test_id}, is_safe=True)

    async def delete_sink(self, sid: str) -> None:
        """Delete a sink without subscriptions."""
        await self.api.delete(f"{EVENTS}/Sinks/{sid}")

    async def types(self) -> dict[str, str]:
        """Return the event types that the account's API offers, each with its schema id."""
        rows = await self.api.rows(f"{EVENTS}/Types", "types")
        return {str(row.get("type", "")): str(row.get("schema_id") or "") for row in rows}

    async def newest_version(self, schema_id: str) -> int | None:
        """Return a schema's newest version; None if none is listed."""
        url = f"{EVENTS}/Schemas/{schema_id}/Versions"
        return newest_version(await self.api.rows(url, "schema_versions"))

    async def subscriptions(self, sink_sid: str | None = None) -> list[Subscription]:
        """Return the subscriptions, of one sink or of all, with their types."""
        query = {} if sink_sid is None else {"SinkSid": sink_sid}
        rows = await self.api.rows(f"{EVENTS}/Subscriptions", "subscriptions", query)
        found = [
            subscription_of(row, await self.api.rows(_subscribed(str(row.get("sid"))), "types"))
            for row in rows
        ]
        return [each for each in found if sink_sid in (None, each.sink_sid)]

    async def subscribe(self, description: str, sink_sid: str, versions: dict[str, int]) -> str:
        """Subscribe to event types with their schema versions. Return the subscription's SID."""
        form = {"Description": description, "SinkSid": sink_sid, "Types": types_form(versions)}
        return str((await self.api.post(f"{EVENTS}/Subscriptions", form)).get("sid", ""))

    async def add_type(self, subscription_sid: str, name: str, version: int) -> None:
        """Add an event type to a subscription."""
        form = {"Type": name, "SchemaVersion": str(version)}
        await self.api.post(_subscribed(subscription_sid), form)

    async def remove_type(self, subscription_sid: str, name: str) -> None:
        """Remove an event type from a subscription."""
        await self.api.delete(f"{_subscribed(subscription_sid)}/{name}")

    async def delete_subscription(self, sid: str) -> None:
        """Delete a subscription."""
        await self.api.delete(f"{EVENTS}/Subscriptions/{sid}")


def _subscribed(subscription_sid: str) -> str:
    return f"{EVENTS}/Subscriptions/{subscription_sid}/SubscribedEvents"
