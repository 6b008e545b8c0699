from petrel_python import aliastool
from st2tests.pack_resource import BasePackResourceTestCase

__all__ = ["BaseActionAliasTestCase"]


class ActionAlias:
    """An alias of the pack, with the attributes of its file."""

    def __init__(self, fields):
        self.__dict__.update(fields)

    def get_format_strings(self):
        """Returns the formats that commands are matched with."""
        return [text for text, _ in self._formats()]

    def get_formats(self):
        return [{"representation": text, "display": display} for text, display in self._formats()]

    def _formats(self):
        for one in self.formats:
            if isinstance(one, str):
                yield one, one
                continue
            texts = one.get("representation") or []
            for text in [texts] if isinstance(texts, str) else texts:
                yield text, one.get("display")


class BaseActionAliasTestCase(BasePackResourceTestCase):
    """A test of an alias: its name is action_alias_name."""

    action_alias_name = None
    action_alias_db = None

    def setUp(self):
        super().setUp()
        if not self.action_alias_name:
            raise ValueError('"action_alias_name" class attribute needs to be provided')
        fields = aliastool.ask(pack=self._get_base_pack_path(), alias=self.action_alias_name)
        self.action_alias_db = ActionAlias(fields["alias"])

    def assertCommandMatchesExactlyOneFormatString(self, format_strings, command):
        fits = [f for f in format_strings if aliastool.ask(format=f, command=command).get("matches")]
        if not fits:
            raise AssertionError('Command "%s" didn\'t match any of the provided format strings' % command)
        if len(fits) > 1:
            raise AssertionError('Command "%s" matched multiple format strings: %s' % (command, ", ".join(fits)))

    def assertExtractedParametersMatch(self, format_string, command, parameters):
        answer = aliastool.ask(format=format_string, command=command)
        if not answer.get("matches"):
            raise AssertionError('Command "%s" doesn\'t match format string "%s"' % (command, format_string))
        extracted = dict(answer.get("parameters") or {})
        extracted.update(getattr(self.action_alias_db, "immutable_parameters", None) or {})
        self.assertEqual(extracted, parameters, 'Extracted parameters from command string "%s" against format string "%s"' % (command, format_string))
