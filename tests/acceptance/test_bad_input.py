"""A running worker starts nothing for strangers, and one caller's nonsense ends at most that caller's call."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent.stand_ins import free_port
from simulator.signing import SIGNATURE_HEADER, sign
from telephony.media_stream import MAX_FRAME_BYTES
from telephony.tokens import StreamTokens
from tests.acceptance_house import House, WorkerProcess, open_house, until
from tests.acceptance_phone import CONNECTED, Phone, new_call_sid, parameters_of, verbs_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

_callers = count(100)


@dataclass(frozen=True, slots=True)
class Running:
    """A worker at work, the phone that calls it and the house around it."""

    house: House
    worker: WorkerProcess
    phone: Phone

    @property
    def asked(self) -> int:
        """How much the worker has sent to its providers."""
        return sum(front.asked_bytes for front in self.house.fronts.values())

    def tokens(self, *, age: timedelta) -> StreamTokens:
        """Return tokens as the worker minted them some time ago."""
        secret = hmac.new(self.phone.auth_token.encode(), b"slotline stream token", hashlib.sha256).digest()
        return StreamTokens(secret, clock=lambda: datetime.now(UTC) - age)

    async def is_known(self, call_sid: str) -> bool:
        """Whether anything of a call was recorded."""
        async with self.house.store() as store:
            return await store.call(call_sid) is not None  # type: ignore[arg-type]  # any text names a call


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with open_house(tmp_path_factory.mktemp("house"), is_counted=True) as house:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        async with house.worker(url=url, port=port) as worker, Phone.at(url, house) as phone:
            yield Running(house, worker, phone)


@pytest.fixture
def caller() -> str:
    """A caller of one's own: only so many calls of one are taken."""
    return f"+1415555{next(_callers):04}"


@pytest.mark.parametrize("path", ["voice", "status", "connect-done", "sms-status"])
@pytest.mark.parametrize("kind", ["unsigned", "forged", "signed for another form", "signed with another token"])
async def test_a_webhook_that_twilio_did_not_sign_starts_nothing(
    running: Running, caller: str, path: str, kind: str
) -> None:
    asked = running.asked
    call_sid = new_call_sid()
    phone, form = running.phone, running.phone.form(call_sid, caller)
    url = f"{phone.url}/twilio/{path}"
    signature = {
        "unsigned": None,
        "forged": base64.b64encode(b"x" * 20).decode(),
        "signed for another form": sign(phone.auth_token, url, form | {"From": "+14155559999"}),
        "signed with another token": sign("0" * 32, url, form),
    }[kind]
    answer = await phone.post(f"/twilio/{path}", form, signature=signature)

    assert answer.status_code == 403
    assert "<" not in answer.text
    assert not await running.is_known(call_sid)
    assert running.asked == asked
    assert running.worker.logged("call_answered", call_sid=call_sid) == []


async def test_a_signed_call_does_ask_the_providers(running: Running, caller: str) -> None:
    asked = running.asked
    async with running.phone.call(caller) as stream:
        assert await running.is_known(stream.call_sid)
        await until(lambda: running.asked > asked)


