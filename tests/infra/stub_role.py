"""A role that does nothing well: it answers /healthz on its configured address until SIGTERM."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Healthz(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """With `crash-N` as a further argument: ends with status 3 the first N times."""
    listen = os.environ.get("FLEXCAPTURE_HTTP_LISTEN") or os.environ["FLEXCAPTURE_CONSOLE_LISTEN"]
    name = os.environ["FLEXCAPTURE_INSTANCE"]
    for argument in sys.argv[1:]:
        mark = Path(os.environ["FLEXCAPTURE_STATE_DIR"]) / f"{name}.crashes"
        crashes = int(mark.read_text()) if mark.exists() else 0
        if crashes < int(argument.removeprefix("crash-")):
            mark.write_text(str(crashes + 1))
            print("cannot do it today", flush=True)
            sys.exit(3)
    host, port = listen.rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), _Healthz)
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
