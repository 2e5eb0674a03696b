"""A socket's protocol in the states that tests begin with."""

from gateway.media.protocol import MediaSocket
from schemas.records import MediaStreamClosed
from tests.gateway.dialogue import ACCOUNT, CALL, STREAM, TASK, start

T0 = 1_700_000_000_000


def fresh(account: str | None = ACCOUNT) -> MediaSocket:
    return MediaSocket("gateway-0", 7, account, T0)


def running() -> MediaSocket:
    protocol = fresh()
    protocol.receive([start()], T0)
    return protocol


def closed(reason: str, detail: str = "", **counts: int) -> MediaStreamClosed:
    counted = {"at": T0, "batches": 0, "frames": 0, "invalid": 0} | counts
    return MediaStreamClosed(
        STREAM, CALL, TASK, "fc-1", 2, "gateway-0", 7, reason=reason, detail=detail, **counted
    )
