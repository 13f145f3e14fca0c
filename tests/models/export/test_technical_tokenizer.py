"""The technical tokenizer outside of rlm: the same ids, and the same run when it comes back."""

import random
from pathlib import Path

import pytest

from data.bpe_tokenizer import BpeTokenizer, train_bpe_tokenizer
from data.corpus import open_corpus
from models.export.export_folder import export_run
from models.export.import_folder import import_run
from models.runs.load import load_run
from tests.models.export.conftest import DrawnRun

PARTS = (
    "```py\n", "```", "\n    return 3.14", "https://a.org/b_(c)?d=1.", " $x^2$", "$$",
    "me+you@mail.example.org", r"\[", "\r\n", "\t", "  ", "é", "e\u0301", "ﬁ²", "👩‍💻", "\x00", " 12345",
    ", and", "~~~~", "世界", "www.x.org",
)  # fmt: skip
"""What no text of it can spell is a control token: transformers reads those as what they are."""


@pytest.mark.parametrize("kind", ["technical", "technical:nfkc"])
def test_transformers_gives_the_same_ids_and_the_run_comes_back(
    kind: str, drawn_run: DrawnRun, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    text = "".join(PARTS) * 40
    (tmp_path / "notes.txt").write_text(text.replace("\x00", ""), encoding="utf-8")
    ours = train_bpe_tokenizer(open_corpus([tmp_path / "notes.txt"]), 330, kind=kind)
    out = tmp_path / "out"
    export_run(drawn_run("transformer", tokenizer=ours), out, command="rlm export owl")
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(out)
    draw = random.Random(0)
    texts = [text, *("".join(draw.choices(PARTS, k=draw.randint(1, 20))) for _ in range(200))]
    for one in texts:
        ids = ours.encode(one).tolist()
        assert theirs(one)["input_ids"] == ids
        assert theirs.decode(ids) == ours.normalize(one)
    spelled = "a <|code|> and <|user|>"
    assert theirs(spelled, split_special_tokens=True)["input_ids"] == ours.encode(spelled).tolist()
    assert theirs(spelled)["input_ids"] != ours.encode(spelled).tolist()
    theirs.save_pretrained(out)  # writes its tokenizer.json again
    back = load_run(import_run(out, tmp_path / "runs", "again").run).tokenizer
    assert isinstance(back, BpeTokenizer) and (back.kind, back.hash) == (kind, ours.hash)
