"""Mutate modules, run their tests, and show the mutations that no test notices.

The results are kept: a run that was interrupted continues, and a later run tries only survivors and
new mutations again, unless the module has changed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.mutants.equivalent import equivalent_keys
from tools.mutants.module_run import ModuleRun
from tools.mutants.report import survivor, table, total
from tools.mutants.running import load_libraries
from tools.mutants.session import copy_tree
from tools.mutants.targets import Target, targets
from tools.structure import ROOT

SEED = 1
SAMPLE = 35
MIN_SHARE = 0.95
"""Tests notice at least this share of the mutations that change behaviour."""


def main(
    arguments: Sequence[str] | None = None,
    root: Path = ROOT,
    modules: Sequence[Target] | None = None,
) -> int:
    """Mutate modules (None: all targets) in a copy of `root`. Return 1 if too few mutations were
    noticed."""
    args = _parser(root).parse_args(arguments)
    directory = Path(args.directory).resolve()
    tree = directory / "tree"
    copy_tree(root, tree)
    load_libraries()
    os.chdir(tree)
    counts = []
    for target in targets() if modules is None else modules:
        if not args.modules or target.module in args.modules:
            run = ModuleRun(target, directory, args.seed, args.sample, equivalent_keys())
            for mutation in run.known_survivors() if args.report else run.survivors():
                print(survivor(mutation), flush=True)
            counts.append(run.count())
            print(counts[-1].row(), flush=True)
    print(table(counts))
    return 0 if total(counts).share >= MIN_SHARE else 1


def _parser(root: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules to mutate; all targets by default")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutations per module")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the samples")
    parser.add_argument(
        "--directory", default=str(root / ".local/mutants"), help="where results are kept"
    )
    parser.add_argument("--report", action="store_true", help="show the results, run no test")
    return parser


if __name__ == "__main__":
    sys.exit(main())
