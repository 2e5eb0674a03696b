"""The largest messages that the topics accept. I/O."""

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.kinesis.messages import SizeLimits
from pipeline.runtime.kafka import MAX_REQUEST_BYTES, admin_client
from pipeline.runtime.settings import Settings
from schemas.topics import CTI_EVENTS, DEAD_LETTERS


async def topic_limits(settings: Settings) -> SizeLimits:
    """Return the topics' limits. Ask again at each take-over: topic settings can change."""
    topics = [settings.prefixed(t.name) for t in (CTI_EVENTS, DEAD_LETTERS)]
    admin = admin_client(settings, 4_000)
    await admin.start()
    try:
        found = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        )
    finally:
        await admin.close()
    takes = {
        resource[3]: min(MAX_REQUEST_BYTES, int(entry[1]))
        for response in found
        for resource in response.resources
        for entry in resource[4]
        if entry[0] == "max.message.bytes"
    }
    # Without the ACL DescribeConfigs the limit is not known: assume the one that we create topics
    # with.
    return SizeLimits(*(takes.get(topic, MAX_REQUEST_BYTES) for topic in topics))
