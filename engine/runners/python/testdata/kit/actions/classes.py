import abc
import dataclasses
from collections import OrderedDict  # imported: not a class of this file

from st2common.runners.base_action import Action


class Aaa:
    pass


class Bbb(Action):
    @abc.abstractmethod
    def run(self):
        pass


@dataclasses.dataclass
class Point:
    x: int


class Eee(Action):
    def __init__(self, config):
        super().__init__(config=config)

    def run(self, **kwargs):
        return ["Eee", kwargs, Point(1), self.action_service is not None]


class Zzz(Action):
    def run(self):
        return "Zzz"
