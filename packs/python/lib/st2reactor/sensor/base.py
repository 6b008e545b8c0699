import abc
import time

__all__ = ["BaseSensor", "Sensor", "PollingSensor"]


class BaseSensor(abc.ABC):
    """What all sensors have: a way to Petrel and the configuration of their pack."""

    def __init__(self, sensor_service, config=None):
        self._sensor_service = self.sensor_service = sensor_service
        self._config = self.config = config or {}

    @abc.abstractmethod
    def setup(self):
        """Is called once, before run."""

    @abc.abstractmethod
    def run(self):
        """Watches, for as long as it likes."""

    @abc.abstractmethod
    def cleanup(self):
        """Is called once, at the end."""

    @abc.abstractmethod
    def add_trigger(self, trigger):
        """Is called when a rule begins to wait for a trigger of the sensor's types."""

    @abc.abstractmethod
    def update_trigger(self, trigger):
        """Is called when such a trigger changes."""

    @abc.abstractmethod
    def remove_trigger(self, trigger):
        """Is called when no rule waits for it any more."""


class Sensor(BaseSensor):
    """A sensor whose run() does not return."""

    @abc.abstractmethod
    def run(self):
        """Watches."""


class PollingSensor(BaseSensor):
    """A sensor whose poll() is called again and again."""

    def __init__(self, sensor_service, config=None, poll_interval=5):
        super().__init__(sensor_service=sensor_service, config=config)
        self._poll_interval = poll_interval

    @abc.abstractmethod
    def poll(self):
        """Looks once."""

    def run(self):
        while True:
            self.poll()
            time.sleep(self._poll_interval)

    def get_poll_interval(self):
        return self._poll_interval

    def set_poll_interval(self, poll_interval):
        self._poll_interval = poll_interval
