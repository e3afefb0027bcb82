"""The questions of Cal.com's event types, and whether a booking answers them as the real service wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.calcom_wire import bad_request

if TYPE_CHECKING:
    from typing import Self

Answers = Mapping[str, object]
Kind = Literal[
    "text",
    "textarea",
    "number",
    "phone",
    "address",
    "url",
    "boolean",
    "select",
    "multiselect",
    "radio",
    "checkbox",
    "multiemail",
]
_ONE_OF = ("select", "radio")
_SOME_OF = ("multiselect", "checkbox")
NOTES = "notes"
"""The one of Cal.com's own questions that may be asked otherwise: an owner may require an answer to it."""
_OWN_SLUGS = frozenset({"name", "email", "attendeePhoneNumber", "location", "title", "guests", "rescheduleReason"})
NO_PHONE = (
    "Missing attendee phone number - it is required by the event type. "
    'Pass it as "attendee.phoneNumber" string in the request.'
)


class FieldOrder(BaseModel):
    """A question that an event type asks beside Cal.com's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Kind = "textarea"
    slug: str = Field(min_length=1)
    label: str = ""
    required: bool = False
    hidden: bool = False
    options: tuple[str, ...] = ()
    placeholder: str = ""

    @model_validator(mode="after")
    def _is_a_question_of_its_own(self) -> Self:
        if self.slug in _OWN_SLUGS:
            raise ValueError(f"{self.slug} is a field that every event type has")
        if self.slug == NOTES and self.type != "textarea":
            raise ValueError("notes are a textarea")
        if bool(self.options) != (self.type in _ONE_OF + _SOME_OF):
            raise ValueError("needs options exactly when it is a choice")
        return self

    @property
    def described(self) -> dict[str, object]:
        """How an event type tells of it."""
        said: dict[str, object] = {
            "isDefault": self.slug == NOTES,
            "type": self.type,
            "slug": self.slug,
            "label": self.label,
            "required": self.required,
            "placeholder": self.placeholder,
            "disableOnPrefill": False,
            "hidden": self.hidden,
        }
        return said | ({"options": list(self.options)} if self.options else {})


def own_fields(*, requires_email: bool, requires_phone: bool) -> list[dict[str, object]]:
    """Return the fields that every event type has."""
    common = {"isDefault": True, "hidden": False, "label": "", "placeholder": "", "disableOnPrefill": False}
    return [
        {**common, "type": "name", "slug": "name", "required": True},
        {**common, "type": "email", "slug": "email", "required": requires_email},
        {**common, "type": "phone", "slug": "attendeePhoneNumber", "required": requires_phone},
        {**common, "type": "radioInput", "slug": "location", "required": False},
        {**common, "type": "text", "slug": "title", "required": True, "hidden": True},
        {**common, "type": "textarea", "slug": NOTES, "required": False},
        {**common, "type": "multiemail", "slug": "guests", "required": False},
        {**common, "type": "textarea", "slug": "rescheduleReason", "required": False},
    ]


def check_answers(fields: tuple[FieldOrder, ...], answers: Answers, event_type_id: int) -> None:
    """Answer 400 unless every question is answered that must be, and each answer is of its kind.

    As at Cal.com, an answer to no question is kept, and a hidden question that is required must be answered.
    """
    for field in fields:
        answer = answers.get(field.slug)
        if answer is None and field.required and field.slug != NOTES:
            raise bad_request(
                f"Missing required booking field response: {field.slug} - it is required by the event type booking "
                "fields, but missing in the bookingFieldsResponses. "
                f"You can fetch the event type with ID {event_type_id} to see the required fields."
            )
        if field.slug in answers:
            _check_kind(field, answer)
    for field in fields:
        _check_words(field, answers.get(field.slug))


def _check_kind(field: FieldOrder, answer: object) -> None:
    expected, fits = _KINDS.get(field.type, ("string", _is_text))
    if not fits(answer):
        raise bad_request(
            f"Invalid type for booking field '{field.slug}'. Expected type {expected} (compatible with field type "
            f"'{field.type}'), but received {_javascript_type(answer)}."
        )
    if field.type in _ONE_OF and str(answer) not in field.options:
        raise bad_request(
            f"Invalid option '{answer}' for booking field '{field.slug}'. "
            f"Allowed options are: {', '.join(field.options)}."
        )
    if field.type in _SOME_OF and isinstance(answer, list) and not {str(each) for each in answer} <= {*field.options}:
        raise bad_request(
            f"One or more invalid options for booking field '{field.slug}'. "
            f"Allowed options are: {', '.join(field.options)}."
        )


def _check_words(field: FieldOrder, answer: object) -> None:
    """Answer 400 as the second look at Cal.com does, which begins its texts with the field's name in braces."""
    if field.required and answer in (None, "", []):
        raise bad_request(f"{{{field.slug}}}error_required_field")
    if field.type == "phone" and isinstance(answer, str) and answer and not _is_number(answer):
        raise bad_request(f"{{{field.slug}}}invalid_number")


def _is_number(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


def _is_text(answer: object) -> bool:
    return isinstance(answer, str)


def _is_count(answer: object) -> bool:
    return isinstance(answer, int | float) and not isinstance(answer, bool)


def _is_list(answer: object) -> bool:
    return isinstance(answer, list)


_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "number": ("number", _is_count),
    "boolean": ("boolean", lambda answer: isinstance(answer, bool)),
    "select": ("string or number", lambda answer: _is_text(answer) or _is_count(answer)),
    "radio": ("string or number", lambda answer: _is_text(answer) or _is_count(answer)),
    "multiselect": ("array", _is_list),
    "checkbox": ("array", _is_list),
    "multiemail": ("array", _is_list),
}
"""What an answer must be, and how to tell, by the kind of field; all others are texts."""


def _javascript_type(answer: object) -> str:
    if isinstance(answer, bool):
        return "boolean"
    if _is_count(answer):
        return "number"
    return "string" if _is_text(answer) else "object"
