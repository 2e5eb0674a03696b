"""A core with its steps counted in the same way as by the runner."""

from typing import Any

from agents.faust_runner.core import Core, Observe, Step


class CountedCore:
    """Wraps a core."""

    def __init__(self, core: Core[Any], observe: Observe) -> None:
        self._core, self._observe = core, observe

    def on_record(self, key: str, state: Any, record: Any, now: int) -> Step[Any]:
        """Handle a record."""
        step = self._core.on_record(key, state, record, now)
        self._observe(key, state, record, step, now)
        return step

    def on_tick(self, key: str, state: Any, now: int) -> Step[Any]:
        """Handle a tick."""
        step = self._core.on_tick(key, state, now)
        self._observe(key, state, None, step, now)
        return step
