"""`flexcapture up` with stub roles: `python stub_up.py DIR [STUB-ARGUMENT...]`."""

import os
import sys
from pathlib import Path

from infra.up import main
from pipeline.settings import load

STUB = Path(__file__).with_name("stub_role.py")

if __name__ == "__main__":
    directory, *arguments = sys.argv[1:]
    stub = [sys.executable, str(STUB), *arguments]
    sys.exit(main(load(None), Path(directory), dict(os.environ), lambda _: stub))
