"""What a training says and keeps of the texts its model knows: before the first step, and at the end."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from data.replay import HELD_OUT_TOKENS
from models.events import CorporaMeasured, CorpusBegun, Event
from models.recursive_lm import RecursiveLM
from models.training.continual.corpus_names import labels
from models.training.continual.forgetting import losses_on
from models.training.opening import Opened


def begin_corpus(opened: Opened) -> Iterator[Event]:
    """Say that a further text begins, and measure what the model knows before it.

    Nothing for the first text of a run.
    """
    if not _is_further_text(opened):
        return
    session = opened.session
    replay = opened.config.get("replay", {})
    yield CorpusBegun(
        corpus=str(opened.config.get("corpus")),
        known_corpora=len(opened.run.read_json("datasets.json") or []) - 1,
        replay_share=replay.get("share", 0.0),
        replay_reason=replay.get("reason", ""),
        vocab_size=session.model.config.vocab_size,
    )
    with session.evaluating() as model:
        losses = yield from losses_on(model, opened.known, session.measured.number_format, 0)
    datasets = opened.run.read_json("datasets.json") or []
    for entry in datasets:
        entry["loss_before"] = entry["loss_now"] = losses.get(str(entry.get("content_hash")))
    opened.run.write_json("datasets.json", datasets)
    yield CorporaMeasured(step=0, losses=_named(datasets, losses), losses_before={})


def conclude_corpora(
    opened: Opened, model: RecursiveLM, tokens: int, main_loss: float
) -> Generator[Event, None, CorporaMeasured | None]:
    """Measure what `model`, the kept weights, knows now, and keep it in datasets.json.

    `main_loss` is its loss on all that was held out of the current text, of which it learned from
    `tokens`. The return value is the event to end with, where there is more than one text.
    """
    session = opened.session
    losses: dict[str, float] = {opened.config["data"]["content_hash"]: main_loss}
    if _is_further_text(opened) or not _is_whole(opened):
        step, number_format = session.counters.step, session.measured.number_format
        losses = yield from losses_on(model, opened.known, number_format, step)
    datasets = note_losses(opened, tokens, losses)
    if not _is_further_text(opened):
        return None
    before = {
        str(entry["content_hash"]): entry["loss_before"]
        for entry in datasets
        if isinstance(entry.get("loss_before"), float) and "content_hash" in entry
    }
    return CorporaMeasured(
        step=session.counters.step, losses=_named(datasets, losses), losses_before=_named(datasets, before)
    )


def note_losses(opened: Opened, tokens: int, losses: Mapping[str, float]) -> list[dict[str, Any]]:
    """Keep losses by content hash in datasets.json, which is handed back; what was not measured has none.
    Of what the run is at, it learned from `tokens`, and the loss now is that when it was learned."""
    datasets = opened.run.read_json("datasets.json") or []
    for entry in datasets:
        entry["loss_now"] = found = losses.get(str(entry.get("content_hash")))
        if entry.get("content_hash") == opened.config["data"]["content_hash"]:
            entry |= {"tokens": tokens, "steps": opened.session.counters.step, "loss_when_learned": found}
    opened.run.write_json("datasets.json", datasets)
    return datasets


def _is_further_text(opened: Opened) -> bool:
    return len(opened.run.read_json("datasets.json") or []) > 1


def _is_whole(opened: Opened) -> bool:
    """Whether what is measured of the text later is all that was held out of it."""
    return opened.data is None or len(opened.data.validation) <= HELD_OUT_TOKENS


def _named(datasets: list[dict[str, Any]], losses: Mapping[str, float]) -> dict[str, float]:
    names = labels(datasets)
    return {names[key]: loss for key, loss in losses.items() if key in names}
