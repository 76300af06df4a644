"""What a decoder child can and can't do once it is in its sandbox, tried in real child processes."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from swanbridge_media.seccomp import filter_program

DAEMON_FOLDER = Path(__file__).resolve().parents[2] / "daemon"
MEGABYTE = 1 << 20

ENTER = """
import json, os, sys
from swanbridge_media.sandbox import Policy, enter, python_roots

def answer(**facts):
    print(json.dumps(facts))

def refusal(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0

report = enter(Policy(
    memory_bytes={memory}, open_files=64, readable_roots=python_roots() + {extra_roots!r}, network={network}
))
"""


def run_confined(
    script: str,
    *arguments: str,
    before: str = "",
    memory: int = 1024 * MEGABYTE,
    network: bool = False,
    extra_roots: tuple[str, ...] = (),
    descriptors: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Run `before`, enter the sandbox, run `script`; gives what the script told `answer`."""
    entering = ENTER.format(memory=memory, network=network, extra_roots=extra_roots)
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{before}\n{entering}\n{script}", *arguments],
        env={"PYTHONPATH": str(DAEMON_FOLDER), "OPENBLAS_NUM_THREADS": "1"},
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    facts: dict[str, Any] = json.loads(child.stdout)
    return facts


@pytest.fixture(scope="session")
def landlock_abi() -> int:
    """The Landlock ABI that a child reports; skips where the kernel has none."""
    facts = run_confined("answer(abi=report.landlock_abi, reasons=report.reasons)")
    if not facts["abi"]:
        pytest.skip(
            f"{facts['reasons']}; runs where Linux has Landlock: Debian 12, Ubuntu 22.04, Fedora 35 or later"
        )
    abi: int = facts["abi"]
    return abi


@pytest.fixture(scope="session")
def seccomp_filter() -> None:
    """Skips where a child can't install a system-call filter."""
    facts = run_confined("answer(filtered=report.seccomp, reasons=report.reasons)")
    if not facts["filtered"]:
        pytest.skip(f"{facts['reasons']}; runs on x86_64 and aarch64 Linux with CONFIG_SECCOMP_FILTER")


def wav_of_a_tone() -> bytes:
    """One second of 440 Hz at half scale, 48 kHz, 16 bits, mono."""
    samples = np.round(16_384 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 48_000, 48_000, "NONE", ""))
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def test_the_report_says_what_is_in_force_and_gives_a_reason_for_the_rest() -> None:
    facts = run_confined(
        "answer(abi=report.landlock_abi, filtered=report.seccomp, privileges=report.no_new_privs,"
        " reasons=report.reasons)"
    )
    named = {reason.partition(":")[0] for reason in facts["reasons"]}
    lacking = {"landlock": facts["abi"] < 6, "seccomp": not facts["filtered"]}
    assert facts["privileges"]
    assert named == {name for name, lacks in lacking.items() if lacks}


def test_the_kernel_confirms_the_report() -> None:
    facts = run_confined(
        "status = dict(line.split(':\\t') for line in os.read(3, 1 << 16).decode().splitlines())\n"
        "answer(privileges=status['NoNewPrivs'], seccomp=status['Seccomp'], filtered=report.seccomp)",
        before="import os\nos.dup2(os.open('/proc/self/status', os.O_RDONLY), 3)",
    )
    assert facts["privileges"] == "1"
    assert facts["seccomp"] == ("2" if facts["filtered"] else "0")


