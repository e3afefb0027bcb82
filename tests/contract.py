"""Holds real exchanges against a service's OpenAPI contract: by hand, or as a proxy in front of a stand-in.

The contracts are not part of the project: they are looked for in the folder `SLOTLINE_CONTRACTS` names.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import pytest
from aiohttp import web
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.finders import APICallPathFinder
from werkzeug.datastructures import Headers, ImmutableMultiDict

from simulator.world import run_app

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from jsonschema_path import SchemaPath

FOLDER_VARIABLE = "SLOTLINE_CONTRACTS"
FILES = {"calcom": "calcom.openapi.json", "twilio": "twilio.openapi.json"}
_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "contracts"
_HOP_HEADERS = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding", "date", "server"})
_ANY_HOST = "http://127.0.0.1"


@dataclass(slots=True)
class SeenRequest:
    """A request as openapi-core wants to see it: it writes the path's parameters into `parameters`."""

    method: str
    path: str
    body: bytes | None
    content_type: str
    parameters: RequestParameters
    host_url: str = _ANY_HOST

    @classmethod
    def of(cls, method: str, path_qs: str, headers: Mapping[str, str], body: bytes) -> SeenRequest:
        path, _, query = path_qs.partition("?")
        return cls(
            method.lower(),
            path,
            body or None,
            headers.get("Content-Type", "").partition(";")[0],
            RequestParameters(
                query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
                header=Headers(list(headers.items())),
            ),
        )


@dataclass(frozen=True, slots=True)
class SeenResponse:
    """An answer as openapi-core wants to see it."""

    status_code: int
    data: bytes
    content_type: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, the status of its answer, and what the contract has to say about either ("" for nothing)."""

    method: str
    path: str
    status: int
    request_problem: str
    response_problem: str

    @property
    def holds(self) -> bool:
        return not self.request_problem and not self.response_problem


class Contract:
    """One service's OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        document["servers"] = [{"url": "/"}]
        for path in document["paths"].values():
            path.pop("servers", None)
        # Cal.com's own document has defaults that do not fit their types; it says enough all the same.
        self._openapi = OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))

    def request_problem(self, request: SeenRequest) -> str:
        """Return why the contract refuses `request`, "" when it does not."""
        try:
            self._openapi.validate_request(request)
        except OpenAPIError as error:
            return _reason(error)
        unknown = self._unknown_names(request)
        return f"unknown: {', '.join(unknown)}" if unknown else ""

    def response_problem(self, request: SeenRequest, response: SeenResponse) -> str:
        """Return why the contract refuses `response`, "" when it does not. It may leave errors undeclared."""
        try:
            is_declared = str(response.status_code) in self._operation(request)["responses"]
            if response.status_code >= 400 and not is_declared:
                return ""
            self._openapi.validate_response(request, response)
        except OpenAPIError as error:
            return _reason(error)
        return ""

    def _unknown_names(self, request: SeenRequest) -> list[str]:
        """Return parameters and form fields that are not declared; openapi-core lets them pass."""
        operation = self._operation(request)
        declared = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        unknown = set(request.parameters.query) - declared
        forms = operation.get("requestBody", {}).get("content", {})
        if request.content_type == "application/x-www-form-urlencoded" and request.content_type in forms:
            fields = {name for name, _ in parse_qsl((request.body or b"").decode(), keep_blank_values=True)}
            unknown |= fields - set(forms[request.content_type]["schema"]["properties"])
        return sorted(unknown)

    def _operation(self, request: SeenRequest) -> dict[str, Any]:
        spec: SchemaPath = self._openapi.spec
        found = APICallPathFinder(spec, base_url=None).find(request.method, _ANY_HOST + request.path)
        operation: dict[str, Any] = found.operation.read_value()
        return operation


class ContractProxy:
    """A server on loopback that passes everything on to `upstream_url` and checks every exchange.

    Put it between a client and its stand-in, and assert that `violations` is empty.
    """

    def __init__(self, contract: Contract, upstream_url: str) -> None:
        self._contract = contract
        self._upstream_url = upstream_url
        self.exchanges: list[Exchange] = []

    @property
    def violations(self) -> list[Exchange]:
        """The exchanges of which the contract refuses the request or the answer."""
        return [exchange for exchange in self.exchanges if not exchange.holds]

    async def __aenter__(self) -> Self:
        # Not aiohttp's client: it repeats a GET by itself when the connection drops.
        self._http = httpx.AsyncClient(base_url=self._upstream_url, trust_env=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner, self.url = await run_app(app, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._http.aclose()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        # The target as the client wrote it: nothing may tidy up what it has escaped.
        target = {"target": request.raw_path.encode()}
        passed_on = self._http.build_request(request.method, "/", headers=headers, content=body, extensions=target)
        try:
            answer = await self._http.send(passed_on)
        except httpx.TransportError:
            # The stand-in hung up on purpose; do the same.
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        self._check(SeenRequest.of(request.method, request.raw_path, request.headers, body), answer)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
        return web.Response(body=answer.content, status=answer.status_code, headers=kept)

    def _check(self, request: SeenRequest, answer: httpx.Response) -> None:
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        headers = Headers(list(answer.headers.items()))
        response = SeenResponse(answer.status_code, answer.content, kind, headers)
        request_problem = self._contract.request_problem(request)
        # What is no request of the contract has no answer in it either.
        is_known = not request_problem or answer.status_code < 400
        response_problem = self._contract.response_problem(request, response) if is_known else ""
        self.exchanges.append(
            Exchange(request.method, request.path, answer.status_code, request_problem, response_problem)
        )


def load(name: str) -> Contract:
    """Return the contract `name`, or skip the test that needs it."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or _BESIDE_THE_REPOSITORY)
    file = folder / FILES[name]
    if not file.is_file():
        pytest.skip(f"no {FILES[name]} in {folder}: set {FOLDER_VARIABLE} to the folder that holds the contracts")
    return _load(file)


@functools.cache
def _load(file: Path) -> Contract:
    return Contract(json.loads(file.read_text(encoding="utf-8")))


def _reason(error: BaseException) -> str:
    reasons = [str(error)]
    details = getattr(error, "schema_errors", None) or getattr(error.__cause__, "schema_errors", None)
    if details is None and error.__cause__ is not None:
        reasons.append(_reason(error.__cause__))
    reasons += [detail.message[:300] for detail in details or []]
    return "; ".join(reasons)
