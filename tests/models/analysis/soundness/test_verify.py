"""Every fault of a run is found by the check that is about it, and by no other."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.cache import cache_dir
from data.errors import RlmError
from data.progress import result_of
from models.analysis.soundness import verify as verifying
from models.analysis.soundness.recorded_loss import measure
from models.analysis.soundness.result import CheckResult
from models.analysis.soundness.verify import CHECKS, verify
from models.depth import MODES
from models.evaluation.loss import evaluate
from models.evaluation.parts import HeldOutPart
from models.runs.checkpoint import load_weights, save_weights
from models.runs.evaluation import Evaluation
from models.runs.run import Run
from tests.models.small_models import small_model


def faults(results: Iterable[CheckResult], verdict: str = "not sound") -> dict[str, str]:
    """What was found by check and mode, where the verdict is that."""
    return {
        f"{one.check} {one.mode}" if one.mode else one.check: one.found
        for one in results
        if one.verdict == verdict
    }


def put_a_nan(run: Run) -> None:
    weights, metadata = load_weights(run.weights_path)
    next(iter(weights.values())).view(-1)[0] = torch.nan
    save_weights(run, weights, metadata)


def damage_a_checkpoint(run: Run) -> None:
    path = next(run.checkpoints_path.glob("step_*/training.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_a_checkpoint(run: Run) -> None:
    next(run.checkpoints_path.glob("step_*/state.json")).unlink()


def cut_the_weights(run: Run) -> None:
    run.weights_path.write_bytes(run.weights_path.read_bytes()[:-100])


def record_another_loss(run: Run) -> None:
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation)
    by_mode = {**evaluation.validation_loss_by_mode, "deep": 2.0}
    run.save_evaluation(replace(evaluation, validation_loss_by_mode=by_mode))


def damage_the_evaluation(run: Run) -> None:
    (run.path / "evaluation.json").write_text("{", encoding="utf-8")


def use_another_tokenizer(run: Run) -> None:
    content = json.loads(run.tokenizer_path.read_text(encoding="utf-8"))
    vocab = content["model"]["vocab"]
    vocab["\N{SNOWMAN}"] = vocab.pop("t")
    run.tokenizer_path.write_text(json.dumps(content), encoding="utf-8")


FAULTS: list[tuple[Callable[[Run], None], str, str]] = [
    (put_a_nan, "weights", "1 of"),
    (damage_a_checkpoint, "checkpoints", "training.safetensors is not what was written"),
    (cut_a_checkpoint, "checkpoints", "is incomplete"),
    (cut_the_weights, "weights", "damaged"),
    (record_another_loss, "loss deep", "recorded 2.0000"),
    (damage_the_evaluation, "loss", "evaluation.json"),
    (use_another_tokenizer, "tokenizer", "not the tokenizer"),
]


@pytest.fixture
def logits_are_sound(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Leaves out the checks of logits, which take the most time: `test_logits.py` is about them."""

    def leave_out() -> None:
        for check in ("causality", "cache", "depth"):
            result = CheckResult(check=check, verdict="sound", found="")
            monkeypatch.setattr(verifying, f"check_{check}", lambda model, result=result: result)

    return leave_out


def test_each_fault_is_found_by_its_check(
    owl: Run, tmp_path: Path, logits_are_sound: Callable[[], None]
) -> None:
    results = list(verify(owl))
    assert not faults(results), "a trained model is sound"
    assert tuple(dict.fromkeys(result.check for result in results)) == CHECKS
    assert {"normal", "deep"} <= {result.mode for result in results if result.check == "loss"}
    logits_are_sound()
    for damage, check, words in FAULTS:
        copy = Run(Path(shutil.copytree(owl.path, tmp_path / "copies" / damage.__name__)))
        damage(copy)
        results = list(verify(copy))
        found = faults(results)
        assert list(found) == [check], damage
        assert words in found[check]
        assert bool(faults(results, "not measured")) == (check == "weights"), (
            "what depends on unusable weights is not measured"
        )


def test_what_is_gone_is_not_measured(
    owl: Run, meadow: Path, tmp_path: Path, logits_are_sound: Callable[[], None]
) -> None:
    logits_are_sound()
    evaluation = owl.evaluation()
    assert evaluation is not None
    owl.save_evaluation(replace(evaluation, step=evaluation.step + 1))
    assert "training went on" in faults(verify(owl), "not measured")["loss"]
    owl.save_evaluation(evaluation)
    meadow.unlink()
    results = list(verify(owl))
    assert not faults(results, "not measured") and not faults(results), "the cache still has its tokens"
    assert any("from the cache" in result.found for result in results)
    shutil.rmtree(cache_dir())
    results = list(verify(owl))
    assert set(faults(results, "not measured")) == {"tokenizer", "loss"} and not faults(results)
    assert "not there any more" in faults(results, "not measured")["loss"]
    weights = owl.weights_path.rename(tmp_path / "weights")
    with pytest.raises(RlmError, match="missing") as caught:
        next(verify(owl))
    assert f"{{resume {owl.in_command}}}" in str(caught.value.hint)
    weights.rename(owl.weights_path)
    (owl.path / "evaluation.json").unlink()
    assert "no loss is recorded" in faults(verify(owl), "not measured")["loss"]
    shutil.rmtree(owl.checkpoints_path)
    assert "checkpoints" in faults(verify(owl), "not applicable")
    owl.weights_path.unlink()
    with pytest.raises(RlmError, match="not trained yet"):
        next(verify(owl))


def test_a_sample_allows_for_its_standard_error() -> None:
    model = small_model("looped")
    tokens = np.random.default_rng(0).integers(0, model.config.vocab_size, 3000)
    parts = [HeldOutPart("", tokens)]
    whole = measure(model, parts, MODES["normal"], "float32", None, deadline=float("inf"))
    assert whole.read == whole.total == len(tokens) - 1 and whole.error == 0.0
    part = measure(model, parts, MODES["normal"], "float32", None, deadline=0.0)
    assert 0 < part.read < part.total and part.error > 0.0
    assert abs(part.loss - whole.loss) < 4 * part.error
    read = 20 * model.config.context_length
    spread = measure(model, parts, MODES["normal"], "float32", read, deadline=float("inf"))
    evaluated = result_of(evaluate(model, tokens, MODES["normal"], "float32", max_tokens=read))
    assert spread.loss == pytest.approx(evaluated, abs=1e-6) and spread.read == read
