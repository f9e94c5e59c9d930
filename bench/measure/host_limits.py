"""Host memory limits of a process, and out-of-memory kills by the kernel."""

import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

PROCESS = Path("/proc/self")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
#: Without a limit, a version 1 control group reports the largest multiple of a page that a signed integer holds.
NO_LIMIT_BYTES = 2**62


@dataclass(frozen=True, slots=True)
class HostLimit:
    """The memory limit that a process reaches first.

    Attributes:
        bytes: the limit, in bytes.
        named: source of the limit, in words.
        base_bytes: memory of this process before any tensor: interpreter and libraries.
    """

    bytes: int
    named: str
    base_bytes: int


def limit_data(memory_bytes: int) -> None:
    """Limit the heap and private mappings of this process, which count when allocated and not when touched.

    RLIMIT_DATA counts what a process really allocates (setrlimit(2), since Linux 4.7); RLIMIT_AS would also count what
    torch's libraries map and never use. An allocator that reaches the limit raises, so the worker can report it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def free_memory_bytes() -> int:
    """Memory that a process may allocate now without swapping or an out-of-memory kill, for ``limit_data``."""
    available = psutil.virtual_memory().available
    group = group_limit_bytes()
    return available if group is None else min(available, group)


def host_limit(memory_bytes: int | None, process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> HostLimit:
    """The lowest of the data limit, the control group's limit and the machine's memory.

    Args:
        memory_bytes: limit set by ``limit_data``; None without one.
        process: folder of a process in /proc.
        groups: mount point of the control groups.
    """
    sizes = status_bytes(process)
    resident = sizes["VmRSS"]
    found = [HostLimit(psutil.virtual_memory().total, "the machine's memory", resident)]
    if (group := group_limit_bytes(process, groups)) is not None:
        found.append(HostLimit(group, "the memory of the control group", resident))
    if memory_bytes is not None:
        found.append(HostLimit(memory_bytes, "limits.cell_memory_bytes", sizes["VmData"]))
    return min(found, key=lambda limit: limit.bytes - limit.base_bytes)


def group_limit_bytes(process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> int | None:
    """Lowest limit of a process's control group and the groups above it; None without a limit."""
    limits = []
    for folder in _group_folders(process, groups):
        limits += [_number(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT_BYTES), default=None)


def oom_kills(process: Path = PROCESS, groups: Path = CONTROL_GROUPS) -> int | None:
    """Number of out-of-memory kills in the control group; None if the kernel does not report it."""
    for folder in _group_folders(process, groups):
        for name in ("memory.events", "memory.oom_control"):
            counts = _pairs(folder / name)
            if "oom_kill" in counts:
                return counts["oom_kill"]
    return None


def _group_folders(process: Path, groups: Path) -> list[Path]:
    """Folders of the memory controller, from the process's own group upwards; see cgroups(7)."""
    folders: list[Path] = []
    for line in _text(process / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount = groups / "memory" if controllers else groups
        own = mount / path.strip("/")
        # In a container the path may be the host's while the mount is the container's own group.
        folders += [folder for folder in (own, *own.parents) if folder == mount or mount in folder.parents]
    return folders


def status_bytes(process: Path = PROCESS) -> dict[str, int]:
    """Sizes of a process at one moment, by their names in /proc/<id>/status; empty without /proc."""
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
