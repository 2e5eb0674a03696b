"""The Kinesis emulator with the run's time: `python -m tests.system.chaos_recover.emulated_kinesis
PORT`. moto takes the times of records from `datetime`, which cannot be shifted."""

import sys
import time
from datetime import UTC, datetime

import moto.core.utils

from infra.local import kinesis


def utcnow() -> datetime:
    """Return the run's time, as moto wants it: without a time zone."""
    return datetime.fromtimestamp(time.time(), UTC).replace(tzinfo=None)


if __name__ == "__main__":
    # Before anything imports it by name.
    moto.core.utils.utcnow = utcnow
    kinesis.main(sys.argv[1:])
