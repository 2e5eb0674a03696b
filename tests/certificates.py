"""A certificate authority of a test's own, and certificates for servers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class TestAuthority:
    """`directory`: of the files; `ca_file`: for clients to trust."""

    __test__ = False

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca_file(self) -> Path:
        """The authority's own certificate."""
        return self.directory / "authority.pem"

    def issue(self, host: str) -> Path:
        """Return a file with a new certificate for `host` (a name or an IP address) and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _signed(host, key, self.key, self.certificate.subject, is_ca=False)
        private = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.directory / f"{host}.pem"
        file.write_bytes(signed.public_bytes(PEM) + private)
        return file


def authority(directory: Path) -> TestAuthority:
    """Return a new authority with its files in `directory`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed("authority", key, key, None, is_ca=True)
    made = TestAuthority(directory, key, certificate)
    made.ca_file.write_bytes(certificate.public_bytes(PEM))
    return made


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    *,
    is_ca: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )
