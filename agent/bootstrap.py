"""Chooses the implementations and holds what all calls of a worker share."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import openai
import structlog

from agent.admission import Admission, LiveCalls
from agent.calcom_watch import CalComWatch
from agent.endpoints import accounts
from agent.front_desk import read_front_desk, with_event_types
from agent.jobs import Jobs, TwilioSender
from agent.listening import Listening
from agent.mail_sender import MailSender, connect_mail
from agent.metrics import CountedTally
from agent.owner_webhook import OwnerWebhook
from agent.phrase_book import PhraseBook
from agent.speech import Speech
from agent.text_replies import TextReplies
from agent.tracing import Traces
from appointments.contact import may_text, valid_caller
from appointments.errors import ConfigError
from appointments.identity import CodeTexts, Identity
from appointments.model import CallSid
from appointments.outbox import OutboxWorker, TextChannel
from appointments.service import BookingService
from appointments.settling import SettleTimes
from appointments.store.records import Channel
from appointments.store.store import Store
from calendars.builtin import BuiltinCalendar, event_type_of
from calendars.calcom import CalComCalendar
from calendars.calcom_requests import connect
from calendars.calcom_source import CalComSource
from calendars.calcom_subscription import CalComSubscription
from prompts.loader import CODE_TEMPLATE
from telephony.calls import Calls
from telephony.errors import TwilioNotDone, TwilioRefused, TwilioUnclear
from telephony.messages import Messages
from telephony.rest import TwilioRest
from tools.choice import resume_hold
from tools.session import BookingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from agent.endpoints import Endpoint
    from agent.front_desk import FrontDesk
    from agent.settings import Settings
    from appointments.model import Action, Business, EventType, PhoneNumber
    from appointments.ports import Calendar, Clock, MessageSender

log = structlog.get_logger(__name__)

TWILIO_SECS = 10.0
CALENDAR_SECS = 8.0


@dataclass(slots=True)
class Worker:
    """What one process of ours needs to take calls."""

    settings: Settings
    desk: FrontDesk
    clock: Clock
    store: Store
    service: BookingService
    speech: Speech
    listening: Listening
    phrase_book: PhraseBook
    twilio: TwilioRest
    sender: TwilioSender
    calls: Calls
    outboxes: Sequence[OutboxWorker]
    """What sends messages, one for each channel."""
    replies: TextReplies
    """What answers the texts that come in."""
    jobs: Jobs
    live_calls: LiveCalls
    admission: Admission
    traces: Traces
    calcom_watch: CalComWatch | None = None
    """Follows what others do at Cal.com; None with another calendar."""
    is_ready: bool = False
    """Whether a call finds every phrase it may have to say."""
    voice_failure: str = ""
    """Why phrases could not be rendered the last time: told once, however often it is tried."""

    @property
    def token_secret(self) -> bytes:
        """The secret of stream tokens."""
        return self._secret(b"slotline stream token")

    def _secret(self, purpose: bytes) -> bytes:
        """Return a secret that is the same in every process of this account, and for no other purpose."""
        return hmac.new(self.settings.twilio_auth_tokens[0].encode(), purpose, hashlib.sha256).digest()

    def folder(self, name: str) -> Path:
        return self.settings.data_dir / name

    def wake_outboxes(self) -> None:
        """Send what was added to the outbox now rather than at the next look."""
        for outbox in self.outboxes:
            outbox.wake()

    async def event_type(self, action: Action) -> EventType:
        """Return what `action` books; raises what the calendar raises."""
        if self.settings.calendar_in_use == "builtin":
            # Not asked of the calendar: it goes by `desk`, and an action of an edited file is not in there yet.
            return event_type_of(action)
        return await self.service.event_type(action)

    async def go_by(self, desk: FrontDesk) -> bool:
        """Let the next call go by `desk`; returns False when its voice cannot be had for every phrase now.

        Raises:
            ConfigError: the service refuses the voice or the model.
        """
        book = _phrase_book(self.settings, self.speech, desk)
        phrases = desk.phrases(now=self.clock(), is_recorded=self.settings.record_calls)
        try:
            is_whole = await book.render(phrases)
        except ConfigError as error:
            raise ConfigError(f"{desk.prompts.prompt.path}: {error}") from error
        if book.failure != self.voice_failure:
            self.voice_failure = book.failure
            if book.failure:
                log.warning("phrase_not_rendered", error=book.failure)
        if is_whole:
            self.desk, self.phrase_book, self.is_ready = desk, book, True
        return is_whole

    async def session(
        self, call_sid: str, caller: str, desk: FrontDesk, *, is_attested: bool = False
    ) -> BookingSession:
        """Return what the tools of a new call share; the carrier vouches for the caller's number if `is_attested`."""
        number = valid_caller(caller)
        may_be_texted = number is not None and may_text(number, desk.business.sms_countries)
        texts_are_blocked = may_be_texted and not await self.store.takes_texts(number or "")
        session = BookingSession(
            call_sid=CallSid(call_sid),
            caller=number,
            business=desk.business,
            service=self.service,
            clock=self.clock,
            can_text=may_be_texted and not texts_are_blocked,
            texts_are_blocked=texts_are_blocked,
            templates=desk.texts,
            identity=self._identity(CallSid(call_sid), number, desk, is_attested=is_attested),
        )
        await resume_hold(session)
        return session

    def _identity(
        self, call_sid: CallSid, caller: PhoneNumber | None, desk: FrontDesk, *, is_attested: bool
    ) -> Identity:
        texts = CodeTexts(
            sender=self.sender,
            secret=self._secret(b"slotline code"),
            template=desk.texts[CODE_TEMPLATE],
            business=desk.business.name,
            countries=desk.business.sms_countries,
        )
        return Identity(
            call_sid=call_sid,
            caller=caller,
            is_attested=is_attested,
            store=self.store,
            clock=self.clock,
            texts=texts,
        )


