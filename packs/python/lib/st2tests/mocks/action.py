from logging import RootLogger
from unittest.mock import Mock

from petrel_python.service import ActionService
from st2tests.mocks.datastore import MockDatastoreService

__all__ = ["MockActionWrapper", "MockActionService"]


class MockActionWrapper:
    """Who runs an action in a test."""

    _log_level = "debug"
    _user = "admin"

    def __init__(self, pack, class_name):
        self._pack = pack
        self._class_name = class_name


class MockActionService(ActionService):
    """An action_service with a datastore in memory."""

    def __init__(self, action_wrapper):
        super().__init__(action_wrapper)
        self._datastore_service = MockDatastoreService(
            logger=Mock(spec=RootLogger), pack_name=action_wrapper._pack, class_name=action_wrapper._class_name
        )

    @property
    def datastore_service(self):
        return self._datastore_service

    def list_values(self, local=True, prefix=None, limit=None, offset=None):
        return self.datastore_service.list_values(local=local, prefix=prefix, limit=limit, offset=offset)
