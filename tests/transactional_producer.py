"""A double of a transactional producer."""

import asyncio
from typing import Any


class TransactionalProducer:
    """Notes its calls in `steps`. `fate`: by topic, an error, or "silent" for no answer; under
    "start" and "stop": no answer to these. `arguments`: those with which it was made."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.steps: list[Any] = []
        self.fate: dict[str, Any] = {}

    async def start(self) -> None:
        """Connect."""
        if "start" in self.fate:
            await asyncio.sleep(3_600)

    async def stop(self) -> None:
        """Disconnect."""
        self.steps.append("stop")
        if "stop" in self.fate:
            await asyncio.Event().wait()

    async def begin_transaction(self) -> None:
        """Begin a transaction."""
        self.steps.append("begin")

    async def commit_transaction(self) -> None:
        """Commit the transaction."""
        self.steps.append("commit")

    async def send(self, topic: str, value: bytes | None, key: bytes | None, **more: Any) -> Any:
        """Queue a record."""
        self.steps.append((topic, value, key, more))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        fate = self.fate.get(topic)
        if isinstance(fate, Exception):
            answer.set_exception(fate)
        elif fate is None:
            answer.set_result(None)
        return answer
