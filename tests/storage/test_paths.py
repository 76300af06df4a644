"""Which file a path of a call opens, and that nothing outside the package and the session can be named."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from swanbridge_daemon.storage import FileProblem, SessionFiles, admit_package_root

SECRET = b"not for programs"


class House:
    """A package beside things that a program must not reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "package"
        self.outside = folder / "outside"
        for each in (self.package / "sounds" / "deep", self.outside, folder / "temp"):
            each.mkdir(parents=True)
        (self.outside / "secret.mp3").write_bytes(SECRET)
        (self.package / "t.mp3").write_bytes(b"top")
        (self.package / "sounds" / "a b%2e.MP3").write_bytes(b"percent")
        (self.package / "sounds" / "back\\slash.wav").write_bytes(b"backslash")
        (self.package / "2:30.mp3").write_bytes(b"colon")
        (self.package / "..." / "x").mkdir(parents=True)
        (self.package / "..." / "x" / "..y").write_bytes(b"dots")
        (self.package / "link.mp3").symlink_to(self.outside / "secret.mp3")
        (self.package / "inner.mp3").symlink_to("t.mp3")
        (self.package / "door").symlink_to(self.outside)
        (self.package / "loop").symlink_to("loop")
        (self.package / "locked.mp3").touch(0)
        os.mkfifo(self.package / "pipe")
        self.files = SessionFiles(folder / "temp", self.package, lambda: "0" * 32, 1000)

    def read(self, path: str) -> bytes:
        with self.files.resolve(path) as opened:
            return os.pread(opened.descriptor, 100, 0)

    def kind(self, path: str) -> str:
        with pytest.raises(FileProblem) as caught:
            self.files.resolve(path)
        assert caught.value.sentence.isprintable()
        assert len(caught.value.sentence) < 500
        return caught.value.kind


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.files.close()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/t.mp3", b"top"),
        ("t.mp3", b"top"),
        ("./t.mp3", b"top"),
        ("//sounds//..//./t.mp3", b"top"),
        ("sounds/deep/../../t.mp3", b"top"),
        ("sounds/a b%2e.MP3", b"percent"),
        ("sounds/back\\slash.wav", b"backslash"),
        ("2:30.mp3", b"colon"),
        (".../x/..y", b"dots"),
    ],
)
def test_a_package_path_opens_its_file_every_character_literal(
    house: House, path: str, content: bytes
) -> None:
    assert house.read(path) == content


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "not-found"),
        ("missing.mp3", "not-found"),
        ("t.mp3/x", "not-found"),
        ("sounds/a%20b%2e.MP3", "not-found"),
        ("%2e%2e/outside/secret.mp3", "not-found"),
        ("..\\outside\\secret.mp3", "not-found"),
        ("\ud800.mp3", "not-found"),
        ("\uff0e\uff0e/outside/secret.mp3", "not-found"),
        ("..", "forbidden"),
        ("../outside/secret.mp3", "forbidden"),
        ("/../outside/secret.mp3", "forbidden"),
        ("sounds/../../outside/secret.mp3", "forbidden"),
        ("t.mp3\0.jpg", "forbidden"),
        ("link.mp3", "forbidden"),
        ("inner.mp3", "forbidden"),
        ("door/secret.mp3", "forbidden"),
        ("loop", "forbidden"),
        ("loop/x", "forbidden"),
        ("file:///etc/passwd", "forbidden"),
        ("FILE:/etc/passwd", "forbidden"),
        ("concat:t.mp3|t.mp3", "forbidden"),
        ("http://127.0.0.1/", "forbidden"),
        ("pipe:0", "forbidden"),
        ("C:\\x", "forbidden"),
        ("/", "not-a-file"),
        ("sounds", "not-a-file"),
        ("sounds/", "not-a-file"),
        ("t.mp3/", "not-a-file"),
        ("pipe", "not-a-file"),
        ("x" * 256, "too-long"),
        ("a/" * 2100, "too-long"),
        ("é" * 2100, "too-long"),
        ("bdfile://t.mp3", "not-found"),
        ("bdfile://tmp_" + "0" * 32, "not-found"),
        ("bdfile://../package/t.mp3", "not-found"),
        ("bdfile:///etc/passwd", "not-found"),
        ("BDFILE://x", "forbidden"),
    ],
)
def test_a_path_that_names_no_file_of_the_program_is_an_error(house: House, path: str, kind: str) -> None:
    assert house.kind(path) == kind


def test_an_absolute_path_of_the_machine_means_one_in_the_package(house: House) -> None:
    assert house.kind(str(house.outside / "secret.mp3")) == "not-found"


