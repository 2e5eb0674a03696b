"""Least privilege: the settings that each role needs. `up` passes a role only these."""

from collections.abc import Mapping

from pipeline.runtime.secret_settings import FILE_SUFFIX
from pipeline.runtime.settings import PREFIX, Role, Settings

_KAFKA = "KAFKA_"
_COMMON = frozenset(
    {
        "TOPIC_PREFIX",
        "INSTANCE",
        "HTTP_LISTEN",
        "STATE_DIR",
        "FILE_MODE",
        "LOG_LEVEL",
        "NO_ENV_FILE",
    }
)
_OF_HISTORY = frozenset(
    {
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_API_KEY_SID",
        "TWILIO_API_KEY_SECRET",
        "TWILIO_API_URL",
        "TWILIO_HISTORY_CONCURRENCY",
    }
)
"""The settings of roles that ask Twilio about calls that are over."""
_OWN: Mapping[Role, frozenset[str]] = {
    Role.BRIDGE: frozenset({"KINESIS_STREAM", "KINESIS_START"}),
    Role.TRACKER: frozenset({"VOICE_CHANNELS"}),
    Role.RESOLVER: frozenset(),
    Role.STREAM_MANAGER: frozenset(
        {
            "MONITORED_AGENTS",
            "LIST_SHRINK_SECONDS",
            "RECORD_INBOUND",
            "RECORD_OUTBOUND",
            "CAPTURE",
        }
    ),
    Role.TWILIO_ADAPTER: frozenset(
        {
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
            "TWILIO_API_KEY_SID",
            "TWILIO_API_KEY_SECRET",
            "TICKET_SECRET",
            "TWILIO_API_URL",
            "TWILIO_CONCURRENCY",
            "GATEWAY_PUBLIC_URL",
        }
    ),
    Role.GATEWAY: frozenset(
        {
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
            "TICKET_SECRET",
            "GATEWAY_LISTEN",
            "GATEWAY_PUBLIC_URL",
            "GATEWAY_SIGNED_URL",
            "GATEWAY_REUSE_PORT",
            "GATEWAY_CUSTOMER_STREAMS",
            "GATEWAY_CHECK_SECONDS",
            "GATEWAY_SPILL_DIR",
            "GATEWAY_SPILL_BYTES",
            "GATEWAY_DRAIN_SECONDS",
        }
    ),
    Role.RECORDER: frozenset({"RECORDINGS_URL"}),
    Role.CONSOLIDATOR: frozenset({"DATABASE_URL"}),
    Role.CONSOLE: frozenset(
        {"DATABASE_URL", "RECORDINGS_URL", "CONSOLE_LISTEN", "CONSOLE_TOKEN", "TRUSTED_PROXIES"}
    ),
    Role.LANDER: frozenset({"LAKE_URL", "LAKE_FILE_SECONDS", "LAKE_FILE_BYTES"}),
    Role.RETRIEVER: _OF_HISTORY
    | {
        "RECORDINGS_URL",
        "CAPTURE",
        "RECOVERY",
        "RECOVERY_DELAY_SECONDS",
        "RECOVERY_GIVE_UP_SECONDS",
        "RECOVERY_DELETE",
        "RECORDING_PRIVATE_KEY",
    },
    Role.RECONCILER: _OF_HISTORY
    | {
        "TWILIO_WORKSPACE_SID",
        "VOICE_CHANNELS",
        "RECONCILE_EVERY_SECONDS",
        "RECONCILE_SETTLING_SECONDS",
    },
}
OF_UP = frozenset({"PROCESSES", "SCHEMA_REGISTRY_URL"})
"""The settings that only `up` itself needs."""
OF_COMMANDS = frozenset(
    {
        "CHECK_CALL_FROM",
        "EVENT_STREAMS_ROLE_ARN",
        "EVENT_STREAMS_EXTERNAL_ID",
        "EVENT_STREAMS_PRINCIPAL",
    }
)
"""The settings that only an operator's commands need."""
_WITH_AWS = frozenset({Role.BRIDGE, Role.RECORDER, Role.CONSOLE, Role.LANDER, Role.RETRIEVER})
"""Roles that reach Kinesis or S3 with boto3's own settings."""


def environment_of(
    role: Role, environment: Mapping[str, str], settings: Settings
) -> dict[str, str]:
    """Return a role's part of an environment: its own settings, and all variables that are neither
    ours nor AWS's. `settings`: the settings in the environment."""
    wanted = settings_of(role, settings)
    with_aws = role in _WITH_AWS or settings.kafka_sasl_token_provider is not None
    return {
        name: value
        for name, value in environment.items()
        if (_is_wanted(name.upper(), wanted) if _is_ours(name) else with_aws or not _is_aws(name))
    }


def settings_of(role: Role, settings: Settings) -> frozenset[str]:
    """Return the names of a role's own settings, without the prefix. The adapter needs the auth
    token only in place of a secret that is not set."""
    own = _OWN[role]
    has_own = settings.twilio_api_key_secret is not None and settings.ticket_secret is not None
    has_key = settings.twilio_api_key_secret is not None
    asks_history = role in (Role.RETRIEVER, Role.RECONCILER)
    if (role is Role.TWILIO_ADAPTER and has_own) or (asks_history and has_key):
        own -= {"TWILIO_AUTH_TOKEN"}
    return own | _COMMON


def _is_wanted(name: str, wanted: frozenset[str]) -> bool:
    bare = name.removeprefix(PREFIX)
    return bare.startswith(_KAFKA) or bare in wanted or bare.removesuffix(FILE_SUFFIX) in wanted


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _is_aws(name: str) -> bool:
    return name.upper().startswith("AWS_")
