"""A stage that logs and warns, and the command line with that stage in its dictionary."""

import logging
import warnings
from dataclasses import dataclass

from curate.protocol.stage import MapStage


@dataclass(frozen=True)
class Logging(MapStage):
    name: str = "logging"
    reads = ("text",)

    def apply(self, table, tally):
        if table.num_rows:
            logging.getLogger("curate.stages.logging").warning("%d rows", table.num_rows)
            logging.getLogger("curate.stages.logging").info("a detail")
            logging.getLogger("urllib3").warning("a retry")
            warnings.warn("a doubt", UserWarning, stacklevel=1)
        return table


if __name__ == "__main__":
    from curate.cli import main
    from curate.plan import registry

    registry.STAGES["logging"] = "tests.engines.logging_stage:Logging"
    main()
