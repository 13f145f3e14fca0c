"""An example of the text that a run learned."""

from dataclasses import replace
from pathlib import Path

from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus
from data.prepare import prepare
from data.progress import result_of
from models.runs.event_json import to_json
from models.runs.events import SampleGenerated
from models.runs.example_text import example_text
from models.runs.run import Run
from models.runs.run_config import ModelSection, RunConfig
from tests.models.runs.example_config import WITH_TEXT

LINE = "the hen sat on the old stone wall and looked at the fox until the sun went down"


def run_of(tmp_path: Path, config: RunConfig) -> Run:
    run = Run.create("owl", tmp_path / "runs")
    run.save_config(config)
    sample = SampleGenerated(step=1, prompt=" One morning", text="x")
    run.events_path.write_text(to_json(sample) + "\n", encoding="utf-8")
    return run


def test_it_is_a_line_of_the_held_out_text_that_fits_the_context(tmp_path: Path) -> None:
    text, tokenizer = tmp_path / "text.txt", CharacterTokenizer("abcdefghijklmnopqrstuvwxyz \n")
    text.write_text(f"a heading\n\n{LINE}\n" * 40, encoding="utf-8")
    prepared = result_of(prepare(open_corpus([text]), tokenizer))
    assert WITH_TEXT.data is not None
    section = ModelSection(architecture="looped", foreign={"context_length": 60})
    config = replace(WITH_TEXT, model=section, data=replace(WITH_TEXT.data, prepared=prepared.path.name))
    run = run_of(tmp_path, config)
    tokenizer.save(run.tokenizer_path)
    found = example_text(run)
    assert LINE.startswith(found) and 40 <= len(found) <= 60 and not found.endswith(" ")


def test_it_is_the_prompt_of_the_last_sample_where_the_text_is_gone(tmp_path: Path) -> None:
    run = run_of(tmp_path, WITH_TEXT)
    assert example_text(run) == "One morning"
    run.events_path.unlink()
    assert example_text(run) == ""
