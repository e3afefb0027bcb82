"""The stand-in of Twilio's REST API is as strict as Twilio, and tells the worker what became of its texts."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types

from simulator.signing import SIGNATURE_HEADER, sign
from simulator.twilio_messages import segments
from simulator.world import run_app
from tests.stand_ins import serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

CALL_SID = "CA" + "1" * 32
TEXT = {"To": "+14155550123", "From": "+14155550100", "Body": "See you on Thursday."}


@pytest.fixture
async def twilio() -> AsyncIterator[StandIn]:
    async with serving_twilio() as stand_in:
        yield stand_in


def path(twilio: StandIn, resource: str) -> str:
    return f"/2010-04-01/Accounts/{twilio.credentials.twilio_account_sid}/{resource}.json"


async def send(twilio: StandIn, **changes: str) -> httpx.Response:
    return await twilio.http.post(path(twilio, "Messages"), data={**TEXT, **changes})


async def listed(twilio: StandIn, **params: str) -> list[str]:
    answer = await twilio.http.get(path(twilio, "Messages"), params=params)
    assert answer.status_code == httpx.codes.OK, answer.text
    return [message["body"] for message in answer.json()["messages"]]


async def delivered(twilio: StandIn) -> list[dict[str, Any]]:
    """Wait until no text is on its way and return them all."""
    async with asyncio.timeout(5):
        while True:
            messages: list[dict[str, Any]] = (await twilio.state())["messages"]
            if all(message["status"] == "delivered" for message in messages):
                return messages


async def put_through(twilio: StandIn) -> None:
    await twilio.order("calls", call_sid=CALL_SID, to="+14155550100", **{"from": "+14155550123"})


@contextlib.asynccontextmanager
async def worker(reports: list[tuple[str, str, dict[str, str]]], status: int = 204) -> AsyncIterator[str]:
    """Serve a worker that notes the path, the signature and the form of every status callback."""

    async def note(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        reports.append((request.path_qs, request.headers[SIGNATURE_HEADER], form))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/twilio/sms-status", note)
    runner, url = await run_app(app, 0)
    try:
        yield url
    finally:
        await runner.cleanup()


async def test_text_is_queued_and_then_delivered(twilio: StandIn) -> None:
    answer = await send(twilio)

    assert answer.status_code == httpx.codes.CREATED
    message = answer.json()
    assert message["sid"].startswith("SM")
    assert (message["status"], message["date_sent"], message["num_segments"]) == ("queued", None, "1")
    assert parsedate_to_datetime(message["date_created"]).tzinfo == UTC
    assert await delivered(twilio) == [
        {
            "sid": message["sid"],
            "to": TEXT["To"],
            "from": TEXT["From"],
            "body": TEXT["Body"],
            "status": "delivered",
        }
    ]
    read = (await twilio.http.get(path(twilio, f"Messages/{message['sid']}"))).json()
    assert read["status"] == "delivered"
    assert parsedate_to_datetime(read["date_sent"]) <= datetime.now(UTC)


async def test_worker_gets_signed_reports_of_every_status(twilio: StandIn) -> None:
    reports: list[tuple[str, str, dict[str, str]]] = []
    async with worker(reports) as url:
        await twilio.order("world", worker_url=url)
        sid = (await send(twilio, StatusCallback=f"{url}/twilio/sms-status?o=7")).json()["sid"]
        async with asyncio.timeout(5):
            while not any(report["answered"] for report in (await twilio.state())["callbacks"][1:]):
                pass

    validator = RequestValidator(twilio.credentials.twilio_auth_token)
    assert [(called, form["MessageStatus"]) for called, _, form in reports] == [
        ("/twilio/sms-status?o=7", "sent"),
        ("/twilio/sms-status?o=7", "delivered"),
    ]
    assert all(validator.validate(url + called, form, signature) for called, signature, form in reports)
    assert (await twilio.state())["callbacks"] == [
        {"sid": sid, "status": "sent", "answered": 204},
        {"sid": sid, "status": "delivered", "answered": 204},
    ]


async def test_reports_go_to_nobody_but_the_worker(twilio: StandIn) -> None:
    reports: list[tuple[str, str, dict[str, str]]] = []
    async with worker(reports) as url:
        await twilio.order("world", worker_url="http://127.0.0.1:1")
        await send(twilio, StatusCallback=f"{url}/twilio/sms-status")
        await delivered(twilio)

    assert reports == []


async def test_worker_that_is_gone_does_not_stop_a_text(twilio: StandIn) -> None:
    await twilio.order("world", worker_url="http://127.0.0.1:1")

    await send(twilio, StatusCallback="http://127.0.0.1:1/twilio/sms-status")

    await delivered(twilio)
    callbacks = (await twilio.state())["callbacks"]
    assert callbacks[0]["answered"] is None
    assert "problem" in callbacks[0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "4155550123"}, 21211),
        ({"To": "+15555551234"}, 21211),
        ({"To": "+1 415 555 0123"}, 21211),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
        ({"From": "+14155559999"}, 21606),
        ({"From": "anonymous"}, 21212),
        ({"StatusCallback": "/twilio/sms-status"}, 21609),
        ({"Bogus": "1"}, 20001),
        ({"MessagingServiceSid": "MG1"}, 20001),
        ({"ValidityPeriod": "36001"}, 20001),
    ],
)
async def test_text_is_refused_with_twilios_code(twilio: StandIn, changes: dict[str, str], code: int) -> None:
    answer = await send(twilio, **changes)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json() == {
        "code": code,
        "message": answer.json()["message"],
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": 400,
    }
    assert (await twilio.state())["messages"] == []


async def test_text_to_somebody_who_said_stop_is_refused(twilio: StandIn) -> None:
    await twilio.order("world", opted_out=[TEXT["To"]])

    answer = await send(twilio)

    assert answer.json()["code"] == 21610


async def test_field_given_twice_is_refused(twilio: StandIn) -> None:
    answer = await twilio.http.post(path(twilio, "Messages"), data={**TEXT, "Body": ["one", "two"]})

    assert answer.json()["code"] == 20001


async def test_magic_sender_and_a_messaging_service_may_send(twilio: StandIn) -> None:
    from_magic = await send(twilio, From="+15005550006")
    form = {"To": TEXT["To"], "Body": TEXT["Body"], "MessagingServiceSid": "MG" + "0" * 32}
    from_service = await twilio.http.post(path(twilio, "Messages"), data=form)

    assert from_magic.json()["from"] == "+15005550006"
    assert (from_service.json()["from"], from_service.json()["messaging_service_sid"]) == (None, "MG" + "0" * 32)


async def test_list_is_filtered_and_newest_first(twilio: StandIn) -> None:
    await send(twilio, Body="one")
    await send(twilio, Body="two", From="+15005550006")
    await send(twilio, Body="three", To="+14155550124")
    await delivered(twilio)

    assert await listed(twilio) == ["three", "two", "one"]
    assert await listed(twilio, To=TEXT["To"]) == ["two", "one"]
    assert await listed(twilio, From="+15005550006") == ["two"]
    assert await listed(twilio, **{"DateSent>": "2026-01-01T00:00:00Z"}) == ["three", "two", "one"]
    assert await listed(twilio, **{"DateSent<": "2026-01-01"}) == []
    assert await listed(twilio, DateSent=datetime.now(UTC).date().isoformat()) == ["three", "two", "one"]


async def test_list_by_date_leaves_out_what_is_not_sent_yet(twilio: StandIn) -> None:
    await send(twilio)

    assert await listed(twilio, **{"DateSent>": "2026-01-01"}) == []
    assert await listed(twilio) == [TEXT["Body"]]


async def test_list_goes_on_where_its_page_says(twilio: StandIn) -> None:
    for body in ("one", "two", "three"):
        await send(twilio, Body=body)

    first = (await twilio.http.get(path(twilio, "Messages"), params={"To": TEXT["To"], "PageSize": "2"})).json()
    second = (await twilio.http.get(first["next_page_uri"])).json()

    assert [message["body"] for message in first["messages"]] == ["three", "two"]
    assert [message["body"] for message in second["messages"]] == ["one"]
    assert second["next_page_uri"] is None


async def test_worker_ends_a_call_and_the_caller_hears_of_it(twilio: StandIn) -> None:
    await put_through(twilio)
    watching = asyncio.create_task(twilio.http.get(f"/control/calls/{CALL_SID}", params={"wait": "5"}))

    answer = await twilio.http.post(path(twilio, f"Calls/{CALL_SID}"), data={"Status": "completed"})

    assert (answer.status_code, answer.json()["status"]) == (httpx.codes.OK, "completed")
    assert (await watching).json()["status"] == "completed"
    again = await twilio.http.post(path(twilio, f"Calls/{CALL_SID}"), data={"Status": "completed"})
    assert again.json()["code"] == 21220


async def test_caller_hangs_up_and_the_worker_can_see_it(twilio: StandIn) -> None:
    await put_through(twilio)

    await twilio.order(f"calls/{CALL_SID}", status="completed")

    answer = await twilio.http.get(path(twilio, f"Calls/{CALL_SID}"))
    assert answer.json()["status"] == "completed"
    assert answer.json()["end_time"] is not None
    assert [call["status"] for call in (await twilio.state())["calls"]] == ["completed"]


async def test_watching_a_call_ends_with_its_time(twilio: StandIn) -> None:
    await put_through(twilio)

    answer = await twilio.http.get(f"/control/calls/{CALL_SID}", params={"wait": "0.05"})

    assert answer.json()["status"] == "in-progress"
    assert (await twilio.http.get("/control/calls/CA0")).status_code == httpx.codes.NOT_FOUND
    bad = await twilio.http.get(f"/control/calls/{CALL_SID}", params={"wait": "long"})
    assert bad.status_code == httpx.codes.BAD_REQUEST


async def test_cancelling_leaves_an_answered_call_alone(twilio: StandIn) -> None:
    await put_through(twilio)

    answer = await twilio.http.post(path(twilio, f"Calls/{CALL_SID}"), data={"Status": "canceled"})

    assert answer.json()["status"] == "in-progress"


async def test_call_can_be_sent_to_other_twiml(twilio: StandIn) -> None:
    await put_through(twilio)

    answer = await twilio.http.post(path(twilio, f"Calls/{CALL_SID}"), data={"Twiml": "<Response/>"})

    assert answer.json()["status"] == "in-progress"
    assert (await twilio.state())["calls"][0]["redirect"] == "<Response/>"


@pytest.mark.parametrize(
    "form",
    [
        {"Status": "over"},
        {},
        {"Twiml": "x" * 4001},
        {"Twiml": "<Response/>", "Url": "http://127.0.0.1/"},
        {"Status": "completed", "Bogus": "1"},
    ],
)
async def test_refuses_a_change_of_a_call_twilio_would_refuse(twilio: StandIn, form: dict[str, str]) -> None:
    await put_through(twilio)

    answer = await twilio.http.post(path(twilio, f"Calls/{CALL_SID}"), data=form)

    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.BAD_REQUEST, 20001)
    assert (await twilio.state())["calls"][0]["status"] == "in-progress"


async def test_both_logins_of_the_account_are_taken_and_no_other(twilio: StandIn) -> None:
    ours = twilio.credentials
    logins = {
        (ours.twilio_account_sid, ours.twilio_auth_token): 200,
        (ours.twilio_api_key_sid, ours.twilio_api_key_secret): 200,
        (ours.twilio_account_sid, ours.twilio_api_key_secret): 401,
        ("", ""): 401,
    }

    for login, status in logins.items():
        answer = await twilio.http.get(path(twilio, "Messages"), auth=login)

        assert answer.status_code == status
    assert (answer.json()["code"], answer.json()["status"]) == (20003, 401)


async def test_other_accounts_and_unknown_things_are_refused_in_twilios_shape(twilio: StandIn) -> None:
    answers = [
        await twilio.http.get(f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"),
        await twilio.http.get(path(twilio, f"Messages/SM{'0' * 32}")),
        await twilio.http.get(path(twilio, f"Calls/CA{'0' * 32}")),
        await twilio.http.get("/2010-04-01/Nothing.json"),
        await twilio.http.delete(path(twilio, "Messages")),
    ]

    assert [answer.status_code for answer in answers] == [401, 404, 404, 404, 405]
    assert [answer.json()["code"] for answer in answers] == [20003, 20404, 20404, 20404, 20004]


async def test_fault_answers_429_with_the_time_to_wait(twilio: StandIn) -> None:
    await twilio.break_down("messages", "rate_limited", seconds=3)

    answer = await send(twilio)

    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.TOO_MANY_REQUESTS, 20429)
    assert answer.headers["Retry-After"] == "3"
    assert (await twilio.state())["messages"] == []


async def test_fault_answers_500_in_twilios_shape(twilio: StandIn) -> None:
    await twilio.break_down("calls", "error_500")
    await put_through(twilio)

    answer = await twilio.http.get(path(twilio, f"Calls/{CALL_SID}"))

    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.INTERNAL_SERVER_ERROR, 20500)


async def test_text_whose_answer_was_lost_is_sent_all_the_same(twilio: StandIn) -> None:
    await twilio.break_down("messages", "drop_after")

    with pytest.raises(httpx.TransportError):
        await send(twilio)

    assert [message["body"] for message in await delivered(twilio)] == [TEXT["Body"]]


@pytest.mark.parametrize(
    ("body", "billed_as"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("2:30\u202fPM" + "x" * 63, 1), ("ç" * 71, 2)],
)
def test_counts_segments_as_twilio_bills_them(body: str, billed_as: int) -> None:
    assert segments(body) == billed_as


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://example.com/twilio/voice", {"CallSid": "CA1", "From": "+14155550123", "Zeta": "", "body": "ü"}),
        ("http://127.0.0.1:8080/twilio/sms-status?o=7", {"MessageStatus": "sent"}),
        ("wss://example.com/twilio/media", {}),
    ],
)
def test_signature_is_the_one_twilios_package_expects(url: str, form: dict[str, str]) -> None:
    assert RequestValidator("token").validate(url, form, sign("token", url, form))


@contextlib.asynccontextmanager
async def texted(
    answer: str = "<Response/>", status: int = 200
) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """Serve a worker that notes the signature and the form of every text it gets, and answers `answer`."""
    texts: list[tuple[str, dict[str, str]]] = []

    async def note(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        texts.append((request.headers[SIGNATURE_HEADER], form))
        return web.Response(text=answer, status=status, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/twilio/sms", note)
    runner, url = await run_app(app, 0)
    try:
        yield url, texts
    finally:
        await runner.cleanup()


async def text_us(twilio: StandIn, body: str, **more: str) -> dict[str, Any]:
    answer = await twilio.http.post("/control/inbound", json={"from": TEXT["To"], "body": body, **more})
    assert answer.status_code == httpx.codes.OK, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_text_to_us_is_posted_as_twilio_does_and_signed(twilio: StandIn) -> None:
    async with texted() as (url, texts):
        await twilio.order("world", worker_url=url)
        told = await text_us(twilio, "C")

    ((signature, form),) = texts
    assert told == {"message_sid": form["MessageSid"], "answered": 200}
    assert (form["From"], form["To"], form["Body"]) == (TEXT["To"], TEXT["From"], "C")
    assert (form["SmsStatus"], form["NumMedia"], form["FromCountry"]) == ("received", "0", "US")
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    assert "OptOutType" not in form
    validator = RequestValidator(twilio.credentials.twilio_auth_token)
    assert validator.validate(f"{url}/twilio/sms", form, signature)


async def test_a_text_can_be_delivered_again(twilio: StandIn) -> None:
    async with texted() as (url, texts):
        await twilio.order("world", worker_url=url)
        told = await text_us(twilio, "C")
        await text_us(twilio, "C", message_sid=told["message_sid"])

    assert len({form["MessageSid"] for _, form in texts}) == 1
    assert len(texts) == 2


async def test_who_texts_stop_gets_no_texts_until_they_text_start(twilio: StandIn) -> None:
    async with texted() as (url, texts):
        await twilio.order("world", worker_url=url)
        await text_us(twilio, " Stop ")
        refused = await send(twilio)
        await text_us(twilio, "START")
        taken = await send(twilio)

    assert (refused.status_code, refused.json()["code"]) == (400, 21610)
    assert taken.status_code == httpx.codes.CREATED
    assert [form["Body"] for _, form in texts] == [" Stop ", "START"]


@pytest.mark.parametrize(
    ("answer", "status", "problem"),
    [
        ("", 500, None),
        ("ok", 200, "12100: the answer is no TwiML"),
        ("<Response><Message>Hi</Message></Response>", 200, "follows no verbs"),
    ],
)
async def test_a_worker_that_does_not_answer_as_it_should_is_told(
    twilio: StandIn, answer: str, status: int, problem: str | None
) -> None:
    async with texted(answer, status) as (url, _):
        await twilio.order("world", worker_url=url)
        told = await text_us(twilio, "C")

    assert told["answered"] == status
    assert (problem or "") in told.get("problem", "")
    assert ("problem" in told) == (problem is not None)


async def test_a_text_reaches_no_url_but_the_workers(twilio: StandIn) -> None:
    number = {"phone_number": TEXT["From"], "sms_url": "https://elsewhere.example.com/sms"}
    await twilio.order("world", worker_url="http://127.0.0.1:1", numbers=[number])

    answer = await twilio.http.post("/control/inbound", json={"from": TEXT["To"], "body": "C"})

    assert (answer.status_code, "webhook for texts is the worker's" in answer.text) == (400, True)


async def test_a_landline_is_reported_as_its_carrier_does(twilio: StandIn) -> None:
    reports: list[tuple[str, str, dict[str, str]]] = []
    async with worker(reports) as url:
        await twilio.order("world", worker_url=url, undeliverable={TEXT["To"]: 30006})
        sid = (await send(twilio, StatusCallback=f"{url}/twilio/sms-status")).json()["sid"]
        async with asyncio.timeout(5):
            while (await twilio.state())["under_way"]:
                pass

    assert [(form["MessageStatus"], form.get("ErrorCode")) for _, _, form in reports] == [
        ("sent", None),
        ("undelivered", "30006"),
    ]
    read = (await twilio.http.get(path(twilio, f"Messages/{sid}"))).json()
    assert (read["status"], read["error_code"]) == ("undelivered", 30006)
