"""The share of earlier texts that a run which goes on is trained with: measured on its model."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from data.character_tokenizer import CharacterTokenizer
from data.corpus import Corpus
from data.mixes.prepared import PreparedMix
from data.prepare import PreparedData
from data.progress import result_of
from data.replay import ReplaySample
from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig
from models.evaluation.loss import evaluate
from models.evaluation.modes import default_depth
from models.layers.initialise import no_init
from models.planning.replay_share import Replay, chosen_share, is_read_often
from models.planning.request import TrainRequest
from models.planning.text_tokens import held_out_in_shares
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset
from models.runs.replay_samples import replayable
from models.runs.text_shares import text_shares

_COMPARED_TOKENS = 8192
"""Of each text, to see how far it is from the others."""


def choose_replay(
    request: TrainRequest,
    weights: Mapping[str, Tensor],
    model: ModelConfig,
    training: TrainingConfig,
    data: PreparedData | PreparedMix,
    samples: Sequence[ReplaySample],
    earlier: Sequence[Dataset],
    unknown_share: float,
    read_tokens: float,
) -> Replay:
    """The share of the texts `earlier`: as asked for, or what suits how far the new text is from them.

    `samples` are of these texts, `unknown_share` is as in `chosen_share`, and `read_tokens` is how many
    tokens the training will read.
    """
    if not earlier:
        return Replay(0.0, "all that the run knows is in the mix")
    if not samples:
        return Replay(0.0, "there is no sample of an earlier text")
    if not replayable(samples, earlier, model.context_length):
        return Replay(0.0, "the earlier texts are shorter than one context")
    if request.replay is not None:
        return Replay(round(request.replay, 4), "your choice")
    shares = text_shares(one for one in earlier if any(one.content_hash == x.content_hash for x in samples))
    known = [(one.held_out, float(shares[one.content_hash])) for one in samples if len(one.held_out) > 1]
    with no_init():
        built = build_model(model)
    built.load_state_dict(dict(weights))
    new_loss = _mean_loss(built, held_out_in_shares(data), training)
    sampled = sum(len(sample.train) for sample in samples)
    return chosen_share(
        _mean_loss(built, known, training) if known else None,
        new_loss,
        unknown_share,
        sampled / max(1.0, read_tokens),
        has_spare_time=is_read_often(data.train_tokens, read_tokens),
    )


def share_of_unknown(tokenizer: Tokenizer, samples: Sequence[ReplaySample], corpus: Corpus) -> float:
    """The share of a text that is characters the model has never seen: those that are not in its vocabulary
    or, where that is byte pairs, in what is kept of its texts."""
    if isinstance(tokenizer, CharacterTokenizer):
        known = set(tokenizer.characters)
    else:
        known = set().union(*(tokenizer.decode(sample.train) for sample in samples))
    counts = corpus.character_counts
    return sum(counts[character] for character in set(counts) - known) / max(1, corpus.characters)


def _mean_loss(
    model: RecursiveLM, parts: Sequence[tuple[np.ndarray, float]], training: TrainingConfig
) -> float:
    """Nats per token on a few windows of each of `parts`, on average in their shares."""
    losses = [share * _loss(model, tokens, share, training.within_documents) for tokens, share in parts]
    return sum(losses) / sum(share for _, share in parts)


def _loss(model: RecursiveLM, tokens: np.ndarray, share: float, within_documents: bool) -> float:
    evaluating = evaluate(
        model,
        tokens,
        default_depth(model),
        "float32",
        max_tokens=max(1, round(share * _COMPARED_TOKENS)),
        within_documents=within_documents,
    )
    return result_of(evaluating)
