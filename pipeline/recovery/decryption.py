"""Decrypt a recording that Twilio encrypted with the account's public key (Twilio, "Voice Recording
Encryption"): the content key by RSA-OAEP with SHA-256, the audio by AES-256-GCM. Pure.

The last 16 bytes of the file are the tag that authenticates it.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.recovery.sources import Encryption
from pipeline.recovery.wav_file import NotUsable

TAG_BYTES = 16
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None)


def private_keys(text: str) -> tuple[rsa.RSAPrivateKey, ...]:
    """Return the RSA keys in a text of one or more PEM blocks. Raise `ValueError` without the text
    in it."""
    blocks = [part + "-----END " + rest for part, rest in _blocks(text)]
    if not blocks:
        raise ValueError("it must be an RSA private key in PEM, without a password")
    return tuple(map(_key, blocks))


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield each PEM block, divided at the beginning of its last line."""
    for piece in text.split("-----BEGIN ")[1:]:
        body, marker, end = piece.partition("-----END ")
        if marker:
            yield "-----BEGIN " + body, end.partition("\n")[0] + "\n"


def _key(block: str) -> rsa.RSAPrivateKey:
    try:
        found = load_pem_private_key(block.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("it must be an RSA private key in PEM, without a password") from None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ValueError("it must be an RSA private key")  # noqa: TRY004 - of a setting
    return found


def content_key(envelope: Encryption, keys: Iterable[rsa.RSAPrivateKey]) -> bytes:
    """Return the key of the audio. Raise `NotUsable` if no private key can decrypt it."""
    sealed = _decoded(envelope.content_key, "content key")
    for key in keys:
        try:
            found = key.decrypt(sealed, _OAEP)
        except ValueError:
            continue  # encrypted with another key
        if len(found) == 32:
            return found
    raise NotUsable(f"encrypted with a public key ({envelope.public_key_sid}) of another pair")


def decrypted(
    chunks: Iterable[bytes], envelope: Encryption, key: bytes, tag: bytes
) -> Iterator[bytes]:
    """Yield the decrypted content of `chunks`, the file without its tag. Nothing of it may be used
    until all of it was yielded: raise `NotUsable` at the end if it is not authentic."""
    iv = _decoded(envelope.iv, "initialization vector")
    try:
        cipher = Cipher(AES256(key), GCM(iv, tag)).decryptor()
    except ValueError as error:
        raise NotUsable(f"the encryption details are invalid: {error}") from error
    for chunk in chunks:
        yield cipher.update(chunk)
    try:
        yield cipher.finalize()
    except InvalidTag:
        raise NotUsable("it was changed after its encryption, or the key is wrong") from None


def _decoded(text: str, what: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if not found:
        raise NotUsable(f"the encryption details have no valid {what}")
    return found
