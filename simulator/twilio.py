"""A stand-in of Twilio's REST API: the texts and calls of one account, with its test credentials' magic numbers."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from simulator import twilio_wire as wire
from simulator.faults import RETRY_SECS, fault_middleware, fault_routes
from simulator.twilio_calls import Call, CallEndOrder, CallOrder
from simulator.twilio_inbound import START_WORDS, STOP_WORDS, InboundOrder, deliver
from simulator.twilio_messages import Message, MessageQueue
from simulator.twilio_numbers import AccountOrder, NumberOrder, find, set_up_for
from simulator.world import read_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp.typedefs import Handler
    from multidict import MultiMapping

    from simulator.faults import FaultBoard
    from simulator.world import Credentials

    Model = TypeVar("Model", bound=BaseModel)

_ACCOUNT = f"/{wire.API}/Accounts/{{account}}"
MESSAGES, MESSAGE = f"{_ACCOUNT}/Messages.json", f"{_ACCOUNT}/Messages/{{sid}}.json"
CALL = f"{_ACCOUNT}/Calls/{{sid}}.json"
NUMBERS = f"{_ACCOUNT}/IncomingPhoneNumbers.json"
OPERATIONS = {
    ("POST", MESSAGES): "messages",
    ("GET", MESSAGES): "messages",
    ("GET", MESSAGE): "messages",
    ("POST", CALL): "calls",
    ("GET", CALL): "calls",
}


class WorldOrder(BaseModel):
    """The body of ``POST /control/world``: the only place callbacks may go, the account, and who has texted STOP.

    Without `numbers` the account has the business's number, set up for the worker. No text reaches those that are
    `undeliverable`: their carrier reports that error, such as 30006 for a landline.
    """

    model_config = ConfigDict(extra="forbid")

    worker_url: str | None = None
    opted_out: frozenset[str] = frozenset()
    undeliverable: dict[str, int] = {}
    numbers: tuple[NumberOrder, ...] | None = None
    account: AccountOrder = AccountOrder()


class TwilioStandIn:
    """The handlers of one account and the state they share."""

    def __init__(self, credentials: Credentials, faults: FaultBoard) -> None:
        self._account_sid = credentials.twilio_account_sid
        self._auth_token = credentials.twilio_auth_token
        self._main_login = _basic(credentials.twilio_account_sid, credentials.twilio_auth_token)
        self._logins = {
            self._main_login,
            _basic(credentials.twilio_api_key_sid, credentials.twilio_api_key_secret),
        }
        self._faults = faults
        self._queue = MessageQueue(credentials.twilio_account_sid, credentials.twilio_auth_token)
        self._calls: dict[str, Call] = {}
        self._opted_out: set[str] = set()
        self._account = AccountOrder()
        self._numbers = set_up_for(None)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(MESSAGES, self.create_message),
            web.get(MESSAGES, self.list_messages),
            web.get(MESSAGE, self.get_message),
            web.post(CALL, self.update_call),
            web.get(CALL, self.get_call),
            web.get(NUMBERS, self.list_numbers),
            # The sid ends at a dot: {account} would match any path below it.
            web.get(f"/{wire.API}/Accounts/{{account:[^/.]+}}.json", self.get_account),
            web.post("/control/world", self.set_world),
            web.get("/control/state", self.state),
            web.post("/control/inbound", self.receive_message),
            web.post("/control/calls", self.register_call),
            web.get("/control/calls/{sid}", self.watch_call),
            web.post("/control/calls/{sid}", self.end_call),
        ]

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Own the deliveries for as long as the application runs."""
        yield
        await self._queue.aclose()

    @web.middleware
    async def answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn errors into Twilio's JSON."""
        if request.path.startswith("/control/"):
            return await handler(request)
        try:
            self._check_login(request)
            return await handler(request)
        except wire.TwilioError as error:
            return error.answer()
        except web.HTTPMethodNotAllowed:
            return wire.TwilioError(20004, "Method not allowed", HTTPStatus.METHOD_NOT_ALLOWED).answer()
        except web.HTTPNotFound:
            return wire.no_resource(request.path).answer()

    async def create_message(self, request: web.Request) -> web.Response:
        _checked(request.query, wire.NoQuery)
        form = _checked(await request.post(), wire.CreateMessage)
        if form.from_ is not None:
            self._check_sender(form.from_)
        self._check_receiver(form.to or "")
        message = Message(
            form.to or "", form.from_, form.messaging_service_sid, form.body or "", callback=form.status_callback
        )
        answer = web.json_response(message.rendered(self._account_sid), status=HTTPStatus.CREATED)
        self._queue.take(message)
        return answer

    async def list_messages(self, request: web.Request) -> web.Response:
        query = _checked(request.query, wire.ListMessages)
        messages = [message.rendered(self._account_sid) for message in self._queue.find(query)]
        return _page(request, "messages", messages, query.page, query.page_size)

    async def list_numbers(self, request: web.Request) -> web.Response:
        query = _checked(request.query, wire.ListNumbers)
        numbers = [number.rendered(self._account_sid) for number in find(self._numbers, query)]
        return _page(request, "incoming_phone_numbers", numbers, query.page, query.page_size)

    async def get_account(self, request: web.Request) -> web.Response:
        _checked(request.query, wire.NoQuery)
        if request.headers.get("Authorization") != self._main_login:
            # A standard API key may do everything but this: https://www.twilio.com/docs/iam/api-keys
            raise wire.TwilioError(
                wire.NOT_AUTHENTICATED, "Authentication Error - invalid username", HTTPStatus.UNAUTHORIZED
            )
        return web.json_response(self._account.rendered(self._account_sid, self._auth_token))

    async def get_message(self, request: web.Request) -> web.Response:
        _checked(request.query, wire.NoQuery)
        for message in self._queue.messages:
            if message.sid == request.match_info["sid"]:
                return web.json_response(message.rendered(self._account_sid))
        raise wire.no_resource(request.path)

    async def get_call(self, request: web.Request) -> web.Response:
        _checked(request.query, wire.NoQuery)
        return web.json_response(self._call(request).rendered(self._account_sid))

    async def update_call(self, request: web.Request) -> web.Response:
        call = self._call(request)
        call.update(_checked(await request.post(), wire.UpdateCall))
        return web.json_response(call.rendered(self._account_sid))

    async def set_world(self, request: web.Request) -> web.Response:
        order = await read_order(request, WorldOrder)
        self._queue.reset(order.worker_url, order.undeliverable)
        self._calls = {}
        self._opted_out = set(order.opted_out)
        self._account = order.account
        self._numbers = set_up_for(order.worker_url) if order.numbers is None else order.numbers
        return web.json_response({})

    async def state(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "faults": self._faults.fired,
                "messages": [message.summary for message in self._queue.messages],
                "callbacks": self._queue.callbacks,
                "under_way": self._queue.under_way,
                "calls": [call.summary for call in self._calls.values()],
            }
        )

    async def receive_message(self, request: web.Request) -> web.Response:
        """Take a text to one of our numbers, and answer when the worker has."""
        order = await read_order(request, InboundOrder)
        to = order.to or self._numbers[0].phone_number
        url = next((number.sms_url for number in self._numbers if number.phone_number == to), "")
        if not self._queue.is_of_worker(url):
            raise web.HTTPBadRequest(text=f"{to} is no number of the account whose webhook for texts is the worker's")
        if order.word in STOP_WORDS:
            self._opted_out.add(order.from_)
        elif order.word in START_WORDS:
            self._opted_out.discard(order.from_)
        told = await deliver(order, to=to, url=url, account_sid=self._account_sid, auth_token=self._auth_token)
        return web.json_response(told)

    async def register_call(self, request: web.Request) -> web.Response:
        order = await read_order(request, CallOrder)
        self._calls[order.call_sid] = Call(order.call_sid, order.from_, order.to)
        return web.json_response({})

    async def watch_call(self, request: web.Request) -> web.Response:
        call = self._controlled_call(request)
        try:
            wait_secs = float(request.query.get("wait", "0"))
        except ValueError as error:
            raise web.HTTPBadRequest(text="wait is a number of seconds") from error
        await call.wait_until_over(wait_secs)
        return web.json_response(call.summary)

    async def end_call(self, request: web.Request) -> web.Response:
        call = self._controlled_call(request)
        await read_order(request, CallEndOrder)
        call.end()
        return web.json_response(call.summary)

    def _check_login(self, request: web.Request) -> None:
        is_known = request.headers.get("Authorization") in self._logins
        if not is_known or request.match_info.get("account", self._account_sid) != self._account_sid:
            raise wire.TwilioError(wire.NOT_AUTHENTICATED, "Authenticate", HTTPStatus.UNAUTHORIZED)

    def _check_sender(self, number: str) -> None:
        if number in wire.MAGIC_FROM:
            raise wire.number_error(wire.MAGIC_FROM[number], number)
        if not wire.is_e164(number):
            raise wire.number_error(wire.INVALID_FROM, number)
        ours = {ordered.phone_number for ordered in self._numbers if ordered.sms}
        if number not in ours | {wire.MAGIC_VALID_FROM}:
            raise wire.number_error(wire.FROM_NOT_OWNED, number)

    def _check_receiver(self, number: str) -> None:
        if number in wire.MAGIC_TO:
            raise wire.number_error(wire.MAGIC_TO[number], number)
        if not wire.is_e164(number):
            raise wire.number_error(wire.INVALID_TO, number)
        if number in self._opted_out:
            raise wire.number_error(wire.OPTED_OUT, number)

    def _call(self, request: web.Request) -> Call:
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            raise wire.no_resource(request.path)
        return call

    def _controlled_call(self, request: web.Request) -> Call:
        sid = request.match_info["sid"]
        if sid not in self._calls:
            raise web.HTTPNotFound(text=f"no call {sid!r} was registered")
        return self._calls[sid]


