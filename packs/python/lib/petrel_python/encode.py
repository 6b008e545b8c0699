"""Turns what an action returns into JSON."""

import dataclasses
import datetime
import enum
import json
import math
import uuid


def encode(value):
    """Returns value as JSON in UTF-8. Dates are written in ISO 8601; NaN and the
    infinities, which JSON does not have, become null. Raises TypeError or
    ValueError when there is no JSON for it.
    """
    try:
        text = _dump(value)
    except ValueError as error:
        if "Circular" in str(error):
            raise
        text = _dump(_finite(value))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(json.loads(text)).encode("ascii")


def _dump(value):
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_default)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _default(value):
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError("there is no JSON for %s" % type(value).__name__)


def _finite(value):
    """Returns value with null in the place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
