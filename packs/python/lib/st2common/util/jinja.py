"""Templates. They need the package jinja2."""

import json
import re

__all__ = ["get_jinja_environment", "is_jinja_expression", "render_values"]


def get_jinja_environment(allow_undefined=False, trim_blocks=True, lstrip_blocks=True):
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    undefined = jinja2.Undefined if allow_undefined else jinja2.StrictUndefined
    env = SandboxedEnvironment(undefined=undefined, trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks)
    env.filters.update(
        to_json_string=json.dumps,
        to_complex=json.dumps,
        from_json_string=json.loads,
        regex_match=lambda value, pattern="", ignorecase=False: _search(re.match, value, pattern, ignorecase),
        regex_search=lambda value, pattern="", ignorecase=False: _search(re.search, value, pattern, ignorecase),
        regex_replace=lambda value="", pattern="", replacement="", ignorecase=False: re.sub(
            pattern, replacement, value, flags=re.I if ignorecase else 0
        ),
    )
    env.tests["in"] = lambda item, items: item in items
    return env


def _search(find, value, pattern, ignorecase):
    return bool(find(pattern, value, re.I if ignorecase else 0))


def is_jinja_expression(value):
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def render_values(mapping=None, context=None, allow_undefined=False):
    """Renders the templates among the values of a mapping."""
    env = get_jinja_environment(allow_undefined=allow_undefined)
    context = dict(context or {})
    rendered = {}
    for key, value in (mapping or {}).items():
        if value is None:
            rendered[key] = None
        elif isinstance(value, (dict, list)):
            text = re.sub(r'"{{([A-z0-9_-]+)}}"', r"{{\1 | to_complex}}", json.dumps(value))
            rendered[key] = json.loads(env.from_string(text).render(context))
        else:
            rendered[key] = env.from_string(str(value)).render(context)
    return rendered
