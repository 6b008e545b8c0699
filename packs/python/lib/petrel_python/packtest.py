"""Runs the unit tests of a pack: python .../petrel_python/packtest.py PACK [-v] [FILE...]

The folders of the pack that its tests import from are put on the module path. The
exit code is 0 when all is well, 1 when a test fails, 5 when there is none.
"""

import argparse
import importlib
import os
import sys
import unittest

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _HERE]
sys.path.append(os.path.dirname(_HERE))

EXIT_NO_TESTS = 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pack")
    parser.add_argument("files", nargs="*")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    pack = os.path.abspath(options.pack)
    tests = os.path.join(pack, "tests")
    if not os.path.isdir(tests):
        return EXIT_NO_TESTS
    # lib is actions/lib for actions, so what else may hold a lib comes behind.
    folders = ("lib", "sensors", "actions", os.path.join("actions", "lib"), "etc", "tests", "")
    paths = [os.path.join(pack, folder).rstrip(os.sep) for folder in folders]
    sys.path[:0] = [path for path in paths if os.path.isdir(path)]
    old_names()
    is_package = os.path.isfile(os.path.join(tests, "__init__.py"))
    suite = unittest.TestSuite()
    for pattern in [os.path.basename(f) for f in options.files] or ["test*.py"]:
        loader = Loader()
        suite.addTest(loader.discover(tests, pattern=pattern, top_level_dir=pack if is_package else tests))
    if suite.countTestCases() == 0:
        return EXIT_NO_TESTS
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if options.verbose else 1).run(suite)
    return 0 if result.wasSuccessful() else 1


class Loader(unittest.TestLoader):
    """Leaves out classes with __test__ = False, as nose does: they are there to be
    inherited from.
    """

    def loadTestsFromTestCase(self, testCaseClass):
        if not getattr(testCaseClass, "__test__", True) or getattr(testCaseClass, "action_cls", True) is None:
            return self.suiteClass()
        return super().loadTestsFromTestCase(testCaseClass)


def old_names():
    """Offers what tests of older packs expect and Python has elsewhere now."""
    for name, now in (("mock", "unittest.mock"), ("unittest2", "unittest")):
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = importlib.import_module(now)
    for old, new in (
        ("assertEquals", "assertEqual"),
        ("assertNotEquals", "assertNotEqual"),
        ("assertItemsEqual", "assertCountEqual"),
        ("assertRegexpMatches", "assertRegex"),
        ("assertRaisesRegexp", "assertRaisesRegex"),
        ("assert_", "assertTrue"),
    ):
        if not hasattr(unittest.TestCase, old):
            setattr(unittest.TestCase, old, getattr(unittest.TestCase, new))


if __name__ == "__main__":
    sys.exit(main())
