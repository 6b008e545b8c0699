from st2common.exceptions import StackStormBaseException

__all__ = ["ParseException"]


class ParseException(ValueError, StackStormBaseException):
    pass
