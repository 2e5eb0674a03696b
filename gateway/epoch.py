"""A gateway's epoch: tells its lives apart, so that what an earlier one left open is known dead."""

from pathlib import Path


def next_epoch(now: int, last: int | None) -> int:
    """The clock (ms), but always greater than the last epoch."""
    return now if last is None else max(now, last + 1)


def begin_epoch(directory: Path | None, instance: str, now: int) -> int:
    """The epoch of this life. Where there is a directory, the last one is kept in it, against a
    clock that was set back between two lives."""
    if directory is None:
        return next_epoch(now, None)
    path = directory / f"{instance}.epoch"
    epoch = next_epoch(now, _read(path))
    directory.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(f"{epoch}\n")
    new.replace(path)
    return epoch


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
