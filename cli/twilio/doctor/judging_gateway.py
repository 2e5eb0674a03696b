"""Judgements about the public URL, by which Twilio reaches the gateways. Pure."""

from urllib.parse import urlsplit

from cli.twilio.doctor.facts import Facts, GatewayFacts, TlsFacts
from cli.twilio.doctor.judging_account import refuses_token
from cli.twilio.doctor.results import CheckOutcome, CheckTrouble, failure, not_checked, ok, warning

_DAY_MS = 24 * 60 * 60 * 1_000
EXPIRY_WARNING_DAYS = 14
_URL = "FLEXCAPTURE_GATEWAY_PUBLIC_URL"
_NO_NAME = "the public URL's host is not known"
_UNREACHED = "no gateway is reached"
_NOT_NEEDED = ok("not needed: calls are captured after their end (FLEXCAPTURE_CAPTURE=post-call)")
_UPGRADE = (
    "the load balancer must pass WebSocket handshakes of HTTP/1.1 unchanged, with the headers "
    "Upgrade, Connection and Sec-WebSocket-... (infra/deploy/haproxy.cfg)"
)
BAD_UPGRADE = (400, 426)
"""Statuses of a request that is no valid handshake."""
OLD_TLS = ("SSL", "TLSv1.0", "TLSv1.1")


def gateway_dns(facts: Facts) -> CheckOutcome:
    """Judge the public URL's host name."""
    gateway = facts.gateway
    if not gateway.is_needed:
        return _NOT_NEEDED
    if gateway.url is None:
        return failure(f"{_URL} is not set", f"set {_URL} to wss://YOUR_HOST/media")
    host = urlsplit(gateway.url).hostname
    if isinstance(gateway.addresses, CheckTrouble):
        remedy = f"create a DNS record for the host, or correct {_URL}"
        return failure(f"{host} has no address: {gateway.addresses.why}", remedy)
    return ok(f"{host} is {', '.join(gateway.addresses)}")


def gateway_certificate(facts: Facts) -> CheckOutcome:
    """Judge the certificate: trusted, for this host, and not about to expire."""
    tls = _tls(facts)
    if isinstance(tls, CheckOutcome):
        return tls
    if isinstance(tls, CheckTrouble):
        if not is_of_certificate(tls.why):
            return not_checked(tls.why)
        remedy = "renew it, with the full chain; Twilio accepts certificates of public authorities"
        return failure(f"the certificate is refused: {tls.why}", remedy)
    days = (tls.expires_at - facts.now) / _DAY_MS
    if days < EXPIRY_WARNING_DAYS:
        return warning(f"the certificate expires in {days:.0f} days", "renew it")
    return ok(f"the certificate is trusted, and expires in {days:.0f} days")


def gateway_tls(facts: Facts) -> CheckOutcome:
    """Judge the TLS version."""
    tls = _tls(facts)
    if isinstance(tls, CheckOutcome):
        return tls
    if isinstance(tls, CheckTrouble):
        if is_of_certificate(tls.why):
            return not_checked("the certificate is refused")
        remedy = "let the load balancer listen there with TLS 1.2 or later, and open the firewall"
        return failure(f"no TLS connection: {tls.why}", remedy)
    if tls.version.startswith(OLD_TLS) or tls.version == "TLSv1":
        return failure(f"{tls.version}; Twilio wants TLS 1.2 or later", "allow TLS 1.2 and 1.3")
    return ok(tls.version)


def is_of_certificate(why: str) -> bool:
    """Return whether a TLS handshake failed because of the certificate."""
    return "certificate" in why.lower()


def load_balancer(facts: Facts) -> CheckOutcome:
    """Judge whether a handshake passes the load balancer to a gateway."""
    found = _named(facts)
    if not isinstance(found, GatewayFacts):
        return found
    if isinstance(found.tls, CheckTrouble):
        return not_checked("there is no TLS connection")
    status = found.unsigned
    if isinstance(status, CheckTrouble):
        remedy = "check that gateways and load balancer run, and that the firewall is open"
        return failure(f"a handshake is not answered: {status.why}", remedy)
    if status in (101, 403):
        return ok("handshakes reach a gateway")
    return failure(f"a handshake is answered {status}", _remedy_of(status))


def _remedy_of(status: int) -> str:
    if status in (502, 503, 504):
        return "the load balancer has no healthy gateway: check /healthz of the gateways"
    if status in (301, 302, 303, 307, 308):
        return "the load balancer redirects: Twilio follows no redirect; use the final URL"
    if status == 404:
        return f"the load balancer has no route for the path of {_URL}"
    return _UPGRADE


def signature_required(facts: Facts) -> CheckOutcome:
    """Judge whether a handshake without a signature is refused."""
    found = _reached(facts)
    if not isinstance(found, GatewayFacts):
        return found
    if found.unsigned == 403:
        return ok("a handshake without a signature is refused with 403")
    return failure(
        "a handshake without a signature is accepted: anyone can open sockets",
        f"{_URL} must lead to the gateways of flexcapture",
    )


def signed_handshake(facts: Facts) -> CheckOutcome:
    """Judge whether a handshake that is signed as Twilio's is accepted."""
    found = _reached(facts)
    if not isinstance(found, GatewayFacts):
        return found
    signed = found.signed
    if isinstance(signed, CheckTrouble) and signed.is_unset:
        return not_checked(signed.why)
    if signed == 101:
        return ok("a signed handshake is accepted with 101")
    if refuses_token(facts):
        return not_checked("Twilio refuses the auth token with which it was signed")
    if isinstance(signed, CheckTrouble):
        return failure(
            f"a signed handshake is not answered with 101: {signed.why}",
            "a proxy must pass the answer 101 unchanged, with Upgrade, Connection and "
            "Sec-WebSocket-Accept (infra/deploy/haproxy.cfg), and gateways must not stop",
        )
    if signed in BAD_UPGRADE:
        return failure(f"a signed handshake is answered {signed}, not 101", _UPGRADE)
    return failure(
        f"a signed handshake is answered {signed}, not 101: Twilio's are too",
        "gateways need this FLEXCAPTURE_TWILIO_AUTH_TOKEN, FLEXCAPTURE_TICKET_SECRET and "
        f"{_URL}; no proxy may remove X-Twilio-Signature or change the path; see the check "
        "`clocks`",
    )


def _tls(facts: Facts) -> TlsFacts | CheckTrouble | CheckOutcome:
    """Return the facts of the TLS connection, or the outcome if there is nothing to judge."""
    found = _named(facts)
    if not isinstance(found, GatewayFacts):
        return found
    if found.tls is None:
        return ok(f"no TLS: {found.url} is on this machine, for tests")
    return found.tls


def _named(facts: Facts) -> GatewayFacts | CheckOutcome:
    gateway = facts.gateway
    if not gateway.is_needed:
        return _NOT_NEEDED
    if gateway.url is None or isinstance(gateway.addresses, CheckTrouble):
        return not_checked(_NO_NAME)
    return gateway


def _reached(facts: Facts) -> GatewayFacts | CheckOutcome:
    gateway = facts.gateway
    if not gateway.is_needed:
        return _NOT_NEEDED
    return gateway if gateway.unsigned in (101, 403) else not_checked(_UNREACHED)