@asynccontextmanager
async def open_worker(settings: Settings, *, prompt: Path | None = None) -> AsyncIterator[Worker]:
    """Connect everything a worker needs and close it in the end.

    Args:
        prompt: Instructions to use instead of the business's.

    Raises:
        ConfigError: a file is wrong.
        CalendarRejected: the calendar refuses the key or the event type.
        CalendarUnavailable: the calendar cannot be reached, so nothing is known of what can be booked.
    """
    desk = read_front_desk(settings, prompt)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"DATA_DIR: {settings.data_dir.absolute()} cannot be made ({error.strerror}). "
            "Name a folder that this user may write to."
        ) from error
    async with AsyncExitStack() as closing:
        worker = await _connect(settings, desk, closing)
        worker.listening.prepare()
        closing.callback(worker.listening.close)
        async with worker.jobs:
            worker.jobs.add("text_replies", worker.replies.run())
            try:
                yield worker
            finally:
                await worker.service.drain()


@asynccontextmanager
async def open_bookings(settings: Settings, business: Business) -> AsyncIterator[BookingService]:
    """Connect what books and nothing else, and close it in the end."""
    async with AsyncExitStack() as closing:
        store = await Store.open(settings.database_url.get_secret_value())
        closing.push_async_callback(store.close)
        service = BookingService(
            calendar=_calendar(settings, store, lambda: business, closing),
            store=store,
            clock=settings.clock(business.zone),
            settle=SettleTimes(http_timeout=timedelta(seconds=CALENDAR_SECS)),
        )
        closing.push_async_callback(service.drain)
        yield service


async def _connect(settings: Settings, desk: FrontDesk, closing: AsyncExitStack) -> Worker:
    twilio = _twilio(settings)
    closing.push_async_callback(twilio.aclose)
    speech = Speech(settings)
    closing.push_async_callback(speech.aclose)
    store = await Store.open(settings.database_url.get_secret_value())
    closing.push_async_callback(store.close)
    clock = settings.clock(desk.business.zone)
    sender = _sender(settings, desk.business, twilio)
    traces = Traces.to(settings.traces_url)
    closing.push_async_callback(asyncio.to_thread, traces.close)
    tally = CountedTally()
    outboxes = [
        OutboxWorker(
            store,
            each,
            owner=f"worker-{uuid4().hex}",
            channel=channel,
            business=lambda: worker.desk.business,
            clock=clock,
            tally=tally,
        )
        for channel, each in _senders(settings, sender, closing).items()
    ]
    service = BookingService(
        calendar=_calendar(settings, store, lambda: worker.desk.business, closing),
        store=store,
        clock=clock,
        settle=SettleTimes(http_timeout=timedelta(seconds=CALENDAR_SECS)),
        on_text=lambda: worker.wake_outboxes(),
        tally=tally,
    )
    replies = TextReplies(
        store=store,
        service=service,
        desk=lambda: worker.desk,
        clock=clock,
        on_text=lambda: worker.wake_outboxes(),
    )
    jobs = Jobs(service, outboxes, store, max_call_secs=settings.max_call_secs)
    live_calls = LiveCalls()
    worker = Worker(
        settings=settings,
        desk=desk,
        clock=clock,
        store=store,
        service=service,
        speech=speech,
        listening=Listening(settings, speech),
        phrase_book=_phrase_book(settings, speech, desk),
        twilio=twilio,
        sender=sender,
        calls=Calls(twilio),
        outboxes=outboxes,
        replies=replies,
        jobs=jobs,
        live_calls=live_calls,
        admission=Admission(live_calls, jobs.lag, most_calls=settings.most_calls, most_lag_ms=settings.most_lag_ms),
        traces=traces,
    )
    worker.calcom_watch = _calcom_watch(worker, closing)
    worker.desk = await with_event_types(desk, worker.event_type)
    return worker


