import abc
import time

__all__ = ["Sensor", "PollingSensor"]


class BaseSensor(abc.ABC):
    """What all sensors have in common."""

    def __init__(self, sensor_service, config=None):
        self._sensor_service = sensor_service
        self._config = config or {}

    @property
    def sensor_service(self):
        return self._sensor_service

    @property
    def config(self):
        return self._config

    @abc.abstractmethod
    def setup(self):
        """Called once, before the sensor runs."""

    @abc.abstractmethod
    def run(self):
        """Runs the sensor."""

    @abc.abstractmethod
    def cleanup(self):
        """Called when the sensor ends."""

    @abc.abstractmethod
    def add_trigger(self, trigger):
        """Called when a trigger of the sensor's types is made."""

    @abc.abstractmethod
    def update_trigger(self, trigger):
        """Called when such a trigger is changed."""

    @abc.abstractmethod
    def remove_trigger(self, trigger):
        """Called when such a trigger is removed."""


class Sensor(BaseSensor):
    """A sensor that waits for events by itself: run() returns when it ends."""


class PollingSensor(BaseSensor):
    """A sensor that looks for events again and again: poll() is called every
    poll_interval seconds.
    """

    def __init__(self, sensor_service, config=None, poll_interval=5):
        super().__init__(sensor_service=sensor_service, config=config)
        self._poll_interval = poll_interval

    @abc.abstractmethod
    def poll(self):
        """Looks for events once."""

    def run(self):
        while True:
            self.poll()
            time.sleep(self._poll_interval)

    def get_poll_interval(self):
        return self._poll_interval

    def set_poll_interval(self, poll_interval):
        self._poll_interval = poll_interval
