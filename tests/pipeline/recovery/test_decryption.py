"""Encrypted recordings are decrypted with the private key, or refused with a reason."""

import base64
import os

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.recovery.decryption import content_key, decrypted, private_keys
from pipeline.recovery.sources import Encryption
from pipeline.recovery.wav_file import NotUsable

TAG_BYTES = 16
KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
AUDIO = os.urandom(5_000)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    """Return a private key as text."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def sealed(key: rsa.RSAPrivateKey, content: bytes = AUDIO) -> tuple[Encryption, bytes]:
    """Return content as Twilio encrypts it, with its envelope."""
    cek, iv = AESGCM.generate_key(256), os.urandom(12)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None)
    envelope = Encryption(
        "CR1",
        base64.b64encode(key.public_key().encrypt(cek, oaep)).decode(),
        base64.b64encode(iv).decode(),
    )
    return envelope, AESGCM(cek).encrypt(iv, content, None)


def opened(envelope: Encryption, file: bytes, keys: tuple[rsa.RSAPrivateKey, ...]) -> bytes:
    """Return the decrypted content, read in small pieces."""
    body, tag = file[:-TAG_BYTES], file[-TAG_BYTES:]
    pieces = (body[at : at + 999] for at in range(0, len(body), 999))
    return b"".join(decrypted(pieces, envelope, content_key(envelope, keys), tag))


def test_audio_is_decrypted_with_the_right_one_of_several_keys() -> None:
    """During a change of keys both are set, one PEM block after the other."""
    keys = private_keys(pem(OTHER) + pem(KEY))
    assert AUDIO == opened(*sealed(KEY), keys)


def test_a_key_of_another_pair_is_named() -> None:
    """The reason has the SID of the public key."""
    with pytest.raises(NotUsable, match="CR1"):
        opened(*sealed(KEY), (OTHER,))
    with pytest.raises(NotUsable, match="CR1"):
        opened(*sealed(KEY), ())


@pytest.mark.parametrize("at", [0, 2_500, -1])
def test_changed_audio_is_refused(at: int) -> None:
    """One bit anywhere, in the tag too."""
    envelope, file = sealed(KEY)
    changed = bytearray(file)
    changed[at] ^= 1
    with pytest.raises(NotUsable, match="changed after its encryption"):
        opened(envelope, bytes(changed), (KEY,))


@pytest.mark.parametrize(
    "envelope",
    [Encryption("CR1", "", ""), Encryption("CR1", "?", "?"), Encryption("CR1", "YWJj", "YWJj")],
)
def test_invalid_details_are_refused(envelope: Encryption) -> None:
    """They come over the network."""
    with pytest.raises(NotUsable):
        opened(envelope, AUDIO, (KEY,))
    valid, file = sealed(KEY)
    with pytest.raises(NotUsable, match=r"initialization vector|encryption details"):
        opened(Encryption("CR1", valid.content_key, envelope.iv or "="), file, (KEY,))


@pytest.mark.parametrize(
    "text",
    ["", "secret", pem(KEY, b"password"), pem(ec.generate_private_key(ec.SECP256R1()))],
)
def test_a_text_that_is_no_private_key_is_refused_without_repeating_it(text: str) -> None:
    """It is a setting."""
    with pytest.raises(ValueError, match="RSA private key") as refused:
        private_keys(text)
    assert "secret" not in str(refused.value)
