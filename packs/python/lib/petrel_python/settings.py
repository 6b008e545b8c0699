"""Where things are on this machine, as the request of a run tells."""

import os

BASE = "/opt/stackstorm"  # where StackStorm keeps things; used until told otherwise

_values = {
    "packs": [os.path.join(BASE, "packs")],  # folders that hold packs
    "system_packs": os.path.join(BASE, "packs"),
    "configs": os.path.join(BASE, "configs"),
    "virtualenvs": os.path.join(BASE, "virtualenvs"),
    "pack_dirs": {},  # pack -> its folder, for the packs that are known
    "user": "stanley",
}


def get(name):
    return _values[name]


def update(values):
    """Takes over what a request tells; unknown names are kept too."""
    _values.update((k, v) for k, v in (values or {}).items() if v is not None)
