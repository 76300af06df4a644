"""The system-call filter of a decoder child: which calls it may not make, as a seccomp-BPF program.

The filter is a list of denials, not of permissions: libav, numpy and the C library may use whatever ordinary
call they like, and lose what a decoder never needs (new programs and processes, other processes, mounts,
modules, keys, networks, metadata of files). Files themselves are Landlock's business, see `sandbox`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from typing import Final

__all__ = ["filter_program", "install", "kernel_call", "process_control"]

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = [ctypes.c_long] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.prctl.restype = ctypes.c_int

# Call numbers: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # other programs and processes
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "tkill": (200, 130),  # names a thread without its process, so it can't be told whose it is
    # another view of the system, or another system
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "personality": (135, 92),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    # large kernel surfaces that exploits start from
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
    # what Landlock does not cover: metadata by path, and truncation before its ABI 3
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    # its own limits, and through prlimit64 (below) those of other processes
    "setrlimit": (160, 164),
}

# Calls that are judged by their arguments.
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_KILL: Final = (62, 129)
_TGKILL: Final = (234, 131)
_QUEUE_SIGNAL: Final = (129, 138)
_QUEUE_THREAD_SIGNAL: Final = (297, 240)
_PRLIMIT64: Final = (302, 261)
_IOCTL: Final = (16, 29)
_SOCKET: Final = (41, 198)
_SOCKETPAIR: Final = (53, 199)
_CONNECT: Final = (42, 203)
_SECCOMP: Final = (317, 277)

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH_*
_X32_BIT: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000
_CLONE_NEW_NAMESPACES: Final = 0x7E020000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # both type on a terminal the daemon may have been started from

# struct seccomp_data: nr, arch, instruction_pointer, args[6]; both architectures are little-endian.
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_REFUSE: Final = 0x00050000  # SECCOMP_RET_ERRNO; the error number is or-ed in

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def _load(offset: int) -> _Instruction:
    return (0x20, 0, 0, offset)  # BPF_LD | BPF_W | BPF_ABS


def _unless_equal(constant: int, skip: int) -> _Instruction:
    return (0x15, 0, skip, constant)  # BPF_JMP | BPF_JEQ | BPF_K


def _unless_any_bit(constant: int, skip: int) -> _Instruction:
    return (0x45, 0, skip, constant)  # BPF_JMP | BPF_JSET | BPF_K


def _answer(action: int) -> _Instruction:
    return (0x06, 0, 0, action)  # BPF_RET | BPF_K


_ALLOWED: Final = _answer(_ALLOW)
_NOT_PERMITTED: Final = _answer(_REFUSE | errno.EPERM)


def _argument(index: int, *, high: bool = False) -> _Instruction:
    """Load one half of an argument; the kernel reads `int` arguments from the low half alone."""
    return _load(_ARGUMENTS_AT + 8 * index + (4 if high else 0))


def _only(index: int, values: tuple[int, ...]) -> list[_Instruction]:
    """Allow the call if its argument is one of the values."""
    checks = [_argument(index)]
    for value in values:
        checks += [_unless_equal(value, 1), _ALLOWED]
    return [*checks, _NOT_PERMITTED]


def _all_but(index: int, values: tuple[int, ...]) -> list[_Instruction]:
    """Allow the call unless its argument is one of the values."""
    checks = [_argument(index)]
    for value in values:
        checks += [_unless_equal(value, 1), _NOT_PERMITTED]
    return [*checks, _ALLOWED]


def _judged(column: int, *, network: bool, own_pid: int) -> dict[int, list[_Instruction]]:
    """Give the calls that depend on their arguments; each body ends in an answer."""
    threads_only = [
        _argument(0),
        _unless_any_bit(_CLONE_NEW_NAMESPACES, 1),
        _NOT_PERMITTED,
        _unless_any_bit(_CLONE_THREAD, 1),
        _ALLOWED,
        _NOT_PERMITTED,
    ]
    reads_limits = [
        _argument(2),
        _unless_equal(0, 3),
        _argument(2, high=True),
        _unless_equal(0, 1),
        _ALLOWED,
        _NOT_PERMITTED,
    ]
    judged = {
        _CLONE[column]: threads_only,
        # Its flags are in memory, which a filter can't read; the C library then falls back to clone.
        _CLONE3[column]: [_answer(_REFUSE | errno.ENOSYS)],
        _PRLIMIT64[column]: reads_limits,
        _IOCTL[column]: _all_but(1, (_TIOCSTI, _TIOCLINUX)),
        _SOCKETPAIR[column]: _only(0, (socket.AF_UNIX,)),
    }
    for signalling in (_KILL, _TGKILL, _QUEUE_SIGNAL, _QUEUE_THREAD_SIGNAL):
        judged[signalling[column]] = _only(0, (own_pid,))
    if network:
        # Not AF_UNIX: through the sockets of a session bus or a container engine one leaves any sandbox.
        judged[_SOCKET[column]] = _only(0, (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK))
    else:
        judged[_SOCKET[column]] = _only(0, (socket.AF_UNIX,))
        judged[_CONNECT[column]] = [_NOT_PERMITTED]  # for the same reason; received sockets are connected
    return judged


def filter_program(machine: str, *, network: bool, own_pid: int) -> bytes:
    """Assemble the filter for a machine (`x86_64` or `aarch64`) as an array of struct sock_filter.

    Raises LookupError for any other machine. Calls of another architecture or of x32 kill the process.
    """
    column, architecture = _ARCHITECTURES[machine]
    program = [
        _load(_ARCHITECTURE_AT),
        (0x15, 1, 0, architecture),
        _answer(_KILL_PROCESS),
        _load(_NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [(0x35, 0, 1, _X32_BIT), _answer(_KILL_PROCESS)]  # BPF_JMP | BPF_JGE | BPF_K
    for number, body in _judged(column, network=network, own_pid=own_pid).items():
        program += [_unless_equal(number, len(body)), *body]
    for numbers in _DENIED.values():
        denied = numbers[column]
        if denied is not None:
            program += [_unless_equal(denied, 1), _NOT_PERMITTED]
    program.append(_ALLOWED)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def install(*, network: bool) -> None:
    """Put the filter on every thread of this process, for good. Raises OSError saying why it can't."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, f"no filter for {sys.maxsize.bit_length() + 1}-bit programs on {machine}")
    program = filter_program(machine, network=network, own_pid=os.getpid())
    instructions = ctypes.create_string_buffer(program, len(program))
    fields = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    header = ctypes.create_string_buffer(fields, len(fields))
    number = _SECCOMP[_ARCHITECTURES[machine][0]]
    # SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_TSYNC; the answer is the thread that can't follow.
    thread = kernel_call(number, 1, 1, ctypes.addressof(header))
    if thread:
        raise OSError(errno.ESRCH, f"thread {thread} has a filter of its own")


def kernel_call(number: int, *arguments: int) -> int:
    """Make a system call by its number, with up to four arguments; raises OSError if it fails."""
    result: int = _libc.syscall(number, *arguments, *[0] * (4 - len(arguments)))
    return _checked(result)


def process_control(option: int, argument: int = 0) -> int:
    """Call prctl(2); raises OSError if it fails."""
    result: int = _libc.prctl(option, argument, 0, 0, 0)
    return _checked(result)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
