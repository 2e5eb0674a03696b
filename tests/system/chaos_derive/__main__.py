"""`make chaos-derive ARGS="..."`: test that a derivation equals the live topics, also if it is
killed, and that with one changed rule only the effects of that rule differ. The exit status is 0
only if that holds."""

import sys
from collections.abc import Sequence

from tests.system.broker_run import on_a_broker
from tests.system.chaos_derive.options import parsed
from tests.system.chaos_derive.run import play

_RIGHT = "the derivations are as they must be"


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    return on_a_broker("chaos-derive", parsed(arguments), play, right=_RIGHT, kafka_s=300.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
