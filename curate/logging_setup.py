"""Log records of curate: where they are shown, and how a worker's records travel to the driver.

Everything in the package logs to ``logging.getLogger("curate")`` or a child of it. The command line
calls `show_records`; a program that uses the Python interface configures logging itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from curate.errors import without_secrets

LOGGER = logging.getLogger("curate")


class LogRecord(NamedTuple):
    """A log record that can be sent to another process."""

    created: float
    name: str
    level: int
    message: str

    def __str__(self) -> str:
        level = logging.getLevelName(self.level).lower()
        time = logging.Formatter().formatTime(logging.makeLogRecord({"created": self.created}))
        return f"{time} {level} {self.name}: {self.message}"

    def emit(self) -> None:
        """Hand the record to this process's handlers."""
        logger = logging.getLogger(self.name)
        if logger.isEnabledFor(self.level):
            fields = {"name": self.name, "levelno": self.level, "msg": self.message}
            fields |= {"levelname": logging.getLevelName(self.level), "created": self.created}
            logger.handle(logging.makeLogRecord(fields))


class _Handler(logging.Handler):
    """Passes each record on as a LogRecord."""

    def __init__(self, take: Callable[[LogRecord], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = without_secrets(self.format(record))
            self._take(LogRecord(record.created, record.name, record.levelno, message))
        except Exception:
            self.handleError(record)


def show_records(write: Callable[[str], None], verbosity: int) -> None:
    """Write curate's records line by line; write nothing of libraries, unless ``verbosity`` is 2.

    ``verbosity`` -1 shows errors, 0 warnings too, 1 also what is done, 2 also the warnings of
    libraries and of Python.
    """
    levels = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}

    def line(record: LogRecord) -> None:
        if verbosity > 1 or record.name.split(".")[0] == LOGGER.name:
            write(f"{logging.getLevelName(record.level).lower()}: {record.message}")

    LOGGER.setLevel(levels.get(verbosity, logging.DEBUG))
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Handler)]
    root.addHandler(_Handler(line))
    for library in ("urllib3", "s3fs", "fsspec", "botocore", "numba", "filelock"):
        route_to_root(library)


def route_to_root(library: str) -> None:
    """Remove a library's own log handlers, so that this process's handlers receive its warnings."""
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [], True
    logger.setLevel(max(logger.level, logging.WARNING))


@contextmanager
def collected_records() -> Iterator[list[LogRecord]]:
    """Collect curate's records and Python's warnings while the block runs, besides showing them."""
    records: list[LogRecord] = []
    handler = _Handler(records.append)
    loggers = (LOGGER, logging.getLogger("py.warnings"))
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield records
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