@pytest.mark.parametrize("signature", [None, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
async def test_an_upgrade_that_twilio_did_not_sign_is_denied(running: Running, signature: str | None) -> None:
    headers = {} if signature is None else {SIGNATURE_HEADER: signature}
    url = f"ws{running.phone.url.removeprefix('http')}/twilio/media"
    with pytest.raises(InvalidStatus) as denied:
        await connect(url, additional_headers=headers, proxy=None)

    assert denied.value.response.status_code == 403


@pytest.mark.parametrize(
    "kind", ["none", "made up", "of another call", "of another caller", "expired", "of another secret"]
)
async def test_a_wrong_token_closes_the_stream_before_any_provider_is_called(
    running: Running, caller: str, kind: str
) -> None:
    call_sid = new_call_sid()
    right = parameters_of(await running.phone.ring(call_sid, caller))
    says = {name: value for name, value in right.items() if name != "token"}
    await running.phone.hang_up(call_sid, caller)
    token = {
        "none": "",
        "made up": "x.99999999999.y",
        "of another call": running.tokens(age=timedelta()).mint(new_call_sid(), says),
        "of another caller": running.tokens(age=timedelta()).mint(call_sid, says | {"caller": "+14155550111"}),
        "expired": running.tokens(age=timedelta(seconds=121)).mint(call_sid, says),
        "of another secret": StreamTokens(b"0" * 32, clock=lambda: datetime.now(UTC)).mint(call_sid, says),
    }[kind]
    asked = await _idle(running)
    async with running.phone.stream(call_sid) as stream:
        await stream.start(right | {"token": token}, running.phone.account_sid)
        code = await stream.is_closed()

    assert (code, stream.audio_messages) == (1008, 0)
    assert running.asked == asked
    assert token == "" or token not in running.worker.log_file.read_text()


async def test_a_token_works_until_it_expires(running: Running, caller: str) -> None:
    call_sid = new_call_sid()
    parameters = parameters_of(await running.phone.ring(call_sid, caller))
    del parameters["token"]
    token = running.tokens(age=timedelta(seconds=110)).mint(call_sid, parameters)
    async with running.phone.stream(call_sid) as stream:
        await stream.start(parameters | {"token": token}, running.phone.account_sid)
        await stream.hears(1)
    await running.phone.hang_up(call_sid, caller)


async def test_a_token_works_once(running: Running, caller: str) -> None:
    call_sid = new_call_sid()
    parameters = parameters_of(await running.phone.ring(call_sid, caller))
    async with running.phone.stream(call_sid) as first:
        await first.start(parameters, running.phone.account_sid)
        await first.hears(1)
        asked = await _idle(running)
        async with running.phone.stream(call_sid) as second:
            await second.start(parameters, running.phone.account_sid)
            assert (await second.is_closed(), second.audio_messages) == (1008, 0)
        assert running.asked == asked
        await first.hears(5)
    await running.phone.hang_up(call_sid, caller)


async def test_a_stream_without_a_start_is_closed_after_five_seconds(running: Running) -> None:
    asked = await _idle(running)
    async with running.phone.stream(new_call_sid()) as stream:
        began = time.monotonic()
        await stream.websocket.send(CONNECTED)
        code = await stream.is_closed()
        took_secs = time.monotonic() - began

    assert code == 1008
    assert took_secs > 4.5
    assert running.asked == asked


async def test_malformed_frames_are_logged_once_and_the_call_goes_on(running: Running, caller: str) -> None:
    async with running.phone.call(caller) as stream:
        sid = stream.stream_sid
        for frame in (
            "not json",
            b"\x00\x01",
            "[]",
            "{}",
            '{"event": 7}',
            "[" * 20_000,
            json.dumps({"event": "media", "streamSid": sid}),
            json.dumps({"event": "media", "streamSid": sid, "media": {"payload": "%%%"}}),
            json.dumps({"event": "media", "streamSid": "MZ" + "0" * 32, "media": {"payload": "////"}}),
            json.dumps({"event": "dtmf", "streamSid": sid, "dtmf": {"digit": "99"}}),
            json.dumps({"event": "surprise", "streamSid": sid}),
        ):
            await stream.websocket.send(frame)
        await until(lambda: running.worker.logged("media_frame_ignored", call_sid=stream.call_sid))
        await stream.say_nothing()
        await stream.hears(50)

    assert len(running.worker.logged("media_frame_ignored", call_sid=stream.call_sid)) == 1
    assert running.worker.logged("call_failed", call_sid=stream.call_sid) == []


async def test_a_flood_of_malformed_frames_ends_the_call_and_no_other(running: Running, caller: str) -> None:
    async with running.phone.call("+14155550777") as other, running.phone.call(caller) as stream:
        try:
            for _ in range(200):
                await stream.websocket.send("nonsense")
        except ConnectionClosed:
            pass  # that soon is fine too
        await stream.is_closed()
        await until(lambda: running.worker.logged("call_ended", call_sid=stream.call_sid))
        await other.hears(5)

    assert len(running.worker.logged("media_stream_flooded", call_sid=stream.call_sid)) == 1


async def test_a_frame_that_is_too_large_ends_the_call_and_no_other(running: Running, caller: str) -> None:
    async with running.phone.call("+14155550778") as other, running.phone.call(caller) as stream:
        await stream.websocket.send("x" * (MAX_FRAME_BYTES + 1))
        assert await stream.is_closed() == 1009
        await until(lambda: running.worker.logged("call_ended", call_sid=stream.call_sid))
        await other.hears(5)


async def test_a_form_that_is_too_large_is_refused(running: Running, caller: str) -> None:
    form = running.phone.form(new_call_sid(), caller, Padding="x" * 100_000)
    answer = await running.phone.post("/twilio/voice", form)

    assert answer.status_code == 413


async def test_the_third_call_of_a_caller_is_refused_until_one_has_ended(running: Running, caller: str) -> None:
    async with running.phone.call(caller) as first:
        async with running.phone.call(caller):
            refused = await running.phone.post("/twilio/voice", running.phone.form(new_call_sid(), caller))
            await first.hears(1)
        taken = await running.phone.ring(call_sid := new_call_sid(), caller)
        await running.phone.hang_up(call_sid, caller)

    assert [verb for verb, _ in verbs_of(refused.text)] == ["Say", "Hangup"]
    assert [verb.tag for verb in taken] == ["Connect"]


async def test_a_caller_who_leaves_ends_the_call(running: Running, caller: str) -> None:
    async with running.phone.call(caller) as stream:
        pass

    await until(lambda: running.worker.logged("call_ended", call_sid=stream.call_sid))
    assert running.worker.logged("call_ended", call_sid=stream.call_sid)[0]["outcome"] == "caller_hung_up"


async def test_after_all_that_the_worker_is_well_and_has_told_no_secret(running: Running) -> None:
    healthy = [await running.phone.http.get(f"{running.phone.url}/{path}") for path in ("healthz", "readyz")]
    log = running.worker.log_file.read_text()
    public = ("twilio_account_sid", "twilio_api_key_sid")
    secrets = [value for name, value in running.house.stand_ins.credentials.items() if name not in public]

    assert [answer.status_code for answer in healthy] == [200, 200]
    assert [line for line in running.worker.log if line["level"] == "error" and "flood" not in line["event"]] == []
    assert not any(secret in log for secret in secrets)
    assert "+1415555" not in log


async def _idle(running: Running) -> int:
    """Wait until what earlier calls asked of the providers is over, and return how much it was."""
    asked = -1
    while asked != running.asked:
        asked = running.asked
        await asyncio.sleep(0.3)
    return asked
