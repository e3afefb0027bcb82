"""A browser with Pipecat's page open, as far as a worker can tell: a WebRTC peer that speaks, listens and shows."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import numpy as np
import soxr
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from simulator import voices
from simulator.audio import TELEPHONE_RATE, at_level, from_s16le, mulaw_decode, mulaw_encode, to_s16le
from simulator.caller import Journal
from simulator.conversation import Conversation, Mouth, Patience
from simulator.ears import Ears, is_loud
from simulator.media_edge import FRAME_SECS, SILENCE, CallerFrame, Playout
from simulator.script import Line, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from simulator.media_edge import Party

RATE = 48_000
FRAME_SAMPLES = round(RATE * FRAME_SECS)
VOICE = "en-us+f3"
AGAIN = "Sorry?"
PATIENCE_SECS = 20.0
CUSHION_FRAMES = 15
"""How much sound is kept in hand, as a browser does, so that what comes late leaves no gap."""


@dataclass(slots=True)
class Browser:
    """A page that is connected."""

    url: str
    http: httpx.AsyncClient
    peer: RTCPeerConnection
    pc_id: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What the page was told on its data channel, the last one last."""
    is_closed: asyncio.Event = field(default_factory=asyncio.Event)
    is_frozen: bool = False
    """Whether it no longer does anything, as a page that was left for another."""
    _channel: Any = None

    def tell(self, kind: str, **data: Any) -> None:
        """Send a message of the page's protocol."""
        self._channel.send(json.dumps({"label": "rtvi-ai", "id": uuid4().hex, "type": kind, "data": data}))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of the messages of that type."""
        return [message.get("data") or {} for message in self.messages if message["type"] == kind]

    async def hang_up(self) -> None:
        """Close the connection, as the page does when it is closed."""
        await self.peer.close()

    async def offer(self, session: str) -> httpx.Response:
        """Offer the connection."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        local = self.peer.localDescription
        return await self._offer(session, sdp=local.sdp, type=local.type, pc_id=None, restart_pc=False)

    async def offer_again(self) -> httpx.Response:
        """Try to get back a connection that was lost."""
        return await self._offer(uuid4().hex, sdp="", type="offer", pc_id=self.pc_id, restart_pc=True)

    async def _offer(self, session: str, **offer: Any) -> httpx.Response:
        return await self.http.post(f"{self.url}/sessions/{session}/api/offer", json=offer)

    def talk_on(self, channel: Any) -> None:
        """Do on the data channel what the page does: say that it is ready, and every second that it is there."""
        self._channel = channel
        channel.on("message", lambda text: self.messages.append(json.loads(text)))
        channel.on("open", lambda: asyncio.create_task(self._greet()))

    async def _greet(self) -> None:
        self.tell("client-ready", version="2.1.0", about={"library": "tests"})
        while self._channel.readyState == "open" and not self.is_frozen:
            self._channel.send("ping: 0")
            await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def open_page(url: str, party: Party) -> AsyncIterator[Browser]:
    """Open the page of `slotline talk` at `url` and press Connect; `party` has the microphone and the loudspeaker."""
    # Every machine has addresses of its own to be found at; nobody else is asked for one.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    playout = Playout()
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECS) as http:
        browser = Browser(url, http, peer)
        peer.addTransceiver(Microphone(party, playout, browser.hang_up), direction="sendrecv")
        peer.addTransceiver("video", direction="sendrecv")
        browser.talk_on(peer.createDataChannel("chat", ordered=True))
        loudspeaker: list[asyncio.Task[None]] = []
        peer.on("track", lambda track: loudspeaker.append(asyncio.create_task(_listen(track, playout))))

        def on_change() -> None:
            if peer.connectionState in ("closed", "failed"):
                browser.is_closed.set()

        peer.on("connectionstatechange", on_change)
        try:
            session = (await http.post(f"{url}/start", json={"transport": "webrtc"})).raise_for_status().json()
            answer = (await browser.offer(session["sessionId"])).raise_for_status().json()
            browser.pc_id = answer["pc_id"]
            party.started()
            await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
            yield browser
        finally:
            await peer.close()
            await asyncio.gather(*loudspeaker)
            party.ended(playout.unplayed)


