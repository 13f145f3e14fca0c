"""What the endpoint answers, in the shapes of OpenAI's API."""

import json

import pytest

from data.document import Message
from models.depth import MODES
from models.generation.generate import generate
from models.generation.prompt import conversation_prompt
from models.generation.settings import GenerationConfig


def events(response):
    """The objects of a stream, whose last line is [DONE]."""
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def written_by_generate(endpoint, ids, mode, **settings):
    config = GenerationConfig(**{"max_tokens": 8, "temperature": 1, **settings})
    tokens = generate(endpoint.model, endpoint.tokenizer, [ids], MODES[mode], config)
    return "".join(token.text for token in tokens)


def test_the_models_are_the_run_and_its_modes(text) -> None:
    listed = text.client.get("/v1/models").json()["data"]
    names = [one["id"] for one in listed]
    assert names == ["tiny", "tiny:fast", "tiny:normal", "tiny:deep", "tiny:thorough", "tiny:extreme"]
    for one in listed:
        assert text.client.get(f"/v1/models/{one['id']}").json() == one
    assert text.client.get("/v1/models/other").status_code == 404


@pytest.mark.parametrize("mode", ["fast", "deep"])
def test_a_completion_is_what_generate_writes(text, mode) -> None:
    ids = text.tokenizer.encode("the fox").tolist()
    expected = written_by_generate(text, ids, mode, seed=5)
    by_name = text.complete(model=f"tiny:{mode}", seed=5)
    by_field = text.complete(mode=mode, seed=5)
    from_tokens = text.complete(ids, mode=mode, seed=5)
    for answer in (by_name, by_field, from_tokens):
        (choice,) = answer["choices"]
        assert choice["text"] == expected
        assert choice["finish_reason"] == "length"
        assert answer["object"] == "text_completion"
        assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15}
        assert answer["rlm"]["mode"] == mode
        assert answer["rlm"]["passes_per_token"] == MODES[mode].cycles
    assert text.complete(seed=5)["rlm"]["mode"] == "normal"


def test_a_chat_answer_continues_the_conversation(chat) -> None:
    turns = [Message("user", "hello"), Message("assistant", "yes"), Message("user", "why")]
    prompt = conversation_prompt(chat.tokenizer, "messages", "be kind", turns, 40)
    expected = written_by_generate(chat, prompt.ids, "normal", seed=3)
    messages = [{"role": "developer", "content": "be kind"}]
    messages += [{"role": turn.role, "content": turn.content} for turn in turns]
    messages[3]["content"] = [{"type": "text", "text": "wh"}, {"type": "text", "text": "y"}]
    response = chat.client.post("/v1/chat/completions", json={"messages": messages, "seed": 3}).json()
    assert response["object"] == "chat.completion"
    assert response["choices"][0]["message"] == {"role": "assistant", "content": expected, "refusal": None}
    assert response["usage"]["prompt_tokens"] == len(prompt.ids)


def test_the_oldest_turns_of_a_long_conversation_are_left_out(chat) -> None:
    answer = chat.chat("the first words", "and an answer", "the second words", max_tokens=8)
    assert answer["rlm"]["dropped"] == 2
    assert answer["usage"]["prompt_tokens"] <= 40
    assert "(start left out) + 8 tokens" in chat.lines[-1]


def test_a_model_of_text_takes_no_instructions(text) -> None:
    system = {"role": "system", "content": "be kind"}
    status, message, param = text.refusal("chat/completions", messages=[system])
    assert (status, param) == (400, "messages")
    assert message == "Run 'tiny' continues text and takes no instructions. Leave them out."
    assert text.chat("the fox", seed=1)["choices"][0]["message"]["content"]


def test_several_prompts_and_choices(text) -> None:
    answer = text.complete(["a", "bc"], n=2, seed=10)
    texts = [choice["text"] for choice in answer["choices"]]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert len(set(texts)) == 4
    # Choice number i has the seed + i.
    assert text.complete("bc", seed=12)["choices"][0]["text"] == texts[2]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 32, "total_tokens": 35}


def test_stop_strings_end_the_text_before_them(text) -> None:
    whole = text.complete(seed=2, max_tokens=20)["choices"][0]["text"]
    for stop in (whole[5:7], ["never written", whole[5:7]]):
        answer = text.complete(seed=2, max_tokens=20, stop=stop, logprobs=0)["choices"][0]
        assert answer["text"] == whole[: whole.index(whole[5:7])]
        assert answer["finish_reason"] == "stop"
        # Tokens of the stop string are not told either.
        assert "".join(answer["logprobs"]["tokens"]) == answer["text"]


