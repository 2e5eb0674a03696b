"""`make chaos-bridge ARGS="..."`: test the bridge's exactly-once promise while Kinesis splits and
merges shards, and bridge processes are killed, frozen and added. The exit status is 0 only if the
promise held."""

import sys
from collections.abc import Sequence

from tests.system.broker_run import on_a_broker
from tests.system.chaos_bridge.options import parsed
from tests.system.chaos_bridge.run import play

_RIGHT = "every event once, in order"


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    return on_a_broker("chaos-bridge", parsed(arguments), play, right=_RIGHT, kafka_s=90.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
