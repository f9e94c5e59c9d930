"""Steps thinned to points: nothing is lost of the time, the tokens and the mean loss."""

from pathlib import Path

import pytest

from bench.errors import RunFolderError
from bench.report.results.step_curve import MOST_POINTS, StepCurve, read

HEADER = "pass,step,seconds,samples,tokens,padded_tokens,loss,learning_rate\n"


def steps_csv(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "cell" / "steps.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def test_few_steps_are_points(tmp_path: Path) -> None:
    path = steps_csv(tmp_path, "train,0,0.5,8,80,90,2.0,0.1", "train,1,0.25,8,80,90,1.5,0.1", "inference,0,2,4,9,9,,")
    train, inference = read(path)
    assert train == StepCurve(
        name="train", last_step=(1, 2), elapsed_seconds=(0.5, 0.75), tokens_per_second=(160, 320), loss=(2, 1.5)
    )
    assert inference == StepCurve(
        name="inference", last_step=(1,), elapsed_seconds=(2,), tokens_per_second=(4.5,), loss=None
    )


@pytest.mark.parametrize("count", [MOST_POINTS, MOST_POINTS + 1, 1000, 1007])
def test_many_steps_are_thinned(tmp_path: Path, count: int) -> None:
    (curve,) = read(steps_csv(tmp_path, *(f"train,{at},0.5,1,{8 + at % 2},99,{at},0.1" for at in range(count))))
    assert len(curve.last_step) == MOST_POINTS
    assert curve.last_step[-1] == count
    assert curve.elapsed_seconds[-1] == pytest.approx(count / 2, rel=1e-4)
    sizes = [after - before for before, after in zip((0, *curve.last_step), curve.last_step, strict=False)]
    assert max(sizes) - min(sizes) <= 1
    tokens = sum(rate * size / 2 for rate, size in zip(curve.tokens_per_second, sizes, strict=True))
    assert tokens == pytest.approx(sum(8 + at % 2 for at in range(count)), rel=1e-4)
    assert curve.loss is not None
    assert sum(loss * size for loss, size in zip(curve.loss, sizes, strict=True)) == pytest.approx(
        count * (count - 1) / 2, rel=1e-4
    )


def test_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "steps.csv") == ()


@pytest.mark.parametrize(
    "line",
    [
        "train,0,nan,8,1,1,1,1", "train,0,1,8,inf,1,1,1", "train,0,0,8,1,1,1,1", "train,0,x,8,1,1,1,1", "train,0",
        "other,0,1,8,1,1,1,1", "train,0,1,8,1,1,1e999,1",
    ],
)  # fmt: skip
def test_a_damaged_file(tmp_path: Path, line: str) -> None:
    with pytest.raises(RunFolderError, match=r"^cell/steps\.csv cannot be read: \w+$"):
        read(steps_csv(tmp_path, line))


def test_a_file_of_other_columns(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"^cell/steps\.csv cannot be read: KeyError$"):
        read(steps_csv(tmp_path, "1", header="a\n"))
