"""Where packs are on this machine."""

import os

from petrel_python import settings

__all__ = [
    "get_pack_group",
    "get_system_packs_base_path",
    "get_packs_base_paths",
    "get_pack_base_path",
    "get_pack_directory",
    "get_pack_file_abs_path",
    "get_pack_resource_file_abs_path",
    "get_entry_point_abs_path",
    "get_action_libs_abs_path",
    "get_aliases_base_paths",
    "check_pack_directory_exists",
    "check_pack_content_directory_exists",
]

ACTION_LIBS_DIR = "lib"


def get_pack_group():
    return "st2packs"


def get_system_packs_base_path():
    return settings.get("system_packs")


def get_packs_base_paths():
    """Returns the folders that packs lie in, those of the system first."""
    paths = [settings.get("system_packs")] + list(settings.get("packs"))
    return list(dict.fromkeys(p for p in paths if p))


def get_pack_base_path(pack_name, include_trailing_slash=False, use_pack_cache=False):
    """Returns the folder of a pack; where it would be when there is none."""
    if not pack_name:
        return None
    path = settings.get("pack_dirs").get(pack_name)
    if path is None:
        candidates = [os.path.join(base, pack_name) for base in get_packs_base_paths()]
        path = next((c for c in candidates if os.path.isdir(c)), candidates[-1])
    return path.rstrip("/") + "/" if include_trailing_slash else path


def get_pack_directory(pack_name):
    path = get_pack_base_path(pack_name)
    return path if path and os.path.isdir(path) else None


def check_pack_directory_exists(pack):
    return get_pack_directory(pack) is not None


def check_pack_content_directory_exists(pack, content_type):
    path = get_pack_directory(pack)
    return path is not None and os.path.isdir(os.path.join(path, content_type))


def get_entry_point_abs_path(pack=None, entry_point=None, use_pack_cache=False):
    if not entry_point:
        return None
    if os.path.isabs(entry_point):
        return _inside(pack, entry_point)
    return get_pack_resource_file_abs_path(pack, "action", entry_point)


def get_action_libs_abs_path(pack=None, entry_point=None, use_pack_cache=False):
    path = get_entry_point_abs_path(pack, entry_point)
    return os.path.join(os.path.dirname(path), ACTION_LIBS_DIR) if path else None


def get_pack_resource_file_abs_path(pack_ref, resource_type, file_path, use_pack_cache=False):
    folders = {"action": "actions", "sensor": "sensors", "rule": "rules", "policy": "policies", "alias": "aliases"}
    if resource_type not in folders:
        raise ValueError("Invalid resource type: %s" % resource_type)
    return get_pack_file_abs_path(pack_ref, os.path.join(folders[resource_type], file_path))


def get_pack_file_abs_path(pack_ref, file_path, resource_type=None, use_pack_cache=False):
    base = get_pack_base_path(pack_ref)
    if file_path.startswith(("/", "./")) or os.path.normpath(file_path) != file_path:
        raise ValueError("Invalid file path: %s" % file_path)
    return _inside(pack_ref, os.path.join(base, file_path))


def get_aliases_base_paths():
    return [os.path.join(p, "aliases") for p in get_packs_base_paths()]


def _inside(pack, path):
    base = os.path.realpath(get_pack_base_path(pack))
    if os.path.commonpath([base, os.path.realpath(path)]) != base:
        raise ValueError("Invalid file path: %s is outside of the pack %s" % (path, pack))
    return path
