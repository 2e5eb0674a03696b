"""Messages of Twilio, unusual ones, and hostile ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.messages import (
    Connected,
    Frame,
    InvalidFrame,
    Media,
    Other,
    ProtocolViolation,
    Start,
    Stop,
    parse,
)
from pipeline.twilio.sids import SidKind
from tests.gateway.dialogue import ACCOUNT, CALL, STREAM, TASK, connected, media, start, stop

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    track=st.sampled_from(["inbound", "outbound"]),
    timestamp=st.integers(0, 90_000_000),
    sequence=st.integers(0, 2**40),
    payload=st.binary(min_size=1, max_size=400),
    as_text=st.booleans(),
)
def test_a_frame_comes_out_as_it_was(track, timestamp, sequence, payload, as_text):
    """Numbers as strings or as integers."""
    number = str if as_text else int
    text = media(track, number(timestamp), payload, number(sequence))
    assert Media(Frame(track, timestamp, payload), sequence, STREAM) == parse(text)


@pytest.mark.parametrize("sequence", [None, "", "x", "-1", -1, 1.5, [], {}, True, 2**63, "9" * 30])
def test_a_sequence_number_that_is_none_spoils_no_frame(sequence):
    """The message counts as one without a number."""
    frame = Frame("inbound", 20, b"\x00")
    assert Media(frame, None, STREAM) == parse(media("inbound", "20", b"\x00", sequence))
    assert Other(None) == parse(json.dumps({"event": "mark", "sequenceNumber": sequence}))
    invalid = parse(media("inbound", "20", "%", sequence))
    assert InvalidFrame("inbound", "payload", None, STREAM) == invalid


@pytest.mark.parametrize(
    "odd",
    [
        r'"thanks \ud83d"',
        "1e999",
        "NaN",
        "9" * 5_000,
        r'"a\u0000b"',
        '"a\x00b"',
        "[" * 900 + "]" * 900,
        "[" * 20_000 + "]" * 20_000,
        '1,"odd":2',
    ],
)
def test_what_only_lenient_readers_take_spoils_no_message(odd):
    """In the parameters of a start message, beside them, and in a frame; with a byte order mark
    too."""
    plain = parse(start())
    assert isinstance(plain, Start)
    inside = start().replace('"customParameters": {', f'"customParameters": {{"odd":{odd},')
    assert inside != start()
    outside = start()[:-1] + f',"odd":{odd}}}'
    frame = media("inbound", "20", b"\x00", "4")
    for text in (inside, outside, "\ufeff" + outside):
        assert plain == parse(text) == parse(text.encode())
    assert parse(frame) == parse(frame[:-1] + f',"odd":{odd}}}')


@given(st.text(max_size=60))
def test_any_text_gives_a_message(text):
    """Nothing makes `parse` raise."""
    parse(text)


@given(
    st.sampled_from(["media", "start", "stop", "connected", "mark"]),
    st.dictionaries(
        st.sampled_from(["start", "media", "streamSid", "sequenceNumber", "stop"]),
        json_values
        | st.dictionaries(
            st.sampled_from(
                ["track", "timestamp", "payload", "streamSid", "customParameters", "mediaFormat"]
            ),
            json_values | st.sampled_from(["inbound", "MZ1", "5"]),
        ),
    ),
)
def test_any_fields_give_a_message(event, fields):
    """Wrong types everywhere make no frame and raise nothing."""
    message = parse(json.dumps({"event": event, **fields}))
    if isinstance(message, Media):
        assert message.frame.payload


@pytest.mark.parametrize("payload", ["", "not base64!", "AAA", "A===", "AA==AA==", "ä", "AA\n=="])
def test_base64_that_is_none_is_an_invalid_frame(payload):
    """Of its track, so that it can be counted there."""
    assert InvalidFrame("inbound", "payload", 2, STREAM) == parse(media("inbound", "20", payload))


@pytest.mark.parametrize("timestamp", ["-1", "", "x", "1.5", None, 90_000_001, True, "1_0", " 5"])
def test_a_timestamp_that_cannot_be_is_an_invalid_frame(timestamp):
    """Negative, beyond 25 hours, or no whole number."""
    assert InvalidFrame("outbound", "timestamp", 2, STREAM) == parse(
        media("outbound", timestamp, b"\x00")
    )


@pytest.mark.parametrize("track", ["both", "", None, 5, ["inbound"]])
def test_an_unknown_track_is_an_invalid_frame_of_no_track(track):
    """It cannot be counted with a track."""
    assert InvalidFrame(None, "track", 2, STREAM) == parse(media(track, "20", b"\x00"))


@pytest.mark.parametrize("text", ["{", "", "nonsense", "[1]", "null", '"media"', "{'event':1}"])
def test_what_is_no_json_object_is_a_violation(text):
    """The socket is worthless."""
    assert isinstance(parse(text), ProtocolViolation)


def test_a_start_carries_what_our_request_passed_on():
    """Task, name and generation come back as parameters."""
    assert Start(STREAM, CALL, ACCOUNT, TASK, "fc-1", 2, 1) == parse(start())


OTHER_CALL = "CA" + "4" * 32
HOSTILE = (
    *("", "../Messages", CALL + ".json?x=", CALL[:-1], CALL + "0", CALL + "\n0", 7, ["x"]),
    *(CALL + "\n", " " + CALL, CALL + " ", "\t" + CALL),
)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_sid_of_the_wrong_form_counts_as_absent(value):
    """Of the account and the task: they are None; of the call: the parameter's is taken. Each is
    reported, for the counter."""
    kinds = () if value == "" else (SidKind.ACCOUNT, SidKind.CALL, SidKind.TASK)
    parameters = {"taskSid": value, "callSid": OTHER_CALL}
    parsed = parse(start(parameters=parameters, accountSid=value, callSid=value))

    assert (None, None, OTHER_CALL) == (parsed.account_sid, parsed.task_sid, parsed.call_sid)
    assert sorted(kinds) == sorted(parsed.invalid_sids)


@pytest.mark.parametrize("sid", [f"{ACCOUNT}\n", f" {ACCOUNT}", f"{ACCOUNT}\u2003"])
def test_an_account_with_white_space_around_it_is_none(sid):
    """The configured account is then refused, as for a start without one."""
    parsed = parse(start(accountSid=sid))
    assert parsed.account_sid is None
    assert (SidKind.ACCOUNT,) == parsed.invalid_sids


@pytest.mark.parametrize("value", HOSTILE)
def test_a_start_without_a_valid_call_or_stream_is_a_violation(value):
    """Nothing could be done with its audio."""
    parameters = {"taskSid": TASK, "callSid": value}
    for message in (start(parameters=parameters, callSid=value), start(stream=value)):
        assert isinstance(parse(message), ProtocolViolation)


def test_the_call_sid_of_start_wins():
    """The parameter counts only if `start` has no call SID."""
    parameters = {"taskSid": TASK, "callSid": OTHER_CALL}
    assert CALL == parse(start(parameters=parameters)).call_sid
    assert parse(start(parameters=parameters, callSid=None)).call_sid == OTHER_CALL


@pytest.mark.parametrize("generation", [None, "", "x", "-1", str(2**31), []])
def test_a_generation_that_is_none_is_0(generation):
    """As of a stream that we did not start."""
    assert parse(start(parameters={"taskSid": TASK, "generation": generation})).generation == 0


def test_a_start_without_its_sids_is_a_violation():
    """There would be nothing to file the audio under."""
    assert ProtocolViolation("start without stream SID or call SID") == parse(
        start(parameters={}, callSid=None)
    )
    assert ProtocolViolation("start without its fields") == parse('{"event": "start"}')


def test_other_audio_than_mu_law_is_a_violation():
    """It would be stored as noise."""
    wrong = {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}
    assert isinstance(parse(start(mediaFormat=wrong)), ProtocolViolation)
    assert isinstance(parse(start(mediaFormat=None)), Start)
    assert isinstance(parse(start(mediaFormat={"sampleRate": "8000"})), Start)


def test_the_rest_is_known_or_tolerated():
    """Events of other kinds of stream, and such as are not known yet."""
    numbered = '{"event": "mark", "sequenceNumber": "7"}'
    assert [Connected(), Stop(9), Other(None), Other(None), Other(7)] == [
        parse(text) for text in (connected(), stop(), '{"event": "mark"}', "{}", numbered)
    ]
