"""`data:` URLs as open files."""

from __future__ import annotations

import base64
import contextlib
import os
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swanbridge_daemon.storage import FetchProblem, is_data_url, open_data_url


@given(st.binary(max_size=300))
def test_the_bytes_come_back_in_every_spelling(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    for url in (
        f"data:audio/wav;base64,{encoded}",
        f"DATA:audio/wav;x=1; BASE64 ,{quote(encoded)}#fragment",
        f"data:;base64,{base64.urlsafe_b64encode(data).decode().rstrip('=')}",
        f"data:,{quote(data)}",
    ):
        with open_data_url(url) as opened:
            assert opened.size == len(data)
            assert os.pread(opened.descriptor, 1000, 0) == data


def test_the_type_gives_the_extension_and_the_bytes_give_the_identity() -> None:
    with open_data_url("data:audio/mpeg;base64,QUJD") as one, open_data_url("data:audio/mpeg,ABC") as other:
        assert one.extension == ".mp3"
        assert one.identity == other.identity
    with open_data_url("data:audio/mpeg,ABD") as another:
        assert another.identity != one.identity
        assert another.extension == ".mp3"


def test_the_file_cannot_be_written() -> None:
    with open_data_url("data:,abc") as opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(opened.descriptor, b"x")
        with open(f"/proc/self/fd/{opened.descriptor}", "r+b") as again, pytest.raises(PermissionError):
            os.ftruncate(again.fileno(), 0)


@pytest.mark.parametrize(
    "url", ["data:", "data:audio/wav;base64", "data:;base64,a", "data:;base64,A*==", "http:,"]
)
def test_a_malformed_one_is_an_error(url: str) -> None:
    with pytest.raises(FetchProblem) as caught:
        open_data_url(url)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize("url", ["data:," + "a" * 101, "data:;base64," + "QUFB" * 34, "data:," + "%41" * 200])
def test_one_beyond_the_bound_is_an_error(url: str) -> None:
    with pytest.raises(FetchProblem) as caught:
        open_data_url(url, limit=100)
    assert caught.value.kind == "too-large"


@given(st.text(max_size=60))
def test_any_text_gives_a_file_or_a_problem(text: str) -> None:
    with contextlib.suppress(FetchProblem):
        open_data_url("data:" + text).close()
    assert is_data_url("dAtA:" + text)
