"""The store of audio and manifests, and of the lake: a directory (`file:///...`) or a bucket
(`s3://...`).

An object appears whole or not at all, and survives a power cut once `put` has returned. In a
directory, a temporary file is synced and renamed, and then its directory is synced. (obstore's own
local store syncs nothing, so it is used for reading only.) In a bucket, it is a single or multipart
upload.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from pipeline.error_text import typed_error_text
from pipeline.store.files import Directory, write_all

_PART_BYTES = 8 * 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class StoreError(OSError):
    """The store failed: disk full, no permission, bucket refused or unreachable. Earlier content
    still exists, and a retry is safe."""


class AudioStore:
    """Objects by key (`a/b/c`). Every method raises `StoreError` if the store fails, and
    `FileNotFoundError` if an object that must exist is missing."""

    def __init__(self, objects: ObjectStore, root: Path | None = None) -> None:
        """`root`: the directory behind `objects`, if there is one; then `files` are its files."""
        self._objects = objects
        self.files = None if root is None else Directory(root)

    @classmethod
    def from_url(cls, url: str) -> "AudioStore":
        """Return the store at `file:///directory` (created if missing) or `s3://bucket/prefix`.
        boto3's rules give endpoint, region and credentials. Raise `StoreError`."""
        parts = urlsplit(url)
        if parts.scheme == "s3":
            return cls(_bucket(parts.netloc, parts.path.strip("/")))
        root = Path(unquote(parts.path))
        with as_store_error():
            root.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(prefix=root), root)

    async def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key` and replace earlier content. It is durable on return."""
        with as_store_error(missing=True):
            if self.files is None:
                await obstore.put_async(self._objects, key, data)
            else:
                await asyncio.to_thread(self.files.write, key, (data,))

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store `data` under `key`, unless an object exists there. Return whether it was stored; it
        is durable on return. If there are several writers, one succeeds. If the answer of a bucket
        is lost, False may mean that this call has stored it."""
        with as_store_error(missing=True):
            if self.files is not None:
                return await asyncio.to_thread(self.files.write_new, key, (data,))
            with contextlib.suppress(AlreadyExistsError):
                # A multipart upload would replace an object.
                await obstore.put_async(
                    self._objects, key, data, mode="create", use_multipart=False
                )
                return True
        return False

    async def put_chunks(self, key: str, chunks: AsyncIterable[bytes | bytearray]) -> None:
        """Store the pieces that `chunks` yields, in order, as one object, without holding all of it
        in memory. Nothing is visible under `key` until it is complete. If `chunks` raises, nothing
        is kept, and the error is passed on. The object is durable on return."""
        if self.files is not None:
            await self._write_chunks(self.files, key, chunks)
        else:
            await self._upload_chunks(key, chunks)

    async def _upload_chunks(self, key: str, chunks: AsyncIterable[bytes | bytearray]) -> None:
        failed: list[Exception] = []

        async def passed_on() -> AsyncIterator[bytes | bytearray]:
            try:
                async for chunk in chunks:
                    yield chunk
            except Exception as error:
                failed.append(error)
                raise

        try:
            with as_store_error(missing=True):
                await obstore.put_async(
                    self._objects, key, passed_on(), chunk_size=_PART_BYTES, max_concurrency=2
                )
        except Exception:
            if failed:
                raise failed[0] from None
            raise

    async def get(self, key: str) -> bytes:
        """Return the whole object."""
        with as_store_error():
            result = await obstore.get_async(self._objects, key)
            return bytes(await result.bytes_async())

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return bytes `start` up to, but not including, `end`; fewer if the object ends before."""
        if end <= start:
            return b""
        with as_store_error():
            return bytes(await obstore.get_range_async(self._objects, key, start=start, end=end))

    async def size(self, key: str) -> int:
        """Return the object's size in bytes."""
        with as_store_error():
            return int((await obstore.head_async(self._objects, key))["size"])

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects. A missing object is no error."""
        for key in keys:
            with as_store_error(), contextlib.suppress(FileNotFoundError):
                await obstore.delete_async(self._objects, key)

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[str]:
        """Yield the keys below the directory `prefix`, in no order. `after`: only those that sort
        behind this key."""
        with as_store_error():
            async for metas in obstore.list(self._objects, prefix, offset=after):
                for meta in metas:
                    yield meta["path"]

    async def sweep(self, older_than_s: float) -> None:
        """Remove files that a killed process left half written in a directory that long ago. For a
        bucket, a lifecycle rule for incomplete multipart uploads does the same."""
        if self.files is not None:
            with as_store_error():
                await asyncio.to_thread(self.files.sweep, older_than_s)

    async def _write_chunks(
        self, files: Directory, key: str, chunks: AsyncIterable[bytes | bytearray]
    ) -> None:
        with as_store_error(missing=True):
            partial, file = await asyncio.to_thread(files.open_partial)
        try:
            async for chunk in chunks:
                with as_store_error(missing=True):
                    await asyncio.to_thread(write_all, file, chunk)
            with as_store_error(missing=True):
                await asyncio.to_thread(files.publish, key, partial, file)
        except BaseException:
            file.close()
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def as_store_error(*, missing: bool = False) -> Iterator[None]:
    """Turn the block's errors of the store into `StoreError`. `FileNotFoundError` is passed on,
    unless `missing`: then the store itself was not found, and not an object."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, BaseError) as error:
        if isinstance(error, FileNotFoundError) and not missing:
            raise
        first_line = typed_error_text(error).partition("\n")[0]
        raise StoreError(first_line) from error


def _bucket(name: str, prefix: str) -> S3Store:
    # Imported here because it takes 0.2 s, which a store in a directory does not need.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    try:
        session = boto3.Session()
        client = session.client("s3", region_name=session.region_name or "us-east-1")
        credentials = Boto3CredentialProvider(session)
    except (BotoCoreError, ValueError) as error:
        raise StoreError(f"no S3 credentials or settings: {error}") from error
    endpoint = str(client.meta.endpoint_url)
    return S3Store(
        name,
        prefix=prefix or None,
        endpoint=endpoint,
        region=client.meta.region_name,
        credential_provider=credentials,
        client_options={"allow_http": urlsplit(endpoint).hostname in _LOOPBACK},
        # Short, so that the caller can report the failure. The caller retries without limit.
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
    )
