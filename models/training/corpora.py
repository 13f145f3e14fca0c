"""What a training says and keeps of the texts its model knows: before the first step, and at the end."""

from collections.abc import Generator, Iterator, Mapping

from data.replay import HELD_OUT_TOKENS
from models.evaluation.forgetting import losses_on
from models.recursive_lm import RecursiveLM
from models.runs.datasets import DATASETS_FILE, Dataset, by_label, labels, read_datasets
from models.runs.events import CorporaMeasured, CorpusStarted, Event
from models.training.open import Opened


def begin_corpus(opened: Opened) -> Iterator[Event]:
    """Say that a further text begins, and measure what the model knows before it: of the earlier texts with
    the tokens it had then, so that what new ones cost is not left out.

    Nothing for the first text of a run.
    """
    if not _is_further_text(opened):
        return
    session, datasets = opened.session, read_datasets(opened.run)
    replay = opened.config.get("replay", {})
    yield CorpusStarted(
        corpus=labels(datasets).get(opened.config["data"]["content_hash"], str(opened.config.get("corpus"))),
        known_corpora=len(datasets) - 1,
        replay_share=replay.get("share", 0.0),
        replay_reason=replay.get("reason", ""),
        vocab_size=session.model.config.vocab_size,
    )
    before, number_format = opened.config.get("vocab_size_before"), session.measured.number_format
    with session.evaluating() as model:
        losses = yield from losses_on(model, opened.known[:-1], number_format, 0, vocabulary=before)
        losses |= yield from losses_on(model, opened.known[-1:], number_format, 0)
    for entry in datasets:
        entry["loss_before"] = entry["loss_now"] = losses.get(str(entry.get("content_hash")))
    opened.run.write_json(DATASETS_FILE, datasets)
    yield CorporaMeasured(step=0, losses=by_label(datasets, losses), losses_before={})


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
    before = {str(entry.get("content_hash")): entry.get("loss_before") for entry in datasets}
    return CorporaMeasured(
        step=session.counters.step,
        losses=by_label(datasets, losses),
        losses_before=by_label(datasets, before),
    )


def note_losses(opened: Opened, tokens: int, losses: Mapping[str, float]) -> list[Dataset]:
    """Keep losses by content hash in datasets.json, which is handed back; what was not measured has none.
    Of what the run is at, it learned from `tokens`, and the loss now is that when it was learned."""
    datasets = read_datasets(opened.run)
    for entry in datasets:
        entry["loss_now"] = found = losses.get(str(entry.get("content_hash")))
        if entry.get("content_hash") == opened.config["data"]["content_hash"]:
            entry |= {"tokens": tokens, "steps": opened.session.counters.step, "loss_when_learned": found}
    opened.run.write_json(DATASETS_FILE, datasets)
    return datasets


def _is_further_text(opened: Opened) -> bool:
    return len(read_datasets(opened.run)) > 1


def _is_whole(opened: Opened) -> bool:
    """Whether what is measured of the text later is all that was held out of it."""
    return opened.data is None or len(opened.data.validation) <= HELD_OUT_TOKENS
