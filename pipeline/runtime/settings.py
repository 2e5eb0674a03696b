"""The settings: the only reader of the environment (and of a `.env` file).

Each is an environment variable `FLEXCAPTURE_...`, documented in docs/settings.md. A wrong value is
refused at the start with the variable's name and the correct form (`SettingsError`). boto3 reads
its own AWS settings. This module reads only the three that locate Kinesis.
"""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from dotenv import load_dotenv
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.recovery.wanted import CaptureMode, Recovery
from pipeline.runtime.console_settings import checked_token, networks
from pipeline.runtime.secret_settings import (
    SECRETS,
    checked_ticket_secret,
    secrets_from_files,
    several,
)
from pipeline.runtime.setting_values import (
    TRIM_HORIZON,
    checked_account,
    checked_channels,
    checked_endpoint,
    checked_file_mode,
    checked_gateway_url,
    checked_listen,
    checked_prefix,
    checked_recordings_url,
    checked_registry_url,
    checked_servers,
    checked_signed_url,
    checked_start,
    checked_twilio_url,
    empty_as_unset,
)
from pipeline.twilio.sids import e164

PREFIX = "FLEXCAPTURE_"
MOST_PROCESSES = 64
"""The greatest number of processes of a role under one `up`."""


class Role(StrEnum):
    """The role of a process, and the name of its command."""

    BRIDGE = "bridge"
    TRACKER = "tracker"
    RESOLVER = "resolver"
    STREAM_MANAGER = "stream-manager"
    TWILIO_ADAPTER = "twilio-adapter"
    GATEWAY = "gateway"
    RECORDER = "recorder"
    CONSOLIDATOR = "consolidator"
    CONSOLE = "console"
    LANDER = "lander"
    RETRIEVER = "retriever"
    RECONCILER = "reconciler"


class SettingsError(ValueError):
    """A setting is missing or wrong. The text names it and gives the correct form."""