class Listener:
    """A party that says nothing."""

    def __init__(self) -> None:
        self.heard_secs = 0.0
        """How long the agent has been heard to speak."""

    def started(self) -> None:
        pass

    def frame(self, played: bytes) -> CallerFrame:
        if is_loud(played):
            self.heard_secs += FRAME_SECS
        return CallerFrame(SILENCE)

    def cleared(self, dropped: bytes) -> None:
        pass

    def ended(self, unplayed: bytes) -> None:
        pass


class Microphone(MediaStreamTrack):
    """What a party says, at 48 kHz, while it hears what has been played."""

    kind = "audio"

    def __init__(self, party: Party, playout: Playout, hang_up: Callable[[], Any]) -> None:
        super().__init__()
        self._party = party
        self._playout = playout
        self._hang_up = hang_up
        self._upsampler = soxr.ResampleStream(TELEPHONE_RATE, RATE, 1, dtype="int16")
        self._ready = bytearray(FRAME_SAMPLES * 2 * 2)
        self._began: float | None = None
        self._number = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(max(self._began + self._number * FRAME_SECS - loop.time(), 0))
        said = self._party.frame(self._playout.play())
        if said.hangs_up:
            asyncio.get_running_loop().create_task(self._hang_up())
        samples = np.frombuffer(to_s16le(mulaw_decode(said.audio)), np.int16)
        self._ready += self._upsampler.resample_chunk(samples).tobytes()
        return self._frame()

    def _frame(self) -> AudioFrame:
        part = bytes(self._ready[: FRAME_SAMPLES * 2]).ljust(FRAME_SAMPLES * 2, b"\0")
        del self._ready[: FRAME_SAMPLES * 2]
        frame = AudioFrame.from_ndarray(np.frombuffer(part, np.int16)[None, :], layout="mono")
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        frame.pts = self._number * FRAME_SAMPLES
        self._number += 1
        return frame


async def _listen(track: MediaStreamTrack, playout: Playout) -> None:
    """Put the agent's sound where the party hears it."""
    if track.kind != "audio":
        return
    telephone = AudioResampler("s16", "mono", TELEPHONE_RATE)
    playout.add(SILENCE * CUSHION_FRAMES)
    with contextlib.suppress(MediaStreamError):
        while True:
            heard = await track.recv()
            assert isinstance(heard, AudioFrame)
            for frame in telephone.resample(heard):
                playout.add(mulaw_encode(from_s16le(frame.to_ndarray().tobytes())))


class RepeatingScript(Script):
    """A caller who says the last line again when the agent has not caught it: a busy machine garbles sound."""

    _last: Line | None = None

    @property
    def is_exhausted(self) -> bool:
        """Never: the last line may still have to be repeated."""
        return False

    def next_line(self, heard: str) -> Line | None:
        if self._last is not None and "Could you say it again?" in heard:
            return self._last
        line = super().next_line(heard) if self._unused else None
        self._last = line or self._last
        return line

    def barge_in_line(self, heard: str, speaking_secs: float) -> Line | None:
        if line := super().barge_in_line(heard, speaking_secs):
            self._last = line
        return line


@contextlib.asynccontextmanager
async def scripted_party(
    lines: Sequence[Line], openai_url: str, emit: Callable[..., None], *, max_secs: float
) -> AsyncIterator[Conversation]:
    """Return a caller who follows `lines`, and who knows the agent's words as the stand-in's voice speaks them."""
    speech = await asyncio.to_thread(_spoken, {line.say for line in lines if line.say} | {AGAIN})
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        journal = Journal(http, openai_url)
        await journal.open()
        following = asyncio.create_task(journal.follow())
        mouth = Mouth(speech, noise_dbfs=None, seed=0)
        # Quicker to answer than the caller of a rehearsal: the line to a browser does not stall.
        conversation = Conversation(
            RepeatingScript(lines, AGAIN),
            Ears(turn_end_secs=0.6),
            mouth,
            journal,
            emit=emit,
            max_secs=max_secs,
            patience=Patience(line=0.6),
        )
        try:
            yield conversation
            await conversation.finish()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _spoken(texts: set[str]) -> dict[str, Any]:
    return {text: at_level(voices.at_rate(voices.speak(text, VOICE), TELEPHONE_RATE)) for text in texts}
