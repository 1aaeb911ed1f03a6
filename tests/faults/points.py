"""All failpoints of the package, so that campaigns visit each of them."""

#: Points that every run reaches, in the order of a run.
POINTS = (
    "run.locked",
    "run.started",
    "task.started",
    "table.read",
    "sink.opened",
    "sink.flushed",
    "sink.closed",
    "sink.checked",
    "commit.before",
    "commit.written",
    "commit.linked",
    "segment.done",
    "step.done",
    "publish.started",
    "publish.linked",
    "publish.manifest",
    "publish.renaming",
    "publish.renamed",
    "publish.promised",
    "publish.swept",
)

#: Points of runs that add to a dedup store, before the publish is promised.
STORE_POINTS = ("store.before", "store.appended")

#: Points of a takedown from a run that added to a dedup store.
TAKEDOWN_POINTS = (
    "takedown.staged",
    "takedown.buried",
    "takedown.generation",
    "takedown.erased",
    "takedown.checked",
    "publish.renaming",
    "publish.renamed",
    "takedown.published",
)
