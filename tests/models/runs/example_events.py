"""Events with plausible values, for tests that care about one or two of their fields."""

from typing import Any

from models.runs.events import EvaluationFinished, RunFinished, RunPaused, RunStarted, StepFinished


def started(start_step: int = 0, **more: Any) -> RunStarted:
    fields: dict[str, Any] = {
        "run": "owl", "architecture": "hrm", "parameters": 1234, "embedding_parameters": 34, "vocab_size": 87,
        "context_length": 64, "batch_size": 8, "device": "cpu", "number_format": "float32", "compiled": False,
        "threads": 1, "start_step": start_step, "total_steps": 100, "train_tokens": 1000,
        "validation_tokens": 100,
    }  # fmt: skip
    return RunStarted(**{**fields, **more})


def step(number: int, loss: float = 2.0, **more: Any) -> StepFinished:
    fields: dict[str, Any] = {
        "step": number, "total_steps": 100, "epoch": 0.1, "loss": loss, "learning_rate": 1e-3,
        "gradient_norm": 1.0, "depth": "2x2", "tokens_seen": 10, "tokens_per_second": 5.0, "elapsed_s": 1.0,
        "eta_s": 2.0,
    }  # fmt: skip
    return StepFinished(**{**fields, **more})


def evaluation(loss: float, step: int = 1, **more: Any) -> EvaluationFinished:
    fields: dict[str, Any] = {
        "step": step, "epoch": 0.1, "train_loss": 2.0, "validation_loss": loss, "perplexity": 4.0,
        "bits_per_byte": 2.0, "best": True,
    }  # fmt: skip
    return EvaluationFinished(**{**fields, **more})


def paused(step: int, total_steps: int = 100) -> RunPaused:
    return RunPaused(step=step, total_steps=total_steps, path="x")


def finished(loss: float = 1.4, **more: Any) -> RunFinished:
    fields: dict[str, Any] = {
        "run": "owl", "reason": "steps", "step": 100, "best_step": 90, "validation_loss": loss,
        "perplexity": 4.0, "bits_per_byte": 2.0, "validation_loss_by_mode": {"fast": 1.6}, "parameters": 1234,
        "tokens_seen": 9, "tokens_per_second": 5.0, "elapsed_s": 1.0, "path": "x",
    }  # fmt: skip
    return RunFinished(**{**fields, **more})
