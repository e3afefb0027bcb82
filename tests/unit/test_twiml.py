"""The TwiML that answers Twilio."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from telephony import twiml


def parse(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 -- our own output


def test_the_answer_connects_a_stream_with_its_parameters() -> None:
    answer = parse(
        twiml.answer_with_stream(
            media_url="wss://phone.example.com/twilio/media",
            action_url="https://phone.example.com/twilio/connect-done",
            parameters={"caller": "+14155550123", "note": '<a & "b">'},
        )
    )
    connect = answer.find("Connect")
    assert connect is not None
    assert connect.attrib == {"action": "https://phone.example.com/twilio/connect-done", "method": "POST"}
    stream = connect.find("Stream")
    assert stream is not None
    assert stream.attrib == {"url": "wss://phone.example.com/twilio/media"}
    parameters = {p.get("name"): p.get("value") for p in stream.findall("Parameter")}
    assert parameters == {"caller": "+14155550123", "note": '<a & "b">'}


def test_a_parameter_that_twilio_would_cut_is_an_error() -> None:
    with pytest.raises(ValueError, match="'note'"):
        twiml.answer_with_stream(media_url="wss://a/b", action_url="https://a/c", parameters={"note": "x" * 496})


def test_hanging_up_says_nothing() -> None:
    assert [verb.tag for verb in parse(twiml.hang_up())] == ["Hangup"]


def test_an_apology_puts_the_caller_through() -> None:
    answer = parse(twiml.apologise("Sorry, one moment.", "+14155550199"))
    assert [verb.tag for verb in answer] == ["Say", "Dial", "Hangup"]
    assert answer.findtext("Say") == "Sorry, one moment."
    assert answer.findtext("Dial/Number") == "+14155550199"


def test_an_apology_without_a_number_hangs_up() -> None:
    assert [verb.tag for verb in parse(twiml.apologise("Sorry.", None))] == ["Say", "Hangup"]


def test_a_refusal_says_why_and_hangs_up() -> None:
    answer = parse(twiml.refuse("You are on the line already."))
    assert [verb.tag for verb in answer] == ["Say", "Hangup"]


def test_no_reply_is_an_empty_response() -> None:
    answer = parse(twiml.no_reply())
    assert answer.tag == "Response"
    assert len(answer) == 0
