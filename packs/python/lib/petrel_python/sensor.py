"""Runs one sensor: python -u .../petrel_python/sensor.py

Standard input holds the request, one line of JSON, and then lines that tell of
triggers that come and go; when it ends Petrel is gone, and the sensor ends. 3 is a
socket: every line of JSON that goes out is answered by one.

  file, class_name, pack   the sensor
  poll_interval            seconds, or null
  config, settings         as for actions
  log_level                of the sensor's loggers

  {"op": "add" | "remove", "trigger": {...}}
"""

import inspect
import json
import logging
import os
import signal
import sys
import threading

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _HERE]

from petrel_python import loader, run, service, settings  # noqa: E402
from st2common.runners.utils import PackConfigDict  # noqa: E402
from st2reactor.sensor.base import PollingSensor  # noqa: E402

FORMAT = "%(asctime)s %(levelname)s [%(name)s] %(message)s"


class SensorService:
    """What self.sensor_service is: the way to Petrel."""

    def __init__(self, pack, class_name, channel):
        self._logger_name = "SensorWrapper.%s.%s" % (pack, class_name)
        self._logger = logging.getLogger(self._logger_name)
        self._channel = channel
        self.datastore_service = service.DatastoreService(channel, self._logger, pack, class_name)

    def get_logger(self, name):
        return logging.getLogger("%s.%s" % (self._logger_name, name))

    def dispatch(self, trigger, payload=None, trace_tag=None):
        """Emits a trigger. It returns when the event is durable; a payload that does
        not fit its trigger type is dropped with a warning.
        """
        self._emit(trigger, payload, trace_tag)

    def dispatch_with_context(self, trigger, payload=None, trace_context=None):
        tag = getattr(trace_context, "trace_tag", None)
        if isinstance(trace_context, dict):
            tag = trace_context.get("trace_tag")
        self._emit(trigger, payload, tag)

    def _emit(self, trigger, payload, trace_tag):
        message = {"payload": {} if payload is None else payload, "trace_tag": trace_tag or ""}
        if isinstance(trigger, dict):
            message["trigger"] = trigger.get("type") or trigger.get("ref")
            message["parameters"] = trigger.get("parameters") or {}
        else:
            message["trigger"] = trigger
        answer = self._channel.exchange(message, "dispatch")
        if "error" in answer:
            self._logger.warning("the event %s was not taken: %s", message["trigger"], answer["error"])

    def get_user_info(self):
        return self.datastore_service.get_user_info()

    def list_values(self, local=True, prefix=None, limit=None, offset=None):
        return self.datastore_service.list_values(local=local, prefix=prefix, limit=limit, offset=offset)

    def get_value(self, name, local=True, scope=service.SYSTEM_SCOPE, decrypt=False):
        return self.datastore_service.get_value(name, local=local, scope=scope, decrypt=decrypt)

    def set_value(self, name, value, ttl=None, local=True, scope=service.SYSTEM_SCOPE, encrypt=False):
        return self.datastore_service.set_value(name, value, ttl=ttl, local=local, scope=scope, encrypt=encrypt)

    def delete_value(self, name, local=True, scope=service.SYSTEM_SCOPE):
        return self.datastore_service.delete_value(name, local=local, scope=scope)


def find_class(path, name):
    """Returns the class of the sensor."""
    cls = getattr(loader.load_module(path), name, None)
    if not inspect.isclass(cls):
        raise AttributeError('the file "%s" has no class %s' % (path, name))
    return cls


def make_instance(cls, sensor_service, config, poll_interval):
    given = {"sensor_service": sensor_service, "config": config}
    if poll_interval and issubclass(cls, PollingSensor):
        given["poll_interval"] = poll_interval
    instance = cls(**given)
    for name in ("sensor_service", "config"):
        if getattr(instance, name, None) is None:
            setattr(instance, name, given[name])
    return instance


def follow(lines, sensor):
    """Tells the sensor of triggers that come and go, and ends it with Petrel."""
    calls = {"add": sensor.add_trigger, "remove": sensor.remove_trigger}
    for line in lines:
        try:
            message = json.loads(line)
            calls[message["op"]](message["trigger"])
        except Exception:  # a sensor that cannot do it goes on without
            logging.getLogger("SensorWrapper").exception("the sensor could not take in: %s", line.strip())
    os.kill(os.getpid(), signal.SIGTERM)


def stop(*_):
    raise SystemExit(0)


def main():
    lines = os.fdopen(os.dup(0), "r", encoding="utf-8")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    request = json.loads(lines.readline())
    os.set_inheritable(3, False)
    sys.excepthook = run.report
    sys.argv = [request["file"]]
    settings.update(request.get("settings"))
    level = getattr(logging, str(request.get("log_level") or "info").upper(), logging.INFO)
    logging.basicConfig(stream=sys.stderr, level=level, format=FORMAT)
    sensor_service = SensorService(request["pack"], request["class_name"], service.Channel(3))
    config = PackConfigDict(request["pack"], request.get("config") or {})
    sensor = make_instance(find_class(request["file"], request["class_name"]), sensor_service, config, request.get("poll_interval"))
    signal.signal(signal.SIGTERM, stop)
    try:
        sensor.setup()
        threading.Thread(target=follow, args=(lines, sensor), daemon=True).start()
        sensor.run()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sensor.cleanup()


if __name__ == "__main__":
    main()
