"""The callers' voice in a bench: every question spoken once, as a telephone carries it, and kept for the next run.

uv run python -m bench.utterances
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.line_marks import FRAME_BYTES, PLACES, LineMark
from bench.report import say
from bench.small_talk import EVERYTHING, Question
from simulator import voices
from simulator.audio import (
    SPEECH_LEVEL_DBFS,
    TELEPHONE_RATE,
    Pcm,
    at_level,
    mulaw_decode,
    mulaw_encode,
    telephone_band,
    to_s16le,
    white_noise,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VOICE = "en"
NOISE_DBFS = -60.0
"""A line is never quite silent."""
FRAME_MS = 20
_INAUDIBLE = 0.01
_BEFORE_SECS, _AFTER_SECS = 0.7, 0.24
"""What the turn model is shown around the words: Pipecat's 0.5 s and its VAD's 0.2 s before, its pause after."""
_NOISE_FRAMES = 50
_ANY_MARK = LineMark(0, 0, 0, 0)
"""The model judges what it will hear: speech with marks in it."""
_VERDICTS = "verdicts.json"
_SURE = 0.5
"""Above it the model takes a turn for over."""
_RENDERING = 3
"""Of how things are spoken; a change of it makes what was kept useless."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A question as it is spoken: for each part its 20 ms of mu-law, of which the last end with speech."""

    number: int
    """Its place in `EVERYTHING`."""
    question: Question
    parts: tuple[tuple[bytes, ...], ...]
    completeness: float
    """How sure the turn model is, from 0 to 1, that the turn is over after it."""
    early_completeness: float
    """The same after its first part, when it is not over."""

    @property
    def is_complete(self) -> bool:
        """Whether the turn model takes it for a whole turn: else it waits for more, whoever asks it."""
        return self.completeness > _SURE

    @property
    def sounds_over_early(self) -> bool:
        """Whether the turn model is wrong about its first part."""
        return len(self.parts) > 1 and self.early_completeness > _SURE

    @property
    def pause_frames(self) -> int:
        return self.question.pause_ms // FRAME_MS

    def payloads(self, call: int, turn: int, part: int) -> Iterator[str]:
        """Yield a part as a call sends it in that turn."""
        frames = self.parts[part]
        for at, frame in enumerate(frames):
            yield payload(LineMark(call, turn, self.number, part, at * PLACES // len(frames)).write(frame))


@dataclass(frozen=True, slots=True)
class CallersVoice:
    """All that callers say, and the noise of their line as payloads of 20 ms each."""

    utterances: tuple[Utterance, ...]
    """In the order of `EVERYTHING`."""
    noise: tuple[str, ...]

    @classmethod
    def load(cls) -> CallersVoice:
        """Return what was spoken before, or have it spoken now, by another process: this one is to stay small."""
        folder = _folder()
        if not folder.is_dir():
            subprocess.run([sys.executable, "-m", "bench.utterances"], check=True, stdout=subprocess.DEVNULL)
        verdicts = json.loads((folder / _VERDICTS).read_text())
        utterances = [
            Utterance(
                number,
                question,
                tuple(_read(folder, part) for part in question.parts),
                completeness=verdicts[question.text],
                early_completeness=verdicts[question.parts[0]],
            )
            for number, question in enumerate(EVERYTHING)
        ]
        noise = mulaw_encode(white_noise(_NOISE_FRAMES * FRAME_BYTES, NOISE_DBFS, np.random.default_rng(0)))
        return cls(tuple(utterances), tuple(map(payload, _frames(noise))))


def payload(frame: bytes) -> str:
    """Return 20 ms of mu-law as a media message holds them."""
    return base64.b64encode(frame).decode()


def main() -> int:
    """Speak what is missing and print what the turn model makes of it."""
    folder = _folder()
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        unfinished.mkdir()
        asyncio.run(_speak_all(unfinished))
        try:
            unfinished.rename(folder)
        except OSError:
            shutil.rmtree(unfinished)  # another run has been quicker
    verdicts: Mapping[str, float] = json.loads((folder / _VERDICTS).read_text())
    say(f"{folder} has {len(EVERYTHING)} questions. How sure the turn model is that a turn is over after each:")
    for text, completeness in verdicts.items():
        say(f"{completeness:.2f} {text}")
    return 0


async def _speak_all(folder: Path) -> None:
    spoken: dict[str, bytes] = {}
    rng = np.random.default_rng(0)
    for part, is_last in {part: part == each.parts[-1] for each in EVERYTHING for part in each.parts}.items():
        # The comma keeps the voice from falling as it does at the end of a sentence.
        spoken[part] = _speak(part if is_last else f"{part},", rng)
        (folder / _file(part)).write_bytes(spoken[part])
    beginnings = [replace(question, parts=question.parts[:1]) for question in EVERYTHING]
    verdicts = await _judge([*EVERYTHING, *beginnings], spoken, rng)
    (folder / _VERDICTS).write_text(json.dumps(verdicts))


def _speak(text: str, rng: np.random.Generator) -> bytes:
    """Return `text` as mu-law, from its first audible sample to its last, in whole frames."""
    speech = at_level(telephone_band(voices.at_rate(voices.speak(text, VOICE), TELEPHONE_RATE), TELEPHONE_RATE))
    audible = np.nonzero(np.abs(speech) > _INAUDIBLE)[0]
    speech = speech[audible[0] : audible[-1] + 1]
    missing = -len(speech) % FRAME_BYTES
    return mulaw_encode(_on_line(np.concatenate([np.zeros(missing, np.float32), speech]), rng))


async def _judge(
    questions: Sequence[Question], spoken: Mapping[str, bytes], rng: np.random.Generator
) -> dict[str, float]:
    """Ask the turn model how sure it is after each question, as a pipeline asks it at the first pause after it."""
    # Only who makes the recordings needs the model: it takes seconds and a hundred megabytes to load.
    from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3

    analyzer = LocalSmartTurnAnalyzerV3()
    analyzer.set_sample_rate(TELEPHONE_RATE)
    verdicts: dict[str, float] = {}
    for question in questions:
        if question.text in verdicts:
            continue
        pause = mulaw_encode(_silence(question.pause_ms / 1000, rng))
        words = pause.join(b"".join(map(_ANY_MARK.write, _frames(spoken[part]))) for part in question.parts)
        analyzer.clear()  # type: ignore[no-untyped-call]
        analyzer.append_audio(to_s16le(_silence(_BEFORE_SECS, rng)), is_speech=False)
        analyzer.append_audio(to_s16le(mulaw_decode(words)), is_speech=True)
        analyzer.append_audio(to_s16le(_silence(_AFTER_SECS, rng)), is_speech=False)
        _, metrics = await analyzer.analyze_end_of_turn()
        verdicts[question.text] = round(float(getattr(metrics, "probability", 0.0)), 3)
    await analyzer.cleanup()  # type: ignore[no-untyped-call]
    return verdicts


def _silence(secs: float, rng: np.random.Generator) -> Pcm:
    return _on_line(np.zeros(round(secs * TELEPHONE_RATE), np.float32), rng)


def _on_line(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    return (pcm + white_noise(len(pcm), NOISE_DBFS, rng)).astype(np.float32)


def _folder() -> Path:
    """Return where these words in this voice are kept."""
    said = json.dumps(
        [_RENDERING, VOICE, NOISE_DBFS, SPEECH_LEVEL_DBFS, [(each.parts, each.pause_ms) for each in EVERYTHING]]
    )
    name = f"slotline-bench-voice-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return Path(tempfile.gettempdir()) / name


def _file(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.ulaw"


def _read(folder: Path, text: str) -> tuple[bytes, ...]:
    return _frames((folder / _file(text)).read_bytes())


def _frames(audio: bytes) -> tuple[bytes, ...]:
    return tuple(audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES))


if __name__ == "__main__":
    sys.exit(main())
