"""`rlm generate` and `rlm chat`: arguments, pipes, streams and exit codes."""

import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from data.errors import UsageError
from models.generation.chat_session import ChatSession
from models.runs.evaluation import Evaluation
from rlm_cli.app import main
from rlm_cli.generation_options import load_model
from rlm_cli.output import Output
from tests.models.runs.example_config import WITH_TEXT


@pytest.fixture
def rlm(trained, monkeypatch, capsys):
    """Run a command on the small model; exit code, stdout, stderr."""
    for name in ("generate", "chat"):
        monkeypatch.setattr(
            f"rlm_cli.commands.{name}.load_model", lambda run, device, threads, output, texts=1: trained
        )
    monkeypatch.setenv("RLM_RUNS_DIR", str(trained.run.path.parent))

    def run(*arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin or b"")))
        code = main(arguments)
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return run


def generated(rlm, *arguments: str, stdin: bytes | None = None) -> dict:
    code, out, _ = rlm("generate", *arguments, "--json", stdin=stdin)
    assert code == 0
    return json.loads(out)


def test_text_models_print_prompt_and_continuation(rlm) -> None:
    code, out, err = rlm("generate", "-p", "once upon", "--max-tokens", "20", "--seed", "3")
    assert code == 0
    assert out.startswith("once upon")
    assert len(out) == len("once upon") + 20 + 1
    assert "20 tokens" in err
    assert "seed 3" in err
    report = generated(rlm, "small", "-p", "once upon", "--max-tokens", "20", "--seed", "3")
    (result,) = report["results"]
    assert out == result["prompt"] + result["text"] + "\n"
    assert (result["tokens"], result["finished"], report["mode"]) == (20, "length", "normal")


def test_models_of_conversations_print_only_the_answer(rlm, trained) -> None:
    object.__setattr__(trained, "kind", "messages")
    _, out, _ = rlm("generate", "-p", "once upon", "--max-tokens", "9")
    assert len(out) == 10
    assert "once" not in out


def test_a_model_is_loaded_for_as_many_texts_as_there_are_prompts(trained, rlm, monkeypatch):
    counts = []

    def load_model(*_, texts=1):
        counts.append(texts)
        return trained

    monkeypatch.setattr("rlm_cli.commands.generate.load_model", load_model)
    assert rlm("generate", "-p", "hello", "-p", "once", "--max-tokens", "1")[0] == 0
    assert counts == [2]


def test_several_prompts_equal_their_results_alone(rlm) -> None:
    prompts = ["a story", "b", "", "see, a longer one"]
    flags = ["--temp", "0", "--max-tokens", "70", "--stop", "q"]
    together = generated(rlm, *(part for p in prompts for part in ("-p", p)), *flags)["results"]
    alone = [generated(rlm, "-p", prompt, *flags)["results"][0] for prompt in prompts]
    assert together == alone
    _, out, _ = rlm("generate", *(part for p in prompts for part in ("-p", p)), *flags)
    assert out == "\n\n".join(r["prompt"] + r["text"] for r in alone) + "\n"


def test_prompts_from_standard_input(rlm) -> None:
    flags = ["--temp", "0", "--max-tokens", "5"]
    assert generated(rlm, *flags, stdin=b"one\r\ntwo\n")["results"][0]["prompt"] == "one\ntwo"
    assert [r["prompt"] for r in generated(rlm, "--lines", *flags, stdin=b"one\ntwo\n")["results"]] == [
        "one",
        "two",
    ]
    code, _, err = rlm("generate", *flags, stdin=b"caf\xe9")
    assert code == 0
    assert "not all UTF-8" in err


def test_many_prompts_are_read_in_batches(rlm) -> None:
    lines = "\n".join("abcdefgh"[: 1 + i % 8] for i in range(70)).encode()
    results = generated(rlm, "--lines", "--max-tokens", "3", "--temp", "0", stdin=lines)["results"]
    assert len(results) == 70
    assert results[:8] == results[64:70] + results[6:8]


def test_seed_makes_text_repeatable_and_is_shown(rlm) -> None:
    first = generated(rlm, "-p", "a", "--temp", "2")
    seed = str(first["settings"]["seed"])
    assert generated(rlm, "-p", "a", "--temp", "2", "--seed", seed)["results"] == first["results"]


