"""The mix that a request asks for, and what cannot go with one."""

from collections.abc import Generator
from dataclasses import replace

from data.errors import UsageError
from data.mixes.mix_file import load_mix, weighted_paths
from data.mixes.mixed_corpus import MixedCorpus, scan_mix
from data.mixes.spec import MixSpec
from models.planning.request import TrainRequest
from models.runs.events import Event, NoticeGiven
from models.runs.progress import with_progress_events

_NOT_WITH_A_MIX = ("task", "count", "encoding")


def mix_of_request(request: TrainRequest) -> MixSpec | None:
    """The mix in a file or in weighted paths; None where one text is asked for. Sources without filters have
    those of the request. Raises UsageError."""
    if request.mix is not None and request.paths:
        raise UsageError(
            f"'{request.paths[0]}' and {{mix}} exclude each other.",
            hint="Add it to the mix as a [[source]].",
            field="mix",
        )
    if request.mix is None and request.task is not None:
        return None  # its path is a file of puzzles
    spec = weighted_paths(request.paths) if request.mix is None else load_mix(request.mix)
    if spec is None:
        return None
    _require_possible(request)
    if request.filters is None:
        return spec
    chosen = request.filter_names
    return replace(spec, sources=tuple(replace(one, filter=one.filter or chosen) for one in spec.sources))


def read_mix(spec: MixSpec) -> Generator[Event, None, MixedCorpus]:
    """The sources of a mix, read as `scan_mix` does. What was assumed or left out is a warning."""
    mix = yield from with_progress_events(scan_mix(spec))
    for note in mix.notes:
        yield NoticeGiven(message=note, is_warning=True)
    return mix


def _require_possible(request: TrainRequest) -> None:
    for path in _NOT_WITH_A_MIX:
        if getattr(request, path) is None or path in request.ambient:
            continue
        raise UsageError(f"{{{path}}} has no meaning for a mix.", hint=f"Leave {{{path}}} out.", field=path)
