"""WebSocket frames as they nearly always come: whole text messages, cut off the bytes received.

`websockets`' `ServerProtocol` reads everything; this reads only what Twilio sends thousands of
times a second, at a fraction of the cost, and leaves the rest to it. Source of the format: RFC
6455, 5.2.
"""

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

FIN_TEXT = 0x81
MASKED = 0x80
_SIZE_IN_TWO_BYTES = 126


def plain_texts(data: bytes, most: int) -> tuple[list[bytes], int]:
    """The whole, unfragmented, masked text frames of at most `most` bytes with which `data` begins,
    unmasked, and where the first begins that is not of this kind, or is not all there."""
    texts: list[bytes] = []
    start, end = 0, len(data)
    while start + 6 <= end and data[start] == FIN_TEXT:
        size, body = data[start + 1] - MASKED, start + 6
        if size == _SIZE_IN_TWO_BYTES:
            size, body = (data[start + 2] << 8) | data[start + 3], start + 8
        if not 0 <= size <= most or (body == start + 6 and size > _SIZE_IN_TWO_BYTES):
            break
        following = body + size
        if following > end:
            break
        texts.append(apply_mask(data[body:following], data[body - 4 : body]))
        start = following
    return texts, start


def whole_frame(data: bytes, most: int) -> int | None:
    """How many bytes of `data` to hand on as one frame, which begins there; None: too few yet.

    All of them where the frame can be refused by its header: a payload of more than `most` bytes,
    or one without a mask.
    """
    if len(data) < 2:
        return None
    size, header = data[1] & 0x7F, 6
    if not data[1] & MASKED:
        return len(data)
    if size >= _SIZE_IN_TWO_BYTES:
        more = 2 if size == _SIZE_IN_TWO_BYTES else 8
        header += more
        if len(data) < 2 + more:
            return None
        size = int.from_bytes(data[2 : 2 + more])
    if size > most:
        return len(data)
    return header + size if len(data) >= header + size else None
