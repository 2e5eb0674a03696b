"""Twilio's audio is read, and anything else is refused with a reason."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.wav import header
from pipeline.recovery.wav_file import NotUsable, SampleFormat, channels_of, layout_of, linear
from simulator.mulaw import encoded_sample

HEAD_BYTES = 64 * 1024


def pcm_wav(samples: bytes, channels: int, rate: int = 8_000, width: int = 2) -> bytes:
    """Return a WAV file as the standard library writes it."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return target.getvalue()


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a RIFF file of these chunks."""
    body = b"".join(
        struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def described(tag: int = 7, channels: int = 2, rate: int = 8_000, bits: int = 8) -> bytes:
    """Return the content of a format chunk."""
    align = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)


def read(content: bytes) -> list[bytes]:
    """Return the mu-law samples of each channel of a file."""
    layout = layout_of(content[:HEAD_BYTES], len(content))
    data = content[layout.data_at : layout.data_at + layout.samples * layout.sample_bytes]
    return [channel.tobytes() for channel in channels_of(data, layout)]


def test_mu_law_samples_that_became_pcm_become_the_same_again() -> None:
    """For each of the 256 codes; minus zero is the only one that PCM cannot distinguish."""
    codes = np.arange(256, dtype=np.uint8)
    again = read(pcm_wav(linear(codes).astype("<i2").tobytes(), 1))[0]
    expected = bytes(0xFF if code == 0x7F else code for code in range(256))
    assert expected == again


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=300))
def test_pcm_is_encoded_as_the_standard_says(samples: list[int]) -> None:
    """An independent encoder of G.711 gives the same bytes."""
    found = read(pcm_wav(struct.pack(f"<{len(samples)}h", *samples), 1))[0]
    assert bytes(encoded_sample(sample) for sample in samples) == found


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=200))
def test_channels_are_separated(left: bytes, right: bytes) -> None:
    """The file's first channel is the first result, in both formats."""
    size = min(len(left), len(right))
    pair = bytes(b for both in zip(left[:size], right[:size], strict=True) for b in both)
    assert [left[:size], right[:size]] == read(header(size) + pair)
    assert [left[:size]] == read(
        riff((b"LIST", b"odd"), (b"fmt ", described(channels=1)), (b"data", left[:size]))
    )


def test_a_file_that_was_written_to_a_pipe_ends_with_its_data() -> None:
    """Its data chunk says that its size is not known."""
    content = riff((b"fmt ", described(channels=1)), (b"data", b""))
    content = content[:-4] + b"\xff\xff\xff\xff" + b"abcd"
    layout = layout_of(content, len(content))
    assert (4, SampleFormat.MU_LAW, 1) == (layout.samples, layout.format, layout.channels)


def test_the_samples_are_those_of_each_channel() -> None:
    """Two channels of 16 bits have 4 bytes a sample. An incomplete sample does not count."""
    content = riff((b"fmt ", described(tag=1, bits=16)), (b"data", b"abcdefghij"))
    assert 2 == layout_of(content, len(content)).samples


def test_an_extensible_format_names_the_format_in_its_extension() -> None:
    """A plain format with an extension is read without it."""
    extension = struct.pack("<HHIH", 22, 8, 0, 7) + bytes(14)
    content = riff((b"fmt ", described(0xFFFE) + extension), (b"data", b"ab"))
    assert SampleFormat.MU_LAW == layout_of(content, len(content)).format
    plain = riff((b"fmt ", described() + bytes(24)), (b"data", b"ab"))
    assert SampleFormat.MU_LAW == layout_of(plain, len(plain)).format


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no WAV file"),
        (b"<html>not found</html>", "no WAV file"),
        (pcm_wav(b"ab" * 9, 1, rate=44_100), "44100 Hz, must be 8000"),
        (pcm_wav(b"ab" * 9, 3), "3 channels, must be 1 or 2"),
        (pcm_wav(b"abc" * 9, 1, width=3), "format 1 with 24 bits is neither 16-bit PCM nor mu-law"),
        (riff((b"fmt ", described(tag=6)), (b"data", b"ab")), "format 6 with 8 bits is neither"),
        (riff((b"data", b"ab"), (b"fmt ", described())), "the data come before the format"),
        (riff((b"fmt ", b"short")), "the format is incomplete"),
        (riff((b"fmt ", described()), (b"data", b"")), "no audio"),
        (riff((b"fmt ", described())), "no data within the first 65536 bytes"),
        (riff((b"fmt ", described()), (b"data", b"abcd"))[:-1], "cut off: "),
        (riff((b"fmt ", described()[:-4] + b"\x09\0\x08\0"), (b"data", b"ab")), "9 bytes a sample"),
    ],
)
def test_what_cannot_be_used_is_refused(content: bytes, reason: str) -> None:
    """The reason names the fault."""
    with pytest.raises(NotUsable) as refused:
        layout_of(content[:HEAD_BYTES], len(content))
    assert reason in str(refused.value)


def test_audio_of_more_than_a_day_is_refused() -> None:
    """A header can claim anything; the file must have that size too."""
    content = riff((b"fmt ", described(channels=1)), (b"data", b""))[:-4] + struct.pack("<I", 2**30)
    with pytest.raises(NotUsable, match="s long, at most 86400"):
        layout_of(content, 2**30 + len(content))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_break_the_reader(noise: bytes, size: int) -> None:
    """For any bytes after a WAV's first ones: the result is a layout within the file, or a
    refusal."""
    content = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + described() + noise
    try:
        layout = layout_of(content, size)
    except NotUsable:
        return
    assert layout.data_at + layout.samples * layout.sample_bytes <= size
