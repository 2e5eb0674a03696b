"""How a process ends that cannot be trusted to end by itself."""

import os
import threading


def end_process_soon(status: int = 1) -> None:
    """End this process in 3 s with that status, whatever it does: an app or a thread that does not
    stop would keep it alive, and nothing would start the role again."""
    timer = threading.Timer(3.0, os._exit, (status,))
    timer.daemon = True
    timer.start()
