"""The code of an exported folder: complete, of one piece, and no more than is used."""

import ast
import re

import pytest

from data.errors import RlmError, UsageError
from models.architectures import ARCHITECTURES
from models.export.model_code import model_code
from models.export.source_copy import copy_source
from models.export.tensor_names import TENSORS, exported_names, name_in_run
from tests.models.small_models import MODEST, Kind, new_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_code_of_a_folder_is_complete(architecture: str) -> None:
    """Every name that is imported from another file is defined there, and nothing of rlm is imported."""
    files = {name: ast.parse(text) for name, text in model_code(architecture).items()}
    for name, tree in files.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                defined = {getattr(one, "name", None) for one in files[f"{node.module}.py"].body}
                assigned = ast.unparse(files[f"{node.module}.py"])
                for alias in node.names:
                    assert alias.name in defined or re.search(rf"^{alias.name}\b", assigned, re.M), (
                        name,
                        alias.name,
                    )
            elif isinstance(node, ast.ImportFrom | ast.Import):
                module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert str(module).partition(".")[0] not in ("models", "data"), (name, module)


def test_no_other_architecture_comes_along() -> None:
    files = model_code("looped")
    assert "looped.py" in files and "hrm.py" not in files
    assert "TrainingConfig" not in files["config.py"]
    with pytest.raises(UsageError, match="no architecture"):
        model_code("spiral")


def test_what_is_copied_stands_as_it_was_with_its_comments() -> None:
    stand_ins = {
        "models.one": '"""One."""\nimport os\nfrom models.two import b as c, d\n\n'
        "# why\nX = c + 1\n'''what'''\n\n\ndef unused():\n    return os, d\n",
        "models.two": "b = 1\nd = 2\n",
    }
    files = copy_source([("models.one", "X")], stand_ins, "# head")
    assert (
        files["one.py"]
        == "# head\n\"\"\"One.\"\"\"\n\nfrom .two import b as c\n\n# why\nX = c + 1\n'''what'''\n"
    )
    assert files["two.py"] == "# head\nb = 1\n"


@pytest.mark.parametrize(
    "source",
    ["print(1)\nX = 1\n", "from models import two\nX = two\n", "def X():\n    from models.two import a\n"],
)
def test_what_cannot_be_copied_is_an_error(source: str) -> None:
    with pytest.raises(RlmError):
        copy_source([("models.one", "X")], {"models.one": source, "models": ""}, "")


@pytest.mark.parametrize("kind", MODEST)
def test_every_tensor_has_a_name(kind: Kind) -> None:
    model = new_model(kind)
    architecture, names = model.config.architecture, list(model.state_dict())
    exported = exported_names(architecture, names)
    assert [name_in_run(architecture, name) for name in exported.values()] == names
    assert len(set(exported.values())) == len(names)


def test_a_tensor_of_no_table_is_not_exported() -> None:
    assert TENSORS.keys() == ARCHITECTURES.keys()
    with pytest.raises(UsageError, match=r"no tensor 'core\.0\.extra'"):
        exported_names("looped", ["core.0.extra"])
    assert name_in_run("looped", "core.0.attention.qkv.weight") is None  # without the prefix
    assert name_in_run("looped", "model.blocks.0.attention.qkv.weight") is None
