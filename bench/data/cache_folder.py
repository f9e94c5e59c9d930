"""The folder of what is computed once on a machine and used again: tokens of texts, random weights of large models."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The cache folder: ``$TUNEBENCH_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("TUNEBENCH_CACHE") or platformdirs.user_cache_dir("tunebench"))
