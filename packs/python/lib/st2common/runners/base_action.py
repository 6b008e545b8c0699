import abc

from st2common import log  # noqa: F401  logging.AUDIT is there for every action
from st2common.runners.utils import PackConfigDict, get_logger_for_python_runner_action

__all__ = ["Action"]


class Action(abc.ABC):
    """The base class of Python actions: run() gets the parameters, and returns the
    result, or whether the action succeeded and the result.
    """

    description = None

    def __init__(self, config=None, action_service=None):
        wrapper = getattr(action_service, "_action_wrapper", None)
        self.config = PackConfigDict(getattr(wrapper, "_pack", "unknown"), config or {})
        self.action_service = action_service
        self.logger = get_logger_for_python_runner_action(type(self).__name__, getattr(wrapper, "_log_level", "debug"))

    @abc.abstractmethod
    def run(self, **kwargs):
        """Carries the action out."""
