import logging
import os

from petrel_python import loader, settings

__all__ = ["PackConfigDict", "get_logger_for_python_runner_action", "get_action_class_instance"]

FORMAT = "%(name)-12s: %(levelname)-8s %(message)s"

CONFIG_MISSING_ITEM_ERROR = """Config for pack "%s" is missing key "%s".
Make sure that the config file %s exists and holds this key. Configs are read when packs are
registered: reload them after every change.
"""


class PackConfigDict(dict):
    """The config of a pack. Reading a key that it does not have says which file it
    should be in.
    """

    def __init__(self, pack_name, *args):
        super().__init__(*args)
        self._pack_name = pack_name

    def __missing__(self, key):
        path = os.path.join(settings.get("configs"), "%s.yaml" % self._pack_name)
        raise ValueError(CONFIG_MISSING_ITEM_ERROR % (self._pack_name, key, path))

    def __reduce__(self):
        return (PackConfigDict, (self._pack_name, dict(self)))


def get_logger_for_python_runner_action(action_name, log_level="debug"):
    """Returns the logger of an action: it writes to standard error what is at
    least of the given level.
    """
    logger = logging.getLogger("actions.python.%s" % action_name)
    if not any(isinstance(h, _StderrHandler) for h in logger.handlers):
        level = getattr(logging, str(log_level).upper(), logging.DEBUG)
        handler = _StderrHandler()
        handler.setLevel(level)
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger


class _StderrHandler(logging.StreamHandler):
    pass


def get_action_class_instance(action_cls, config=None, action_service=None):
    return loader.make_instance(action_cls, config, action_service)
