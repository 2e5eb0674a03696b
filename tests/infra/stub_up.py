"""`flexcapture up` with stub roles: `python stub_up.py DIR [STUB-ARGUMENT...]`. STUB_UP_BROKERS in
the environment stands for `--brokers`, STUB_UP_LOAD_BALANCER for `--load-balancer`."""

import os
import sys
from pathlib import Path

from infra.up import main
from pipeline.runtime.settings import load

STUB = Path(__file__).with_name("stub_role.py")

if __name__ == "__main__":
    directory, *arguments = sys.argv[1:]
    stub = [sys.executable, str(STUB), *arguments]
    brokers = os.environ.pop("STUB_UP_BROKERS", None)
    balanced = bool(os.environ.pop("STUB_UP_LOAD_BALANCER", None))
    environment = dict(os.environ)
    asked = int(brokers) if brokers else None
    settings = load(None)
    sys.exit(
        main(settings, Path(directory), environment, lambda _: stub, asked, load_balancer=balanced)
    )
