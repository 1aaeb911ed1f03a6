"""Workers of a node compile together: each takes what no other compiles, and waits at the end."""

import threading
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa
import pytest

from curate import schema
from curate.dedup import find_duplicates
from curate.engine import compiling
from curate.engine.compiling import compile_together
from curate.kernels import jit
from curate.plan import build as planning
from curate.recipe.recipe import StageSpec, load_recipe
from curate.sources.plain_text import PlainText
from curate.stages.repair import Repair

SHIPPED = ("allam", "demo", "mling", "sherkala", "sherkala_chat", "suzume", "tagengo", "tedllm")

#: One stage with kernels, so that compiling takes seconds.
REPAIR = (StageSpec(use="repair"),)
STAGES = (Repair("repair"),)


@dataclass
class First:
    seen: list = field(default_factory=list)
    added_types = MappingProxyType({"lang": pa.string(), "signal_new": pa.float64()})

    def apply(self, table, tally):
        self.seen.append((type(self).__name__, table.column_names, table.num_rows))
        return table


class Second(First):
    pass


class Barrier(First):
    def sketch(self, table):
        return self.apply(table, None)


class Watched:
    """A stage, which notes the rows that it gets."""

    def __init__(self, stage, seen):
        self.stage, self.seen, self.added_types = stage, seen, stage.added_types

    def apply(self, table, tally):
        self.seen.append((self.stage.name, table.num_rows))
        return self.stage.apply(table, tally)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    monkeypatch.setattr(compiling, "_DONE", set())


def test_each_stage_gets_an_empty_table_with_what_earlier_ones_add(fresh):
    seen = []
    compile_together(
        schema.DOCUMENT_SCHEMA.empty_table(), [First(seen), Second(seen)], [Barrier(seen)]
    )
    names = list(schema.DOCUMENT_SCHEMA.names)
    added = [*names, "lang", "signal_new"]
    assert seen == [("First", names, 0), ("Second", added, 0), ("Barrier", added, 0)]
    compile_together(schema.DOCUMENT_SCHEMA.empty_table(), [First(seen)], [])
    assert len(seen) == 3  # this process has done it


@pytest.mark.parametrize("name", SHIPPED)
def test_stages_of_shipped_recipes_run_on_the_sample(monkeypatch, name):
    monkeypatch.setattr(compiling, "_DONE", set())
    monkeypatch.setattr(compiling, "_is_new", lambda stage: True)
    recipe = load_recipe(name)
    seen, table = [], schema.DOCUMENT_SCHEMA.empty_table()
    for segment in planning.segments(recipe, planning.profiles(recipe)):
        stages = [Watched(stage, seen) for stage in segment.stages]
        compile_together(table, stages, segment.barriers)
        for stage in stages:
            table = compiling._with(table, stage.added_types)
        assert [rows for _, rows in seen] == [4] * len(seen)
    assert len(seen) >= 3


def test_a_sample_has_near_duplicates_and_languages():
    rows = compiling._with(compiling._sample(schema.DOCUMENT_SCHEMA), {"lang": pa.string()})
    assert rows.schema.field("meta").type == pa.large_string()
    assert rows["lang"].to_pylist() == ["tur_Latn", "kaz_Cyrl", "eng_Latn", "jpn_Jpan"]
    assert "near_duplicate_words" in find_duplicates(rows)["dropped_by"].to_pylist()


def test_the_kernel_of_a_source_is_compiled_with_those_of_stages(fresh):
    seen = []

    class Reader(PlainText):
        def compile(self):
            seen.append("compiled")

    compile_together(schema.DOCUMENT_SCHEMA.empty_table(), [], [], Reader())
    compile_together(schema.DOCUMENT_SCHEMA.empty_table(), [], [], PlainText())
    assert seen == ["compiled"]


def test_what_another_worker_compiles_comes_last(fresh):
    table = pa.table({"text": pa.array([], pa.large_string())})
    seen, second_ran = [], threading.Event()

    class Signalling(Second):
        def apply(self, table, tally):
            second_ran.set()
            return super().apply(table, tally)

    stages = [First(seen), Signalling(seen)]
    worker = threading.Thread(target=compile_together, args=(table, stages, []))
    with jit.compiling(compiling._name(stages[0]), wait=True) as acquired:
        assert acquired
        worker.start()
        assert second_ran.wait(30)
        assert [name for name, *_ in seen if name == "First"] == []
    worker.join(30)
    assert [name for name, *_ in seen] == ["Signalling", "First"]


def test_a_worker_that_was_stopped_while_it_compiles_stops_no_other(fresh, monkeypatch):
    table = pa.table({"text": pa.array([], pa.large_string())})
    seen = []
    monkeypatch.setattr(jit, "LONGEST_WAIT", 0.05)
    stages = [First(seen), Second(seen)]
    with jit.compiling(compiling._name(stages[0]), wait=True):
        compile_together(table, stages, [])
    assert [name for name, *_ in seen] == ["Second", "First"]


def test_helpers_store_kernels_that_this_process_then_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    monkeypatch.setattr(compiling.os, "cpu_count", lambda: 2)
    recipe = load_recipe("demo").model_copy(update={"stages": REPAIR, "mixture": None})
    here = f"compiling: up to a minute, once; kept in {tmp_path / 'kernels'}"
    assert compiling.notice(STAGES) == here
    with compiling.helpers(recipe, STAGES) as count:
        assert count == 1
    assert compiling._helper(recipe.model_dump_json().encode()).wait() == 0
    names = {path.name.split("-")[0] for path in tmp_path.rglob("*.kernel")}
    assert "_scan" in names
    assert compiling.notice(STAGES) is None
    with compiling.helpers(recipe, STAGES) as count:
        assert count == 0  # they are stored


def test_no_helper_without_a_folder_or_a_second_core(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    recipe = load_recipe("demo")
    monkeypatch.setattr(compiling.os, "cpu_count", lambda: 1)
    with compiling.helpers(recipe, STAGES) as count:
        assert count == 0
    monkeypatch.setattr(compiling.os, "cpu_count", lambda: 8)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "file"))
    assert compiling.notice(STAGES) == "compiling: up to a minute"
    with compiling.helpers(recipe, STAGES) as count:
        assert count == 0
