"""What a request to a language model says goes by the model."""

from __future__ import annotations

import pytest

from agent.language_models import request_settings


@pytest.mark.parametrize(
    "model", ["gpt-6-luna", "openai/GPT-6-Luna", "gpt-6.1-sol", "gpt-5.6-terra", "gpt-5.4-mini", "gpt-7"]
)
def test_a_model_that_may_reason_is_told_not_to_and_is_sent_no_temperature(model: str) -> None:
    assert request_settings(model, 0.3) == {"extra": {"reasoning_effort": "none"}}


@pytest.mark.parametrize(
    "model", ["gpt-4.1", "gpt-4o-mini", "gpt-5", "gpt-5.2-chat-latest", "qwen3-32b", "gpt-oss-120b"]
)
def test_any_other_is_sent_its_temperature_and_nothing_it_may_refuse(model: str) -> None:
    assert request_settings(model, 0.3) == {"temperature": 0.3}
