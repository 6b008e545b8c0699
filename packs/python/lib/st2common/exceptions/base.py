from st2common.exceptions import StackStormBaseException, StackStormPluginException

__all__ = ["StackStormBaseException", "StackStormPluginException"]