@pytest.mark.usefixtures("landlock_abi")
def test_files_outside_the_roots_cannot_be_read(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("not yours")
    facts = run_confined(
        "answer(system=refusal(lambda: open('/etc/passwd')), session=refusal(lambda: open(sys.argv[1])),"
        " folder=refusal(lambda: os.listdir(os.path.dirname(sys.argv[1]))))",
        str(foreign),
    )
    assert facts == {"system": errno.EACCES, "session": errno.EACCES, "folder": errno.EACCES}


@pytest.mark.usefixtures("landlock_abi")
def test_a_readable_root_can_be_read_and_listed_but_not_changed(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    facts = run_confined(
        "file = f'{sys.argv[1]}/kept.txt'\n"
        "answer(content=open(file).read(), names=os.listdir(sys.argv[1]),"
        " write=refusal(lambda: open(file, 'w')), create=refusal(lambda: open(file + '.new', 'x')),"
        " remove=refusal(lambda: os.remove(file)), rename=refusal(lambda: os.rename(file, file + '.old')))",
        str(tmp_path),
        extra_roots=(str(tmp_path),),
    )
    assert facts.pop("content") == "kept"
    assert facts.pop("names") == ["kept.txt"]
    # A rename may be refused as one between different mounts, which is how Landlock tells it before ABI 2.
    assert facts.pop("rename") in (errno.EACCES, errno.EXDEV)
    assert facts == {"write": errno.EACCES, "create": errno.EACCES, "remove": errno.EACCES}
    assert (tmp_path / "kept.txt").read_text() == "kept"


@pytest.mark.usefixtures("landlock_abi")
def test_a_single_file_can_be_a_readable_root_and_a_missing_one_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "two.txt").write_text("two")
    one, two, none = (str(tmp_path / name) for name in ("one.txt", "two.txt", "none.txt"))
    facts = run_confined(
        "answer(one=open(sys.argv[1]).read(), two=refusal(lambda: open(sys.argv[2])),"
        " reasons=[reason for reason in report.reasons if 'unreadable' in reason])",
        one,
        two,
        extra_roots=(one, none),
    )
    assert facts == {"one": "one", "two": errno.EACCES, "reasons": []}


def test_the_working_directory_is_not_a_readable_root(tmp_path: Path) -> None:
    facts = run_confined(
        "answer(roots=python_roots(), here=os.getcwd())",
        before=f"import os, sys\nos.chdir({str(tmp_path)!r})\nsys.path.insert(0, os.getcwd())\n"
        "sys.path.insert(0, '/')",
    )
    assert facts["here"] == str(tmp_path)
    assert str(tmp_path) not in facts["roots"]
    assert "/" not in facts["roots"]


@pytest.mark.usefixtures("seccomp_filter")
def test_metadata_of_files_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "kept.txt"
    file.write_text("kept")
    file.chmod(0o640)
    facts = run_confined(
        "path = sys.argv[1]\n"
        "answer(chmod=refusal(lambda: os.chmod(path, 0o777)),"
        " chown=refusal(lambda: os.chown(path, os.getuid(), os.getgid())),"
        " utime=refusal(lambda: os.utime(path, (0, 0))), truncate=refusal(lambda: os.truncate(path, 0)))",
        str(file),
    )
    assert {facts.pop("truncate")} <= {errno.EPERM, errno.EACCES}
    assert facts == {"chmod": errno.EPERM, "chown": errno.EPERM, "utime": errno.EPERM}
    assert file.stat().st_mode & 0o777 == 0o640


READ_INHERITED = """
with os.fdopen(int(sys.argv[1]), "rb") as file:
    answer(content=file.read().decode(), again=(file.seek(2), file.read().decode())[1], user=os.getuid(),
        in_force=[report.landlock_abi, report.seccomp, report.no_new_privs])
"""


def test_an_inherited_descriptor_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "foreign.txt").write_text("foreign")
    with (tmp_path / "foreign.txt").open("rb") as file:
        facts = run_confined(READ_INHERITED, str(file.fileno()), descriptors=(file.fileno(),))
    assert (facts["content"], facts["again"]) == ("foreign", "reign")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; runs in containers and CI")
