"""Finds the class of an action in its file and makes an instance of it."""

import importlib.util
import inspect
import os
import sys

SUFFIX = ".py"


def load_module(path):
    """Runs a file as a module named after it. Its folder goes to the end of the
    module path, so that it finds the files beside it.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError("the file of the action does not exist: %s" % path)
    if not path.endswith(SUFFIX):
        raise ImportError("the file of a Python action must end in .py: %s" % path)
    folder = os.path.dirname(os.path.realpath(path))
    if folder not in sys.path:
        sys.path.append(folder)
    name = os.path.basename(path)[: -len(SUFFIX)]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    if _is_own_name(name, path):
        # Dataclasses and pickle look modules up. An action named like a library
        # (time.py, json.py) must not stand in that library's place.
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _is_own_name(name, path):
    if name in sys.modules:
        return False
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return False  # a.b without a package a
    return found is None or bool(found.origin) and os.path.realpath(found.origin) == os.path.realpath(path)


def find_class(path):
    """Returns the class of the action in a file: the first, by name, that is
    defined in the file itself and has a method run, its own or an inherited one.
    """
    module = load_module(path)
    classes = inspect.getmembers(module, lambda m: inspect.isclass(m) and m.__module__ == module.__name__)
    for _, cls in classes:
        run = inspect.getattr_static(cls, "run", None)
        if run is not None and callable(getattr(cls, "run")) and not getattr(run, "__isabstractmethod__", False):
            return cls
    known = ", ".join(name for name, _ in classes) or "none at all"
    raise AttributeError('the file "%s" has no action: no class in it has a method run (its classes: %s)' % (path, known))


def make_instance(cls, config=None, action_service=None):
    """Makes an action. Older classes take no action_service, some nothing at
    all; they get as attributes what their constructor does not take.
    """
    for given in ({"config": config, "action_service": action_service}, {"config": config}, {}):
        try:
            instance = cls(**given)
        except TypeError as error:
            if not given or not _refuses_arguments(error):
                raise
            refusal = error
            continue
        if "action_service" not in given:
            instance.action_service = action_service
        if "config" not in given and getattr(instance, "config", None) is None:
            instance.config = config
        return instance
    raise refusal  # not reached: the last attempt returns or raises


def _refuses_arguments(error):
    text = str(error)
    return (
        "unexpected keyword argument 'action_service'" in text
        or "unexpected keyword argument 'config'" in text
        or "takes no arguments" in text
        or "takes no parameters" in text
    )
