"""A file with a monitored list, a topic, and the publisher between them."""

from dataclasses import dataclass, field
from pathlib import Path

from agents.policy_publisher import PolicyPublisher
from agents.policy_writer import following_version
from pipeline.policy.list_changes import Content
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.records import PolicyHeldBack, RecordingPolicy

ANN, BOB = "ann@example.com", "bob@example.com"


@dataclass
class Topic:
    """The topic between publisher and reader: a published record is read at once."""

    history: PolicyHistory
    held_back: dict[str, PolicyHeldBack] = field(default_factory=dict)
    accepted: dict[tuple[str, int], int] = field(default_factory=dict)
    acceptances: int = 0
    refuses: Exception | None = None
    published: int = 0

    def is_accepted(self, content_hash: str, base: int, since: int) -> bool:
        return self.accepted.get((content_hash, base), 0) > since

    def accept(self) -> None:
        for held in self.held_back.values():
            self.acceptances += 1
            self.accepted[held.hash, held.base] = self.acceptances

    async def publish(
        self, content: Content, base: int, known: PolicyHistory, *, anew: bool = False
    ) -> None:
        if self.refuses is not None:
            raise self.refuses
        policy = following_version(content, base, self.history, self.published)
        if policy is not None:
            self.published += 1
            self.history.add(policy)

    async def announce(self, instance: str, held: PolicyHeldBack | None) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.held_back.pop(instance, None)
        if held is not None:
            self.held_back[instance] = held


@dataclass
class Scene:
    """A file, a topic on which `before` is in force, and a stream manager between them."""

    path: Path
    before: tuple[str, ...] = ()
    now: float = 100.0
    health: Health = field(default_factory=Health)
    shrink_s: float = 300.0

    def __post_init__(self) -> None:
        versions = [RecordingPolicy(1, 0, 0, tuple(sorted(self.before)), True, True)]
        self.topic = Topic(PolicyHistory.of(versions if self.before else []))
        self.publisher = self.started()

    def started(
        self, instance: str = "one", path: Path | None = None, health: Health | None = None
    ) -> PolicyPublisher:
        settings = Settings(
            monitored_agents=path or self.path,
            instance=instance,
            list_shrink_seconds=self.shrink_s,
        )
        return PolicyPublisher(
            settings,
            self.topic,
            health or self.health,
            machine_clock,
            clock=lambda: self.now,
            writer=self.topic,  # type: ignore[arg-type]
        )

    def write(self, *lines: str) -> None:
        self.path.write_text("".join(f"{line}\n" for line in lines))

    async def passes(self, seconds: float, *publishers: PolicyPublisher) -> None:
        for _ in range(max(1, round(seconds * 2))):
            self.now += 0.5
            for publisher in publishers or (self.publisher,):
                await publisher.look()

    @property
    def in_force(self) -> tuple[str, ...]:
        return self.topic.history.latest.entries

    @property
    def why(self) -> str:
        return self.health.reasons.get("monitored-list", "")