def build_app(credentials: Credentials, faults: FaultBoard) -> web.Application:
    """Return the stand-in as an application, control endpoints included."""
    stand_in = TwilioStandIn(credentials, faults)
    acting_out = fault_middleware(faults, OPERATIONS, error_500=_internal_error, rate_limited=_rate_limited)
    app = web.Application(middlewares=[stand_in.answer_errors, acting_out])
    app.add_routes([*stand_in.routes(), *fault_routes(faults)])
    app.cleanup_ctx.append(stand_in.running)
    return app


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _checked(
    fields: MultiMapping[str] | MultiMapping[str | bytes | bytearray | web.FileField], model: type[Model]
) -> Model:
    given = {name: fields.getall(name) for name in fields}
    try:
        return model.model_validate({name: all_[0] if len(all_) == 1 else all_ for name, all_ in given.items()})
    except ValidationError as error:
        raise wire.invalid_parameters(error) from error


def _page(
    request: web.Request, name: str, found: Sequence[dict[str, object]], page: int, page_size: int
) -> web.Response:
    start = page * page_size
    shown = found[start : start + page_size]
    is_last = start + len(shown) >= len(found)
    return web.json_response(
        {
            name: shown,
            "page": page,
            "page_size": page_size,
            "start": start,
            "end": start + max(0, len(shown) - 1),
            "uri": request.path_qs,
            "first_page_uri": _page_uri(request, 0, page_size),
            "next_page_uri": None if is_last else _page_uri(request, page + 1, page_size),
            "previous_page_uri": _page_uri(request, page - 1, page_size) if page else None,
        }
    )


def _page_uri(request: web.Request, page: int, page_size: int) -> str:
    kept = {name: value for name, value in request.query.items() if name not in ("Page", "PageSize", "PageToken")}
    return f"{request.path}?{urlencode({**kept, 'PageSize': page_size, 'Page': page})}"


def _internal_error(_request: web.Request) -> web.Response:
    text = "An internal server error has occurred"
    return wire.TwilioError(wire.INTERNAL_ERROR, text, HTTPStatus.INTERNAL_SERVER_ERROR).answer()


def _rate_limited(request: web.Request) -> web.Response:
    answer = wire.TwilioError(wire.TOO_MANY_REQUESTS, "Too many requests", HTTPStatus.TOO_MANY_REQUESTS).answer()
    wait_secs: float = request[RETRY_SECS]
    answer.headers["Retry-After"] = str(max(1, round(wait_secs)))
    return answer