def test_typed_settings_win_over_those_of_the_run(rlm, trained, monkeypatch) -> None:
    trained.run.write_json("generation_config.json", {"mode": "deep", "max_tokens": 4, "temperature": 0})
    report = generated(rlm, "-p", "a")
    assert (report["mode"], report["settings"]["max_tokens"], report["settings"]["temperature"]) == (
        "deep",
        4,
        0,
    )
    monkeypatch.setenv("RLM_MAX_TOKENS", "6")
    assert generated(rlm, "-p", "a")["settings"]["max_tokens"] == 6
    assert generated(rlm, "-p", "a", "--max-tokens", "5", "-m", "fast")["settings"]["max_tokens"] == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate",),
        ("generate", "-p", "a", "--mode", "nonsense"),
        ("generate", "-p", "a", "--temp", "-1"),
        ("generate", "-p", "a", "--top-p", "2"),
        ("generate", "-p", "a", "--max-tokens", "0"),
        ("generate", "-p", "a", "--stop", ""),
        ("generate", "missing", "-p", "a"),
        ("chat", "--mode", "nonsense"),
        ("chat", "--temp", "-1"),
        ("chat",),
    ],
)
def test_invalid_arguments_exit_2_with_a_message(rlm, arguments) -> None:
    code, out, err = rlm(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("chat", "--mode", "nonsense"), "nonsense"),
        (("chat", "--temp", "-1"), "temperature"),
        (("chat", "--threads", "100000"), "threads"),
        (("chat", "--system", "Be kind."), "instructions"),
        (("chat", "--plain", "-c"), "--plain"),
        (("chat", "--fast", "-m", "deep"), "--fast"),
        (("generate", "--mode", "nonsense"), "nonsense"),
        (("generate", "--threads", "100000"), "threads"),
    ],
)
def test_arguments_are_checked_before_prompts_and_models(rlm, trained, monkeypatch, arguments, word) -> None:
    def never(*arguments):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(f"rlm_cli.commands.{arguments[0]}.load_model", never)
    trained.run.save_config(WITH_TEXT)
    code, out, err = rlm(*arguments)
    assert (code, out) == (2, "")
    assert word in err


def test_a_device_is_checked_before_the_weights_are_read(trained) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        load_model(trained.run, "nonsense", None, Output())  # a run without weights


@pytest.mark.parametrize("content", [{"temperature": 99}, {"mode": "none such"}, {"seed": "x"}])
def test_invalid_run_settings_error_names_the_file(rlm, trained, content) -> None:
    trained.run.write_json("generation_config.json", content)
    code, _, err = rlm("generate", "-p", "a", "--temp", "1", "--mode", "deep")
    assert code == 2
    assert "generation_config.json" in err


def test_damaged_conversation_error_names_the_file(rlm, trained) -> None:
    rlm("chat", "-c", "--max-tokens", "3", stdin=b"one")
    (saved,) = (trained.run.path / "conversations").glob("*.json")
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "settings": []}))
    code, out, err = rlm("chat", "-c", stdin=b"two")
    assert (code, out) == (1, "")
    assert saved.name in err


def test_piped_text_is_one_turn_and_not_saved(rlm, trained, monkeypatch) -> None:
    seen: list[str] = []
    answer = ChatSession.answer
    monkeypatch.setattr(ChatSession, "answer", lambda self, text: seen.append(text) or answer(self, text))
    code, out, err = rlm("chat", "--max-tokens", "8", "--seed", "1", stdin=b"mode deep\nand more\n")
    assert code == 0
    assert len(out) == 9
    assert "continues what you write" in err
    assert "tokens/s · normal · length limit" in err
    assert seen == ["mode deep\nand more"]
    assert not (trained.run.path / "conversations").exists()


@pytest.mark.parametrize("command", ["chat", "generate"])
@pytest.mark.parametrize(
    ("arguments", "prompt"),
    [(("small", "hello"), "hello"), (("small", "once", "upon"), "once upon"), (("once upon",), "once upon")],
)
def test_last_argument_is_the_prompt(rlm, monkeypatch, command, arguments, prompt: str) -> None:
    seen: list[str] = []
    monkeypatch.setattr(ChatSession, "unknown_characters", lambda self, text: seen.append(text) or "")
    monkeypatch.setattr(
        "rlm_cli.commands.generate.unknown_characters", lambda tokenizer, text: seen.append(text) or ""
    )
    code, _, err = rlm(command, *arguments, "--max-tokens", "2")
    assert (code, seen) == (0, [prompt])
    assert ("is no run; it is the prompt for the newest run, small" in err) == (arguments == ("once upon",))


