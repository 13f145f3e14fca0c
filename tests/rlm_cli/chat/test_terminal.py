"""A chat on a pseudo-terminal."""

import os
import re
import select
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from tests.models.export.conftest import make_run

pty = pytest.importorskip("pty")

# The command as installed, but for a model that never ends and takes its time.
_PROGRAM = """
import sys, time
import torch
from data.character_tokenizer import CharacterTokenizer
from models.architectures import build_model, model_config
from models.runs.load import LoadedModel
import rlm_cli.commands.chat
from rlm_cli.app import main

def load_model(run, device, threads, output):
    torch.set_num_threads(1)
    tokenizer = CharacterTokenizer("\\n abcdefghij")
    values = {"vocab_size": tokenizer.vocab_size, "context_length": 64, "d_model": 16, "n_heads": 2}
    model = build_model(model_config(values)).eval()
    def quiet(module, inputs, output):
        time.sleep(0.01)
        output.logits[..., tokenizer.eos_id] = -1e4
    model.register_forward_hook(quiet)
    return LoadedModel(model=model, tokenizer=tokenizer, run=run, config={}, kind="text")

rlm_cli.commands.chat.load_model = load_model
sys.exit(main())
"""


class Terminal:
    """A process on its own pseudo-terminal."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            os.environ.update(environment, TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1")
            os.execv(command[0], command)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def expect(self, text: str, patience_s: float = 30.0) -> str:
        """Wait until `text` is shown. Returns everything shown since the last call."""
        end = time.monotonic() + patience_s
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self.seen!r}"
            self._read()
        shown, self.seen = self.seen, ""
        return shown

    def status(self, patience_s: float = 20.0) -> int:
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            self._read()
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process, 9)
        raise AssertionError(f"still running: {self.seen!r}")

    def _read(self) -> None:
        if select.select([self.descriptor], [], [], 0.1)[0]:
            try:
                data = os.read(self.descriptor, 65536).decode("utf-8", "replace")
            except OSError:  # the other end is closed
                return
            self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", data)


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / "runs" / "small").mkdir(parents=True)
    (tmp_path / "runs" / "small" / "config.json").write_text(
        '{"format_version": 1, "model": {"architecture": "looped"}}'
    )
    (tmp_path / "program.py").write_text(_PROGRAM)
    inherited = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RLM_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    chat = [sys.executable, "-c", _PROGRAM, "chat"]

    def start(
        *arguments: str, program: list[str] = chat, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Terminal:
        return Terminal([*program, *arguments], {**inherited, **environment})

    return start


@pytest.mark.slow
def test_chat_on_a_terminal(terminal, tmp_path) -> None:
    chat = terminal()
    greeting = " ".join(chat.expect("Ctrl-D leaves.").split())  # wherever the lines are broken
    assert "continues what you write" in greeting
    chat.type("max 100000\r")
    chat.expect("at most 100000 tokens")
    chat.type("abc\n")
    chat.type("de\r")
    time.sleep(1.5)
    chat.type("\x1b")  # Esc stops, and what there is stays
    chat.expect("stopped by you")
    chat.type("/continue\r")
    time.sleep(1.5)
    chat.type("mode deep\r")  # while it writes
    time.sleep(0.3)
    chat.type("\x03")  # as does Ctrl-C
    chat.expect("mode deep (3x2)")
    chat.type("/history\r")
    assert "abc\nde" in chat.expect("[assistant]")
    time.sleep(0.5)
    chat.type("\x03")
    chat.expect("to leave.")
    time.sleep(0.5)
    chat.type("\x03")
    assert chat.status() == 0
    assert (tmp_path / "chat_history").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "status", "shown"),
    [
        (("\x04",), 0, ""),
        (("\x03", "\x03"), 0, "to leave"),
        (("abc\r", "\x03", "/help\r", "\x04"), 0, "/compare"),
        (("abc\r", "\x04"), 0, "tokens/s"),
    ],
)
def test_the_prompt_is_shown_while_the_model_is_loaded(terminal, tmp_path, keys, status, shown) -> None:
    make_run(tmp_path / "runs", "looped")
    rlm = [sys.executable, "-m", "rlm_cli", "chat", "owl", "--max-tokens", "4"]
    chat = terminal(program=rlm, environment={"RLM_RUNS_DIR": str(tmp_path / "runs")})
    assert "Loading" not in chat.expect("\n>")
    for key in keys:
        chat.type(key)
        time.sleep(0.5)
    assert chat.status() == status
    assert shown in chat.seen
    assert "Traceback" not in chat.seen


@pytest.mark.slow
def test_text_typed_and_pasted_during_an_answer(terminal) -> None:
    chat = terminal()
    chat.expect("Ctrl-D leaves.")
    chat.type("max 100000\r")
    chat.expect("at most 100000 tokens")
    chat.type("abc\r")
    time.sleep(1.5)
    chat.type("helworld\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dlo ")  # the cursor goes back to the middle
    chat.type("\x1b[200~" + "漢字" * 300 + "\rзачем\x1b[201~")
    time.sleep(0.3)
    chat.type("\x1b")
    chat.expect("stopped by you")
    chat.type("\r")
    time.sleep(1)
    chat.type("\x1b")
    chat.expect("stopped by you")
    chat.type("/history\r")
    shown = chat.expect("зачемworld")
    message = "".join(shown[shown.rindex("[user]") :].split())  # wherever the lines are broken
    assert "hello" + "漢字" * 300 + "зачемworld" in message
    assert "\ufffd" not in shown
    chat.type("\x04")
    assert chat.status() == 0


@pytest.mark.slow
def test_suspended_chat_goes_on(tmp_path, terminal) -> None:
    shell = terminal(program=["/bin/bash", "--norc", "-i"], environment={"PS1": "$ "})
    shell.expect("$ ")
    shell.type(f"{sys.executable} {tmp_path}/program.py chat --max-tokens 100000\n")
    shell.expect("Ctrl-D leaves.")
    for during_answer in (False, True):
        if during_answer:
            shell.type("abc\r")
        time.sleep(1.5)
        shell.type("\x1a")
        shell.expect("Stopped")
        shell.type("stty -a\n")
        assert "-echo " not in shell.expect("-extproc")
        shell.type("fg\n")
        shell.expect("chat --max-tokens")
        time.sleep(1)
    shell.type("queued")
    time.sleep(0.5)
    shell.type("\x1b")
    assert "queued" not in shell.expect("stopped by you").split("tokens/s")[0]  # keys are not echoed
    shell.expect("queued")
    shell.type("\x03\x04")
    time.sleep(1)
    shell.type("exit\n")
    assert shell.status() == 0


@pytest.mark.slow
def test_plain_chat_uses_plain_input(terminal, tmp_path) -> None:
    chat = terminal("--plain", "--max-tokens", "5")
    chat.expect("> ")
    chat.type("abc\r")
    chat.expect("5 characters")
    chat.type("/save\r")
    chat.expect("error:")
    chat.type("\x04")
    assert chat.status() == 0
    assert not (tmp_path / "chat_history").exists()
    assert not (tmp_path / "runs" / "small" / "conversations").exists()
