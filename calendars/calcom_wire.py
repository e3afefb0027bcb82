"""Cal.com's answers: the shapes they have, and what becomes of those that have another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from appointments.errors import CalendarUnavailable
from appointments.model import Booking, BookingStatus, BookingUid, Slot

Wire = TypeVar("Wire")


def null_as(empty: type[dict[str, Any]] | type[list[Any]] | type[str]) -> BeforeValidator:
    """Cal.com sends null as readily as nothing at all."""
    return BeforeValidator(lambda value: empty() if value is None else value)


class WireSlot(BaseModel):
    start: AwareDatetime
    end: AwareDatetime


class WireReservation(BaseModel):
    uid: Annotated[str, Field(alias="reservationUid", min_length=1)]


class _Host(BaseModel):
    name: Annotated[str, null_as(str)] = ""


class _Booking(BaseModel):
    uid: Annotated[str, Field(min_length=1)]
    status: BookingStatus
    start: AwareDatetime
    end: AwareDatetime
    location: Annotated[str, null_as(str)] = ""
    meeting_url: Annotated[str, null_as(str), Field(alias="meetingUrl")] = ""
    hosts: Annotated[list[_Host], null_as(list)] = []
    metadata: Annotated[dict[str, Any], null_as(dict)] = {}


def read_booking(data: object, *, is_unclear: bool = False) -> Booking:
    """Return one booking; raises as `read` does."""
    found = read(_Booking, data, is_unclear=is_unclear)
    link, location = place(found.location, found.meeting_url)
    return Booking(
        uid=BookingUid(found.uid),
        slot=Slot(found.start, found.end - found.start),
        status=found.status,
        idempotency_key=str(found.metadata.get("idem") or ""),
        meeting_link=link,
        location=location,
        host_name=found.hosts[0].name if found.hosts else "",
    )


def place(location: str, meeting_url: str) -> tuple[str, str]:
    """Return a booking's link and its place, each "" when there is none.

    Until an app has made its link, ``integrations:zoom`` stands for the place, which says nothing to anybody.
    """
    link = next((each for each in (location, meeting_url) if each.startswith(("http://", "https://"))), "")
    return link, "" if location == link or location.startswith("integrations:") else location


def data_of(body: object, *, is_unclear: bool = False) -> object:
    """Return what an answer's envelope holds; raises as `read` does."""
    return read(dict[str, Any], body, is_unclear=is_unclear).get("data")


def read(model: type[Wire], data: object, *, is_unclear: bool = False) -> Wire:
    """Return `data` as a `model`.

    Raises:
        CalendarUnavailable: it is none; with `is_unclear` where the answer was to a write.
    """
    try:
        return TypeAdapter(model).validate_python(data)
    except ValidationError as error:
        # `from None`: the cause holds the attendee's data.
        fields = ", ".join(
            ".".join(map(str, problem["loc"])) or "data" for problem in error.errors(include_input=False)
        )
        raise CalendarUnavailable(f"Cal.com answered in an unknown shape: {fields}", is_unclear=is_unclear) from None


def wire_time(moment: datetime) -> str:
    """Return `moment` as Cal.com takes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
