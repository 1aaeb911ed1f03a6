"""The Python interface: small, typed, on anything that speaks Arrow."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate import plan as planning
from curate import schema
from curate.engine.base import Engine
from curate.engine.driver import Driver, Progress
from curate.engine.explain import fates, replay
from curate.engine.folder import begin, only_writer
from curate.engine.publish import publish
from curate.engine.verify import manifest_of
from curate.errors import CurateError, RecipeError, nearest
from curate.io.store import need_space, open_store
from curate.profile import Profile, Profiles
from curate.recipe import locate, model
from curate.recipe.model import Recipe


@dataclass(frozen=True)
class RunResult:
    """What a run left: where, the manifest, and the exit code that its limits call for."""

    output: str
    manifest: dict[str, Any]
    exit_code: int
    complaints: tuple[str, ...]  #: why the exit code is 3
    reused: bool  #: the folder held this very run already; nothing was done


def run(
    recipe: str | Path | Recipe,
    *,
    output: str | Path,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    engine: str = "ray",
    workers: int | None = None,
    address: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    keep_work: bool = False,
    settings: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunResult:
    """Run a recipe into a folder. Run again after any kind of death: it goes on where it was.

    ``inputs`` maps source names to paths, globs or fsspec addresses; sources not named are left out.
    ``engine`` is "ray" or "in-process"; neither it nor ``workers`` changes a byte of the product.
    Raises CurateError; see curate.errors for what each means.
    """
    if not isinstance(recipe, Recipe):
        recipe = model.load(str(recipe), inputs=dict(inputs or {}), settings=settings)
    plan = planning.build(recipe)
    store = open_store(str(output))
    listener = progress or Silent()
    with only_writer(store), _storage_errors(str(output)):
        epoch, manifest = begin(store, plan.fingerprint, plan.inputs, resume=resume, fresh=fresh)
        if manifest is not None:
            return _result(str(output), manifest, recipe, reused=True)
        _keep_what_is_run(plan, store)
        started = time.perf_counter()
        machine = _engine(engine, workers, address)
        try:
            start_up = time.perf_counter() - started
            outcome = Driver(plan, store, machine, listener).drive()
        finally:
            machine.close()
        outcome.timings.insert(0, {"segment": "start", "label": engine, "wall": round(start_up, 4)})
        outcome.timings.append(
            {"segment": "all", "label": "all", "wall": round(time.perf_counter() - started, 4)}
        )
        manifest = publish(plan, store, outcome, epoch, _reports, keep_work=keep_work)
    return _result(str(output), manifest, recipe, reused=False)


@contextmanager
def _storage_errors(output: str) -> Iterator[None]:
    """A full or failing disk is no bug: what was committed stays, and the run can go on."""
    try:
        yield
    except OSError as error:
        raise need_space(error, output) from error


def until(recipe: Recipe, stage: str) -> Recipe:
    """Cut a recipe after a stage; what is left is mixed without a ratio, so everything is kept."""
    names = [spec.label for spec in recipe.stages]
    if stage not in names:
        raise RecipeError(f"the recipe has no stage '{stage}'", hint=nearest(stage, names))
    stages = recipe.stages[: names.index(stage) + 1]
    return recipe.model_copy(update={"stages": stages, "mixture": None})


def dedup_paths(
    paths: Sequence[str],
    *,
    output: str | Path,
    text: str = "text",
    options: Mapping[str, Any] | None = None,
    engine: str = "ray",
    workers: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """Remove exact and near duplicates from JSONL or Parquet files; ``options`` are fuzzy_dedup's."""
    chosen = dict(options or {})
    recipe = Recipe.model_validate(
        {
            "name": "dedup",
            "sources": _sources(paths, text),
            "stages": [
                {"use": "exact_dedup", "keep": chosen.get("keep", "longest")},
                {"use": "fuzzy_dedup", **chosen},
            ],
        }
    )
    return run(
        recipe, output=output, engine=engine, workers=workers, fresh=fresh, progress=progress
    )


