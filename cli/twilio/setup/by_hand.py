"""The steps of the set-up that need a person, as text. Pure."""

_PLUGIN = """\
import * as Flex from "@twilio/flex-ui";

Flex.Actions.addListener("beforeAcceptTask", (payload) => {
  if (!Flex.TaskHelper.isCallTask(payload.task)) return;
  payload.conferenceOptions = {
    ...payload.conferenceOptions,
    // Any URL of yours that answers 2xx. The events reach flexcapture through Event Streams.
    conferenceStatusCallback: "https://YOUR_HOST/conference-events",
    conferenceStatusCallbackMethod: "POST",
    conferenceStatusCallbackEvent: "start end join leave mute hold speaker modify",
  };
});"""


def by_hand(public_url: str | None) -> str:
    """Return the remaining steps. `public_url`: of the gateways, if it is set."""
    url = public_url or "wss://YOUR_HOST/media (FLEXCAPTURE_GATEWAY_PUBLIC_URL)"
    return f"""\
Steps that this command cannot do:

1. Conference status callbacks: Twilio sends hold, join and leave of a conference only if the
   conference was created with a status callback. Add this to a Flex plugin:

{_PLUGIN}

2. Load balancer: Twilio opens media streams to {url}.
   The host needs a certificate that a public authority issued, TLS 1.2 or later, and WebSocket
   upgrades on HTTP/1.1 (infra/deploy/haproxy.cfg).

3. Fallback: Twilio Console, Flex, Voice: call recording. Twilio then keeps a recording of its own
   of each call.

4. Monitored list: FLEXCAPTURE_MONITORED_AGENTS.

Check each step with `flexcapture twilio doctor`; docs/getting-started.md has them in order."""