def _senders(settings: Settings, texts: TwilioSender, closing: AsyncExitStack) -> Mapping[Channel, MessageSender]:
    """Return what sends the messages of each channel that is in use."""
    senders: dict[Channel, MessageSender] = {Channel.SMS: TextChannel(texts)}
    if settings.has_mail:
        senders[Channel.EMAIL] = MailSender(connect_mail(settings))
    if secret := settings.owner_webhook_secret.get_secret_value():
        senders[Channel.WEBHOOK] = webhook = OwnerWebhook(secret)
        closing.push_async_callback(webhook.aclose)
    return senders


def _calendar(settings: Settings, store: Store, business: Callable[[], Business], closing: AsyncExitStack) -> Calendar:
    if settings.calendar_in_use == "builtin":
        return BuiltinCalendar(store, business)
    calendar = CalComCalendar.connect(
        settings.calcom_base_url,
        api_key=settings.calcom_api_key.get_secret_value(),
        timeout_secs=CALENDAR_SECS,
        action_of=lambda event_type_id: business().action_of(event_type_id),
    )
    closing.push_async_callback(calendar.aclose)
    return calendar


def _calcom_watch(worker: Worker, closing: AsyncExitStack) -> CalComWatch | None:
    settings = worker.settings
    if settings.calendar_in_use != "calcom":
        return None
    # Connections of its own: no call waits for them.
    client = connect(
        settings.calcom_base_url, api_key=settings.calcom_api_key.get_secret_value(), timeout_secs=CALENDAR_SECS
    )
    closing.push_async_callback(client.aclose)
    outside = worker.service.outside(
        CalComSource(client),
        calendar="calcom",
        desk=lambda: worker.desk,
        calendar_texts=settings.calcom_sends_texts,
    )
    return CalComWatch(outside, worker.store, CalComSubscription(client), settings)


async def check_accounts(worker: Worker) -> None:
    """Make sure that our keys are taken; Cal.com, if used, has shown it. A service that is down is logged.

    Raises:
        ConfigError: a key is refused; says which and where to get another.
    """
    refused = []
    if worker.settings.twilio_api_key_sid:
        refused += await _refused(worker.twilio, "TWILIO_API_KEY_SID or its secret")
    # What Twilio signs with: with a wrong one every call would be refused.
    token = _twilio_by_token(worker.settings)
    refused += await _refused(token, "TWILIO_AUTH_TOKEN")
    await token.aclose()
    for account, *_others in accounts(worker.settings):
        refused += await _refused_by_models(worker.speech, account)
    if refused:
        raise ConfigError("\n".join(refused))


async def _refused_by_models(speech: Speech, account: Endpoint) -> list[str]:
    """Return what to say when the server of a model does not take its key; who stands in is only logged."""
    try:
        await speech.client(account).models.list()
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        if account.is_fallback:
            log.error("fallback_key_refused", setting=account.key_setting, status=error.status_code)
            return []
        fix = " Get it: https://platform.openai.com/api-keys" if account.key_setting == "OPENAI_API_KEY" else ""
        return [f"{account.key_setting} was refused ({error.status_code}).{fix}"]
    except openai.OpenAIError as error:
        log.warning("openai_not_checked", setting=account.key_setting, error=type(error).__name__)
    return []


async def _refused(twilio: TwilioRest, name: str) -> list[str]:
    """Return what to say when Twilio does not take a login."""
    try:
        await twilio.check()
    except TwilioRefused as error:
        # 403 is a key that may do something else, such as send texts but list none.
        if error.status == 401:
            return [f"{name} was refused (401). Get it: Twilio Console → Account → API keys & tokens"]
    except (TwilioUnclear, TwilioNotDone) as error:
        log.warning("twilio_not_checked", error=type(error).__name__)
    return []


def _twilio(settings: Settings) -> TwilioRest:
    if not settings.twilio_api_key_sid:
        return _twilio_by_token(settings)
    return _rest(settings, settings.twilio_api_key_sid, settings.twilio_api_key_secret.get_secret_value())


def _twilio_by_token(settings: Settings) -> TwilioRest:
    return _rest(settings, settings.twilio_account_sid, settings.twilio_auth_tokens[0])


def _rest(settings: Settings, username: str, password: str) -> TwilioRest:
    return TwilioRest(
        account_sid=settings.twilio_account_sid,
        username=username,
        password=password,
        base_url=settings.twilio_api_base_url,
        timeout=timedelta(seconds=TWILIO_SECS),
    )


def _sender(settings: Settings, business: Business, twilio: TwilioRest) -> TwilioSender:
    number = business.sms_from or business.number
    return TwilioSender(Messages(twilio, from_=number, status_callback_base=settings.public_base_url))


def _phrase_book(settings: Settings, speech: Speech, desk: FrontDesk) -> PhraseBook:
    return PhraseBook(
        speech.voices.providers, voice=desk.prompts.prompt.head.voice, folder=settings.data_dir / "phrases"
    )
