"""Copy the source of a model, so that a folder of plain files computes what this program computes.

A few names of a few modules are wanted. What they use is found in the source, module by module, and only
that is copied: each definition as it stands, with its comments. Imports of this program become relative ones,
`from .attention import Attention`, in one flat folder, which is what transformers loads.
"""

import ast
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import RlmError
from data.plain_file import UnreadableFileError, read_plain_file

OURS = ("models", "data")
_LARGEST_SOURCE = 1 << 20
_LINE = 110


@dataclass(slots=True)
class _Import:
    """A name that an import binds: `attribute` of `module`, or the module itself."""

    module: str
    attribute: str | None
    bound: str

    @property
    def is_ours(self) -> bool:
        return self.module.partition(".")[0] in OURS


@dataclass(slots=True)
class _Source:
    """A module, and what of it is wanted so far."""

    lines: list[str]
    docstring: ast.stmt | None
    statements: list[ast.stmt]
    defined: dict[str, int] = field(default_factory=dict)
    """The index of the statement that defines a name."""
    imported: dict[str, _Import] = field(default_factory=dict)
    used_statements: set[int] = field(default_factory=set)
    used_imports: set[str] = field(default_factory=set)


def copy_source(wanted: Iterable[tuple[str, str]], stand_ins: Mapping[str, str], head: str) -> dict[str, str]:
    """Files by name, with the definitions `wanted` as (module, name) and all that they use.

    `stand_ins` is source by the name of the module it takes the place of. `head` is a comment at the start
    of each file. Raises RlmError for source that is missing, or that has something at module level which is
    not a definition.
    """
    sources: dict[str, _Source] = {}
    waiting = list(wanted)
    while waiting:
        module, name = waiting.pop()
        if module not in sources:
            sources[module] = _read(module, stand_ins)
        waiting += _use(sources[module], module, name)
    files = _file_names(sources)
    return {
        f"{files[module]}.py": f"{head}\n{_text(source, files)}" for module, source in sorted(sources.items())
    }


def _read(module: str, stand_ins: Mapping[str, str]) -> _Source:
    text = stand_ins[module] if module in stand_ins else _source_of(module)
    tree = ast.parse(text)
    first = tree.body[:1] if ast.get_docstring(tree) is not None else []
    source = _Source(text.splitlines(), first[0] if first else None, tree.body[len(first) :])
    for index, statement in enumerate(source.statements):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for one in _bound_by(statement):
                source.imported[one.bound] = one
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            source.defined[statement.name] = index
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name):
                    source.defined[node.id] = index
        elif not (_is_text(statement) or _is_for_types(statement)):
            raise RlmError(f"Line {statement.lineno} of {module} is no definition, and cannot be exported.")
    return source


def _source_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise RlmError(f"The source of {module} is missing.", hint="Install rlm again.")
    try:
        return read_plain_file(Path(spec.origin), _LARGEST_SOURCE, follow_links=True).decode("utf-8")
    except (FileNotFoundError, UnreadableFileError, UnicodeDecodeError) as error:
        raise RlmError(f"The source of {module} cannot be read.", hint="Install rlm again.") from error


def _bound_by(statement: ast.Import | ast.ImportFrom) -> list[_Import]:
    if isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        return [_Import(module, alias.name, alias.asname or alias.name) for alias in statement.names]
    return [
        _Import(alias.name, None, alias.asname or alias.name.partition(".")[0]) for alias in statement.names
    ]


def _use(source: _Source, module: str, name: str) -> list[tuple[str, str]]:
    """Mark `name` and what it uses in this module. Returns what that uses of other modules of ours."""
    if name not in source.imported and name not in source.defined:
        raise RlmError(f"{module} does not define {name}, and cannot be exported.")
    elsewhere, waiting = [], [name]
    while waiting:
        name = waiting.pop()
        if name in source.imported:
            found = source.imported[name]
            if found.is_ours and name not in source.used_imports:
                if found.attribute is None:
                    raise RlmError(f"{module} imports {found.module} as a whole, and cannot be exported.")
                elsewhere.append((found.module, found.attribute))
            source.used_imports.add(name)
        elif name in source.defined and (index := source.defined[name]) not in source.used_statements:
            source.used_statements.add(index)
            waiting += _names_in(source.statements[index], module)
    return elsewhere


def _names_in(statement: ast.stmt, module: str) -> list[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            raise RlmError(
                f"Line {node.lineno} of {module} imports inside a function, and cannot be exported."
            )
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]


def _file_names(sources: Iterable[str]) -> dict[str, str]:
    """The file of each module: the last part of its name, or all of it where two would be the same."""
    last = [module.rpartition(".")[2] for module in sources]
    return {
        module: name if last.count(name) == 1 else module.replace(".", "_")
        for module, name in zip(sources, last, strict=True)
    }


def _text(source: _Source, files: Mapping[str, str]) -> str:
    parts = []
    if source.docstring is not None:
        parts.append("\n".join(source.lines[: source.docstring.end_lineno]))
    if imports := _import_lines(source, files):
        parts.append("\n".join(imports))
    for index in sorted(source.used_statements):
        parts.append(_lines_of(source, index))
    return "\n\n".join(parts) + "\n"


def _import_lines(source: _Source, files: Mapping[str, str]) -> list[str]:
    plain, grouped = [], dict[str, list[str]]()
    for bound in sorted(source.used_imports):
        one = source.imported[bound]
        if one.attribute is None:
            plain.append(f"import {one.module}" + (f" as {bound}" if bound != one.module else ""))
            continue
        module = f".{files[one.module]}" if one.is_ours else one.module
        renamed = f" as {bound}" if bound != one.attribute else ""
        grouped.setdefault(module, []).append(one.attribute + renamed)
    lines = sorted(plain)
    for module, names in sorted(grouped.items(), key=lambda item: (item[0].startswith("."), item[0])):
        line = f"from {module} import {', '.join(names)}"
        if len(line) > _LINE:
            line = "\n    ".join([f"from {module} import (", *(f"{name}," for name in names)]) + "\n)"
        lines.append(line)
    return lines


def _lines_of(source: _Source, index: int) -> str:
    """A definition as it stands, with the comments before it and the text after it that explains it."""
    statement = source.statements[index]
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])
    while first > 1 and source.lines[first - 2].startswith("#"):
        first -= 1
    last = statement.end_lineno or statement.lineno
    if isinstance(statement, ast.Assign | ast.AnnAssign) and index + 1 < len(source.statements):
        after = source.statements[index + 1]
        if _is_text(after):
            last = after.end_lineno or last
    gap = "\n" if isinstance(statement, ast.ClassDef | ast.FunctionDef) else ""
    return gap + "\n".join(source.lines[first - 1 : last])


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_for_types(statement: ast.stmt) -> bool:
    """Whether this is `if TYPE_CHECKING:`. What is imported there is named in annotations that are text."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
