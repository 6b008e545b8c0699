"""StackStorm changes the standard library for its own processes. Those of Petrel do
without, so there is nothing to do here.
"""

__all__ = ["monkey_patch", "use_select_poll_workaround", "is_use_debugger_flag_provided"]


def monkey_patch(patch_thread=None):
    pass


def use_select_poll_workaround(nose_only=True):
    pass


def is_use_debugger_flag_provided():
    return False
