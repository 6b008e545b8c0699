"""Dates with time zones."""

import datetime

__all__ = ["add_utc_tz", "convert_to_utc", "get_datetime_utc_now", "parse", "append_milliseconds_to_time"]


def get_datetime_utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


def add_utc_tz(dt):
    """Takes a date without a zone as one in UTC."""
    if dt.tzinfo is not None and dt.tzinfo.utcoffset(dt):
        raise ValueError("datetime already contains a non UTC timezone")
    return dt.replace(tzinfo=datetime.timezone.utc)


def convert_to_utc(dt):
    """Returns the same moment in UTC."""
    if dt.tzinfo is None:
        return add_utc_tz(dt)
    return dt.astimezone(datetime.timezone.utc)


def append_milliseconds_to_time(date, millis):
    return date + datetime.timedelta(milliseconds=millis)


def parse(value, preserve_original_tz=False):
    """Reads an ISO 8601 date. One without a zone is in UTC; others are turned into
    UTC unless their zone shall stay.
    """
    text = str(value).strip().replace("T", " ")
    for zone in ("Z", "z", " UTC", "UTC"):
        if text.endswith(zone):
            text = text[: -len(zone)] + "+00:00"
    head, zone = _split_zone(text)
    fmt = "%Y-%m-%d %H:%M:%S.%f" if "." in head else "%Y-%m-%d %H:%M:%S" if ":" in head else "%Y-%m-%d"
    dt = datetime.datetime.strptime(_microseconds(head), fmt)
    if zone is None:
        return add_utc_tz(dt)
    dt = dt.replace(tzinfo=zone)
    return dt if preserve_original_tz else convert_to_utc(dt)


def _microseconds(text):
    head, dot, fraction = text.partition(".")
    return head + dot + fraction[:6]


def _split_zone(text):
    """Splits "date time+hh:mm" into the date with its time and the zone."""
    if " " not in text:
        return text, None
    at = max(text.rfind("+"), text.rfind("-", text.index(" ")))
    if at < 0:
        return text, None
    digits = text[at + 1 :].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return text[:at].strip(), datetime.timezone(-offset if text[at] == "-" else offset)
