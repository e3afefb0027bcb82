"""`slotline requests`: what callers have left for the owner, call-backs and places on the waitlist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from agent.business import load_business
from agent.owner.record import open_record
from agent.owner.words import columns, moment, plain, short, the_one
from appointments.store.records import RequestKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.settings import Settings
    from appointments.model import Business
    from appointments.store.records import KeptRequest

HEADINGS = {RequestKind.CALL_BACK: "To be called back", RequestKind.WAITLIST: "On the waitlist"}


async def run(settings: Settings, *, is_all: bool, as_json: bool) -> None:
    """Print what is open, or all that was ever left, oldest first."""
    business = load_business(settings.business_file, event_type_id=settings.event_type_id)
    async with open_record(settings) as store:
        kept = [each for each in await store.kept_requests() if is_all or each.done_at is None]
    typer.echo(
        json.dumps(as_object(kept, business), ensure_ascii=False) if as_json else "\n".join(lines(kept, business))
    )


async def finish(settings: Settings, given: str) -> None:
    """Mark the request that `given` names as done; raises `typer.BadParameter` when it names none or several."""
    async with open_record(settings) as store:
        kept = await store.kept_requests()
        request = the_one(
            kept,
            given,
            id_of=lambda each: each.request_id,
            kind="request",
            listed_by="slotline requests --all",
        )
        await store.finish_request(request.request_id)
    who = " ".join(part for part in (plain(request.left.name), request.left.number) if part)
    typer.echo(f"{'Done' if request.done_at is None else 'Done already'}: {who}.")


def as_object(kept: Sequence[KeptRequest], business: Business) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "zone": business.zone.key,
        "requests": [
            {
                "id": each.request_id,
                "kind": each.left.kind.value,
                "left_at": each.created_at.astimezone(business.zone).isoformat(timespec="seconds"),
                "name": each.left.name,
                "number": each.left.number,
                "title": each.left.title,
                "best_time": each.left.best_time,
                "notes": each.left.notes,
                "is_done": each.done_at is not None,
            }
            for each in kept
        ],
    }


def lines(kept: Sequence[KeptRequest], business: Business) -> Iterator[str]:
    """Yield what people read."""
    if not kept:
        yield f"Nobody waits for {business.name}."
        return
    yield f"{business.name}, times of {business.zone.key}."
    for kind, heading in HEADINGS.items():
        of_kind = [each for each in kept if each.left.kind is kind]
        if of_kind:
            yield f"\n{heading}"
        for each, line in zip(of_kind, columns([_row(each, business) for each in of_kind]), strict=True):
            yield f"  {line}"
            if wish := _wish(each):
                yield f"            {wish}"


def _row(kept: KeptRequest, business: Business) -> tuple[str, ...]:
    return (
        short(kept.request_id),
        moment(kept.created_at.astimezone(business.zone)),
        kept.left.number,
        plain(kept.left.name),
        plain(kept.left.title),
        f"done on {moment(kept.done_at.astimezone(business.zone))}" if kept.done_at else "",
    )


def _wish(kept: KeptRequest) -> str:
    parts = {"best time": kept.left.best_time, "about": kept.left.notes}
    return "; ".join(f"{what}: {plain(said)}" for what, said in parts.items() if said)