def test_an_inherited_descriptor_can_be_read_without_being_root(tmp_path: Path) -> None:
    (tmp_path / "foreign.txt").write_text("foreign")
    (tmp_path / "foreign.txt").chmod(0o600)
    with (tmp_path / "foreign.txt").open("rb") as file:
        as_root, as_nobody = (
            run_confined(READ_INHERITED, str(file.fileno()), descriptors=(file.fileno(),), before=before)
            for before in (
                "",
                "import json, os, swanbridge_media.sandbox\n"
                f"os.lseek({file.fileno()}, 0, os.SEEK_SET)\nos.setgroups([])\nos.setuid(65534)",
            )
        )
    assert as_nobody == {**as_root, "content": "foreign", "again": "reign", "user": 65534}


def test_a_descriptor_that_was_sent_over_a_socket_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.txt"
    path.write_text("foreign")
    ours, theirs = socket.socketpair()
    with ours, theirs, path.open("rb") as file:
        socket.send_fds(ours, [b"file"], [file.fileno()])
        facts = run_confined(
            "message, descriptors, _, _ = socket.recv_fds(channel, 16, 1)\n"
            "with os.fdopen(descriptors[0], 'rb') as file:\n"
            "    answer(message=message.decode(), content=file.read().decode())",
            str(theirs.fileno()),
            before="import socket, sys\nchannel = socket.socket(fileno=int(sys.argv[1]))",
            descriptors=(theirs.fileno(),),
        )
    assert facts == {"message": "file", "content": "foreign"}


@pytest.mark.usefixtures("seccomp_filter")
def test_no_program_and_no_process_can_be_started() -> None:
    facts = run_confined(
        "import subprocess\n"
        "answer(execute=refusal(lambda: os.execv('/bin/true', ['true'])), fork=refusal(os.fork),"
        " spawn=refusal(lambda: subprocess.run(['/bin/true'])),"
        " posix_spawn=refusal(lambda: os.posix_spawn('/bin/true', ['true'], {})))"
    )
    assert set(facts.values()) == {errno.EPERM}


@pytest.mark.usefixtures("seccomp_filter")
def test_signals_reach_nobody_but_the_child_itself() -> None:
    facts = run_confined(
        "import signal\n"
        "heard = []\n"
        "signal.signal(signal.SIGUSR1, lambda *_: heard.append('self'))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
        "answer(heard=heard, parent=refusal(lambda: os.kill(os.getppid(), 0)),"
        " group=refusal(lambda: os.kill(0, 0)), everybody=refusal(lambda: os.kill(-1, 0)))"
    )
    assert facts == {"heard": ["self"], "parent": errno.EPERM, "group": errno.EPERM, "everybody": errno.EPERM}


TRY_SOCKETS = """
import socket
first, second = socket.socketpair()
first.send(b"x")
answer(
    internet=refusal(lambda: socket.socket(socket.AF_INET).close()),
    datagram=refusal(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()),
    packet=refusal(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    crypto=refusal(lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()),
    unix=refusal(lambda: socket.socket(socket.AF_UNIX).close()),
    pair=second.recv(1).decode(),
)
"""


@pytest.mark.usefixtures("seccomp_filter")
def test_only_local_sockets_can_be_made_without_network() -> None:
    facts = run_confined(TRY_SOCKETS)
    assert facts.pop("pair") == "x"
    assert facts.pop("unix") == 0
    assert set(facts.values()) == {errno.EPERM}


@pytest.mark.usefixtures("seccomp_filter")
def test_only_internet_sockets_can_be_made_with_network() -> None:
    facts = run_confined(TRY_SOCKETS, network=True)
    assert facts.pop("pair") == "x"
    assert (facts.pop("internet"), facts.pop("datagram")) == (0, 0)
    assert set(facts.values()) == {errno.EPERM}


def test_a_child_with_network_can_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = run_confined(
            "import socket\n"
            "with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as connection:\n"
            "    answer(sent=connection.send(b'hello'))",
            str(server.getsockname()[1]),
            network=True,
        )
        connection, _ = server.accept()
        with connection:
            assert connection.recv(16) == b"hello"
    assert facts == {"sent": 5}


