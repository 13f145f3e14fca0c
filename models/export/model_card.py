"""README.md of an exported folder: what the model is, what was measured of it, how to use it. Torch-free."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.format import format_loss
from data.safe_text import safe_text
from data.wording import counted, percent
from models.depth import MODES
from models.runs.evaluation import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a model card tells."""

    name: str
    corpus: str | None
    kind: str
    """text, documents, messages or problems."""
    architecture: str
    parameters: int
    embedding_parameters: int
    vocab_size: int
    context_length: int
    mode: str
    modes: Sequence[str]
    """Those that differ."""
    recursion: str
    """How often training uses the blocks, in words."""
    tokenizer: str
    steps: int | None
    evaluation: Evaluation | None
    command: str


def model_card(facts: CardFacts) -> str:
    """The text of README.md."""
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "pipeline_tag: text-generation",
            "tags: [rlm, recursive, custom_code]",
            "---",
            "",
            f"# {_plain(facts.name)}",
            "",
            *_description(facts),
            "",
            "## Measured",
            "",
            *_figures(facts),
            "",
            "## Use",
            "",
            *_use(facts),
            "",
            "## Where it comes from",
            "",
            "This folder was written by rlm, and needs no rlm to be used:",
            "",
            f"    {_plain(facts.command)}",
            "",
            "`rlm import FOLDER` makes a run of it again.",
            "",
        ]
    )


def _description(facts: CardFacts) -> list[str]:
    blocks = facts.parameters - facts.embedding_parameters
    learned = f" on {_plain(facts.corpus)}" if facts.corpus else ""
    trained = f", in {counted(facts.steps, 'step')}" if facts.steps else ""
    depth = "It has one depth, whatever the mode."
    if len(facts.modes) > 1:
        depth = "Its depth is chosen at every call: in a deeper mode, the same blocks are applied more often."
    return [
        f"A small language model of the architecture `{facts.architecture}`, trained{learned}{trained}. "
        + depth,
        "",
        f"- {facts.parameters:,} parameters: {blocks:,} in blocks, "
        f"{facts.embedding_parameters:,} in embeddings",
        f"- {facts.recursion}",
        f"- {counted(facts.vocab_size, 'token')} ({facts.tokenizer}), "
        f"a context of {counted(facts.context_length, 'token')}",
        f"- mode where no other is given: {facts.mode}",
    ]


def _figures(facts: CardFacts) -> list[str]:
    found = facts.evaluation
    losses = found.validation_loss_by_mode if found is not None else {}
    if found is None or not losses:
        return ["Nothing was measured of this model."]
    of_what = "character of an answer" if facts.kind == "problems" else "token"
    rows = ["| mode | cycles x steps | loss |", "|---|---|---|"]
    for mode in (mode for mode in MODES if mode in losses and mode in facts.modes):
        beyond = " (deeper than it was trained)" if mode in found.extrapolated_modes else ""
        loss = losses[mode]
        rows.append(
            f"| {mode}{beyond} | {MODES[mode]} | {format_loss(loss) if math.isfinite(loss) else '-'} |"
        )
    rows += ["", f"The loss is in nats per {of_what}, on text that was held out of training."]
    if found.bits_per_byte is not None:
        rows.append(f"At the mode `normal` it is {found.bits_per_byte:.3f} bits per byte.")
    if found.validation_tokens is not None:
        read = found.tokens_read or found.validation_tokens
        rows.append(f"{counted(read, 'token')} were read for it.")
    return [*rows, *_accuracies(found)]


def _accuracies(found: Evaluation) -> list[str]:
    if not found.accuracy_by_mode:
        return []
    levels = sorted({level for shares in found.accuracy_by_mode.values() for level in shares}, key=_as_number)
    rows = ["", f"| right answers at mode | {' | '.join(levels)} |", f"|---|{'---|' * len(levels)}"]
    for mode, shares in found.accuracy_by_mode.items():
        cells = [percent(shares[level]) if level in shares else "-" for level in levels]
        rows.append(f"| {mode} | {' | '.join(cells)} |")
    return rows


def _as_number(level: str) -> float:
    return float(level) if level.replace(".", "", 1).isdigit() else math.inf


def _use(facts: CardFacts) -> list[str]:
    return [
        "Python 3.11 or later, `pip install torch transformers`. The code of the model is in this folder, "
        "so `trust_remote_code=True` runs it.",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'folder = "."  # where this file is',
        "tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)",
        "model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)",
        "",
        'prompts = ["The first", "Another prompt", "A third one, of another length"]',
        'inputs = tokenizer(prompts, return_tensors="pt", padding=True)',
        "output = model.generate(**inputs, max_new_tokens=40, do_sample=True, temperature=0.8)",
        "print(tokenizer.batch_decode(output, skip_special_tokens=True))",
        "```",
        "",
        *(_DEPTH if len(facts.modes) > 1 else []),
        "",
        "A text that spells a control token, such as `<|user|>`, is read as that token, as in every "
        "tokenizer of transformers; with `tokenizer(text, split_special_tokens=True)` it stays text.",
    ]


_DEPTH = [
    "`generate` and `model(...)` take `mode=` (fast, normal, deep, thorough, extreme), or `num_recursions=` "
    "with a number of cycles or a pair of cycles and steps, and `halt=True` to let tokens leave early.",
]


def _plain(text: str) -> str:
    """`text` on one line, without what Markdown would obey."""
    return safe_text(" ".join(text.split())).translate({ord(c): f"\\{c}" for c in "`*_[]<>|#"})
