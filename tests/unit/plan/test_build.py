from itertools import pairwise

import pytest

from curate.errors import RecipeError
from curate.plan import build as planning
from curate.recipe.recipe import parse_recipe
from tests.runs import write_corpus


@pytest.fixture
def corpus(tmp_path):
    write_corpus(tmp_path / "in", documents=30)
    return tmp_path / "in"


def build(folder, stages, source='format = "jsonl"', **changes):
    text = f'name = "t"\n[sources.a]\n{source}\npath = "{folder}/a*.jsonl"\n'
    for stage in stages:
        text += f"[[stages]]\n{stage}\n"
    return planning.build(
        parse_recipe(text, "t.toml", settings=[f"{k}={v}" for k, v in changes.items()])
    )


def names(plan):
    return [
        ([s.name for s in segment.stages], [b.name for b in segment.barriers])
        for segment in plan.segments
    ]


def test_neighbours_share_a_segment_and_dedup_stages_share_a_read(corpus):
    stages = ['use = "repair"', 'use = "exact_dedup"', 'use = "fuzzy_dedup"', 'use = "count"']
    assert names(build(corpus, stages)) == [
        (["repair"], ["exact_dedup", "fuzzy_dedup"]),
        (["count"], ["mix"]),
    ]
    assert names(build(corpus, ['use = "fuzzy_dedup"'])) == [([], ["fuzzy_dedup"]), ([], ["mix"])]
    assert names(build(corpus, [])) == [([], ["mix"])]


def test_shards_are_a_function_of_inputs_and_recipe(corpus):
    cut = build(corpus, [], **{"shards.input_bytes": 2000})
    again = build(corpus, [], **{"shards.input_bytes": 2000})
    assert cut.shards == again.shards
    assert len(cut.shards) > 5
    assert len(build(corpus, []).shards) == 1
    covered = sorted(
        (p.file.name, p.piece.start, p.piece.end) for s in cut.shards for p in s.pieces
    )
    for (file, _, end), (next_file, start, _) in pairwise(covered):
        assert start == (end if next_file == file else 0)


def test_the_fingerprint_knows_what_matters(corpus):
    base = build(corpus, ['use = "fuzzy_dedup"\nthreshold = 0.8'])
    same = build(corpus, ['use = "fuzzy_dedup"\nthreshold = 0.8'], describes="words")
    other = build(corpus, ['use = "fuzzy_dedup"\nthreshold = 0.7'])
    seeded = build(corpus, ['use = "fuzzy_dedup"\nthreshold = 0.8'], seed=3)
    assert base.fingerprint == same.fingerprint
    assert len({base.fingerprint, other.fingerprint, seeded.fingerprint}) == 3
    assert set(base.inputs) == {"a/a0.jsonl", "a/a2.jsonl"}


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (['use = "identify"', 'use = "judge"'], "reads column 'signal_.*put 'measure' before it"),
        (['use = "repare"'], "no stage 'repare'"),
        (['use = "repair"', 'use = "repair"'], "stands twice"),
        (['use = "mix"', 'use = "repair"'], "comes after mix"),
        (['use = "fuzzy_dedup"\ntreshold = 0.8'], "did you mean 'threshold'"),
        (['use = "fuzzy_dedup"\nthreshold = 8.0'], "threshold"),
    ],
)
def test_a_recipe_that_cannot_run_says_why(stages, says, corpus):
    with pytest.raises(RecipeError, match=f"(?s){says}"):
        build(corpus, stages)


TRIM = ['use = "identify"', 'use = "trim"']


def test_no_stage_may_cut_lines_out_of_conversations(corpus):
    with pytest.raises(RecipeError, match="would cut lines out of the conversations of 'a'"):
        build(corpus, TRIM, source='format = "chat"')
    build(corpus, TRIM, source='format = "chat"\nprofile = "chat"')


def test_an_input_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match="nowhere"):
        build(tmp_path / "nowhere", [])


def test_options_have_the_types_that_stages_declare(corpus):
    with pytest.raises(RecipeError, match='threshold is a number, without quotes, not "hi"'):
        build(corpus, ['use = "fuzzy_dedup"\nthreshold = "hi"'])
    with pytest.raises(RecipeError, match="did you mean 'text'"):
        build(corpus, [], source='format = "jsonl"\ntxt = "a"')
    with pytest.raises(RecipeError, match="no option 'adds'"):
        build(corpus, ['use = "count"\nadds = ["x"]'])
    planned = build(
        corpus, ['use = "fuzzy_dedup"\nsource_priority = ["a"]\nkeep = "source_priority"']
    )
    assert planned.segments[0].barriers[0].source_priority == ("a",)


@pytest.mark.parametrize(
    ("mixture", "says"),
    [
        ('[mixture.groups.x]\nlanguages = ["tur_Lat"]', "no language label"),
        ('[mixture.groups.x]\nsources = ["b"]', "no source 'b'"),
    ],
)
def test_a_group_of_what_nothing_has_is_refused(mixture, says, corpus):
    text = f'name = "t"\n[sources.a]\nformat = "jsonl"\npath = "{corpus}/a*.jsonl"\n'
    text += '[[stages]]\nuse = "identify"\n[mixture]\nunit = "bytes"\n'
    with pytest.raises(RecipeError, match=says):
        planning.build(parse_recipe(text + mixture, "t.toml"))


def test_a_recipe_without_inputs_is_refused():
    with pytest.raises(RecipeError, match="no source has a path"):
        planning.build(
            parse_recipe('name = "t"\n[sources.a]\nformat = "jsonl"\npath = []', "t.toml")
        )


def test_what_is_shown_of_a_recipe_holds_no_secret():
    text = (
        'name = "t"\n[sources.a]\nformat = "jsonl"\npath = "https://ann:pw@host/a.jsonl?sig=SECRET"'
    )
    shown = planning.redacted_recipe(parse_recipe(text, "t.toml"))
    assert shown.sources["a"].path == ("https://host/a.jsonl",)


@pytest.mark.parametrize("name", ["../../esc", "a:b", "A"])
def test_a_stage_name_is_no_path(name, corpus):
    with pytest.raises(RecipeError, match="name"):
        build(corpus, [f'use = "exact_dedup"\nname = "{name}"'])
