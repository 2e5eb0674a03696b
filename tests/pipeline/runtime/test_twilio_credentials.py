"""Which credentials are missing for what."""

import pytest

from pipeline.runtime.settings import load
from pipeline.runtime.twilio_credentials import cannot_record, missing_for_requests

ACCOUNT, SECRET = "AC" + "a" * 32, "x" * 40
KEY = {"twilio_api_key_sid": "SK" + "b" * 32, "twilio_api_key_secret": "key"}
REFUSED = "refuses every socket"
STARTED = "no media stream is started"


@pytest.mark.parametrize(
    ("given", "expected", "missing"),
    [
        ({}, [STARTED, REFUSED], ["ACCOUNT_SID", "AUTH_TOKEN"]),
        ({"twilio_account_sid": ACCOUNT}, [STARTED, REFUSED], ["AUTH_TOKEN", "API_KEY_SID"]),
        ({"twilio_auth_token": "t"}, [STARTED], ["ACCOUNT_SID"]),
        ({"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t"}, [], []),
        ({"twilio_account_sid": ACCOUNT, **KEY, "ticket_secret": SECRET}, [REFUSED], []),
        ({"twilio_account_sid": ACCOUNT, **KEY}, [STARTED, REFUSED], ["TICKET_SECRET"]),
        ({"twilio_account_sid": ACCOUNT, "ticket_secret": SECRET}, [STARTED, REFUSED],
         ["AUTH_TOKEN", "API_KEY_SID"]),
        ({**KEY, "ticket_secret": SECRET}, [STARTED, REFUSED], ["ACCOUNT_SID"]),
        ({"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", **KEY}, [], []),
    ],
)  # fmt: skip
def test_warnings_say_what_does_not_work(
    given: dict[str, str], expected: list[str], missing: list[str]
) -> None:
    """Requests to Twilio and signatures need different credentials."""
    settings = load(None, **given)
    found = cannot_record(settings)
    assert len(expected) == len(found)
    assert all(words in sentence for words, sentence in zip(expected, found, strict=True))
    assert bool(missing) == bool(missing_for_requests(settings))
    assert all(f"FLEXCAPTURE_{'' if 'TICKET' in name else 'TWILIO_'}{name}"
               in missing_for_requests(settings) for name in missing)  # fmt: skip