@pytest.mark.usefixtures("seccomp_filter")
def test_tcp_is_refused_without_network_even_on_a_socket_from_before(landlock_abi: int) -> None:
    if landlock_abi < 4:
        pytest.skip(f"Landlock ABI {landlock_abi} has no TCP rules; runs on Linux 6.7 or later (Debian 13)")
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = run_confined(
            "answer(connect=refusal(lambda: old.connect(('127.0.0.1', int(sys.argv[1])))),"
            " bind=refusal(lambda: old.bind(('127.0.0.1', 0))))",
            str(server.getsockname()[1]),
            before="import socket\nold = socket.socket(socket.AF_INET)",
        )
    assert facts == {"connect": errno.EPERM, "bind": errno.EACCES}


def test_an_abstract_socket_of_another_process_is_out_of_reach(landlock_abi: int) -> None:
    if landlock_abi < 6:
        pytest.skip(f"Landlock ABI {landlock_abi} has no scopes; runs on Linux 6.12 or later (Debian 13)")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("")  # the kernel picks an abstract name
        server.listen()
        facts = run_confined(
            "answer(connect=refusal(lambda: old.connect(bytes.fromhex(sys.argv[1]))))",
            server.getsockname().hex(),
            before="import socket\nold = socket.socket(socket.AF_UNIX)",
            network=True,
        )
    assert facts == {"connect": errno.EPERM}


@pytest.mark.usefixtures("seccomp_filter")
def test_nothing_can_be_typed_on_the_terminal() -> None:
    facts = run_confined(
        "import fcntl, termios\n"
        "answer(type=refusal(lambda: fcntl.ioctl(0, termios.TIOCSTI, b'x')),"
        " size=refusal(lambda: fcntl.ioctl(os.pipe()[0], termios.TIOCGWINSZ, bytes(8))))"
    )
    assert facts == {"type": errno.EPERM, "size": errno.ENOTTY}


def test_a_crash_leaves_no_core_and_peers_cannot_trace() -> None:
    facts = run_confined(
        "import resource\n"
        "from swanbridge_media import seccomp\n"
        "PR_GET_DUMPABLE = 3\n"
        "answer(dumpable=seccomp.process_control(PR_GET_DUMPABLE),"
        " core=resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert facts == {"dumpable": 0, "core": [0, 0]}


@pytest.mark.usefixtures("seccomp_filter")
def test_a_local_service_cannot_be_reached_through_its_socket_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "bus"))
        server.listen()
        script = (
            "import socket\nanswer(bus=refusal(lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[1])))"
        )
        answers = [run_confined(script, str(tmp_path / "bus"), network=network) for network in (False, True)]
    assert answers == [{"bus": errno.EPERM}] * 2


def test_threads_start_and_wait_for_each_other() -> None:
    facts = run_confined(
        "import queue, threading\n"
        "asked, told = queue.Queue(), queue.Queue()\n"
        "threads = [threading.Thread(target=lambda: told.put(asked.get() * 2)) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for number in range(4): asked.put(number)\n"
        "for thread in threads: thread.join()\n"
        "answer(told=sorted(told.get() for _ in threads))"
    )
    assert facts == {"told": [0, 2, 4, 6]}


@pytest.mark.usefixtures("landlock_abi")
def test_threads_from_before_are_filtered_too_and_those_outside_landlock_are_reported() -> None:
    facts = run_confined(
        "asked.put(None)\n"
        "thread.join()\n"
        "answer(errors=errors, filtered=report.seccomp, abi=report.landlock_abi,"
        " reported=[reason for reason in report.reasons if 'threads from before' in reason])",
        before="import os, queue, threading\n"
        "asked, errors = queue.Queue(), []\n"
        "def work():\n"
        "    asked.get()\n"
        "    try: os.execv('/bin/true', ['true'])\n"
        "    except OSError as error: errors.append(error.errno)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()",
    )
    if facts["filtered"]:
        assert facts["errors"] == [errno.EPERM]
    assert len(facts["reported"]) == (1 if facts["abi"] < 8 else 0)