@pytest.mark.parametrize(
    "arguments", [("generate", "hello"), ("generate", "one", "two three"), ("chat", "./x")]
)
def test_hint_shows_how_to_give_a_prompt(rlm, arguments) -> None:
    code, _, err = rlm(*arguments)
    assert code == 2
    prompt = shlex.quote(" ".join(arguments[1:]))
    assert f"For a prompt: rlm generate -p {prompt}" in " ".join(err.split())


def test_a_chat_can_be_continued_with_its_settings(rlm, trained) -> None:
    rlm("chat", "-c", "--max-tokens", "8", "--temp", "0.5", stdin=b"one")
    _, _, err = rlm("chat", "-c", "--mode", "deep", stdin=b"two")
    assert "Continuing" in err
    (saved,) = (trained.run.path / "conversations").glob("*.json")
    content = json.loads(saved.read_text())
    assert [turn["content"] for turn in content["turns"] if turn["role"] == "user"] == ["one", "two"]
    assert (content["settings"]["mode"], content["settings"]["generation"]["max_tokens"]) == ("deep", 8)


def test_plain_chat_saves_nothing(rlm, trained) -> None:
    code, out, _ = rlm("chat", "--plain", "--max-tokens", "8", "--seed", "1", stdin=b"one")
    assert code == 0
    assert len(out) == 9
    assert not (trained.run.path / "conversations").exists()


def test_mode_without_effect_or_beyond_training_gives_a_note(rlm, trained) -> None:
    assert "extrapolation" in rlm("generate", "-p", "a", "-m", "extreme", "--max-tokens", "2")[2]
    assert "extrapolation" in rlm("chat", "-m", "extreme", "--max-tokens", "2", stdin=b"a")[2]
    object.__setattr__(trained, "kind", "messages")
    assert "answers in turns" in rlm("chat", "--max-tokens", "2", stdin=b"a")[2]


def test_writing_starts_at_the_best_measured_mode(rlm, trained) -> None:
    losses = {"fast": 1.5, "normal": 1.6, "deep": 1.7}
    evaluation = Evaluation(step=1, after_steps=1, validation_loss=1.6, validation_loss_by_mode=losses)
    trained.run.save_evaluation(evaluation)
    flags = ("--max-tokens", "2")
    assert "tokens/s · fast" in rlm("chat", "--fast", *flags, stdin=b"a")[2]
    for mode in ((), ("--mode", "auto")):
        assert generated(rlm, "-p", "a", *flags, *mode)["mode"] == "fast"
    code, _, err = rlm("chat", *flags, stdin=b"a")
    assert code == 0
    assert "best measured mode is fast" in err
    for command in ("chat", "generate"):
        assert "deep measured worse than fast" in rlm(command, "-m", "deep", *flags, stdin=b"a")[2]
    deeper = {"fast": 1.5, "normal": 1.4, "deep": 1.3994, "extreme": 1.2}
    trained.run.save_evaluation(
        replace(evaluation, validation_loss_by_mode=deeper, extrapolated_modes=("extreme",))
    )
    assert generated(rlm, "-p", "a", *flags)["mode"] == "normal", "neither a chance gain nor an extrapolation"
    trained.run.save_evaluation(evaluation)
    trained.run.write_json("generation_config.json", {"mode": "normal"})
    assert generated(rlm, "-p", "a", *flags)["mode"] == "normal"
    assert generated(rlm, "-p", "a", *flags, "--mode", "auto")["mode"] == "fast"
    (trained.run.path / "evaluation.json").write_text("damaged")
    assert generated(rlm, "-p", "a", *flags, "--mode", "auto")["mode"] == "normal"


@pytest.mark.parametrize(
    "module", ["rlm_cli.commands.generate", "rlm_cli.commands.chat", "rlm_cli.chat.line_chat"]
)
def test_chat_modules_import_no_torch(module: str) -> None:
    code = (
        f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('torch', 'prompt_toolkit', 'rich')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
