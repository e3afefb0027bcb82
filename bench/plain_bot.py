"""A plain Pipecat phone bot to measure against: what Pipecat's documentation and project template give, no tricks.

python -m bench.plain_bot --port 8081

https://docs.pipecat.ai/guides/telephony/twilio-websockets
"""

from __future__ import annotations

import argparse
import os

import uvicorn
from fastapi import FastAPI, Response, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.runner.types import CallData
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

INSTRUCTIONS = (
    "You are the receptionist of a clinic and talk to callers on the phone. Answer in one or two short sentences, "
    "without special characters, because everything you write is spoken aloud."
)
BEGIN = "Start by concisely introducing yourself."
TELEPHONE_RATE, SPEECH_RATE = 8000, 24000

app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/twilio/voice")
async def voice() -> Response:
    host = os.environ["PUBLIC_BASE_URL"].replace("http", "ws", 1)
    twiml = f'<?xml version="1.0"?><Response><Connect><Stream url="{host}/ws"/></Connect></Response>'
    return Response(twiml, media_type="application/xml")


@app.post("/twilio/status")
async def status() -> Response:
    return Response(status_code=204)


@app.websocket("/ws")
async def media(websocket: WebSocket) -> None:
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    assert isinstance(call, CallData)
    await run_bot(_transport(websocket, call))


def _transport(websocket: WebSocket, call: CallData) -> FastAPIWebsocketTransport:
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        account_sid=os.environ["TWILIO_ACCOUNT_SID"],
        auth_token=os.environ["TWILIO_AUTH_TOKEN"],
        base_url=os.environ["TWILIO_API_BASE_URL"],
    )
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    return FastAPIWebsocketTransport(websocket=websocket, params=params)


async def opening_hours(params: FunctionCallParams) -> None:
    """Look up when the clinic is open."""
    await params.result_callback({"hours": "ask at the desk"})


async def run_bot(transport: FastAPIWebsocketTransport) -> None:
    """Run the bot of one call to its end."""
    api_key, base_url = os.environ["OPENAI_API_KEY"], os.environ["OPENAI_BASE_URL"]
    stt = OpenAISTTService(api_key=api_key, base_url=base_url)
    llm = OpenAILLMService(
        api_key=api_key,
        base_url=base_url,
        settings=OpenAILLMService.Settings(model="gpt-4.1", system_instruction=INSTRUCTIONS),
    )
    tts = OpenAITTSService(
        api_key=api_key,
        base_url=base_url,
        # Without it its 24 kHz would be taken for 8 kHz and play three times too slow.
        sample_rate=SPEECH_RATE,
        settings=OpenAITTSService.Settings(voice="alloy"),
    )
    context = LLMContext(tools=[opening_hours])
    user_aggregator, assistant_aggregator = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    pipeline = Pipeline([transport.input(), stt, user_aggregator, llm, tts, transport.output(), assistant_aggregator])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(
            enable_metrics=True,
            enable_usage_metrics=True,
            audio_in_sample_rate=TELEPHONE_RATE,
            audio_out_sample_rate=TELEPHONE_RATE,
        ),
    )
    runner = WorkerRunner(handle_sigint=False)

    @transport.event_handler("on_client_connected")  # type: ignore[untyped-decorator]
    async def on_client_connected(_transport: object, _client: object) -> None:
        context.add_message({"role": "developer", "content": BEGIN})
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await runner.cancel()

    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.plain_bot", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
