"""Fetches the facts about the public URL, as Twilio sees it. I/O.

The probes are handshakes: one without a signature, one signed as Twilio's. The second has a ticket
of a test call that does not exist, sends nothing and closes its socket, so it leads to no call and
no recording.
"""

import asyncio
import os
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.facts import GatewayFacts, TlsFacts
from cli.twilio.doctor.results import CheckTrouble
from gateway.admission.signature import signature
from pipeline.recovery.wanted import CaptureMode
from pipeline.runtime.settings import Settings
from pipeline.twilio import check_tasks, tickets

STEP_S = 6.0
_DATE = "%b %d %H:%M:%S %Y %Z"


async def gateway_facts(settings: Settings, now: float) -> GatewayFacts:
    """Return the facts. `now`: the log's clock, s since the epoch."""
    url = settings.gateway_public_url
    if url is None:
        return GatewayFacts(None, is_needed=settings.capture is not CaptureMode.POST_CALL)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    addresses = await fetched(_addresses(host, port), STEP_S)
    if isinstance(addresses, CheckTrouble):
        return GatewayFacts(url, addresses)
    tls = await fetched(_tls(host, port), STEP_S) if parts.scheme == "wss" else None
    if isinstance(tls, CheckTrouble):
        return GatewayFacts(url, addresses, tls)
    unsigned = await fetched(handshake(url, {}), STEP_S)
    signed = await _signed(settings, url, now)
    return GatewayFacts(url, addresses, tls, unsigned, signed)


async def _signed(settings: Settings, url: str, now: float) -> int | CheckTrouble:
    account = settings.twilio_account_sid
    if account is None or not settings.auth_tokens or not settings.ticket_secrets:
        why = "the auth token or the ticket secret is not set"
        return CheckTrouble(why, is_unset=True)
    call_sid = "CA" + os.urandom(16).hex()
    task_sid = check_tasks.check_task_sid(os.urandom(check_tasks.NONCE_BYTES))
    nonce = os.urandom(tickets.NONCE_BYTES)
    ticket = tickets.issued(
        settings.ticket_secrets[0], account, call_sid, task_sid, 1, now=now, nonce=nonce
    )
    target = tickets.url_with(url, ticket)
    signed = signature(settings.auth_tokens[0], target)
    return await fetched(handshake(target, {"X-Twilio-Signature": signed}), STEP_S)


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return sorted({str(address[0]) for *_, address in found})


async def _tls(host: str, port: int) -> TlsFacts:
    """Return the facts of a verified TLS handshake. Raise `OSError`."""
    context = ssl.create_default_context()
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object")
        certificate = writer.get_extra_info("peercert") or {}
        expires = datetime.strptime(str(certificate["notAfter"]), _DATE).replace(tzinfo=UTC)
        return TlsFacts(str(shown.version()), round(expires.timestamp() * 1000))
    finally:
        writer.close()


class _WithoutRedirects(connect):
    """A connection that follows no redirect, as Twilio follows none."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Return the answer, to be raised."""
        return exc


async def handshake(url: str, headers: dict[str, str]) -> int:
    """Return the HTTP status of a WebSocket handshake. An accepted socket is closed. Raise
    `OSError` if there is no answer of HTTP."""
    try:
        async with _WithoutRedirects(
            url,
            additional_headers=headers,
            proxy=None,
            open_timeout=STEP_S,
            close_timeout=1,
            compression=None,
        ):
            return 101
    except InvalidStatus as refused:
        return int(refused.response.status_code)
    except InvalidHandshake as error:
        # Not its text: it may hold the request's path, with the ticket.
        raise OSError(f"no valid answer to a handshake ({type(error).__name__})") from None
