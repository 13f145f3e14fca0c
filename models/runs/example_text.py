"""A text of the kind that a run learned, as an example. Torch-free."""

from data.errors import RlmError
from models.runs.run import Run

_TOKENS = 4096
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_LEAST, _MOST = 40, 80  # characters


def example_text(run: Run) -> str:
    """A line of the held-out text, cut to 80 characters and to the context. Where there is none in the cache,
    and for conversations: the prompt of the last sample. Empty where nothing is known."""
    line = _held_out_line(run)
    if line is None:
        try:
            samples = run.history().samples
        except RlmError:  # it is only an example
            samples = []
        line = samples[-1].prompt.strip() if samples else ""
    return line


def _held_out_line(run: Run) -> str | None:
    # With numpy, which the list of runs does not need.
    from data.prepare import open_prepared
    from data.tokenizer import load_tokenizer_file

    try:
        config = run.config()
        data, context = config.data, config.model.dials.get("context_length")
        if data is None or data.prepared is None or data.kind not in ("text", "documents"):
            return None
        tokens = open_prepared(data.prepared).validation[:_TOKENS]
        tokenizer = load_tokenizer_file(run.tokenizer_path)
        text = tokenizer.decode(tokens)
    except (RlmError, OSError):
        return None
    lines = [" ".join(line.split()) for line in text.split("\n")[1:]]  # the start of the first is cut off
    lines = [line for line in lines if any(map(str.isalpha, line)) and _UNREADABLE not in line]
    line = next((line for line in lines if len(line) >= _LEAST), lines[0] if lines else "")
    while len(line) > _MOST or (isinstance(context, int) and len(tokenizer.encode(line)) > context):
        line = line[:_MOST].rpartition(" ")[0]
    return line or None