@pytest.mark.parametrize("stop", [None, "e", ["zz", "o"]])
def test_log_probabilities_belong_to_the_text(text, stop) -> None:
    answer = text.complete(seed=4, max_tokens=20, logprobs=2, stop=stop)["choices"][0]
    found = answer["logprobs"]
    assert "".join(found["tokens"]) == answer["text"]
    assert found["text_offset"] == list(range(len(answer["text"])))
    for token, logprob, top in zip(
        found["tokens"], found["token_logprobs"], found["top_logprobs"], strict=True
    ):
        assert top[token] == logprob <= 0
        assert 2 <= len(top) <= 3
    # At most two of the likeliest ones, and the text's own token.
    greedy = text.complete(temperature=0, logprobs=1)["choices"][0]["logprobs"]
    assert all(len(top) == 1 for top in greedy["top_logprobs"])


def test_log_probabilities_of_a_chat(chat) -> None:
    answer = chat.chat("hello", logprobs=True, top_logprobs=3, seed=1)["choices"][0]
    content = answer["logprobs"]["content"]
    assert b"".join(bytes(one["bytes"]) for one in content).decode() == answer["message"]["content"]
    assert all(len(one["top_logprobs"]) == 3 for one in content)
    assert chat.chat("hello", seed=1)["choices"][0]["logprobs"] is None
    without = chat.chat("hello", logprobs=True)["choices"][0]["logprobs"]["content"]
    assert all(one["top_logprobs"] == [] for one in without)


@pytest.mark.parametrize("fields", [{}, {"stop": "e"}, {"n": 3}, {"logprobs": 2}])
def test_a_stream_adds_up_to_the_whole_answer(text, fields) -> None:
    whole = text.complete(seed=6, max_tokens=15, **fields)
    asked = {"prompt": "the fox", "seed": 6, "max_tokens": 15, "stream": True, **fields}
    chunks = events(text.client.post("/v1/completions", json=asked))
    for choice in whole["choices"]:
        mine = [one["choices"][0] for one in chunks if one["choices"][0]["index"] == choice["index"]]
        assert "".join(one["text"] for one in mine) == choice["text"]
        assert [one["finish_reason"] for one in mine[:-1]] == [None] * (len(mine) - 1)
        assert mine[-1]["finish_reason"] == choice["finish_reason"]
        if "logprobs" in fields:
            tokens = [token for one in mine for token in one["logprobs"]["tokens"]]
            assert tokens == choice["logprobs"]["tokens"]
    assert len({one["id"] for one in chunks}) == 1
    assert not any("usage" in one for one in chunks)


def test_a_streamed_chat_begins_with_the_role_and_ends_with_the_usage(chat) -> None:
    whole = chat.chat("hello", seed=6)
    asked = {
        "messages": [{"role": "user", "content": "hello"}], "seed": 6, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    first, *chunks, last = events(chat.client.post("/v1/chat/completions", json=asked))
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    assert text == whole["choices"][0]["message"]["content"]
    assert all(one["usage"] is None for one in (first, *chunks))
    assert last["choices"] == []
    assert last["usage"] == whole["usage"]
    assert last["rlm"] == whole["rlm"]


def test_values_that_ask_for_nothing_are_accepted(text) -> None:
    text.complete(
        frequency_penalty=0, presence_penalty=0.0, logit_bias={}, best_of=1, echo=False, suffix=None,
        user="me", metadata={"a": "b"}, stream=False, n=None, stop=None, temperature=None, seed=-5, top_p=0,
    )  # fmt: skip


def test_settings_of_the_sampler_have_their_effect(text) -> None:
    greedy = text.complete(temperature=0)["choices"][0]["text"]
    for narrow in ({"top_k": 1}, {"top_p": 0}, {"min_p": 1}):
        assert text.complete(**narrow)["choices"][0]["text"] == greedy
    penalised = text.complete(temperature=0, repetition_penalty=10)["choices"][0]["text"]
    assert len(set(penalised)) >= len(set(greedy))
    assert penalised != greedy or len(set(greedy)) == len(greedy)
    passes = text.complete(halt_threshold=0.0, mode="extreme")["rlm"]["passes_per_token"]
    assert passes < MODES["extreme"].cycles


def test_the_log_has_a_line_for_each_request(text) -> None:
    text.complete(max_tokens=3)
    assert text.lines[-1].startswith("POST /v1/completions 200  normal  7 + 3 tokens  ")
    text.client.get("/nowhere")
    assert text.lines[-1].startswith("GET /nowhere 404  ")