def mix_recipe(
    paths: Sequence[str],
    *,
    ratio: str,
    text: str = "text",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """Make the recipe of ``curate mix``: identify, count where tokens are the unit, mix.

    ``ratio`` is ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1``: groups of languages, with their weights.
    """
    asked = {key: value for key, value in (options or {}).items() if value is not None}
    groups: dict[str, Any] = {}
    for part in ratio.split(","):
        name, equals, weight = part.strip().partition("=")
        try:
            groups[name] = {"weight": float(weight), "languages": name.split("+")}
        except ValueError:
            equals = ""
        if not equals or not name:
            raise RecipeError(
                f"'{part.strip()}' is no part of a ratio", hint="--ratio kaz_Cyrl=3,eng_Latn=1"
            )
    counted = [{"use": "count"}] if asked.get("unit", "tokens") == "tokens" else []
    return Recipe.model_validate(
        {
            "name": "mix",
            "seed": seed,
            "sources": _sources(paths, text),
            "stages": [{"use": "identify"}, *counted],
            "mixture": {**asked, "groups": groups},
        }
    )


def _sources(paths: Sequence[str], text: str) -> dict[str, Any]:
    """Tell Parquet from JSONL by name; what has no known ending is taken to be JSONL."""
    sources: dict[str, Any] = {}
    for path in paths:
        format = "parquet" if format_of(path) == "parquet" else "jsonl"
        source = sources.setdefault(format, {"format": format, "path": [], "text": text})
        source["path"].append(path)
    return sources


def identify_paths(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text: str = "text",
    lines: bool = False,
    model: str | None = None,
    damaged: Counter[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Give id, lang, lang_score, lang2 and lang2_score of each document of files of any format.

    ``damaged`` counts, by reason, the records that could not be read.
    """
    from curate import registry
    from curate.engine.reading import read_shard
    from curate.io.files import expand

    for path in paths:
        kind = format or format_of(path)
        options: dict[str, Any] = {"text": text} if kind in ("jsonl", "parquet") else {}
        if lines and kind == "text":
            options["split_on"] = "line"
        reader = registry.build("source", kind, options)
        files = expand([locate.data_path(path)], reader.suffixes)
        source = planning.SourcePlan(kind, reader, "native", None)
        for file in files:
            pieces = tuple(
                planning.PlannedPiece(file, piece, "") for piece in reader.split(file, 1 << 40)
            )
            shard = planning.Shard(kind, pieces)
            for batch in read_shard(source, shard, 8 << 20):
                found = identify(batch.documents.column("text"), model=model)
                yield from found.add_column(0, "id", batch.documents.column("id")).to_pylist()
                if damaged is not None:
                    damaged.update(batch.quarantined.column("reason").to_pylist())


_ENDINGS = {
    "wet": (".wet", ".wet.gz"),
    "warc": (".warc", ".warc.gz", ".arc", ".arc.gz"),
    "wikipedia": (".xml", ".xml.bz2", ".xml.gz"),
    "parquet": (".parquet", ".pq"),
    "text": (".txt", ".txt.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst"),
}


def format_of(path: str) -> str:
    """Guess a format from a name's ending; of a folder or pattern, from the first name that tells.

    Chat is never guessed: its files end as JSONL does. What tells nothing is JSONL.

    >>> format_of("a.warc.wet.gz"), format_of("dump.xml.bz2"), format_of("x")
    ('wet', 'wikipedia', 'jsonl')
    """
    from glob import iglob
    from itertools import chain

    found = locate.data_path(path)
    names: Iterator[str] = iter(())
    if "://" not in found:
        # Two levels are enough to tell, and a folder may hold millions.
        patterns = (found, f"{found}/*", f"{found}/*/*")
        names = chain.from_iterable(map(iglob, patterns))
    for name in chain([path], names):
        for format, endings in _ENDINGS.items():
            if name.endswith(endings):
                return format
    return "jsonl"


def rebuild_report(output: str) -> dict[str, bytes]:
    """Build a finished run's report anew, write it, and give its files."""
    store = open_store(output)
    manifest = manifest_of(store)
    try:
        timings = [json.loads(line) for line in store.read("timings.jsonl").splitlines()]
    except FileNotFoundError:
        timings = []
    files = _reports(manifest, timings)
    for name, body in files.items():
        store.replace(name, body)
    return files


def explain(output: str, document: str) -> list[dict[str, Any]]:
    """Tell the fate of a document by id, URL or ``<source>/<file>#<offset>``; see engine.explain.

    Each fate has ``replay`` (what every stage did) where the input can still be read, else
    ``no_replay`` says why. A duplicate has its ``witness``'s own fate beside it, and a curated
    document that was not taken has the ``groups`` of the mixture's table that were full.
    """
    store = open_store(output)
    found = fates(store, document)
    if not found:
        raise RecipeError(
            f"no document or damaged record '{document}' in this run",
            where=output,
            hint="give an id (column `id` of mixture/ and rejected/), a url, or SOURCE/FILE#OFFSET of"
            " quarantine/; skipped records are only counted",
        )
    recipe = model.parse(store.read("recipe.toml").decode(), f"{output}/recipe.toml")

    def of_the_run(name: str) -> str:
        """Rules as they were when the document was judged, not as they are today."""
        try:
            return store.read(f"filters/{Path(name).stem}.toml").decode()
        except FileNotFoundError:
            return locate.profile_text(name)

    for fate in found:
        if fate["fate"] == "quarantined":
            continue
        if fate.get("duplicate_of"):
            fate["witness"] = [
                {key: one[key] for key in ("fate", "dropped_by", "url", "where") if key in one}
                for one in fates(store, fate["duplicate_of"])
            ]
        if fate["fate"] == "over_budget":
            fate["groups"] = _rows_of_group(manifest_of(store)["mixture"], recipe, fate)
        try:
            fate["replay"] = list(
                replay(
                    _plan_of(recipe, fate["source"], of_the_run), fate["id"], fate.get("dropped_by")
                )
            )
        except CurateError as error:
            fate["no_replay"] = error.what
    return found


def _plan_of(recipe: Recipe, source: str, read_profile: Callable[[str], str]) -> planning.Plan:
    """Plan one source alone: the inputs of the others need not be there to replay a document."""
    if source not in recipe.sources:
        raise RecipeError(f"the recipe has no source '{source}'")
    one = {source: recipe.sources[source]}
    alone = recipe.model_copy(update={"sources": one, "mixture": None})
    return planning.build(alone, read_profile=read_profile)


def _rows_of_group(
    mixture: list[dict[str, Any]], recipe: Recipe, fate: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Give the mixture's rows (one per phase) of the group that a document belongs to."""
    from curate.mixture.recipe import Mixture, parse

    asked = Mixture.everything() if recipe.mixture is None else parse(recipe.mixture)
    group = asked.group_of(fate["source"], fate.get("lang"), fate.get("origin"))
    return [row for row in mixture if row["group"] == group]


def check(profiles: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Run profiles on the clean samples of their languages: samples, rejected, share, rules."""
    from curate import profile
    from curate.signals.verdict import check_profile

    folders = {
        folder.name: folder
        for root in reversed(locate.roots())
        for folder in sorted((root / "sample_data" / "texts").glob("*"))
        if folder.is_dir()
    }
    checked: dict[str, dict[str, Any]] = {}
    for name in profiles or sorted(set(folders) & set(locate.profile_names())):
        loaded = profile.load(name, locate.profile_text)
        if name not in folders:
            raise RecipeError(f"no clean samples for '{name}'", hint=nearest(name, folders))
        texts = [path.read_text(encoding="utf-8") for path in sorted(folders[name].glob("*.txt"))]
        rules = check_profile(loaded, texts)
        rejected = rejected_share(loaded, texts)
        checked[name] = {
            "samples": len(texts),
            "rejected": round(rejected * len(texts)),
            "share": rejected,
            "rules": {
                rule: share
                for rule, share in sorted(rules.items(), key=lambda pair: -pair[1])
                if share > 0
            },
        }
    return checked


def rejected_share(loaded: Profile, texts: Sequence[str]) -> float:
    """Give the share of texts that any rule of a profile would drop."""
    judged = judge(pa.table({"text": pa.array(texts, pa.large_string())}), profile=loaded)
    dropped = len(texts) - int(judged.column("dropped_by").null_count)
    return dropped / max(1, len(texts))


def identify(texts: Any, *, model: str | None = None) -> pa.Table:
    """Tell languages: a table of lang, lang_score, lang2, lang2_score, one row per text."""
    from curate.langid.identify import identify as identify_texts

    return identify_texts(texts, model=model, profiles=_all_profiles())


def standardize(table: Any, *, profile: str | None = None) -> pa.Table:
    """Repair texts (ftfy, NFC) and apply the fixes of each row's profile; adds nothing."""
    return _through(table, ("repair", "standardize"), profile)


def judge(table: Any, *, profile: str | Profile | None = None) -> pa.Table:
    """Measure and judge: adds ``signal_*``, ``dropped_by`` and ``dropped_value``.

    The profile is that of the row's ``lang`` unless one is given.
    """
    return _through(table, ("measure", "judge"), profile)


def dedup(table: Any, **options: Any) -> pa.Table:
    """Find exact and near duplicates: adds ``dropped_by``, ``cluster``, ``duplicate_of``, ``jaccard``.

    ``options`` are those of the stage fuzzy_dedup: threshold, recall, shingle, ngram, keep ...
    """
    from curate.engine import memory
    from curate.stages.exact_dedup import ExactDedup
    from curate.stages.fuzzy_dedup import FuzzyDedup

    order = {key: options[key] for key in ("keep", "source_priority") if key in options}
    out = memory.apply(ExactDedup(**order), _documents(table))
    return memory.apply(FuzzyDedup(**options), out)


def mix(table: Any, *, ratio: str, unit: str = "tokens", seed: int = 0, **options: Any) -> pa.Table:
    """Take a mixture: the rows that it has, with ``phase`` and ``epoch``.

    ``ratio`` is as for ``curate mix``; the table needs ``lang``, and ``n_tokens`` for tokens.
    """
    from curate.engine import memory
    from curate.mixture.recipe import parse
    from curate.stages.mix import Mix

    recipe = mix_recipe(["-"], ratio=ratio, options={"unit": unit, **options})
    stage = Mix(parse({"seed": seed} | (recipe.mixture or {})))
    documents = _documents(table)
    placed = stage.placements(documents, memory.resolve(stage, documents)["decisions"])
    taken = documents.take(placed.column("row"))
    return taken.append_column("phase", placed.column("phase")).append_column(
        "epoch", placed.column("epoch")
    )


def _through(table: Any, stages: tuple[str, ...], profile: str | Profile | None) -> pa.Table:
    from curate import registry

    documents = _documents(table)
    for name in stages:
        given = {"profiles": _all_profiles(profile), "name": name}
        documents = registry.build("stage", name, {}, given=given).apply(documents, Counter())
    return documents


def _all_profiles(chosen: str | Profile | None = None) -> Profiles:
    from curate import profile

    loaded = {n: profile.load(n, locate.profile_text) for n in locate.profile_names()}
    if isinstance(chosen, Profile):
        loaded[chosen.name] = chosen
    name = chosen.name if isinstance(chosen, Profile) else chosen
    if name is not None and name not in loaded:
        raise RecipeError(f"no profile '{name}'", hint=nearest(name, loaded))
    return Profiles(loaded, always=name)


def _documents(table: Any) -> pa.Table:
    """Take anything that speaks Arrow; columns that the contract has and the table has not are null."""
    given = pa.table(table)
    rows = given.num_rows
    if "text" not in given.column_names:
        raise RecipeError(
            "the table has no column 'text'", hint=nearest("text", given.column_names)
        )
    if "id" in given.column_names:
        ids = given.column("id")
        if ids.null_count or pc.count_distinct(ids).as_py() < rows:
            raise RecipeError("the column 'id' must name each row, once")
    for name, kind in (schema.SOURCE_COLUMNS | schema.VERDICT_COLUMNS).items():
        if name in given.column_names:
            at = given.column_names.index(name)
            given = given.set_column(at, name, given.column(name).cast(kind))
        elif name == "id":
            given = given.append_column(name, pa.array([f"table#{n}" for n in range(rows)]))
        elif name == "source":
            given = given.append_column(name, pa.array([""] * rows, pa.string()))
        else:
            given = given.append_column(name, pa.nulls(rows, kind))
    return given


class Silent:
    """A progress listener that says nothing."""

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, documents: int) -> None: ...
    def finish(self) -> None: ...


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    if name == "in-process":
        from curate.engine.in_process import InProcess

        return InProcess()
    if name == "ray":
        from curate.engine.ray_tasks import RayTasks

        if address and address.startswith("ray://"):
            raise RecipeError(
                "ray:// drives a cluster from outside, and a lost connection would end the run",
                hint="ray job submit -- curate run RECIPE --address auto --output DIR",
            )
        return RayTasks(workers=workers, address=address)
    raise RecipeError(f"no engine '{name}'", hint=nearest(name, ["ray", "in-process"]))


def _keep_what_is_run(plan: planning.Plan, store: Any) -> None:
    """Write the recipe and the profiles as they are run, resolved, beside the product."""
    import tomli_w

    said = planning.shown_recipe(plan.recipe).model_dump(mode="json", exclude_none=True)
    store.replace("recipe.toml", tomli_w.dumps(said).encode())
    for name, profile in sorted(plan.profiles.by_name.items()):
        body = profile.model_dump(mode="json", exclude_none=True, exclude={"name"})
        safe = Path(name).stem
        store.replace(f"filters/{safe}.toml", tomli_w.dumps(body).encode())


def _reports(manifest: dict[str, Any], timings: list[dict[str, Any]]) -> dict[str, bytes]:
    from curate.report import render

    return render(manifest, timings)


def _result(output: str, manifest: dict[str, Any], recipe: Recipe, *, reused: bool) -> RunResult:
    complaints = tuple(_complaints(manifest, recipe))
    return RunResult(output, manifest, 3 if complaints else 0, complaints, reused)


def _complaints(manifest: dict[str, Any], recipe: Recipe) -> list[str]:
    limits, totals = recipe.limits, manifest["totals"]
    said = []
    allowed = max(limits.quarantined_share * totals["records"], limits.quarantined_records)
    if totals["quarantined"] > allowed:
        said.append(
            f"{totals['quarantined']} of {totals['records']} records could not be read,"
            f" {allowed:g} are tolerated (limits.quarantined_share, limits.quarantined_records);"
            " see quarantine/"
        )
    dedups = [spec.label for spec in recipe.stages if spec.use.endswith("_dedup")]
    lost = _lost_to_dedup(manifest["ledger"]["stages"], dedups)
    for kind, names in lost.items():
        for name, share in names.items():
            if share > limits.max_dedup_loss:
                said.append(
                    f"dedup removed {share:.1%} of {kind} '{name}', {limits.max_dedup_loss:.1%} is"
                    " tolerated (limits.max_dedup_loss); see clusters.parquet"
                )
    return said


def _lost_to_dedup(stages: dict[str, Any], dedups: list[str]) -> dict[str, dict[str, float]]:
    """Give the share of documents that dedup stages removed, per source and per language."""
    came: dict[str, Counter[str]] = {"source": Counter(), "language": Counter()}
    gone: dict[str, Counter[str]] = {"source": Counter(), "language": Counter()}
    for name in dedups[:1]:
        for source, lang, documents, _ in stages[name]["came"]:
            came["source"][source] += documents
            came["language"][lang] += documents
    for name in dedups:
        for source, lang, _, documents, _ in stages[name]["dropped"]:
            gone["source"][source] += documents
            gone["language"][lang] += documents
    return {
        kind: {name: gone[kind][name] / count for name, count in names.items()}
        for kind, names in came.items()
    }