def _processes(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    counts: dict[Role, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = item.partition("=")
        if (
            name not in set(Role)
            or not re.fullmatch("[0-9]{1,2}", number)
            or not 0 < int(number) <= MOST_PROCESSES
        ):
            raise ValueError(
                f"{item!r} is not ROLE=N with 1 <= N <= {MOST_PROCESSES}; roles: {', '.join(Role)}"
            )
        counts[Role(name)] = int(number)
    return counts


_IN_WORDS = {"bool_parsing": "must be true or false"}

Listen = Annotated[str, AfterValidator(checked_listen)]


class Settings(BaseSettings):
    """All settings. `load()` makes one; fields that are None were not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: Annotated[str, AfterValidator(checked_servers)] | None = None
    kafka_security_protocol: str = Field(
        "PLAINTEXT", pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$"
    )
    kafka_sasl_mechanism: str = Field(
        "PLAIN", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER)$"
    )
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_sasl_token_provider: str | None = None
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_key_password: SecretStr | None = None
    kafka_replication_factor: int = Field(0, ge=0, le=9)
    topic_prefix: Annotated[str, AfterValidator(checked_prefix)] = ""

    instance: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    http_listen: Listen | None = None
    state_dir: Path | None = None
    file_mode: Annotated[int, BeforeValidator(checked_file_mode)] = 0o600

    kinesis_stream: str | None = Field(None, pattern=r"^[a-zA-Z0-9_.-]{1,128}$")
    kinesis_start: Annotated[str, AfterValidator(checked_start)] = TRIM_HORIZON

    twilio_account_sid: Annotated[str, AfterValidator(checked_account)] | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_api_key_sid: str | None = Field(None, pattern="^SK[0-9a-fA-F]{32}$")
    twilio_api_key_secret: SecretStr | None = None
    ticket_secret: Annotated[SecretStr, AfterValidator(checked_ticket_secret)] | None = None
    twilio_api_url: Annotated[str, AfterValidator(checked_twilio_url)] | None = None
    check_call_from: Annotated[str, AfterValidator(e164)] | None = None
    twilio_workspace_sid: str | None = Field(None, pattern="^WS[0-9a-fA-F]{32}$")
    event_streams_role_arn: str | None = Field(
        None, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$"
    )
    event_streams_external_id: str | None = Field(None, pattern=r"^[A-Za-z0-9+=,.@:/_-]{2,1224}$")
    event_streams_principal: str = Field(
        "arn:aws:iam::177261743968:root",
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:[A-Za-z0-9/+=,.@_-]+$",
    )
    twilio_concurrency: int = Field(32, ge=1, le=1000)
    twilio_history_concurrency: int = Field(4, ge=1, le=16)

    gateway_listen: Listen | None = None
    gateway_public_url: Annotated[str, AfterValidator(checked_gateway_url)] | None = None
    gateway_signed_url: Annotated[str, AfterValidator(checked_signed_url)] | None = None
    gateway_reuse_port: bool = False
    gateway_customer_streams: bool = False
    gateway_check_seconds: float = Field(3.0, ge=0, le=60)
    gateway_spill_dir: Path | None = None
    gateway_spill_bytes: int = Field(2 * 1024**3, ge=0)
    gateway_drain_seconds: float = Field(20.0, ge=0, le=24 * 3600)

    monitored_agents: Path | None = None
    list_shrink_seconds: float = Field(300.0, ge=0, le=7 * 24 * 3600)
    voice_channels: Annotated[frozenset[str], NoDecode, BeforeValidator(checked_channels)] = (
        VOICE_CHANNELS
    )
    record_inbound: bool = True
    record_outbound: bool = True

    database_url: str | None = None
    recordings_url: Annotated[str, AfterValidator(checked_recordings_url)] | None = None
    capture: CaptureMode = CaptureMode.REALTIME
    recovery: Recovery = Recovery.OFF
    recovery_delay_seconds: float = Field(60.0, ge=0, le=24 * 3600)
    recovery_give_up_seconds: float = Field(24 * 3600.0, ge=0, le=30 * 24 * 3600)
    recovery_delete: bool = False
    recording_private_key: SecretStr | None = None
    reconcile_every_seconds: float = Field(900.0, ge=5, le=6 * 3600)
    reconcile_settling_seconds: float = Field(1200.0, ge=0, le=5 * 3600)
    lake_url: Annotated[str, AfterValidator(checked_recordings_url)] | None = None
    lake_file_seconds: float = Field(300.0, ge=1, le=24 * 3600)
    lake_file_bytes: int = Field(64 * 1024**2, ge=1024**2, le=1024**3)
    schema_registry_url: Annotated[str, AfterValidator(checked_registry_url)] | None = None

    processes: Annotated[dict[Role, int], NoDecode, BeforeValidator(_processes)] = Field(
        default_factory=dict
    )
    console_listen: Listen | None = None
    console_token: Annotated[SecretStr, AfterValidator(checked_token)] | None = None
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(networks)] = ()
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    aws_endpoint_url_kinesis: Annotated[
        str | None, BeforeValidator(empty_as_unset), AfterValidator(checked_endpoint)
    ] = Field(None, validation_alias="AWS_ENDPOINT_URL_KINESIS")
    aws_region: str | None = Field(None, validation_alias="AWS_REGION")
    aws_default_region: str | None = Field(None, validation_alias="AWS_DEFAULT_REGION")

    def need(self, name: str, why: str) -> Any:
        """Return the setting's value. Raise `SettingsError` if it is not set."""
        value = getattr(self, name)
        if value is None:
            raise SettingsError(f"{PREFIX}{name.upper()} is not set: {why}")
        return value

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The Twilio auth tokens: the one in use first, then one that is still accepted."""
        return several(self.twilio_auth_token)

    @property
    def ticket_secrets(self) -> tuple[str, ...]:
        """The secrets of tickets, the one in use first; by default the auth tokens."""
        return several(self.ticket_secret) or self.auth_tokens

    @property
    def rest_credentials(self) -> tuple[str, str] | None:
        """User and password for Twilio's REST API: an API key, else account and auth token; None
        if neither is set."""
        if self.twilio_api_key_sid is not None and self.twilio_api_key_secret is not None:
            return self.twilio_api_key_sid, self.twilio_api_key_secret.get_secret_value()
        if self.twilio_account_sid is None or not self.auth_tokens:
            return None
        return self.twilio_account_sid, self.auth_tokens[0]

    def prefixed(self, name: str) -> str:
        """Return the name of a topic, group or transactional id with the configured prefix."""
        return self.topic_prefix + name

    def region(self) -> str:
        """Return the AWS region that boto3 would use, else us-east-1."""
        return self.aws_region or self.aws_default_region or "us-east-1"


def load(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Return the settings of this process. Raise `SettingsError` that names each wrong variable.

    The variables of `env_file` are first added to the environment, unless they are set there
    already, so that boto3 finds its own settings too. If FLEXCAPTURE_NO_ENV_FILE is set, the file
    is not read.
    """
    if env_file is not None and not os.environ.get(f"{PREFIX}NO_ENV_FILE"):
        load_dotenv(env_file)
    try:
        settings = Settings(**secrets_from_files(os.environ, PREFIX) | overrides)
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_setting_error_text(dict(e)) for e in error.errors())
        ) from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if (settings.twilio_api_key_sid is None) != (settings.twilio_api_key_secret is None):
        raise SettingsError(
            f"{PREFIX}TWILIO_API_KEY_SID and {PREFIX}TWILIO_API_KEY_SECRET: set both or neither"
        )
    if (why := _insecure_kafka(settings)) is not None:
        raise SettingsError(f"{PREFIX}KAFKA_{why}")
    return settings


def _insecure_kafka(settings: Settings) -> str | None:
    """Return which setting would send Kafka's credentials in clear text, or silently not send them;
    None if there is none."""
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    if not protocol.startswith("SASL_"):
        for name in ("username", "password", "token_provider"):
            if getattr(settings, f"kafka_sasl_{name}") is not None:
                return (
                    f"SASL_{name.upper()} is set, and {PREFIX}KAFKA_SECURITY_PROTOCOL is "
                    f"{protocol}, which sends no credentials: it must be SASL_SSL"
                )
    elif protocol == "SASL_PLAINTEXT" and mechanism in ("PLAIN", "OAUTHBEARER"):
        return (
            f"SASL_MECHANISM: {mechanism} over SASL_PLAINTEXT sends the secret in clear text: use "
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL=SASL_SSL, or SCRAM-SHA-512"
        )
    return None


def _setting_error_text(error: Mapping[str, Any]) -> str:
    field = str(error["loc"][0])
    variable = field.upper() if field.upper().startswith("AWS_") else PREFIX + field.upper()
    what = _IN_WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{variable}: {what}" + ("" if field in SECRETS else f" (it is {error['input']!r})")
