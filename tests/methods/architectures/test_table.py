"""LoRA and experts on each architecture do what the table in docs/ says."""

import pytest

from tests.methods.architectures import table
from tests.methods.architectures.configs import CONFIGS

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]  # of tiny configs
ADVICE = "run python -m tests.methods.architectures.table"
FEWEST = 60


def lines() -> list[str]:
    return table.PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_an_architecture_is_adapted_as_the_table_says(name: str) -> None:
    wanted = [line for line in lines() if line.startswith((f"| {name} |", f"- {name}: "))]
    assert table.row(name) == wanted, ADVICE


@pytest.mark.parametrize("name", ["camembert", "mpnet", "opt", "phi3", "bloom"])
def test_an_architecture_that_has_no_names_here_is_adapted(name: str) -> None:
    assert table.row(name)[0] in lines(), ADVICE


def test_the_page_lists_every_architecture() -> None:
    rows = [line.split("|")[1].strip() for line in lines() if line.startswith("| ")]
    assert rows[1:] == list(CONFIGS), ADVICE


def test_enough_architectures_have_experts_and_counts_that_agree() -> None:
    assert sum(line.endswith("| yes |") for line in lines()) >= FEWEST
