"""OpenAI's error answers, and how a request that does not fit becomes one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Model = TypeVar("_Model", bound=BaseModel)


class OpenAIError(Exception):
    """An error answer in OpenAI's envelope."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self._status = status
        self.error = {"message": message, "type": type, "param": param, "code": code}
        self._headers = headers

    @classmethod
    def invalid(cls, message: str, *, param: str | None = None, code: str | None = None) -> OpenAIError:
        return cls(HTTPStatus.BAD_REQUEST, message, param=param, code=code)

    def answer(self) -> web.Response:
        return web.json_response({"error": self.error}, status=self._status, headers=self._headers)


def checked(validate: Callable[[], _Model]) -> _Model:
    """Return what `validate` made of a request, or raise the first complaint as OpenAI would."""
    try:
        return validate()
    except ValidationError as error:
        raise _complaint(error) from error


def wrong_key(authorization: str | None) -> OpenAIError:
    """Return the refusal of a missing or unknown API key."""
    if authorization is None:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        return OpenAIError(HTTPStatus.UNAUTHORIZED, message)
    key = authorization.removeprefix("Bearer ")
    message = (
        f"Incorrect API key provided: {key[:3]}***{key[-2:]}. "
        "You can find your API key at https://platform.openai.com/account/api-keys."
    )
    return OpenAIError(HTTPStatus.UNAUTHORIZED, message, code="invalid_api_key")


def broken() -> OpenAIError:
    """Return what is told when it is nobody's fault but the server's."""
    message = "The server had an error while processing your request. Sorry about that!"
    return OpenAIError(HTTPStatus.INTERNAL_SERVER_ERROR, message, type="server_error")


def too_many() -> OpenAIError:
    """Return the refusal of an account that has asked too often."""
    return OpenAIError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms.",
        type="requests",
        code="rate_limit_exceeded",
        headers={
            "retry-after-ms": "120",
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "120ms",
        },
    )


def server_error(_request: web.Request) -> web.Response:
    return broken().answer()


def rate_limited(_request: web.Request) -> web.Response:
    return too_many().answer()


def _complaint(error: ValidationError) -> OpenAIError:
    first = error.errors(include_url=False, include_input=False)[0]
    param = _path(first["loc"])
    match first["type"]:
        case "extra_forbidden" if len(first["loc"]) == 1:
            return OpenAIError.invalid(
                f"Unrecognized request argument supplied: {param}", code="unrecognized_request_argument"
            )
        case "extra_forbidden":
            return OpenAIError.invalid(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
        case "missing":
            message = f"Missing required parameter: '{param}'."
            return OpenAIError.invalid(message, param=param, code="missing_required_parameter")
        case "json_invalid" | "model_type" if not param:
            return OpenAIError.invalid("We could not parse the JSON body of your request.")
    return OpenAIError.invalid(f"Invalid '{param}': {first['msg']}.", param=param, code="invalid_value")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
