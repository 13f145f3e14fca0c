"""What a plan, a run's config.json and its datasets.json have of a mix."""

from dataclasses import asdict, replace

from data.corpus import Corpus
from data.mixes.mixed_corpus import MixedCorpus
from data.mixes.prepared import PreparedMix
from data.prepare import TokenCounts
from data.wording import counted, percent
from models.runs.datasets import Dataset, dataset_of, described_corpus, source_paths
from models.runs.run_config import MixSection, MixSourceSection
from models.runs.typed_json import JsonObject


def mix_rows(mix: MixedCorpus, data: TokenCounts) -> list[tuple[str, str]]:
    """The rows of a plan that show a mix: its size, and each source with its share."""
    rows = [
        (
            "mix",
            f"{mix.name}: {counted(len(mix.mix), 'source')}, {counted(mix.characters, 'character')}, "
            f"{counted(data.train_tokens, 'token')} to learn from",
        )
    ]
    for part, section in zip(mix.mix, _sections(mix, data), strict=True):
        held_out = f"{counted(section.validation_tokens, 'token')} held out"
        rows.append(
            (
                f"  {percent(part.share)}",
                f"{section.name}: {counted(section.train_tokens, 'token')}, {held_out}",
            )
        )
    return rows


def mix_in_plan(corpus: Corpus, data: TokenCounts) -> JsonObject:
    """What the JSON of a plan has of a mix; nothing for one text."""
    if not isinstance(corpus, MixedCorpus):
        return {}
    return {
        "mix": [
            {
                **described_corpus(part.corpus),
                "name": section.name,
                "share": part.share,
                "train_tokens": section.train_tokens,
                "validation_tokens": section.validation_tokens,
                "dropped": [asdict(one) for one in part.corpus.dropped],
            }
            for part, section in zip(corpus.mix, _sections(corpus, data), strict=True)
        ]
    }


def mix_section(corpus: Corpus, data: TokenCounts) -> MixSection | None:
    """What config.json has of a mix; None for one text."""
    if not isinstance(corpus, MixedCorpus):
        return None
    return MixSection(name=corpus.name, sources=_sections(corpus, data))


def paths_of(corpus: Corpus) -> tuple[str, ...]:
    """Where the files of a text are, or the sources of a mix that have a path."""
    if not isinstance(corpus, MixedCorpus):
        return tuple(source_paths(corpus))
    return tuple(part.source.path for part in corpus.mix if part.source.path is not None)


def datasets_of(corpus: Corpus, data: TokenCounts) -> list[Dataset]:
    """What datasets.json has of a text, or of each source of a mix, before anything of it is learned."""
    if not isinstance(corpus, MixedCorpus):
        return [dataset_of(corpus)]
    return [
        replace(
            dataset_of(part.corpus),
            name=section.name,
            paths=() if section.path is None else (section.path,),
            encodings=(),
            prepared=section.prepared,
            tokens=section.train_tokens,
            mix=corpus.content_hash,
            asked_share=part.share,
        )
        for part, section in zip(corpus.mix, _sections(corpus, data), strict=True)
    ]


def _sections(mix: MixedCorpus, data: TokenCounts) -> tuple[MixSourceSection, ...]:
    assert isinstance(data, PreparedMix)
    return tuple(
        MixSourceSection(
            **{**asdict(part.source), "held_out": part.corpus.held_out},
            parts=part.parts,
            content_hash=part.corpus.content_hash,
            kind=part.corpus.kind,
            prepared=prepared.path.name,
            train_tokens=prepared.train_tokens,
            validation_tokens=prepared.validation_tokens,
        )
        for part, prepared in zip(mix.mix, data.sources, strict=True)
    )
