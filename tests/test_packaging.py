"""What says twice which packages are needed says the same."""

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "docs" / "dev_guide" / "recipe.yaml").read_text(encoding="utf-8"))
OF_CONDA = {"matplotlib": "matplotlib-base", "torch": "pytorch"}


def test_recipe_of_conda_needs_what_the_package_needs():
    python_min = RECIPE["context"]["python_min"]
    wanted = {f"python >={python_min}"}
    assert PROJECT["requires-python"] == f">={python_min}"
    for line in PROJECT["dependencies"]:
        need = Requirement(line)
        wanted.add(f"{OF_CONDA.get(need.name, need.name)} {need.specifier}")
    named = {line.replace("${{ python_min }}", python_min) for line in RECIPE["requirements"]["run"]}
    assert {line.replace("_", "-") for line in named} == wanted


def test_recipe_of_conda_has_the_commands():
    commands = RECIPE["build"]["python"]["entry_points"]
    assert commands == [f"{name} = {function}" for name, function in PROJECT["scripts"].items()]


def test_a_package_has_the_same_bound_in_every_extra():
    bounds = defaultdict(set)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        for need in map(Requirement, lines):
            if need.specifier:
                bounds[canonicalize_name(need.name)].add(str(need.specifier))
    assert not {name: found for name, found in bounds.items() if len(found) > 1}


@pytest.mark.parametrize("extra", ["train", "asdf", "dask", "movie", "perceptual", "zarr"])
def test_tests_bring_what_an_extra_brings(extra):
    tested = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"]["tests"]}
    brought = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"][extra]}
    assert brought - {"bokeh"} <= tested  # bokeh draws Dask's dashboard


def test_citation_names_the_licence_and_the_pages_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == PROJECT["license"]
    assert citation["url"] == PROJECT["urls"]["Homepage"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
