"""What actions ask Petrel for while they run: self.action_service.

Questions go as lines of JSON over a socket that belongs to this one run; the
other end knows which execution asks, so nothing here carries a credential.
"""

import json
import os
import socket
import threading

from petrel_python import encode

SYSTEM_SCOPE = "system"
SEPARATOR = ":"


class ServiceError(Exception):
    """Petrel could not do what was asked."""


class ServiceUnavailable(ServiceError):
    """There is nobody to ask: this Petrel has no datastore, or is gone."""


class Channel:
    """The connection to Petrel. fd is the descriptor of a connected socket, or
    None when there is none. Safe for use by several threads.
    """

    def __init__(self, fd):
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._file = None
        if fd is not None:
            self._socket = socket.socket(fileno=fd)
            self._file = self._socket.makefile("rwb")

    def call(self, method, **arguments):
        """Asks and returns the answer. Raises ServiceError when it is refused."""
        answer = self.exchange({"method": method, "arguments": arguments}, method)
        if "error" in answer:
            kind = ServiceUnavailable if answer.get("unavailable") else ServiceError
            raise kind("action_service.%s: %s" % (method, answer["error"]))
        return answer.get("result")

    def exchange(self, message, method):
        """Sends one object and returns the one that answers it."""
        if self._file is None:
            raise ServiceUnavailable("action_service.%s: this process is not connected to Petrel" % method)
        if os.getpid() != self._pid:
            raise ServiceUnavailable("action_service.%s: only the process of the action itself can ask, not one it forked" % method)
        line = encode.encode(message) + b"\n"
        try:
            with self._lock:
                self._file.write(line)
                self._file.flush()
                answer = self._file.readline()
        except OSError as error:
            raise ServiceUnavailable("action_service.%s: Petrel does not answer: %s" % (method, error)) from error
        if not answer:
            raise ServiceUnavailable("action_service.%s: Petrel has closed the connection" % method)
        return json.loads(answer.decode("utf-8"))


class KeyValuePair:
    """An item of the datastore, with the attributes that st2client gives it."""

    def __init__(self, **attributes):
        self.id = self.name = self.value = self.description = self.expire_timestamp = self.ttl = self.user = None
        self.scope = SYSTEM_SCOPE
        self.secret = self.encrypted = False
        self.__dict__.update(attributes)
        if self.id is None:
            self.id = self.name

    def __repr__(self):
        value = "********" if self.secret else self.value
        return "<KeyValuePair name=%s,value=%s>" % (self.name, value)


class DatastoreService:
    """The items of the datastore, as an action of one class sees them."""

    def __init__(self, channel, logger, pack, class_name):
        self._channel = channel
        self._logger = logger
        self._prefix = "%s.%s%s" % (pack, class_name, SEPARATOR)

    def get_user_info(self):
        """Tells on whose behalf the action runs."""
        return self._channel.call("get_user_info")

    def list_values(self, local=True, prefix=None, limit=None, offset=None):
        """Returns items whose names begin with prefix, ordered by name."""
        prefix = (self._prefix if local else "") + (prefix or "")
        items = self._channel.call("list_values", prefix=prefix, limit=limit or 0, offset=offset or 0)
        return [KeyValuePair(**item) for item in items]

    def get_value(self, name, local=True, scope=SYSTEM_SCOPE, decrypt=False):
        """Returns the text of an item, None when there is none."""
        try:
            return self._channel.call("get_value", name=self._full_name(name, local, scope), decrypt=bool(decrypt))
        except ServiceUnavailable:
            raise
        except ServiceError as error:
            self._logger.error("the value of %s could not be read: %s", name, error)
            return None

    def set_value(self, name, value, ttl=None, local=True, scope=SYSTEM_SCOPE, encrypt=False):
        """Stores the text of value, for ttl seconds when that is given."""
        full_name = self._full_name(name, local, scope)
        self._channel.call("set_value", name=full_name, value=str(value), ttl=ttl or 0, encrypt=bool(encrypt))
        return True

    def delete_value(self, name, local=True, scope=SYSTEM_SCOPE):
        """Removes an item; False when that could not be done."""
        try:
            return bool(self._channel.call("delete_value", name=self._full_name(name, local, scope)))
        except ServiceUnavailable:
            raise
        except ServiceError as error:
            self._logger.error("the value of %s could not be deleted: %s", name, error)
            return False

    def get_api_client(self):
        """Returns a client of Petrel's API. It needs the package st2client."""
        from st2client.client import Client

        return Client(api_url=os.environ.get("ST2_API_URL"), token=os.environ.get("ST2_AUTH_TOKEN"))

    def _full_name(self, name, local, scope):
        if scope != SYSTEM_SCOPE:
            raise ValueError('scope "%s" is not supported: use "%s"' % (scope, SYSTEM_SCOPE))
        return self._prefix + name if local else name


class ActionService:
    """What self.action_service is."""

    def __init__(self, action_wrapper, channel=None):
        self._action_wrapper = action_wrapper
        self._channel = channel or Channel(None)
        self._datastore_service = None

    @property
    def datastore_service(self):
        if self._datastore_service is None:
            from st2common.runners.utils import get_logger_for_python_runner_action

            w = self._action_wrapper
            logger = get_logger_for_python_runner_action(w._class_name, w._log_level)
            self._datastore_service = DatastoreService(self._channel, logger, w._pack, w._class_name)
        return self._datastore_service

    def get_user_info(self):
        return self.datastore_service.get_user_info()

    def list_values(self, local=True, prefix=None, limit=None, offset=None):
        return self.datastore_service.list_values(local, prefix, limit, offset)

    def get_value(self, name, local=True, scope=SYSTEM_SCOPE, decrypt=False):
        return self.datastore_service.get_value(name, local, scope, decrypt)

    def set_value(self, name, value, ttl=None, local=True, scope=SYSTEM_SCOPE, encrypt=False):
        return self.datastore_service.set_value(name, value, ttl, local, scope, encrypt)

    def delete_value(self, name, local=True, scope=SYSTEM_SCOPE):
        return self.datastore_service.delete_value(name, local, scope)