def test_shared_memory_by_descriptor_works() -> None:
    facts = run_confined(
        "import mmap\n"
        "descriptor = os.memfd_create('ring', os.MFD_CLOEXEC)\n"
        "os.ftruncate(descriptor, 4 << 20)\n"
        "first, second = mmap.mmap(descriptor, 4 << 20), mmap.mmap(descriptor, 4 << 20)\n"
        "first[-5:] = b'shown'\n"
        "answer(shown=second[-5:].decode())"
    )
    assert facts == {"shown": "shown"}


def test_waiting_and_clocks_work() -> None:
    facts = run_confined(
        "import asyncio, select, time\n"
        "async def turn():\n"
        "    return await asyncio.get_running_loop().run_in_executor(None, time.monotonic)\n"
        "before = time.monotonic()\n"
        "reader, writer = os.pipe()\n"
        "os.write(writer, b'x')\n"
        "waiting = select.poll()\n"
        "waiting.register(reader, select.POLLIN)\n"
        "answer(later=asyncio.run(turn()) >= before, polled=waiting.poll(1000) == [(reader, select.POLLIN)],"
        " wall=time.time() > 0, random=len(os.urandom(8)))"
    )
    assert facts == {"later": True, "polled": True, "wall": True, "random": 8}


def test_modules_can_still_be_imported() -> None:
    facts = run_confined(
        "names = ('colorsys', 'sqlite3', 'zoneinfo', 'decimal')\n"
        "fresh = [name for name in names if name not in sys.modules]\n"
        "for name in fresh: __import__(name)\n"
        "import swanbridge_media.seccomp\n"
        "answer(fresh=fresh)"
    )
    assert facts == {"fresh": ["colorsys", "sqlite3", "zoneinfo", "decimal"]}


DECODE_TONE = """
import av, numpy
with os.fdopen(int(sys.argv[1]), "rb") as file, av.open(file) as container:
    samples = numpy.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
spectrum = numpy.abs(numpy.fft.rfft(samples))
answer(count=len(samples), peak=int(samples.max()), frequency=int(spectrum.argmax()))
"""


@pytest.mark.parametrize("imports", ["import av, numpy", ""], ids=["imported before", "imported inside"])
def test_a_wav_is_decoded_with_pyav_and_numpy(tmp_path: Path, imports: str) -> None:
    (tmp_path / "tone.wav").write_bytes(wav_of_a_tone())
    with (tmp_path / "tone.wav").open("rb") as file:
        facts = run_confined(DECODE_TONE, str(file.fileno()), before=imports, descriptors=(file.fileno(),))
    assert facts == {"count": 48_000, "peak": 16_384, "frequency": 440}


