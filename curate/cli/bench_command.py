"""`curate bench`: how fast each stage runs on one core of this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from curate.cli.options import Inputs, Json, Settings, parse_inputs

#: Wall-clock seconds per CPU second above which other processes, or a slow disk, are mentioned.
BUSY = 1.5


def command(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="Measure on the inputs of this recipe; default: on text of sample_data.",
        ),
    ] = None,
    input: Inputs = None,
    set: Settings = None,
    megabytes: Annotated[
        float, typer.Option(min=0.1, metavar="MB", help="Text to measure on, per language.")
    ] = 10,
    language: Annotated[
        str, typer.Option(metavar="LABELS", help="Languages of sample_data, separated by commas.")
    ] = "eng_Latn,kaz_Cyrl,jpn_Jpan",
    json: Json = False,
) -> int:
    """Measure the CPU time of each stage on one core.

    `curate plan` estimates with the measured rates from then on. They are kept beside the compiled
    kernels. Nothing else should run meanwhile: processes also slow each other's CPU seconds.

    Example: curate bench
    """
    from curate.cli.terminal import answer, as_json, say, table
    from curate.inspection import bench
    from curate.plan import build as planning
    from curate.recipe.recipe import load_recipe

    size = int(megabytes * 1e6)
    found: dict[str, bench.Bench] = {}
    if recipe is not None:
        settings = [*(set or ()), f"shards.input_bytes={max(100_000, size // 4)}"]
        loaded = load_recipe(recipe, inputs=dict(parse_inputs(input)), settings=settings)
        found[loaded.name] = bench.bench(planning.build(loaded), size)
    else:
        for label in language.split(","):
            say(f"measuring on {megabytes:g} MB of {label}")
            with TemporaryDirectory(prefix="curate-bench-") as folder:
                path = Path(folder, "texts.jsonl")
                bench.write_texts(path, label, size)
                written = Path(folder, "bench.toml")
                written.write_text(bench.RECIPE.format(path=path), encoding="utf-8")
                found[label] = bench.bench(planning.build(load_recipe(str(written))), size)
    measured = bench.rates_of(list(found.values()), f"{datetime.now(UTC):%Y-%m-%d}")
    kept = bench.keep(measured)
    if json:
        answer(as_json({name: _as_json(one) for name, one in found.items()}))
        return 0
    parts = list(dict.fromkeys(part for one in found.values() for part in one.seconds))
    table(
        ("MB/s of one core", *(f"{name} (share)" for name in found)),
        [
            (part, *(_cell(one, part) for one in found.values()))
            for part in (*parts[:1], *(p for p in parts[1:] if p != "rest"), "rest")
        ]
        + [("the whole", *(f"{one.speed():.1f} (100 %)" for one in found.values()))],
    )
    peak = max(one.peak_bytes for one in found.values()) / 1e6
    answer(f"memory of a task: {peak:.0f} MB")
    busy = max(one.busy for one in found.values())
    if busy > BUSY:
        say(f"the clock went {busy:.1f} times as fast as CPU time: other processes were busy")
    if kept:
        answer(f"kept for `curate plan`: {kept}")
    return 0


def _cell(one: Any, part: str) -> str:
    if part not in one.seconds:
        return ""
    return f"{one.speed(part):.1f} ({one.seconds[part] / one.total:.0%})"


def _as_json(one: Any) -> dict[str, Any]:
    return {
        "text_bytes": one.text_bytes,
        "documents": one.documents,
        "seconds": one.seconds,
        "peak_bytes": one.peak_bytes,
        "busy": one.busy,
        "megabytes_per_second": one.speed(),
    }
