"""Follows what happens at Cal.com: has it deliver to us, works through what it delivers, and asks what was missed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.addresses import is_loopback
from agent.calcom_webhooks import WEBHOOK_PATH
from appointments.errors import CalendarRejected, CalendarUnavailable, PersonMustFix

if TYPE_CHECKING:
    from agent.settings import Settings
    from appointments.listed_bookings import Delivery
    from appointments.outside import OutsideChanges
    from appointments.store.store import Store
    from calendars.calcom_subscription import CalComSubscription

log = structlog.get_logger(__name__)

POLL_SECS: Final = 1.0
"""Deliveries wake the loop; this is for those that were put back, or left by a process that died."""
SUBSCRIBE_AGAIN_SECS: Final = (5.0, 30.0, 120.0, 600.0)
"""When subscribing is tried again while Cal.com does not answer."""


class CalComWatch:
    """One worker's watch over one Cal.com account; any number of workers may watch the same."""

    def __init__(
        self, outside: OutsideChanges, store: Store, subscription: CalComSubscription, settings: Settings
    ) -> None:
        self._outside = outside
        self._store = store
        self._subscription = subscription
        self._settings = settings
        self._woken = asyncio.Event()

    async def keep(self, delivery: Delivery) -> bool:
        """Keep a delivery and have it worked through at once; False when it is here already, or was."""
        is_new = await self._store.add_delivery(delivery)
        if is_new:
            self._woken.set()
        return is_new

    async def run(self) -> None:
        """Work through what is delivered, and ask what was missed, until cancelled."""
        while True:
            self._woken.clear()
            has_worked = False
            for look in (self._outside.work_through, self._outside.reconcile):
                try:
                    has_worked = await look() or has_worked
                except (CalendarUnavailable, CalendarRejected) as error:
                    tell = log.error if isinstance(error, PersonMustFix) else log.warning
                    tell("calendar_not_reconciled", reason=str(error))
                except SQLAlchemyError:
                    # A busy database must not end the watch; what was leased is due again soon.
                    log.exception("calendar_watch_failed")
            if not has_worked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), POLL_SECS)

    async def subscribe(self) -> None:
        """Have Cal.com deliver to this worker's public address, where that can be reached and deliveries be checked."""
        secret = self._settings.calcom_webhook_secret.get_secret_value()
        if not secret or not may_subscribe(self._settings):
            return
        for pause_secs in (*SUBSCRIBE_AGAIN_SECS, None):
            try:
                await self._subscription.subscribe(self._settings.public_base_url + WEBHOOK_PATH, secret=secret)
            except CalendarUnavailable as error:
                log.warning("calcom_not_subscribed", reason=str(error), tries_again=pause_secs is not None)
                if pause_secs is not None:
                    await asyncio.sleep(pause_secs)
            except CalendarRejected as error:
                log.error("calcom_refused_subscription", reason=str(error))
                return
            else:
                return


def may_subscribe(settings: Settings) -> bool:
    """Claim that Cal.com, wherever it is, can reach this worker and nobody else can read what it tells."""
    url = settings.public_base_url
    return url.startswith("https://") or (is_loopback(url) and is_loopback(settings.calcom_base_url))
