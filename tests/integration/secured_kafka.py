"""A broker that takes SASL_SSL with SCRAM-SHA-512 only, and does nothing without an ACL."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.kafka import LocalKafka
from pipeline.runtime.settings import Settings

BROKER = "broker"
"""The user that the broker is, and the administrator's."""
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass(frozen=True, slots=True)
class SecuredKafka(LocalKafka):
    """Its users, and the password of each, are `users`; `BROKER` is among them and may do
    everything. The controller's listener takes the broker's own certificate only: there is no
    listener for strangers."""

    certificates: Path = Path()
    users: dict[str, str] = field(default_factory=dict)

    @property
    def authority(self) -> Path:
        """The PEM file that clients trust."""
        return self.certificates / "authority.pem"

    def settings(self, user: str, **more: Any) -> Settings:
        """Return the settings of a user."""
        values = {name.lower(): value for name, value in self.client_settings(user).items()}
        return Settings(**values | more)

    def client_settings(self, user: str) -> dict[str, str]:
        """Return the settings of a user, as variables without FLEXCAPTURE_."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": self.users[user],
            "KAFKA_SSL_CAFILE": str(self.authority),
        }

    def _format_options(self) -> list[str]:
        return [
            option
            for user, password in self.users.items()
            for option in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ]

    def _own_properties(self, data: Path) -> dict[str, str]:
        controller = f"127.0.0.1:{self.controller_port}"
        return {
            **LocalKafka._own_properties(self, data),
            "listeners": f"SASL_SSL://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"SASL_SSL://{self.bootstrap_servers}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{_SCRAM} required username="{BROKER}" password="{self.users[BROKER]}";'
            ),
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{BROKER};User:CN={BROKER}",
        }


def make_certificates(directory: Path) -> None:
    """Make an authority, and a certificate of it for a broker on 127.0.0.1."""
    directory.mkdir()
    authority, key = directory / "authority.pem", directory / "authority.key"
    _openssl_request(
        ["-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign",
         "-keyout", str(key), "-out", str(authority)]
    )  # fmt: skip
    certificate, own_key = directory / "broker.crt", directory / "broker.key"
    _openssl_request(
        ["-subj", f"/CN={BROKER}", "-CA", str(authority), "-CAkey", str(key),
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", str(own_key), "-out", str(certificate)]
    )  # fmt: skip
    (directory / "broker.pem").write_text(own_key.read_text() + certificate.read_text())


def _openssl_request(options: Sequence[str]) -> None:
    common = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*common, *options], check=True, capture_output=True)
