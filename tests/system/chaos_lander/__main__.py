"""`make chaos-lander ARGS="..."`: test that each record lands exactly once while landers are
killed, and that the lake and the topics give the same answers. The exit status is 0 only if both
hold."""

import sys
from collections.abc import Sequence

from tests.system.broker_run import on_a_broker
from tests.system.chaos_lander.options import parsed
from tests.system.chaos_lander.run import play

_RIGHT = "every record once, and the same answers"


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    return on_a_broker("chaos-lander", parsed(arguments), play, right=_RIGHT, kafka_s=300.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
