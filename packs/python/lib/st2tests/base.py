"""The base classes for tests of packs."""

import json

from st2tests.action_aliases import BaseActionAliasTestCase
from st2tests.actions import BaseActionTestCase
from st2tests.pack_resource import BasePackResourceTestCase
from st2tests.sensors import BaseSensorTestCase

__all__ = ["BaseActionTestCase", "BaseSensorTestCase", "BaseActionAliasTestCase", "BasePackResourceTestCase", "FakeResponse"]


class FakeResponse:
    """An answer of an HTTP server, as the library requests gives it."""

    def __init__(self, text, status_code, reason, *args):
        self.text = text
        self.status_code = status_code
        self.reason = reason
        if args:
            self.headers = args[0]

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        raise Exception(self.reason)
