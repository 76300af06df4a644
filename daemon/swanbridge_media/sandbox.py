"""The sandbox of a decoder child: what it may still do while it parses bytes of a stranger.

Landlock keeps it from every file but the interpreter's own, seccomp from other programs, processes and
networks, resource limits from the machine's memory. What it works on arrives as open descriptors.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
import struct
import sys
from dataclasses import dataclass
from typing import Final

from swanbridge_media import seccomp

__all__ = ["Policy", "Report", "enter", "python_roots"]

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

# The Landlock calls have the same numbers on every architecture.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULESET_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_RESTRICT_ALL_THREADS: Final = 1 << 3  # since ABI 8
_READ_FILE: Final = 1 << 2
_READ_DIRECTORY: Final = 1 << 3
_TCP_BIND_AND_CONNECT: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11

# How many rights on files each ABI knows; they are consecutive bits, and later ABIs add to other sets.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}

# Rights that an older kernel can't take away: (first ABI that can, what stays possible before it).
_LACKS: Final = (
    (3, "truncating files by opening them"),
    (5, "device ioctls"),
    (6, "abstract Unix sockets and signals of other processes"),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a child keeps.

    `memory_bytes` bounds the whole address space, so also the libraries that are mapped already;
    `open_files` bounds descriptor numbers, so also those held already. Files beneath `readable_roots` can be
    opened for reading, and nothing anywhere for writing. Without `network` only AF_UNIX sockets can be made,
    and none connected; with it only IPv4, IPv6 and netlink ones (resolving names needs roots in /etc too).
    """

    memory_bytes: int
    open_files: int
    readable_roots: tuple[str, ...]
    network: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What is in force. `landlock_abi` is 0 where Landlock isn't; `reasons` says why anything isn't."""

    landlock_abi: int
    seccomp: bool
    no_new_privs: bool
    reasons: tuple[str, ...]


def python_roots() -> tuple[str, ...]:
    """Give the existing folders that imports and shared libraries load from.

    The working directory is left out even where `sys.path` has it (`python -m` puts it there): a daemon that
    was started in / or in a home would otherwise open all of it to its decoders.
    """
    working_directory = _working_directory()
    on_path = [
        os.path.realpath(folder)
        for folder in sys.path
        if folder and os.path.realpath(folder) not in ("/", working_directory)
    ]
    own = os.path.dirname(os.path.realpath(__file__))
    candidates = (sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", own, *on_path)
    roots: list[str] = []
    for folder in dict.fromkeys(os.path.realpath(candidate) for candidate in candidates):
        if os.path.isdir(folder) and not any(folder.startswith(f"{root}/") for root in roots):
            roots.append(folder)
    return tuple(roots)


def enter(policy: Policy) -> Report:
    """Confine this process for good; call it once, after the imports and before the first foreign byte.

    Never raises: what the kernel refuses is a reason in the report. Before Landlock's ABI 8 threads that run
    already (numpy starts some unless OPENBLAS_NUM_THREADS is 1) stay outside of Landlock: a reason too.
    """
    reasons: list[str] = []
    threads = _count_threads()
    no_new_privs = _control(_PR_SET_NO_NEW_PRIVS, 1, "no_new_privs", reasons)
    # No core file, and no ptrace by programs of the same user; descriptors that are open stay usable.
    _control(_PR_SET_DUMPABLE, 0, "dumpable", reasons)
    landlock_abi = 0
    try:
        landlock_abi = _enter_landlock(policy, threads, reasons)
    except OSError as error:
        reasons.append(f"landlock: {_explain_landlock(error)}")
    _limit("core", resource.RLIMIT_CORE, 0, reasons)
    _limit("memory_bytes", resource.RLIMIT_AS, policy.memory_bytes, reasons)
    _limit("open_files", resource.RLIMIT_NOFILE, policy.open_files, reasons)
    filtered = False
    try:
        seccomp.install(network=policy.network)  # last, for it also forbids changing limits
        filtered = True
    except OSError as error:
        reasons.append(f"seccomp: {error.strerror}")
    return Report(landlock_abi, filtered, no_new_privs, tuple(reasons))


def _enter_landlock(policy: Policy, threads: int, reasons: list[str]) -> int:
    """Apply the file, TCP and scope rules that this kernel knows; gives its ABI or raises OSError."""
    abi = seccomp.kernel_call(_CREATE_RULESET, 0, 0, _RULESET_VERSION)
    file_rights = (1 << _FILE_RIGHTS.get(abi, _FILE_RIGHTS[max(_FILE_RIGHTS)])) - 1
    net_rights = _TCP_BIND_AND_CONNECT if abi >= 4 and not policy.network else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if abi >= 6 else 0
    attributes = _buffer(struct.pack("=QQQ", file_rights, net_rights, scopes))
    # A kernel with a shorter structure takes ours as long as what it doesn't know is zero.
    ruleset = seccomp.kernel_call(_CREATE_RULESET, ctypes.addressof(attributes), len(attributes))
    try:
        for root in policy.readable_roots:
            try:
                _allow_reading(ruleset, root)
            except FileNotFoundError:
                continue  # e.g. /lib64 on aarch64
            except (OSError, ValueError) as error:
                reasons.append(f"landlock: {root!r} stays unreadable: {error}")
        flags = _RESTRICT_ALL_THREADS if abi >= 8 and threads > 1 else 0
        seccomp.kernel_call(_RESTRICT_SELF, ruleset, flags)
    finally:
        os.close(ruleset)
    if threads > 1 and abi < 8:
        reasons.append(f"landlock: {threads - 1} threads from before are not confined (ABI {abi}, 8 could)")
    for since, what in _LACKS if policy.network else (*_LACKS, (4, "TCP on sockets from before")):
        if abi < since:
            reasons.append(f"landlock: ABI {abi} does not forbid {what} (ABI {since} does)")
    return abi


def _allow_reading(ruleset: int, root: str) -> None:
    descriptor = os.open(root, os.O_PATH | os.O_CLOEXEC)
    try:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = _READ_FILE | _READ_DIRECTORY if is_folder else _READ_FILE
        rule = _buffer(struct.pack("=Qi", rights, descriptor))
        seccomp.kernel_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule))
    finally:
        os.close(descriptor)


def _explain_landlock(error: OSError) -> str:
    if error.errno == errno.ENOSYS:
        return "this kernel has none (Linux 5.13 built with CONFIG_SECURITY_LANDLOCK has)"
    if error.errno == errno.EOPNOTSUPP:
        return "switched off at boot (add landlock to the lsm= parameter)"
    return error.strerror or str(error)


def _limit(name: str, which: int, wanted: int, reasons: list[str]) -> None:
    """Set both limits, or keep a hard limit that is stricter already."""
    try:
        _, hard = resource.getrlimit(which)
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (bound, bound))
    except (OSError, ValueError, OverflowError) as error:
        reasons.append(f"{name}: {error}")


def _control(option: int, argument: int, name: str, reasons: list[str]) -> bool:
    try:
        seccomp.process_control(option, argument)
    except OSError as error:
        reasons.append(f"{name}: {error.strerror}")
        return False
    return True


def _count_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1  # no /proc: nothing to tell by


def _working_directory() -> str:
    try:
        return os.path.realpath(os.getcwd())
    except OSError:
        return "/"  # it was removed


def _buffer(content: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(content, len(content))
