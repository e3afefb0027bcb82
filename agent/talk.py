"""`slotline talk`: speak to the agent yourself, with a browser's microphone."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from agent.addresses import is_loopback
from agent.logs import configure_logs
from agent.settings import load_settings, talk_settings
from appointments.contact import valid_caller
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

GROUP = ("aiortc", "pipecat_ai_prebuilt")
NOT_INSTALLED = "talk needs packages that are not installed. Get them with: uv run --group talk slotline talk"
NO_SPEECH = (
    "OPENAI_API_KEY is unset, and to talk takes real speech recognition, a real model and a real voice: "
    "the stand-in's recogniser knows rehearsed lines only.\n"
    "Get a key: https://platform.openai.com/api-keys\n"
    "Or name a server of your own in OPENAI_BASE_URL, one that speaks OpenAI's protocol for transcriptions, "
    "chat completions and speech, and its models in STT_MODEL, LLM_MODEL and TTS_MODEL.\n"
    "Without either there is: slotline chat"
)
NOT_LOOPBACK = (
    "--host must be this machine's own, such as 127.0.0.1: a browser gives the microphone to no other address "
    "without https, and whoever could open the page could talk at your expense"
)


async def run(*, is_real: bool, host: str, port: int, caller: str, env_file: Path | None) -> int:
    """Serve the page until SIGTERM or SIGINT and return the exit status.

    Raises:
        ConfigError: something is missing; says what and where to get it.
    """
    if not all(find_spec(package) for package in GROUP):
        raise ConfigError(NOT_INSTALLED)
    if not is_loopback(f"http://{host}"):
        raise ConfigError(NOT_LOOPBACK)
    if valid_caller(caller) is None:
        raise ConfigError("--caller is no phone number; write it as in +14155550123")
    wanted = talk_settings(env_file)
    if not is_real and not wanted.has_model:
        raise ConfigError(NO_SPEECH)
    # Before Pipecat is imported.
    configure_logs(wanted.log_level, "console", wanted.log_pii)
    from agent.web_server import serve_page, serve_with_stand_ins

    if is_real:
        await serve_page(load_settings(env_file), host=host, port=port, caller=caller, is_real=True)
    else:
        await serve_with_stand_ins(env_file, wanted, host=host, port=port, caller=caller)
    return 0
