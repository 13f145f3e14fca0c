"""Every number a model computes stays what it was recorded to be, to the last bit.

All recipes: `pytest tests/golden -m ""`. Record this machine, at a commit whose numbers are known to be
right: `python -m tests.golden.record`.
"""

from pathlib import Path

import pytest

from tests.golden.observe import numbers_of
from tests.golden.recipes import RECIPES, Recipe
from tests.golden.record import Numbers, recorded, this_machine


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    machines = recorded()
    if this_machine() not in machines:
        pytest.skip(
            f"numbers.json has no numbers of this machine ({this_machine()}). Record them at the commit that "
            "last changed tests/golden/numbers.json: python -m tests.golden.record"
        )
    return machines[this_machine()]


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(recipe, id=recipe.name, marks=() if recipe.fast else pytest.mark.slow)
        for recipe in RECIPES
    ],
)
def test_a_recipe_gives_the_recorded_numbers(recipe: Recipe, numbers: Numbers, tmp_path: Path) -> None:
    assert numbers_of(recipe, tmp_path) == numbers[recipe.same_as or recipe.name]
