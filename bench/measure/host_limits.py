"""How much host memory a process may have, and whether the kernel has killed one for having too much."""

import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

PROCESS = Path("/proc/self")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
#: A control group without a limit of version 1 states the largest multiple of a page that a signed integer holds.
NO_LIMIT_BYTES = 2**62


@dataclass(frozen=True, slots=True)
class HostLimit:
    """The limit that a process of this machine meets first.

    Attributes:
        bytes: of it.
        named: what sets it, in words.
        base_bytes: what this process has of it before any tensor: interpreter and libraries.
    """

    bytes: int
    named: str
    base_bytes: int


def limit_data(memory_bytes: int) -> None:
    """Let this process allocate so much: heap and private mappings, what is asked for and not only what is touched.

    RLIMIT_DATA counts what a process really allocates (setrlimit(2), since Linux 4.7); RLIMIT_AS would also count what
    torch's libraries map and never use. An allocator that is refused raises, so that the job can say what happened.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def free_memory_bytes() -> int:
    """What a process may take now without swapping, or a kill by the control group: a limit for ``limit_data``."""
    available = psutil.virtual_memory().available
    group = group_limit_bytes()
    return available if group is None else min(available, group)


def host_limit(memory_bytes: int | None, process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> HostLimit:
    """The lowest of a limit of data, that of the control group, and the machine's memory.

    Args:
        memory_bytes: see ``limit_data``.
        process: folder of a process in /proc.
        groups: where control groups are mounted.
    """
    status = _status(process)
    resident = status["VmRSS"]
    found = [HostLimit(psutil.virtual_memory().total, "the machine's memory", resident)]
    if (group := group_limit_bytes(process, groups)) is not None:
        found.append(HostLimit(group, "the memory of the control group", resident))
    if memory_bytes is not None:
        found.append(HostLimit(memory_bytes, "limits.cell_memory_bytes", status["VmData"]))
    return min(found, key=lambda limit: limit.bytes - limit.base_bytes)


def group_limit_bytes(process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> int | None:
    """What the control group of a process and those above it allow together; None without a limit."""
    limits = []
    for folder in _group_folders(process, groups):
        limits += [_number(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT_BYTES), default=None)


def oom_kills(process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> int | None:
    """How many processes of the control group the kernel has killed for want of memory; None where it does not tell."""
    for folder in _group_folders(process, groups):
        for name in ("memory.events", "memory.oom_control"):
            counts = _pairs(folder / name)
            if "oom_kill" in counts:
                return counts["oom_kill"]
    return None


def _group_folders(process: Path, groups: Path) -> list[Path]:
    """Folders of the memory controller, those of the process's own group first; see cgroups(7)."""
    folders: list[Path] = []
    for line in _text(process / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount = groups / "memory" if controllers else groups
        own = mount / path.strip("/")
        # In a container the path may be the host's, and the mount the container's own group.
        folders += [folder for folder in (own, *own.parents) if folder == mount or mount in folder.parents]
    return folders


def _status(process: Path) -> dict[str, int]:
    """Sizes of /proc/<id>/status in bytes by name."""
    lines = (line.split() for line in _text(process / "status").splitlines() if line.endswith(" kB"))
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines}  # the kernel says kB and means KiB


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _pairs(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