def test_a_socket_and_a_device_are_not_files(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(house.package)
        listener.bind("socket")
        assert house.kind("socket") == "not-a-file"
    devices = SessionFiles(house.folder / "temp", Path("/dev"), lambda: "0" * 32, 1000)
    with pytest.raises(FileProblem, match="not a regular file"):
        devices.resolve("/null")


def test_a_file_that_may_not_be_read_is_forbidden(house: House) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    assert house.kind("locked.mp3") == "forbidden"


def test_what_is_opened_is_described(house: House) -> None:
    with house.files.resolve("sounds/a b%2e.MP3") as opened, house.files.resolve("/t.mp3") as other:
        assert (opened.size, opened.name, opened.extension) == (7, "a b%2e.MP3", ".mp3")
        assert opened.identity != other.identity
        with house.files.resolve("sounds/../sounds/a b%2e.MP3") as again:
            assert again.identity == opened.identity
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(opened.descriptor, b"x")


def test_a_file_that_changed_has_another_identity(house: House) -> None:
    with house.files.resolve("t.mp3") as before:
        (house.package / "t.mp3").write_bytes(b"longer")
        with house.files.resolve("t.mp3") as after:
            assert before.identity != after.identity


def test_without_a_package_only_the_sessions_own_files_can_be_named(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path, None, lambda: "0" * 32, 1000)
    with pytest.raises(FileProblem, match="packageRoot"):
        files.resolve("/etc/passwd")


PIECES = [
    "..",
    ".",
    "",
    "sounds",
    "deep",
    "door",
    "link.mp3",
    "t.mp3",
    "outside",
    "secret.mp3",
    "loop",
    "pipe",
]
PIECES += ["%2e%2e", "..\\", "\0", "bdfile:", "file:", "…", "..;", " ..", "package", "proc", "self", "root"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8))
def test_no_path_whatever_reaches_outside(house: House, pieces: list[str]) -> None:
    path = "/".join(pieces)
    try:
        content = house.read(path)
    except FileProblem:
        return
    assert content in (b"top", b"percent", b"backslash", b"colon", b"dots")


def test_swapping_a_directory_for_a_link_meanwhile_leads_nowhere(house: House) -> None:
    """The walk is raced by a thread that swaps one component between a directory and a link out."""
    swapped, door = house.package / "swapped", house.package / "swap-door"
    swapped.mkdir()
    (swapped / "secret.mp3").write_bytes(b"mine")
    door.symlink_to(house.outside)
    spare, done = house.package / "spare", threading.Event()

    def swap() -> None:
        while not done.is_set():
            for here in (swapped, door):
                if here.is_symlink() or here.is_dir():
                    os.rename(swapped, spare)
                    os.rename(door, swapped)
                    os.rename(spare, door)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                seen.add(house.read("swapped/secret.mp3"))
            except FileProblem as problem:
                seen.add(problem.kind.encode())
    finally:
        done.set()
        thread.join()
    assert seen <= {b"mine", b"forbidden", b"not-found"}


def test_the_package_stays_the_one_that_was_admitted(house: House) -> None:
    house.package.rename(house.folder / "moved")
    house.package.symlink_to(house.outside)
    assert house.read("t.mp3") == b"top"
    assert house.kind("secret.mp3") == "not-found"


def test_a_package_root_that_became_a_link_is_refused(house: House) -> None:
    with pytest.raises(FileProblem):
        SessionFiles(house.folder / "temp", house.package / "door", lambda: "0" * 32, 1000)
    with pytest.raises(FileProblem):
        SessionFiles(house.folder / "temp", house.package / "door" / "..", lambda: "0" * 32, 1000)


def test_a_package_root_must_lie_in_a_package_dir(house: House) -> None:
    allowed = [house.package, house.folder / "nowhere"]
    assert admit_package_root(str(house.package), allowed) == house.package
    assert admit_package_root(f"{house.package}/sounds/deep/..", allowed) == house.package / "sounds"
    for requested, kind in (
        (str(house.outside), "forbidden"),
        (f"{house.package}/door", "forbidden"),
        (f"{house.package}/..", "forbidden"),
        (f"{house.package}-not", "forbidden"),
        ("/", "forbidden"),
        ("package", "forbidden"),
        (f"{house.package}\0", "forbidden"),
        (f"{house.package}/missing", "not-found"),
        (f"{house.package}/t.mp3", "not-found"),
        ("/" + "x" * 5000, "too-long"),
    ):
        with pytest.raises(FileProblem) as caught:
            admit_package_root(requested, allowed)
        assert caught.value.kind == kind, requested
    with pytest.raises(FileProblem, match="--package-dir"):
        admit_package_root(str(house.package), [])
