"""The TwiML that answers Twilio."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from telephony import twiml, twiml_waiting


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


def test_a_caller_is_put_through_to_a_number_that_hears_something_first() -> None:
    answer = parse(
        twiml.put_through(
            number="+14155550198",
            caller_id="+14155550123",
            whisper_url="https://a.example/twilio/whisper?call=CA1&x=2",
            action_url="https://a.example/twilio/dial-done",
        )
    )

    (dial,) = answer
    assert dial.attrib == {
        "action": "https://a.example/twilio/dial-done",
        "answerOnBridge": "true",
        "callerId": "+14155550123",
        "method": "POST",
        "timeout": "20",
    }
    (number,) = dial
    assert (number.tag, number.text) == ("Number", "+14155550198")
    assert number.attrib == {"method": "POST", "url": "https://a.example/twilio/whisper?call=CA1&x=2"}


def test_what_is_whispered_asks_twice_for_a_key_and_then_hangs_up() -> None:
    answer = parse(twiml.whisper("Maya & Co.", ask="Press one.", key_url="https://a.example/key"))

    assert [verb.tag for verb in answer] == ["Gather", "Gather", "Hangup"]
    assert [said.text for said in answer.iter("Say")] == ["Maya & Co. Press one.", "Press one."]
    assert {gather.get("action") for gather in answer.iter("Gather")} == {"https://a.example/key"}


def test_a_caller_waits_in_the_queue_of_the_number_they_called() -> None:
    wait, action = "https://a.example/wait", "https://a.example/left"
    said, queue = parse(twiml_waiting.enqueue("Please hold.", called="+14155550100", wait_url=wait, action_url=action))

    assert (said.tag, said.text) == ("Say", "Please hold.")
    assert (queue.tag, queue.text) == ("Enqueue", "slotline +14155550100")
    assert queue.attrib == {"waitUrl": wait, "waitUrlMethod": "POST", "action": action, "method": "POST"}


def test_who_is_sent_back_to_wait_is_told_nothing_anew() -> None:
    answer = parse(twiml_waiting.enqueue("", called="+1", wait_url="https://a.example", action_url="https://a.example"))

    assert [verb.tag for verb in answer] == ["Enqueue"]


def test_a_wait_takes_its_time_before_it_is_asked_about_again() -> None:
    said, pause = parse(twiml_waiting.wait("You are next."))

    assert (said.text, pause.tag) == ("You are next.", "Pause")
    assert int(pause.attrib["length"]) > 0


def test_leaving_the_queue_is_all_that_is_said() -> None:
    assert [verb.tag for verb in parse(twiml_waiting.leave_queue())] == ["Leave"]


def test_who_is_put_through_is_asked_about_afterwards() -> None:
    said, dial = parse(twiml_waiting.put_through("One moment.", number="+14155550199", action_url="https://a.example"))

    assert (said.text, dial.findtext("Number")) == ("One moment.", "+14155550199")
    assert (dial.get("action"), dial.get("method"), dial.get("answerOnBridge")) == ("https://a.example", "POST", "true")


def test_a_key_is_asked_for_and_who_presses_none_is_told_and_hung_up() -> None:
    answer = parse(twiml_waiting.ask_for_key("Press one.", key_url="https://a.example/key", otherwise="Goodbye."))

    gather, said, hangup = answer
    assert (gather.get("action"), gather.get("numDigits"), gather.findtext("Say")) == (
        "https://a.example/key",
        "1",
        "Press one.",
    )
    assert (said.text, hangup.tag) == ("Goodbye.", "Hangup")


def test_two_who_hear_each_other_are_told_nothing() -> None:
    assert len(parse(twiml.bridge())) == 0
