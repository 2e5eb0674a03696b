"""The recorder with a bucket, through the S3 protocol."""

import pytest

from pipeline.runtime.settings import Settings
from tests.buckets import BUCKET, running_bucket
from tests.integration.recorder_process import SIDS, batches_of, check_audio, on_media, recorder
from tests.pipeline.recordings.logs import closed, opened

pytestmark = pytest.mark.integration


async def test_into_a_bucket(settings_for, prefix, monkeypatch):
    """Recordings are whole there too."""
    settings = settings_for(prefix, recordings_url=f"s3://{BUCKET}/here")
    with running_bucket() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        await _into_a_bucket(settings)


async def _into_a_bucket(settings: Settings) -> None:
    async with on_media(settings) as media, recorder(settings, "recorder-0"):
        await media.send([opened(sid) for sid in SIDS])
        for sid in SIDS:
            await media.send(batches_of(sid, 0, 700))
        await media.send([closed(sid) for sid in SIDS])
        await media.until_complete()
        await check_audio(media, SIDS, 700)
