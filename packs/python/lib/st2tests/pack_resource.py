import inspect
import os
import unittest

__all__ = ["BasePackResourceTestCase"]


class BasePackResourceTestCase(unittest.TestCase):
    """A test of something in a pack: the file of the test is in tests of the pack."""

    def get_fixture_content(self, fixture_path):
        """Returns the text of a file below tests/fixtures."""
        path = os.path.join(self._get_base_pack_path(), "tests", "fixtures", fixture_path)
        with open(path, encoding="utf-8") as f:
            return f.read()

    def _get_base_pack_path(self):
        return os.path.dirname(os.path.dirname(os.path.abspath(inspect.getfile(type(self)))))
