"""Judgements about clocks, Kafka, the database and the recordings store. Pure."""

from collections.abc import Sequence

from cli.twilio.doctor.facts import Facts
from cli.twilio.doctor.results import CheckOutcome, CheckTrouble, failure, not_checked, ok, warning

_SECOND = 1_000
SKEW_WARNING_MS, SKEW_FAILURE_MS = 2 * _SECOND, 60 * _SECOND
SAFE_REPLICAS = 3
_NO_KAFKA = "Kafka cannot be asked"
_SHOWN = 5
APPLY = "run `flexcapture topics apply`"


def clocks(facts: Facts) -> CheckOutcome:
    """Judge this machine's clock against Kafka's and Twilio's. Twilio gives whole seconds."""
    skews: dict[str, int] = {}
    if not isinstance(facts.kafka, CheckTrouble) and facts.kafka.skew_ms is not None:
        skews["Kafka"] = facts.kafka.skew_ms
    if not isinstance(facts.account, CheckTrouble) and facts.account.skew_ms is not None:
        skews["Twilio"] = facts.account.skew_ms
    if not skews:
        return not_checked("neither Kafka nor Twilio states the time")
    text = "; ".join(
        f"this machine is {abs(skew) / _SECOND:.1f} s {'ahead of' if skew > 0 else 'behind'} {name}"
        for name, skew in skews.items()
    )
    worst = max(map(abs, skews.values()))
    remedy = "synchronise the clocks of this machine and of the brokers (NTP)"
    if worst > SKEW_FAILURE_MS:
        return failure(f"{text}: tickets are valid for 60 s", remedy)
    return warning(text, remedy) if worst > SKEW_WARNING_MS else ok(text)


def kafka(facts: Facts) -> CheckOutcome:
    """Judge whether Kafka answers."""
    if isinstance(facts.kafka, CheckTrouble):
        remedy = "check FLEXCAPTURE_KAFKA_..., the brokers, and the network to them"
        return failure(facts.kafka.why, remedy)
    return ok(f"{facts.kafka.brokers} brokers answer")


def topics(facts: Facts) -> CheckOutcome:
    """Judge the topics: all there, with the right partitions, retention and min ISR."""
    if isinstance(facts.kafka, CheckTrouble):
        return not_checked(_NO_KAFKA)
    found = facts.kafka
    if found.missing:
        return failure(f"missing: {_shortened(found.missing)}", APPLY)
    if found.partitions:
        counts = [f"{name} has {count} partitions" for name, count in found.partitions.items()]
        remedy = "the number cannot be changed: use another FLEXCAPTURE_TOPIC_PREFIX"
        return failure(_shortened(counts), remedy)
    problems = [f"{f.topic}: {f.problem}" for f in found.findings if f.loses_data]
    if problems:
        return failure(_shortened(problems), APPLY)
    if found.findings:
        return warning(_shortened([f"{f.topic}: {f.problem}" for f in found.findings]), APPLY)
    return ok("all topics are as they must be")


def replication(facts: Facts) -> CheckOutcome:
    """Judge the number of replicas."""
    if isinstance(facts.kafka, CheckTrouble):
        return not_checked(_NO_KAFKA)
    replicas = facts.kafka.replicas
    if not replicas:
        return not_checked("there are no topics")
    if replicas < SAFE_REPLICAS:
        return warning(
            f"topics have {replicas} replicas: records can be lost with a broker",
            "use at least three brokers and FLEXCAPTURE_KAFKA_REPLICATION_FACTOR=3",
        )
    return ok(f"{replicas} replicas")


def database(facts: Facts) -> CheckOutcome:
    """Judge whether the database takes, gives back and deletes a probe."""
    if isinstance(facts.database, CheckTrouble):
        if facts.database.is_unset:
            return not_checked(facts.database.why)
        remedy = "check FLEXCAPTURE_DATABASE_URL, the server, its disk, and the user's rights"
        return failure(facts.database.why, remedy)
    return ok(f"{facts.database}: a probe was written, read and deleted")


def recordings_store(facts: Facts) -> CheckOutcome:
    """Judge whether the recordings store takes, gives back and deletes a probe."""
    if isinstance(facts.store, CheckTrouble):
        if facts.store.is_unset:
            return not_checked(facts.store.why)
        remedy = (
            "check FLEXCAPTURE_RECORDINGS_URL, the mount or bucket, its free space, and the rights "
            "to put, get and delete"
        )
        return failure(facts.store.why, remedy)
    return ok(f"{facts.store}: a probe was written, read and deleted")


def _shortened(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
