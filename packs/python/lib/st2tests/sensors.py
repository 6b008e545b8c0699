from st2tests.mocks.sensor import MockSensorService, MockSensorWrapper
from st2tests.pack_resource import BasePackResourceTestCase

__all__ = ["BaseSensorTestCase"]


class BaseSensorTestCase(BasePackResourceTestCase):
    """A test of a sensor: its class is sensor_cls."""

    sensor_cls = None

    def setUp(self):
        super().setUp()
        wrapper = MockSensorWrapper(pack="tests", class_name=self.sensor_cls.__name__)
        self.sensor_service = MockSensorService(sensor_wrapper=wrapper)

    def get_sensor_instance(self, config=None, poll_interval=None):
        """Returns a new sensor; without a configuration it gets none."""
        given = {"sensor_service": self.sensor_service}
        if config:
            given["config"] = config
        if poll_interval is not None:
            given["poll_interval"] = poll_interval
        return self.sensor_cls(**given)

    def get_dispatched_triggers(self):
        """Returns what the sensor dispatched: {trigger, payload, trace_context} each."""
        return self.sensor_service.dispatched_triggers

    def get_last_dispatched_trigger(self):
        return self.sensor_service.dispatched_triggers[-1]

    def assertTriggerDispatched(self, trigger, payload=None, trace_context=None):
        """Checks that a trigger was dispatched; with a payload and a trace context
        only if they are given.
        """
        for event in self.get_dispatched_triggers():
            same = event["trigger"] == trigger
            if payload:
                same = same and event["payload"] == payload
            if trace_context:
                same = same and event["trace_context"] == trace_context
            if same:
                return True
        raise AssertionError("the trigger %s was not dispatched like this; dispatched were %r" % (trigger, self.get_dispatched_triggers()))
