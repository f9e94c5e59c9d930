"""Check that a model's weight files are valid and lie in the model's folder."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from bench.errors import ModelError

WEIGHTS = ("*.safetensors", "*.index.json")


def require_sound(name: str, folder: Path) -> None:
    """Check the weight files in a model's folder before they are loaded.

    Args:
        name: name of the model, for messages.
        folder: folder of the model.

    Raises:
        ModelError: a file is a link out of the folder, or its header does not match its content.
    """
    for path in sorted(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        _refuse_outside(name, path)
        if path.suffix == ".safetensors":
            tensor_names(name, path)


def tensor_names(name: str, path: Path) -> set[str]:
    """Names of the tensors in a safetensors file, read from its header.

    Args:
        name: name of the model, for messages.
        path: safetensors file.

    Raises:
        ModelError: its header does not match its content.
    """
    if not path.is_file():  # a device may have no end
        raise ModelError(f"model {name}: {path} must be a file of weights, and is none; put the file there")
    try:
        with safe_open(path, "pt") as file:
            return set(file.keys())
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"model {name}: {path} cannot be loaded: it must be a whole safetensors file, and is none: "
            f"{str(error)[:300]}; fetch it again"
        ) from None


def _refuse_outside(name: str, path: Path) -> None:
    """Refuse a link out of the folder; in the hub's cache, files are links to blobs beside the snapshots.

    Raises:
        ModelError: the path is such a link.
    """
    if not path.is_symlink():
        return
    folder = path.parent.resolve()
    inside = [folder, *([folder.parent.parent / "blobs"] if folder.parent.name == "snapshots" else [])]
    if not any(path.resolve().is_relative_to(each) for each in inside):
        raise ModelError(
            f"model {name}: {path} must lie in the model's folder, and is a link out of it; put the file itself there"
        )
