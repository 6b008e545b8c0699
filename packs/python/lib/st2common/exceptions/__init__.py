class StackStormBaseException(Exception):
    """What all exceptions of StackStorm's own have in common."""


class StackStormPluginException(StackStormBaseException):
    pass
