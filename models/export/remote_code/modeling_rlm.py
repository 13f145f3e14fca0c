"""A recursive language model as transformers knows models: forward, generate and pipelines.

The model itself is in the files beside this one, as rlm has it. Here its calls are translated: a mask to the
number of pads before each row, a cache of transformers to the model's own, and `mode`, `num_recursions` and
`halt` to a depth.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from data.errors import RlmError
from models.architectures import build_model
from models.depth import Depth, depth_of
from models.export.remote_code.configuration_rlm import RLMConfig
from models.export.remote_code.recursion_cache import CacheState, state_of
from models.recursive_lm import Output, RecursiveLM

_CACHE = next(f.name for f in fields(CausalLMOutputWithPast) if f.name in ("cache", "past_key_values"))
"""What this version of transformers calls the cache."""


@dataclass
class RLMOutput(CausalLMOutputWithPast):
    """The output of a language model, and how deep it went."""

    passes: Tensor | None = None
    """(B, T): the passes of each token; 0 for a pad."""


class RLMForCausalLM(PreTrainedModel, GenerationMixin):
    """A causal language model whose depth is chosen at every call."""

    config_class = RLMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _supports_sdpa = True

    def __init__(self, config: RLMConfig) -> None:
        super().__init__(config)
        self.model: RecursiveLM = build_model(config.model_config())
        self._no_split_modules = [type(self.model).__name__]
        if config.tie_word_embeddings:
            self._tied_weights_keys = {"model.head.weight": "model.embedding.weight"}
        config.num_hidden_layers = self.model.attention_calls(self._depth(None, None, None))
        self.post_init()

    @classmethod
    def from_pretrained(cls, *arguments: Any, output_loading_info: bool = False, **named: Any) -> Any:
        """As every model of transformers. Raises ValueError for weights that are not all there."""
        model, info = super().from_pretrained(*arguments, output_loading_info=True, **named)
        if missing := sorted(info["missing_keys"]):
            raise ValueError(f"The weights are not complete: '{missing[0]}' is missing.")
        return (model, info) if output_loading_info else model

    def _init_weights(self, module: nn.Module) -> None:
        """Compute the tables again that no file holds. Weights are drawn where the model is built."""
        if isinstance(module, RecursiveLM):
            for name, table in module.position_tables().items():
                getattr(module, name).copy_(table)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.embedding

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.model.embedding = value

    def get_output_embeddings(self) -> nn.Linear:
        return self.model.head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.model.head = value

    def get_compiled_call(self, compile_config: Any) -> Callable[..., Any]:
        """The plain call. A static cache is room made at once: depth is chosen while the model runs."""
        return self.__call__

    def create_masks_for_generate(self, attention_mask: Tensor | None = None, **_: Any) -> Tensor | None:
        """The mask as it is: the model makes its own from it."""
        return attention_mask

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        past_key_values: Cache | None = None,
        mode: str | None = None,
        num_recursions: int | tuple[int, int] | None = None,
        halt: bool | float | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **others: Any,
    ) -> RLMOutput | tuple[Any, ...]:
        """Logits (B, T, V) in float32 for the token after each of `input_ids` (B, T); with `labels` a loss.

        `mode` (fast, normal, deep, thorough, extreme) or `num_recursions` choose the depth: a number of
        cycles, or a pair of cycles and steps. `halt` lets tokens leave early: True, or how sure the model
        has to be, 0 to 1. `attention_mask` (B, T) is 0 for pads; with a cache, pads are on the left. When a
        cached text fills the context, it goes on from its last half. The hidden states are those after each
        pass. Raises ValueError for what the model cannot do.
        """
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("This model reads `input_ids`, and no `inputs_embeds`.")
        depth, cache = self._depth(mode, num_recursions, halt), past_key_values if cache is None else cache
        wants_cache = self.config.use_cache if use_cache is None else use_cache
        if cache is None and wants_cache and not torch.is_grad_enabled():
            cache = DynamicCache()
        if cache is None:
            padding, real, _ = _padding(attention_mask, input_ids)
            _require_own_positions(position_ids, real, padding, 0)
            self._require_room(input_ids.size(1))
            tokens = input_ids if real is None else input_ids * real
            output = self.model(tokens, depth, padding=padding, trace=bool(output_hidden_states))
        else:
            state = state_of(cache, self.model.attention_calls(depth))
            with torch.no_grad():
                output = self._cached(
                    state, input_ids, attention_mask, position_ids, depth, output_hidden_states
                )
        loss = None
        if labels is not None:
            loss = self.loss_function(output.logits, labels, vocab_size=self.config.vocab_size, **others)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        result = RLMOutput(
            loss=loss,
            logits=output.logits[:, kept],
            hidden_states=tuple(one.state for one in output.trace) if output_hidden_states else None,
            passes=output.passes,
            **{_CACHE: cache},
        )
        return result.to_tuple() if return_dict is False else result

    def _depth(
        self, mode: str | None, recursions: int | tuple[int, int] | None, halt: bool | float | None
    ) -> Depth:
        """The depth of a call. Raises ValueError."""
        if mode is not None and recursions is not None:
            raise ValueError("Give `mode` or `num_recursions`, not both.")
        try:
            if recursions is None:
                depth = depth_of(self.config.mode if mode is None else mode)
            elif isinstance(recursions, int):
                depth = Depth(recursions, self.model.trained_depth.steps)
            else:
                depth = Depth(*recursions)
            if halt is not None and halt is not False:
                depth = replace(depth, halt=self.model.default_halt if halt is True else float(halt))
        except RlmError as error:
            raise ValueError(" ".join(filter(None, (error.message, error.hint)))) from None
        return depth

    def _cached(
        self,
        state: CacheState,
        tokens: Tensor,
        mask: Tensor | None,
        positions: Tensor | None,
        depth: Depth,
        trace: bool | None,
    ) -> Output:
        """The output for `tokens` (B, T), which follow those that the cache holds."""
        batch, new = tokens.shape
        if state.ends_in_pads:
            raise ValueError("The cached text ends in pads. Pad on the left: `padding_side='left'`.")
        if state.length == 0:
            state.padding, real, state.ends_in_pads = _padding(mask, tokens)
            tokens = tokens if real is None else tokens * real
        else:
            real = None
            if mask is not None and mask.ndim == 2 and not bool(mask[:, -new:].all()):
                raise ValueError("There is a pad after a cached text. Pad on the left, before the text.")
        if state.seen == state.length:  # else the text went on from its last half, at positions of its own
            _require_own_positions(positions, real, state.padding, state.length)
        if state.length and state.length + new > self.config.max_position_embeddings:
            tokens = self._start_again(state, tokens)
        self._require_room(state.length + tokens.size(1))
        kv = state.prepare(self.model, batch, tokens.size(1), depth)
        output: Output = self.model(tokens, depth, cache=kv, padding=state.padding, trace=bool(trace))
        state.seen += new
        return Output(output.logits[:, -new:], output.passes[:, -new:], output.trace)

    def _start_again(self, state: CacheState, tokens: Tensor) -> Tensor:
        """Empty the cache. Returns the tokens to begin with (B, T'), which end in `tokens` (B, T), with new
        padding: of a row that is longer than the context its last half, of another row all of it.
        """
        assert state.kv is not None
        context, new = self.config.max_position_embeddings, tokens.size(1)
        whole = torch.cat((state.kv.tokens[:, : state.kv.length], tokens), dim=1)
        pads = [0] * len(whole) if state.padding is None else state.padding.tolist()
        kept = [whole.size(1) - pad for pad in pads]
        kept = [max(1, context // 2, new) if count > context else count for count in kept]
        state.kv.reset()
        width = max(kept)
        padding = torch.tensor([width - count for count in kept], device=tokens.device)
        state.padding = padding if bool(padding.any()) else None
        whole = whole[:, -width:]
        return whole * (torch.arange(width, device=tokens.device) >= padding[:, None])

    def _require_room(self, length: int) -> None:
        limit = self.config.max_position_embeddings
        if length > limit:
            raise ValueError(f"The model sees {limit} tokens at once, and the text has {length}.")


def _padding(mask: Tensor | None, tokens: Tensor) -> tuple[Tensor | None, Tensor | None, bool]:
    """Of a `mask` (B, T): the pads before each row (B,), which tokens are real (B, T), whether a row ends in
    pads. None where all are real. Raises ValueError for a mask with a hole, and for one of another shape."""
    if mask is None:
        return None, None, False
    if mask.shape != tokens.shape:
        raise ValueError(f"The attention mask has the shape {tuple(mask.shape)}, not {tuple(tokens.shape)}.")
    real = mask != 0
    if bool(real.all()):
        return None, None, False
    begins = torch.cat((real[:, :1], real[:, 1:] & ~real[:, :-1]), dim=1)
    if bool((begins.sum(1) > 1).any()):
        raise ValueError("The attention mask has a hole: pads can only be before or after a text.")
    padding = (real.cumsum(1) == 0).sum(1)
    ends_in_pads = bool((~real[:, -1] & (padding < real.size(1))).any())
    return (padding if bool(padding.any()) else None), real, ends_in_pads


def _require_own_positions(
    positions: Tensor | None, real: Tensor | None, padding: Tensor | None, start: int
) -> None:
    """Raise ValueError for positions that do not count the tokens of each row."""
    if positions is None:
        return
    own = torch.arange(start, start + positions.size(-1), device=positions.device)
    own = own if padding is None else own - padding.to(positions.device)[:, None]
    differ = positions != own
    if bool((differ if real is None else differ & real.to(positions.device)).any()):
        raise ValueError("The model counts positions itself, from the first token after the pads.")
