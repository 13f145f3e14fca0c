"""What is wrong with settings while they are typed."""

import subprocess
import sys
from pathlib import Path

from models.config import ModelConfig, TrainingConfig
from models.planning.check_settings import setting_errors

ROOT = Path(__file__).resolve().parents[3]


def test_each_value_is_judged_by_the_configuration_it_belongs_to() -> None:
    found = setting_errors({
        "training.minutes": "0", "training.batch_size": "8", "training.device": "cpu", "model.d_model": "x",
        "model.dropout": "2", "training.nonsense": "1", "model.n_layers": "-1",
    })  # fmt: skip
    assert {path: error.field for path, error in found.items()} == {
        path: path for path in ("training.minutes", "model.d_model", "model.dropout", "training.nonsense")
    }
    assert setting_errors({}) == {}


def test_what_excludes_each_other_is_told_once() -> None:
    assert list(setting_errors({"training.minutes": "1", "training.steps": "2"})) == ["training.steps"]
    (error,) = setting_errors({"model.d_model": "64", "model.n_heads": "5"}).values()
    assert error.field == "model.d_model" and "5 heads" in error.message
    # The heads are chosen for the width, and the width for the text.
    assert setting_errors({"model.d_model": "10"}) == {} == setting_errors({"model.n_heads": "3"})


def test_defaults_are_no_errors_and_torch_is_not_imported() -> None:
    values = {f"training.{name}": str(value) for name, value in vars(TrainingConfig()).items()}
    values |= {f"model.{name}": str(value) for name, value in vars(ModelConfig(vocab_size=9)).items()}
    values = {path: value.lower() if value == "None" else value for path, value in values.items()}
    assert setting_errors(values) == {}
    probe = (
        "import sys\nfrom models.planning.check_settings import setting_errors\n"
        "setting_errors({'model.n_layers': '2', 'model.d_model': 'x', 'training.nonsense': '1'})\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
