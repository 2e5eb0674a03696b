"""Makes the clock of a process wrong, by CLOCK_SKEW_S seconds: put this directory on PYTHONPATH.

Python imports it at its start, before anything could have taken `time.time` for itself. The
monotonic clock stays as it is.
"""

import os
import time

_SKEW_S = float(os.environ.get("CLOCK_SKEW_S", "0"))
_SKEW_NS = round(_SKEW_S * 1_000_000_000)
_time, _time_ns = time.time, time.time_ns


def _skewed_time() -> float:
    return _time() + _SKEW_S


def _skewed_time_ns() -> int:
    return _time_ns() + _SKEW_NS


time.time, time.time_ns = _skewed_time, _skewed_time_ns
