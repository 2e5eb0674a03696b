"""End a process that may not end by itself."""

import os
import threading


def end_process_soon(status: int = 1) -> None:
    """End this process in 3 s with `status`, even if an app or a thread does not stop. Otherwise it
    would keep the process alive, and the role would not be restarted."""
    timer = threading.Timer(3.0, os._exit, (status,))
    timer.daemon = True
    timer.start()
