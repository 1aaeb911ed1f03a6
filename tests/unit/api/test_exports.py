"""The public names: what they are, that they resolve, and that their docstrings are complete."""

import importlib
import inspect

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import curate
from curate import api

PUBLIC = {
    "curate": "RunResult __version__ as_ray_data count_tokens deduplicate extend_tokenizer identify"
    " judge measure mix run standardize",
    "curate.api": "Pushed RunResult Silent as_ray_data calibrate check compare_runs count_tokens"
    " dedup_paths deduplicate diagnose evaluate explain explain_text extend_tokenizer"
    " fertility format_of identify identify_paths judge measure mix mix_candidates mix_recipe"
    " push query_store rebuild_report run sample standardize status sweep take_down train until",
}

#: Rules of numpydoc that apply here: a docstring, a summary in one sentence, every parameter with
#: its type and description in order, and the sections Returns or Yields.
RULES = {
    "GL05", "GL06", "GL07", "GL08", "GL10", "SS01", "SS02", "SS03", "SS04", "SS05", "SS06", "PR01",
    "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10", "RT01", "RT02", "RT03",
    "RT04", "RT05", "YD01", "EX01",
}  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_the_documented_ones(module):
    names = PUBLIC[module].split()
    assert importlib.import_module(module).__all__ == names
    for name in names:
        assert getattr(importlib.import_module(module), name) is not None


def test_curate_offers_the_names_of_its_interface():
    for name in set(curate.__all__) - {"__version__"}:
        assert getattr(curate, name) is getattr(api, name)


@pytest.mark.parametrize("name", api.__all__)
def test_the_docstring_has_every_section(name):
    public = getattr(api, name)
    problems = validate(f"{public.__module__}.{public.__qualname__}")["errors"]
    # The parameters of a class are its attributes.
    rules = RULES - {"PR01", "PR02"} if inspect.isclass(public) else RULES
    assert [(code, text) for code, text in problems if code in rules] == []


@pytest.mark.parametrize("name", api.__all__)
def test_parameters_are_named_and_errors_documented(name):
    public = getattr(api, name)
    signature = inspect.signature(public)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    if inspect.isclass(public):
        fields = getattr(public, "__dataclass_fields__", getattr(public, "_fields", ()))
        documented = [field.name for field in NumpyDocString(inspect.getdoc(public))["Attributes"]]
        assert documented == list(fields)
    else:
        assert inspect.Parameter.empty not in [p.annotation for p in signature.parameters.values()]
        assert name == "format_of" or NumpyDocString(inspect.getdoc(public))["Raises"]
