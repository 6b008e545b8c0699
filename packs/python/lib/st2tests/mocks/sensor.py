from logging import RootLogger
from unittest.mock import Mock

from st2tests.mocks.datastore import MockDatastoreService

__all__ = ["MockSensorWrapper", "MockSensorService"]


class MockSensorWrapper:
    """Who runs a sensor in a test."""

    def __init__(self, pack, class_name):
        self._pack = pack
        self._class_name = class_name


class TraceContext:
    """The trace that an event belongs to."""

    def __init__(self, id_=None, trace_tag=None):
        self.id_ = id_
        self.trace_tag = trace_tag

    def __eq__(self, other):
        return isinstance(other, TraceContext) and (self.id_, self.trace_tag) == (other.id_, other.trace_tag)

    def __repr__(self):
        return "<TraceContext id=%s,trace_tag=%s>" % (self.id_, self.trace_tag)


class MockSensorService:
    """A sensor_service that notes what is dispatched. Its logger is a mock, so that
    a test can ask what was logged.
    """

    def __init__(self, sensor_wrapper):
        self._sensor_wrapper = sensor_wrapper
        self._logger = Mock(spec=RootLogger)
        self.dispatched_triggers = []
        self._datastore_service = MockDatastoreService(
            logger=self._logger, pack_name=sensor_wrapper._pack, class_name=sensor_wrapper._class_name
        )

    @property
    def datastore_service(self):
        return self._datastore_service

    def get_logger(self, name):
        return self._logger

    def get_user_info(self):
        return self._datastore_service.get_user_info()

    def dispatch(self, trigger, payload=None, trace_tag=None):
        trace_context = TraceContext(trace_tag=trace_tag) if trace_tag else None
        return self.dispatch_with_context(trigger=trigger, payload=payload, trace_context=trace_context)

    def dispatch_with_context(self, trigger, payload=None, trace_context=None):
        event = {"trigger": trigger, "payload": payload, "trace_context": trace_context}
        self.dispatched_triggers.append(event)
        return event

    def list_values(self, local=True, prefix=None, limit=None, offset=0):
        return self._datastore_service.list_values(local=local, prefix=prefix, limit=limit, offset=offset)

    def get_value(self, name, local=True, scope="system", decrypt=False):
        return self._datastore_service.get_value(name, local=local, scope=scope, decrypt=decrypt)

    def set_value(self, name, value, ttl=None, local=True, scope="system", encrypt=False):
        return self._datastore_service.set_value(name, value, ttl=ttl, local=local, scope=scope, encrypt=encrypt)

    def delete_value(self, name, local=True, scope="system"):
        return self._datastore_service.delete_value(name, local=local, scope=scope)
