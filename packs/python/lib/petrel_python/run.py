"""Runs one action in this process.

A request is one JSON object:

  file        the action's file
  pack        ref of its pack
  user        on whose behalf it runs
  log_level   of the action's logger
  parameters  object: what run() gets
  config      object: the pack's configuration
  settings    see petrel_python.settings
  env, path   only for a prewarmed process: the environment and the module path

The result is written, as one JSON object, to a descriptor of its own, so that
whatever the action prints is left to itself:

  {"status": true|false|null, "result": ...}   what run() returned
  {"status": null, "text": "..."}              the same printed, when it is no JSON
"""

import json
import os
import sys

from petrel_python import encode, loader, service, settings
from st2common.runners import utils
from st2common.runners.base_action import Action  # noqa: F401  loaded early, for prewarmed processes

EXIT_INVALID_STATUS = 220

INVALID_STATUS = """run() returned a tuple of two items whose first, the status, is neither True nor False: %r
To return two values, return them as a list, or behind a status: (True, (a, b)).
"""


class Wrapper:
    """Who runs an action; actions reach it as action_service._action_wrapper."""

    def __init__(self, request):
        self._pack = request["pack"]
        self._file_path = request["file"]
        self._user = request.get("user")
        self._log_level = request.get("log_level") or "debug"
        self._parameters = request.get("parameters") or {}
        self._config = request.get("config") or {}
        self._class_name = None


def read_request(fd):
    """Reads a request to its end, and leaves the action nothing to read."""
    with os.fdopen(os.dup(fd), "rb") as f:
        request = json.loads(f.read().decode("utf-8"))
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, fd)
    os.close(empty)
    return request


def execute(request, result_fd, service_fd):
    """Runs the action of a request and writes its result. What the action raises
    is raised.
    """
    sys.excepthook = report
    sys.argv = [request["file"]]
    settings.update(request.get("settings"))
    wrapper = Wrapper(request)
    cls = loader.find_class(wrapper._file_path)
    wrapper._class_name = cls.__name__
    action_service = service.ActionService(wrapper, service.Channel(service_fd))
    action = loader.make_instance(cls, wrapper._config, action_service)
    if getattr(action, "logger", None) is None:
        action.logger = utils.get_logger_for_python_runner_action(cls.__name__, wrapper._log_level)
    returned = action.run(**wrapper._parameters)
    frame = pack_result(returned)
    flush()
    with os.fdopen(result_fd, "wb") as f:
        f.write(frame)


def pack_result(returned):
    """Returns what is told of what run() returned. Exits when it is no result."""
    status, result = None, returned
    if isinstance(returned, tuple) and len(returned) == 2:
        status, result = returned
        if status is not None and not isinstance(status, bool):
            sys.stderr.write(INVALID_STATUS % (status,))
            sys.exit(EXIT_INVALID_STATUS)
    try:
        return b'{"status":%s,"result":%s}' % (encode.encode(status), encode.encode(result))
    except (TypeError, ValueError):
        pass
    if status is None:
        return b'{"status":null,"text":%s}' % encode.encode(repr(result))
    return b'{"status":%s,"result":%s}' % (encode.encode(status), encode.encode(str(result)))


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, replaced, or nobody reads: the result still counts


def report(kind, error, trace):
    """Prints an exception that nobody caught, without our own frames before it."""
    here = os.path.dirname(os.path.abspath(__file__))
    inner = trace
    while inner is not None and _is_ours(inner.tb_frame.f_code.co_filename, here):
        inner = inner.tb_next
    sys.__excepthook__(kind, error.with_traceback(inner or trace), inner or trace)


def _is_ours(filename, here):
    return os.path.dirname(filename) == here or filename.startswith("<frozen importlib")