def test_a_video_is_decoded_by_the_threads_of_libav(tmp_path: Path) -> None:
    with av.open(tmp_path / "grey.mkv", "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(10):
            picture = np.full((48, 64, 3), level * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with (tmp_path / "grey.mkv").open("rb") as file:
        facts = run_confined(
            "threads = lambda: os.stat(task).st_nlink - 2\n"
            "with os.fdopen(int(sys.argv[1]), 'rb') as file, av.open(file) as container:\n"
            "    stream = container.streams.video[0]\n"
            "    stream.thread_type, stream.codec_context.thread_count = 'FRAME', 3\n"
            "    alone = threads()\n"
            "    pictures, together = 0, 0\n"
            "    for frame in container.decode(stream):\n"
            "        pictures, together = pictures + 1, max(together, threads())\n"
            "answer(alone=alone, together=together, pictures=pictures)",
            str(file.fileno()),
            before="import av\ntask = '/proc/self/task'",
            descriptors=(file.fileno(),),
        )
    assert facts == {"alone": 1, "together": 4, "pictures": 10}


def test_memory_beyond_the_limit_is_a_memory_error() -> None:
    facts = run_confined(
        "def take(megabytes):\n"
        "    try: return len(bytearray(megabytes << 20)) >> 20\n"
        "    except MemoryError: return 'MemoryError'\n"
        "answer(little=take(64), much=take(300))",
        memory=256 * MEGABYTE,
    )
    assert facts == {"little": 64, "much": "MemoryError"}


def test_limits_hold_and_cannot_be_raised_again() -> None:
    facts = run_confined(
        "import resource\n"
        "try: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); raised = True\n"
        "except (OSError, ValueError): raised = False\n"
        "answer(filtered=report.seccomp, raised=raised,"
        " memory=resource.getrlimit(resource.RLIMIT_AS), files=resource.getrlimit(resource.RLIMIT_NOFILE),"
        " opened=refusal(lambda: [os.dup(0) for _ in range(64)]))"
    )
    if facts.pop("filtered") or os.getuid():
        assert not facts["raised"]
        assert facts["memory"] == [1024 * MEGABYTE] * 2
    assert (facts["files"], facts["opened"]) == ([64, 64], errno.EMFILE)


def test_what_cannot_be_done_is_a_reason_and_no_exception() -> None:
    facts = run_confined(
        "answer(reasons=report.reasons)", memory=1 << 70, extra_roots=("/proc/self/exe/x", "nul\0byte")
    )
    assert any(reason.startswith("memory_bytes: ") for reason in facts["reasons"])


@pytest.mark.parametrize(
    ("numbers", "error", "reason"),
    [
        ((444, 444), errno.ENOSYS, "landlock: this kernel has none"),
        ((444, 444), errno.EOPNOTSUPP, "landlock: switched off at boot"),
        ((445, 445), errno.EINVAL, "landlock: '/usr' stays unreadable"),
        ((446, 446), errno.E2BIG, "landlock: "),
        ((317, 277), errno.EINVAL, "seccomp: Invalid argument"),
        ((302, 261), errno.EPERM, "open_files: "),
        ((157, 167), errno.EINVAL, "no_new_privs: Invalid argument"),
    ],
)
@pytest.mark.usefixtures("seccomp_filter")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can filter before no_new_privs; runs in containers")
def test_a_kernel_that_refuses_a_part_is_reported_and_the_child_goes_on(
    numbers: tuple[int, int], error: int, reason: str
) -> None:
    # A first filter plays the kernel that lacks the call.
    facts = run_confined(
        "answer(reasons=report.reasons)",
        before="import ctypes, json, struct\n"
        "from swanbridge_media import sandbox, seccomp\n"
        f"column, number, error = {('x86_64', 'aarch64').index(os.uname().machine)}, {numbers}, {error}\n"
        "load, compare = (0x20, 0, 0, 0), (0x15, 0, 1, number[column])\n"
        "steps = load, compare, (6, 0, 0, 0x50000 | error), (6, 0, 0, 0x7fff0000)\n"
        "program = b''.join(struct.pack('=HBBI', *step) for step in steps)\n"
        "kept = ctypes.create_string_buffer(program)\n"
        "header = ctypes.create_string_buffer(struct.pack('@HP', len(steps), ctypes.addressof(kept)))\n"
        "seccomp.kernel_call((317, 277)[column], 1, 0, ctypes.addressof(header))",
    )
    assert any(told.startswith(reason) for told in facts["reasons"]), facts


Decide = Callable[..., int]
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSED, NOT_IMPLEMENTED = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
X86_64, AARCH64 = 0xC000003E, 0xC00000B7
X86_64_NUMBERS = {"read": 0, "clone": 56, "clone3": 435, "socket": 41, "execve": 59, "kill": 62}
AARCH64_NUMBERS = {"read": 63, "clone": 220, "clone3": 435, "socket": 198, "execve": 221, "kill": 129}


def reader_of(program: bytes) -> Decide:
    """Give a reader of the filter that decides as the kernel's manual says, on any machine."""
    instructions = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]

    def decide(architecture: int, number: int, *arguments: int) -> int:
        padded = (*arguments, *[0] * (6 - len(arguments)))
        call = struct.pack("=iIQ6Q", number, architecture, 0, *padded)
        at, value = 0, 0
        while True:
            code, if_true, if_false, constant = instructions[at]
            at += 1
            if code == 0x06:
                return int(constant)
            if code == 0x20:
                value = struct.unpack_from("=I", call, constant)[0]
            else:
                holds = {0x15: value == constant, 0x35: value >= constant, 0x45: value & constant != 0}[code]
                at += if_true if holds else if_false

    return decide


# From the kernel's unistd.h, by number: execve, execveat, ptrace, process_vm_readv and writev, mount,
# umount2, pivot_root, chroot, setns, unshare, bpf, perf_event_open, kexec_load, init_module, finit_module,
# delete_module, keyctl, add_key, request_key, userfaultfd, personality, io_uring_*, open_by_handle_at, then
# fork and vfork.
NEVER_X86_64 = """59 322 101 310 311 165 166 155 161 308 272 321 298 246 175 313 176
    250 248 249 323 135 425 426 427 304 57 58"""
NEVER_AARCH64 = """221 281 117 270 271 40 39 41 51 268 97 280 241 104 105 273 106
    219 217 218 282 92 425 426 427 265"""


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize(
    ("machine", "own", "never"), [("x86_64", X86_64, NEVER_X86_64), ("aarch64", AARCH64, NEVER_AARCH64)]
)
def test_what_a_decoder_never_needs_is_refused_on_each_architecture(
    machine: str, own: int, never: str, network: bool
) -> None:
    decide = reader_of(filter_program(machine, network=network, own_pid=4321))
    assert {number for number in map(int, never.split()) if decide(own, number) != REFUSED} == set()


@pytest.mark.parametrize(
    ("machine", "own", "other", "numbers"),
    [
        ("x86_64", X86_64, AARCH64, X86_64_NUMBERS),
        (
            "aarch64",
            AARCH64,
            X86_64,
            AARCH64_NUMBERS,
        ),
    ],
)
def test_the_filter_decides_alike_on_each_architecture(
    machine: str, own: int, other: int, numbers: dict[str, int]
) -> None:
    decide = reader_of(filter_program(machine, network=False, own_pid=4321))
    pthread_flags, fork_flags, new_network = 0x3D0F00, 0x01200011, 0x40010000
    assert decide(own, numbers["read"]) == ALLOW
    assert decide(other, numbers["read"]) == KILL
    assert decide(own, numbers["execve"]) == REFUSED
    assert decide(own, numbers["clone"], pthread_flags) == ALLOW
    assert decide(own, numbers["clone"], fork_flags) == REFUSED
    assert decide(own, numbers["clone"], new_network) == REFUSED
    assert decide(own, numbers["clone3"]) == NOT_IMPLEMENTED
    assert decide(own, numbers["socket"], socket.AF_UNIX) == ALLOW
    assert decide(own, numbers["socket"], socket.AF_INET) == REFUSED
    assert decide(own, numbers["kill"], 4321, 10) == ALLOW
    assert decide(own, numbers["kill"], 1, 10) == REFUSED


def test_the_filter_kills_calls_in_the_x32_convention() -> None:
    decide = reader_of(filter_program("x86_64", network=False, own_pid=1))
    assert decide(X86_64, 0x40000000 | 59) == KILL


def test_there_is_no_filter_for_an_unknown_machine() -> None:
    with pytest.raises(LookupError, match="riscv64"):
        filter_program("riscv64", network=False, own_pid=1)
