"""The metadata of packs. Reading it needs the package PyYAML."""

import os
import re

from st2common.constants.pack import MANIFEST_FILE_NAME, PACK_REF_WHITELIST_REGEX

__all__ = ["get_pack_ref_from_metadata", "get_pack_metadata"]


def get_pack_metadata(pack_dir):
    """Returns what pack.yaml in a folder says."""
    import yaml

    path = os.path.join(pack_dir, MANIFEST_FILE_NAME)
    if not os.path.isfile(path):
        raise ValueError('Pack "%s" is missing %s file' % (pack_dir, MANIFEST_FILE_NAME))
    with open(path, encoding="utf-8") as f:
        content = yaml.safe_load(f)
    if not content:
        raise ValueError('Pack "%s" metadata file is empty' % pack_dir)
    return content


def get_pack_ref_from_metadata(metadata, pack_directory_name=None):
    """Returns the ref: the one that is given, else the folder's name, else the
    name, the first that can be one.
    """
    if metadata.get("ref"):
        return metadata["ref"]
    for candidate in (pack_directory_name, metadata["name"]):
        if candidate and re.match(PACK_REF_WHITELIST_REGEX, candidate):
            return candidate
    raise ValueError('Pack name "%s" contains invalid characters and "ref" attribute is not available' % metadata["name"])
