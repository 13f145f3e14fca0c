"""How a run writes where nobody says otherwise."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from models import device
from models.generation.run_defaults import SMALL_MODEL, load_writer
from models.runs import load
from models.runs.run import Run


@pytest.mark.parametrize(
    ("parameters", "texts", "asked", "threads"),
    [
        (SMALL_MODEL - 1, 1, None, 1),
        (SMALL_MODEL - 1, 1, 3, 3),
        (SMALL_MODEL - 1, 2, None, 0),
        (SMALL_MODEL - 1, 2, 1, 1),
        (SMALL_MODEL, 1, None, 0),
    ],
)
def test_one_text_of_a_small_model_is_written_by_one_thread(
    parameters: int, texts: int, asked: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = SimpleNamespace(model=SimpleNamespace(parameter_counts=lambda: (parameters, 0)))
    monkeypatch.setattr(load, "load_run", lambda *_: loaded)
    used: list[int] = []
    monkeypatch.setattr(device, "prepare_process", used.append)
    assert load_writer(Run(Path("run")), threads=asked, texts=texts) is loaded
    assert used == [threads]
