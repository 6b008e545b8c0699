from petrel_python.service import SEPARATOR, SYSTEM_SCOPE, KeyValuePair

__all__ = ["MockDatastoreService"]


class MockDatastoreService:
    """A datastore in memory. Nothing expires and nothing is encrypted in it."""

    def __init__(self, logger, pack_name, class_name, api_username=None):
        self._logger = logger
        self._pack_name = pack_name
        self._class_name = class_name
        self._username = api_username or "admin"
        self._datastore_items = {}

    def get_user_info(self):
        return {
            "username": self._username,
            "rbac": {"is_admin": True, "enabled": True, "roles": ["admin"]},
            "authentication": {"method": "authentication token", "location": "header"},
        }

    def list_values(self, local=True, limit=None, prefix=None, offset=0):
        start = (self._prefix() if local else "") + (prefix or "")
        return [item for name, item in self._datastore_items.items() if name.startswith(start)]

    def get_value(self, name, local=True, scope=SYSTEM_SCOPE, decrypt=False):
        item = self._datastore_items.get(self._full_name(name, local, scope))
        return None if item is None else item.value

    def set_value(self, name, value, ttl=None, local=True, scope=SYSTEM_SCOPE, encrypt=False):
        name = self._full_name(name, local, scope)
        self._datastore_items[name] = KeyValuePair(name=name, value=value)
        return True

    def delete_value(self, name, local=True, scope=SYSTEM_SCOPE):
        return self._datastore_items.pop(self._full_name(name, local, scope), None) is not None

    def _prefix(self):
        return "%s.%s%s" % (self._pack_name, self._class_name, SEPARATOR)

    def _full_name(self, name, local, scope):
        if scope != SYSTEM_SCOPE:
            raise ValueError('scope "%s" is not supported: use "%s"' % (scope, SYSTEM_SCOPE))
        return self._prefix() + name if local else name
