"""Tensors in one safetensors file, read by private memory mapping: what is written to them never reaches the file."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bench.record.files import sync_folder

#: Names of dtypes in the format, with the numpy dtype that has their width.
DTYPES: dict[torch.dtype, tuple[str, Any]] = {
    torch.float32: ("F32", np.float32), torch.float16: ("F16", np.float16), torch.bfloat16: ("BF16", np.uint16),
    torch.uint8: ("U8", np.uint8), torch.int8: ("I8", np.int8),
}  # fmt: skip
BY_NAME = {name: (dtype, width) for dtype, (name, width) in DTYPES.items()}
DIGEST, SHARED = "blake2b", "shared"
#: Tensors whose sizes are multiples of this come first, so that each of them begins at a multiple of it in memory.
ALIGNMENT_BYTES = 64


def part_of(path: Path) -> Path:
    """The file that becomes ``path`` when it is complete; one process may write it at a time."""
    return path.with_name(f"{path.name}.part")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors of the CPU atomically and durably, without a copy in memory.

    Tensors that are one in memory are written once, and are one again when they are read.

    Args:
        path: file; its name is part of the digest.
        tensors: contiguous tensors with a dtype of DTYPES, by name.

    Raises:
        OSError: the file cannot be written; an existing one stays unchanged.
    """
    own, shared = _shared(tensors)
    metadata = {DIGEST: _digest(path.name, own.items(), shared), SHARED: json.dumps(shared)}
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, tensor in own.items():
        header[name] = {
            "dtype": DTYPES[tensor.dtype][0], "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]
        }  # fmt: skip
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT_BYTES)
    aside = part_of(path)
    try:
        aside.unlink(missing_ok=True)
        with aside.open("xb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for tensor in own.values():
                file.write(_bytes(tensor))
            file.flush()
            os.fsync(file.fileno())  # now, so that the disk is not busy with it while something is measured
        aside.replace(path)
        sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def map_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of ``write_tensors``, each in a mapping of its own, with every page resident.

    A tensor that is freed gives its pages back, and a peak of resident memory counts all tensors from the start, as if
    they had been computed. Checking the digest makes them resident; it reads about 1 GB/s.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or was written under another name.
    """
    try:
        with safe_open(path, "np") as file:  # checks that the header fits the file
            metadata = file.metadata() or {}
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        own = {name: _mapped(path, 8 + length, facts) for name, facts in header.items()}
        shared = json.loads(metadata[SHARED])
        if metadata[DIGEST] != _digest(path.name, own.items(), shared):
            raise ValueError("its digest does not match")
        return own | {name: own[first] for name, first in shared.items()}
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no file of these tensors: {type(error).__name__}: {str(error)[:200]}") from error


def _shared(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors to write, in the order of the file, and for each other name the one that holds the same tensor."""
    first: dict[Any, str] = {}
    shared: dict[str, str] = {}
    for name, tensor in tensors.items():
        holder = first.setdefault((tensor.data_ptr(), tensor.dtype, tensor.shape), name)
        if holder != name:
            shared[name] = holder
    own = [(name, tensor) for name, tensor in tensors.items() if name not in shared]
    own.sort(key=lambda pair: pair[1].nbytes % ALIGNMENT_BYTES != 0)
    return dict(own), shared


def _mapped(path: Path, start: int, facts: Mapping[str, Any]) -> Tensor:
    dtype, width = BY_NAME[facts["dtype"]]
    shape = tuple(facts["shape"])
    # "c" maps privately: a page that is written becomes a copy of this process.
    array = np.memmap(path, width, "c", start + facts["data_offsets"][0], shape)
    return torch.from_numpy(array).view(dtype)


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().reshape(-1).view(torch.uint8).numpy().data


def _digest(name: str, tensors: Iterable[tuple[str, Tensor]], shared: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(f"{name}\n{json.dumps(shared, sort_keys=True)}".encode())
    for each, tensor in sorted(tensors, key=lambda pair: pair[0]):
        digest.update(f"\n{each} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()
