"""A run with a small untrained model, and a chat with it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.character_tokenizer import CharacterTokenizer
from models.architectures import build_model, model_config
from models.generation.chat_session import ChatSession
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.settings import GenerationConfig
from models.runs.load import LoadedModel
from models.runs.run import Run
from rlm_cli.chat.line_chat import LineChat
from rlm_cli.output import Output
from tests.models.runs.example_config import CREATED
from tests.rlm_cli.chat.scripted_user import Script


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    torch.manual_seed(1)
    tokenizer = CharacterTokenizer("\n .abcdefghijklmnopqrstuvwxyz\x1b")
    model = build_model(
        model_config({"vocab_size": tokenizer.vocab_size, "context_length": 64, "d_model": 32, "n_heads": 2})
    ).eval()
    # Drawn weights might end the text at once; these always have something to say.
    model.register_forward_hook(lambda _, __, output: _exclude_token(output, tokenizer.eos_id))
    run = Run.create("small", tmp_path / "runs")
    run.save_config(CREATED)
    return LoadedModel(model=model, tokenizer=tokenizer, run=run, config=CREATED, kind="text")


def _exclude_token(output: Any, token: int) -> None:
    output.logits[..., token] = -1e4


@pytest.fixture
def chat(trained):
    def start(*lines, independent: bool = False) -> LineChat:
        settings = ChatSettings(generation=GenerationConfig(max_tokens=12, seed=1))
        store = ConversationStore(trained.run.path / "conversations")
        session = ChatSession(trained, Conversation("first", "small", "text", settings=settings), store)
        line_chat = LineChat(session, Output(), Script(*lines), independent=independent)
        line_chat.run()
        return line_chat

    return start
