"""The logging of StackStorm: Python's own, and a level for audits."""

import logging
from logging import CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARN, WARNING  # noqa: F401
from logging import Formatter, Handler, Logger, LoggerAdapter, StreamHandler  # noqa: F401

__all__ = ["AUDIT", "getLogger", "getLevelName", "setup", "logging"]

AUDIT = CRITICAL + 10
logging.AUDIT = AUDIT
logging.addLevelName(AUDIT, "AUDIT")


def _audit(self, message, *args, **kwargs):
    if self.isEnabledFor(AUDIT):
        self._log(AUDIT, message, args, **kwargs)


if not hasattr(logging.Logger, "audit"):
    logging.Logger.audit = _audit


def getLogger(name=None):
    return logging.getLogger(name)


def getLevelName(level):
    return logging.getLevelName(level)


def setup(*_args, **_kwargs):
    """Does nothing: a process of an action logs to standard error."""
