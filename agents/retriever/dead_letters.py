"""Dead letters of the retriever: contacts that cannot be decoded."""

from aiokafka import AIOKafkaProducer, ConsumerRecord

from pipeline.dead_letters import dead_letter
from pipeline.runtime.settings import Role, Settings
from schemas.topics import CONTACTS, DEAD_LETTERS


async def send_dead_letter(
    producer: AIOKafkaProducer, settings: Settings, message: ConsumerRecord, why: str, now: int
) -> None:
    """Write a record that cannot be decoded to the dead letters; return once Kafka has it. `now`:
    ms, log time."""
    value, headers = dead_letter(
        reason="undecodable",
        detail=why,
        role=Role.RETRIEVER,
        origin=settings.prefixed(CONTACTS.name),
        part=str(message.partition),
        position=str(message.offset),
        at=now,
        key=message.key,
        original=message.value or b"",
    )
    topic = settings.prefixed(DEAD_LETTERS.name)
    await producer.send_and_wait(topic, value, key=message.key, headers=headers)
