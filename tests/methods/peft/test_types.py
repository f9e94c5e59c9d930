"""Every type of the installed peft is tried on each kind of model, and the table in docs/ says what came out."""

import json
from typing import Any

import pytest

from bench.commands.check.kit import examine
from tests.methods.peft import table
from tests.methods.peft.trials import LORA_VARIANTS, NEEDED, attempt, models
from tests.train.support import FOUND

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]  # peft warns of its defaults
ADVICE = "run python -m tests.methods.peft.table"
FEWEST_ON_ENCODERS = 36


def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(table.RESULTS.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("peft_type", table.TYPES)
def test_does_what_the_table_says(peft_type: str) -> None:
    assert table.tried(peft_type) == results()["types"].get(peft_type), ADVICE


def test_the_page_is_drawn_from_the_results() -> None:
    assert table.page(results()) == table.PAGE.read_text(encoding="utf-8"), ADVICE


def test_enough_types_work_on_encoders() -> None:
    assert sum(found["encoder"] == "" for found in results()["types"].values()) >= FEWEST_ON_ENCODERS


@pytest.mark.slow
@pytest.mark.parametrize("peft_type", [name for name, found in results()["types"].items() if found["encoder"] == ""])
def test_keeps_the_contract_on_encoders(peft_type: str) -> None:
    options = {"peft_type": peft_type, **NEEDED.get(peft_type, {})}
    found = list(examine(FOUND["peft"], options, models("encoder")))
    assert [result for result in found if result.verdict in ("fail", "not run")] == []


@pytest.mark.parametrize("name", LORA_VARIANTS)
@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_variants_of_lora_are_read_by_peft_and_merge(kind: str, name: str) -> None:
    for specimen in models(kind):
        trial = attempt(LORA_VARIANTS[name], specimen)
        assert (trial.reason, trial.merges) == ("", True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LORA_VARIANTS)
def test_variants_of_lora_keep_the_contract(name: str) -> None:
    found = list(examine(FOUND["peft"], LORA_VARIANTS[name], models("encoder")))
    assert [result for result in found if result.verdict in ("fail", "not run")] == []
