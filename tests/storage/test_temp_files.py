"""Temporary files of a session, their quota, and the directories of daemons that lived and died."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from swanbridge_daemon.storage import FileProblem, SessionFiles, Storage, safe_suffix

QUOTA = 1000


def counted() -> Callable[[], str]:
    counter = itertools.count(1)
    return lambda: f"{next(counter):032x}"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[SessionFiles]:
    folder = tmp_path / "session"
    folder.mkdir(0o700)
    files = SessionFiles(folder, None, counted(), QUOTA)
    yield files
    files.close()


def keep(files: SessionFiles, data: bytes, suffix: str = ".bin") -> str:
    with files.create(suffix) as draft:
        draft.write(data)
        return draft.commit()


def read(files: SessionFiles, path: str) -> bytes:
    with files.resolve(path) as opened:
        return os.pread(opened.descriptor, 10_000, 0)


def test_a_committed_file_has_a_path_that_only_its_session_can_read(
    files: SessionFiles, tmp_path: Path
) -> None:
    path = keep(files, b"hello", "original.jpg")
    assert path == f"bdfile://tmp_{1:032x}original.jpg"
    assert read(files, path) == b"hello"
    (tmp_path / "other").mkdir()
    other = SessionFiles(tmp_path / "other", None, counted(), QUOTA)
    with pytest.raises(FileProblem, match="in this session"):
        other.resolve(path)


def test_a_draft_cannot_be_named_before_it_is_committed(files: SessionFiles) -> None:
    with files.create(".wav") as draft:
        draft.write(b"half")
        for name in (draft.path.name, draft.path.stem):
            with pytest.raises(FileProblem):
                files.resolve(f"bdfile://{name}")
        assert stat.S_IMODE(draft.path.stat().st_mode) == 0o600
    assert not draft.path.exists()
    assert files.usage() == 0
    with pytest.raises(FileProblem):
        draft.commit()
    draft.discard()


def test_the_quota_holds_while_writing_and_at_the_commit(files: SessionFiles) -> None:
    first = keep(files, bytes(600))
    with files.create() as draft:
        draft.write(bytes(300))
        with pytest.raises(FileProblem, match="1000 bytes in all") as caught:
            draft.write(bytes(101))
    assert caught.value.kind == "quota"
    assert files.usage() == 600
    unannounced = files.create()
    os.write(unannounced.descriptor, bytes(401))
    with pytest.raises(FileProblem, match="1000 bytes"):
        unannounced.commit()
    assert not unannounced.path.exists()
    files.remove(first)
    keep(files, bytes(1000))
    assert files.usage() == 1000


def test_a_draft_that_was_charged_more_than_it_wrote_gives_the_rest_back(files: SessionFiles) -> None:
    draft = files.create()
    draft.charge(800)
    os.write(draft.descriptor, b"abc")
    draft.commit()
    assert files.usage() == 3


def test_a_finished_file_is_taken_over(files: SessionFiles, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"by a child")
    path = files.adopt(made, ".aac")
    assert read(files, path) == b"by a child"
    assert not made.exists()
    assert files.usage() == 10


def test_a_file_of_another_file_system_is_taken_over_too(files: SessionFiles, tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    made = memory / f"swanbridge-test-{os.getpid()}"
    made.write_bytes(b"from afar")
    try:
        assert read(files, files.adopt(made, "")) == b"from afar"
        assert not made.exists()
        assert files.usage() == 9
    finally:
        made.unlink(missing_ok=True)


def test_what_is_no_file_or_too_big_is_not_taken_over(files: SessionFiles, tmp_path: Path) -> None:
    big, link = tmp_path / "big", tmp_path / "link"
    big.write_bytes(bytes(QUOTA + 1))
    link.symlink_to(big)
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (big, "quota"),
        (link, "not-found"),
        (tmp_path / "pipe", "not-a-file"),
        (tmp_path, "not-a-file"),
    ):
        with pytest.raises(FileProblem) as caught:
            files.adopt(path, ".x")
        assert caught.value.kind == kind
        assert path.exists()
    assert files.usage() == 0


def test_removing_a_file_leaves_its_readers_alone(files: SessionFiles) -> None:
    path = keep(files, b"still here")
    with files.resolve(path) as opened:
        files.remove(path)
        assert os.pread(opened.descriptor, 100, 0) == b"still here"
    for gone in (path, "bdfile://x", "/t.mp3", "../x"):
        with pytest.raises(FileProblem):
            files.remove(gone)
    assert files.usage() == 0


def test_closing_deletes_everything(files: SessionFiles, tmp_path: Path) -> None:
    path = keep(files, b"x")
    draft = files.create()
    files.close()
    files.close()
    assert not (tmp_path / "session").exists()
    assert draft.descriptor == -1
    for use in (lambda: files.resolve(path), files.create, lambda: files.remove(path)):
        with pytest.raises(FileProblem, match="session has ended"):
            use()


@pytest.mark.parametrize("suffix", ["/x", "../x", ".a/b", ".\0", "." + "x" * 17, ".tar.gz", "é"])
def test_a_suffix_that_could_lead_elsewhere_is_a_mistake_of_ours(files: SessionFiles, suffix: str) -> None:
    with pytest.raises(ValueError, match="can't end the name"):
        files.create(suffix)


def test_ids_that_are_malformed_or_used_twice_are_mistakes_of_ours(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path, None, iter(["a" * 32, "a" * 32, "../" + "a" * 29]).__next__, QUOTA)
    keep(files, b"1")
    with pytest.raises(ValueError, match="taken already"):
        files.create(".bin")
    with pytest.raises(ValueError, match="32 hex digits"):
        files.create(".bin")


@given(st.text(max_size=30))
def test_any_foreign_name_gives_a_suffix_that_can_be_used(name: str) -> None:
    suffix = safe_suffix(name)
    assert suffix == "" or (suffix[0] == "." and suffix[1:].isalnum() and suffix.isascii())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(
        st.tuples(st.integers(0, 700), st.sampled_from(["keep", "discard", "remove"])), max_size=12
    )
)
def test_usage_is_what_lies_there_and_never_above_the_quota(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("quota")
    files = SessionFiles(folder, None, counted(), QUOTA)
    for length, fate in lengths:
        try:
            with files.create() as draft:
                draft.write(bytes(length))
                if fate != "discard":
                    path = draft.commit()
            if fate == "remove":
                files.remove(path)
        except FileProblem as problem:
            if problem.kind != "quota":
                raise
        assert files.usage() == sum(each.stat().st_size for each in folder.iterdir()) <= QUOTA
    files.close()


def test_a_daemons_directories_are_private_and_go_with_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "state", [tmp_path])
    session = storage.open_session(str(tmp_path), counted())
    folders = [
        tmp_path / "state" / "run",
        *(each for each in (tmp_path / "state").rglob("*") if each.is_dir()),
    ]
    assert {stat.S_IMODE(each.stat().st_mode) for each in folders} == {0o700}
    assert storage.cache_dir.is_dir()
    keep(session, b"x")
    session.close()
    storage.close()
    storage.close()
    assert [each.name for each in (tmp_path / "state" / "run").iterdir()] == [".starting"]


def test_a_session_whose_package_is_not_admitted_leaves_nothing(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "state")
    with pytest.raises(FileProblem, match="--package-dir"):
        storage.open_session(str(tmp_path), counted())
    assert list(storage.cache_dir.parent.glob("session-*")) == []
    storage.close()


LIVE_AND_DIE = """
import os, sys
from pathlib import Path
from swanbridge_daemon.storage import Storage

storage = Storage(Path(sys.argv[1]))
files = storage.open_session(None, lambda: "a" * 32)
files.create(".wav").write(b"left over")
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_daemon_left_is_deleted_by_the_next_and_a_living_ones_is_not(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", LIVE_AND_DIE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"ready\n"
        Storage(tmp_path).close()
        assert len(list(run.rglob("*.part"))) == 1
        other.stdin.write(b"\n")
        other.stdin.flush()
        other.wait(10)
    (run / "no-lock").mkdir()
    storage = Storage(tmp_path)
    assert list(run.rglob("*.part")) == []
    assert [each for each in run.iterdir() if each.is_dir()] == [storage.cache_dir.parent]
    storage.close()


def test_a_state_dir_that_cannot_be_used_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileProblem, match="--state-dir"):
        Storage(tmp_path / "file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileProblem, match="--state-dir"):
        Storage(tmp_path)
