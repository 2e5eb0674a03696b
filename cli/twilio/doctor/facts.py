"""The facts that the checks judge. `CheckTrouble`: the fact could not be fetched. Times are ms
since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisStream
from pipeline.cluster.topic_checks import TopicFinding
from pipeline.twilio.event_streams import EventSink, Subscription

UNASKED = CheckTrouble("it was not asked for")


@dataclass(frozen=True, slots=True)
class Alert:
    """One of Twilio's alerts. `at`: 0 if its time is not known."""

    sid: str
    code: int
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class ListedWorker:
    """A worker of the account. `words`: the lines of a monitored list that name the worker."""

    sid: str
    name: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """The account at Twilio. `rest`, `auth_token`: why the credentials are refused, None if they
    are accepted; `lists`: by name, the lists of calls that cannot be read; `skew_ms`: this
    machine's clock minus Twilio's."""

    rest: CheckTrouble | None = None
    auth_token: CheckTrouble | None = None
    sinks: Sequence[EventSink] | CheckTrouble = UNASKED
    subscriptions: Sequence[Subscription] | CheckTrouble = UNASKED
    offered: frozenset[str] | CheckTrouble = UNASKED
    alerts: Sequence[Alert] | CheckTrouble = UNASKED
    workers: Sequence[ListedWorker] | CheckTrouble = UNASKED
    lists: Mapping[str, CheckTrouble] = field(default_factory=dict)
    skew_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ShardLag:
    """A shard of the Kinesis stream. `is_begun`: the bridge has a checkpoint of it; `lag_ms`: age
    of the oldest record that is not bridged, 0 if there is none."""

    shard_id: str
    is_begun: bool
    lag_ms: int


@dataclass(frozen=True, slots=True)
class KinesisFacts:
    """The Kinesis stream. `is_local`: an emulator on this machine."""

    name: str
    stream: KinesisStream | CheckTrouble = UNASKED
    lags: Sequence[ShardLag] | CheckTrouble = UNASKED
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """A TLS handshake that succeeded. `expires_at`: of the certificate."""

    version: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """The public URL as seen from this machine. `tls`: None for `ws://`; `unsigned`, `signed`: HTTP
    status of a handshake without a signature, and with one; `is_needed`: whether calls are captured
    by media streams at all."""

    url: str | None = None
    addresses: Sequence[str] | CheckTrouble = UNASKED
    tls: TlsFacts | CheckTrouble | None = UNASKED
    unsigned: int | CheckTrouble = UNASKED
    signed: int | CheckTrouble = UNASKED
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """The cluster. `replicas`: the smallest number of a topic's replicas; `skew_ms`: this machine's
    clock minus Kafka's, None if it is not known."""

    brokers: int = 0
    missing: Sequence[str] = ()
    findings: Sequence[TopicFinding] = ()
    partitions: Mapping[str, int] = field(default_factory=dict)
    replicas: int = 0
    skew_ms: int | None = None
    last_event_at: int | CheckTrouble | None = UNASKED


@dataclass(frozen=True, slots=True)
class ListFacts:
    """The monitored list. `path`: empty if the setting is missing; `why`: why it cannot be read."""

    path: str = ""
    entries: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts. `database`, `store`: the URL's scheme if the probe was written, read and deleted;
    `now`: the time of this machine."""

    now: int
    account: AccountFacts | CheckTrouble = UNASKED
    kinesis: KinesisFacts = field(default_factory=lambda: KinesisFacts(""))
    gateway: GatewayFacts = field(default_factory=GatewayFacts)
    kafka: KafkaFacts | CheckTrouble = UNASKED
    database: str | CheckTrouble = UNASKED
    store: str | CheckTrouble = UNASKED
    monitored: ListFacts = field(default_factory=ListFacts)
