"""Loads exported folders in a process that has no rlm, and prints what it found as JSON.

    python use_without_rlm.py [--everything] FOLDER...

Beside each FOLDER stands FOLDER.expected.safetensors: `tokens` (B, T), and the `logits.MODE` (B, T, V) that
rlm computes for them. For --everything, beside the first one stands FOLDER.expected.json too: a conversation
and its ids, and how rlm goes on with the prompts beyond the context.
"""

import importlib.abc
import json
import sys
from pathlib import Path
from typing import Any

OURS = ("models", "data", "rlm_cli", "tui")


class NoRlm(importlib.abc.MetaPathFinder):
    """Finds nothing of rlm, however it is installed."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] in OURS:
            raise ModuleNotFoundError(fullname)


sys.meta_path.insert(0, NoRlm())

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: E402

PROMPTS = ["the bee", "a", "no one."]
GREEDY = {"do_sample": False, "max_new_tokens": 4, "min_new_tokens": 4}


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


@torch.no_grad()
def look_at(folder: Path, everything: bool) -> dict[str, Any]:
    """The largest differences of logits, and whether what has to be equal is."""
    expected = load_file(f"{folder}.expected.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
    tokens = expected.pop("tokens")
    found: dict[str, Any] = {"modes": {}, "cached": {}, "same": {}}
    for name, logits in expected.items():
        mode = name.removeprefix("logits.")
        whole = model(tokens, mode=mode, use_cache=False).logits
        found["modes"][mode] = difference(whole, logits)
        cached, parts = None, []
        for part in tokens.split([5, 1, 1, tokens.size(1) - 7], dim=1):
            output = model(part, cache=cached, use_cache=True, mode=mode)
            cached = output.cache
            parts.append(output.logits)
        found["cached"][mode] = difference(torch.cat(parts, dim=1), logits)
    batch = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    together = model.generate(**batch, **GREEDY)
    same = found["same"]
    same["uncached"] = torch.equal(together, model.generate(**batch, **GREEDY, use_cache=False))
    found["layers"] = [model.config.num_hidden_layers, len(model(**batch).cache)]
    found["classes"] = [type(model).__name__, tokenizer.padding_side]
    alone = [model.generate(**tokenizer(one, return_tensors="pt"), **GREEDY)[0, -4:] for one in PROMPTS]
    same["alone"] = torch.equal(together[:, -4:], torch.stack(alone))
    if not everything:
        return found
    beams = model.generate(**batch, **GREEDY, num_beams=3)
    same["beams"] = torch.equal(beams, model.generate(**batch, **GREEDY, num_beams=3, use_cache=False))
    same["static"] = torch.equal(together, model.generate(**batch, **GREEDY, cache_implementation="static"))
    fast = model.generate(**batch, **GREEDY, mode="fast")
    same["mode"] = torch.equal(fast, model.generate(**batch, **GREEDY, num_recursions=(1, 1)))
    same["halt"] = torch.equal(
        model.generate(**batch, **GREEDY, halt=True),
        model.generate(**batch, **GREEDY, halt=True, use_cache=False),
    )
    return found


def behave(folder: Path) -> dict[str, Any]:
    """What else people do with a model of transformers: whether each thing comes out as it has to."""
    from transformers import pipeline, set_seed  # they import much that the rest does without

    expected = json.loads(Path(f"{folder}.expected.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
    batch = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    right: dict[str, bool] = {}

    chat = tokenizer.apply_chat_template(expected["messages"], add_generation_prompt=True, return_dict=True)
    right["chat template"] = chat["input_ids"] == expected["chat"]

    length = len(expected["continued"][0])
    long = model.generate(**batch, do_sample=False, max_new_tokens=length, min_new_tokens=length)
    right["beyond the context"] = long[:, -length:].tolist() == expected["continued"]

    set_seed(3)
    first = model.generate(**batch, max_new_tokens=8)
    set_seed(3)
    right["seeded sampling"] = torch.equal(first, model.generate(**batch, max_new_tokens=8))
    new = first[:, batch["input_ids"].size(1) :]
    right["no control tokens"] = bool(((new >= 16) | (new == 3) | (new == 0)).all())

    writer = pipeline("text-generation", model=str(folder), trust_remote_code=True)
    (answer,) = writer("no bee", **GREEDY)
    greedy = model.generate(**tokenizer("no bee", return_tensors="pt"), **GREEDY)
    right["pipeline"] = answer["generated_text"] == tokenizer.decode(greedy[0], skip_special_tokens=True)

    tokens = torch.randint(16, model.config.vocab_size, (2, 9))
    with torch.no_grad():
        whole = model(tokens).logits
        output = model(tokens[:, :7])
        output.cache.crop(-3)
        rest = model(tokens[:, 4:], cache=output.cache).logits
        right["crop"] = difference(rest, whole[:, 4:]) < 1e-5
        output.cache.batch_select_indices(torch.tensor([1]))
        output.cache.crop(-5)
        right["select"] = difference(model(tokens[1:, 4:], cache=output.cache).logits, whole[1:, 4:]) < 1e-5
        mask = torch.tensor([[1] * 6 + [0] * 3, [1] * 9])
        cut = model(tokens, attention_mask=mask).logits
        right["right padding"] = difference(cut[0, :6], whole[0, :6]) < 1e-5
        right["logits to keep"] = torch.equal(model(tokens, logits_to_keep=1).logits, whole[:, -1:])
        right["passes"] = bool((model(tokens, mode="deep").passes == 3).all())

    output = model(tokens, labels=tokens)
    by_hand = torch.nn.functional.cross_entropy(output.logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    output.loss.backward()
    right["loss"] = difference(output.loss, by_hand) < 1e-5
    right["gradients"] = all(weight.grad is not None for weight in model.parameters())

    model.save_pretrained(f"{folder}-again")
    tokenizer.save_pretrained(f"{folder}-again")
    again = AutoModelForCausalLM.from_pretrained(f"{folder}-again", trust_remote_code=True)
    with torch.no_grad():
        right["saved again"] = torch.equal(again(tokens).logits, whole)

    config = AutoConfig.from_pretrained(folder, trust_remote_code=True, mode="fast")
    fresh = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
    right["fresh weights"] = bool(torch.isfinite(fresh(tokens).logits).all())
    right["layers follow the mode"] = fresh.config.num_hidden_layers == 3

    hole = torch.tensor([[1, 0, 1], [1, 1, 1]])
    mistakes = {
        "mode": {"mode": "depe"},
        "both": {"mode": "deep", "num_recursions": 2},
        "hole": {"attention_mask": hole, "input_ids": tokens[:, :3]},
        "positions": {"position_ids": torch.arange(9) + 1},
        "embeddings": {"inputs_embeds": torch.zeros(2, 9, 32)},
        "length": {"input_ids": torch.randint(16, 30, (1, 17))},
    }
    told = {}
    for name, given in mistakes.items():
        try:
            model(**{"input_ids": tokens, **given})
        except ValueError as error:
            told[name] = str(error)
    return {"right": right, "told": told}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folders = [argument for argument in sys.argv[1:] if argument != "--everything"]
    everything = len(folders) < len(sys.argv) - 1
    found = {Path(name).name: look_at(Path(name), everything) for name in folders}
    behaviour = behave(Path(folders[0])) if everything else None
    print(json.dumps({"folders": found, "behaviour": behaviour}))
