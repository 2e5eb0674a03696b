"""Announcements of gateways in the log."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.epochs_in_log import Announcements, epoch_in
from schemas.codec import encode
from schemas.records import GatewayAlive, GatewayStarted, HandshakeRefused

EPOCHS = st.integers(0, 2**50)


@given(st.text(max_size=20), EPOCHS, EPOCHS)
def test_announcements_are_recognized_by_their_first_bytes(
    instance: str, epoch: int, at: int
) -> None:
    """Of every epoch, and of no other gateway."""
    own = Announcements(instance)
    assert epoch == epoch_in(encode(GatewayAlive(instance, epoch, at)), own)
    assert epoch == epoch_in(encode(GatewayStarted(instance, epoch, at)), own)
    for other in (
        encode(GatewayAlive(instance + "x", epoch, at)),
        encode(HandshakeRefused("WT1", "CA1", 1, instance, epoch, at, "no")),
        None,
    ):
        assert epoch_in(other, own) is None
