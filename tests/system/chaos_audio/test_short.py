"""The chaos run with coded audio in a short form: a few calls in real time while gateway, recorder
and broker are killed. `make chaos-audio` plays the long form."""

from pathlib import Path

import pytest

from simulator.coded.judgement import total
from tests.haproxy import with_haproxy
from tests.system.chaos_audio.__main__ import Outcome, run
from tests.system.chaos_audio.options import AudioOptions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


async def test_every_frame_is_recorded_or_listed_as_lost(tmp_path: Path) -> None:
    """Broker, recorder and gateway are killed, some calls fall silent, some lose messages, some
    cannot be stopped: each frame is recorded in its place, lost for its true reason, or withheld;
    the console answers as its contract says."""
    # The calls begin over 6 s, so that one kill of a gateway does not close all stubborn sockets.
    options = AudioOptions(
        calls=16, seconds=6.0, ramp=6.0, kill=("gateway", "kafka", "recorder"), every=4.5,
        times=1, silent=0.4, lossy=0.4, stubborn=0.4, seed=30, directory=tmp_path,
    )  # fmt: skip
    lines: list[str] = []
    outcome = await run(options, lines.append)
    assert outcome.holds, "\n".join(lines)
    sums = total(list(outcome.assessment.judgements.values()))
    assert sums.silent["not-sent"]
    assert sums.withheld
    assert {"kafka": 1, "recorder": 1, "gateway": 1} == outcome.played.kills


@with_haproxy
async def test_neither_draining_nor_reloading_splits_a_call(tmp_path: Path) -> None:
    """Through HAProxy: while a gateway drains and HAProxy is reloaded, each call has one media
    stream, every frame is in its place, and calls that begin later are streamed elsewhere."""
    options = AudioOptions(
        calls=12, seconds=8.0, ramp=6.0, kill=("drain", "reload"), every=3.0, times=1,
        silent=0.2, lossy=0.2, stubborn=0.0, processes={"gateway": 2}, load_balancer=True,
        seed=31, directory=tmp_path,
    )  # fmt: skip
    lines: list[str] = []
    outcome = await run(options, lines.append)
    assert outcome.holds, "\n".join(lines)
    assert any("draining gateway-" in line for line in lines)
    assert any("reloading load-balancer-0" in line for line in lines)
    assert [] == _tickets_in(tmp_path / "state" / "logs", outcome)


def _tickets_in(logs: Path, outcome: Outcome) -> list[str]:
    """Return the logs that hold the last segment of a media stream's URL."""
    urls = [coded.media_stream.url for coded in outcome.played.streams]
    tickets = {url.rpartition("/")[2] for url in urls}
    assert len(tickets) == len(urls)
    texts = {file.name: file.read_text(errors="replace") for file in logs.iterdir()}
    assert (
        " media/" in texts["load-balancer-0.log"]
        or "gateways/gateway-" in texts["load-balancer-0.log"]
    )
    return [name for name, text in texts.items() if any(ticket in text for ticket in tickets)]
