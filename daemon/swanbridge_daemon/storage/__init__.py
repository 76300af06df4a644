"""Files and network media: the only part of the daemon that knows real paths.

    storage = Storage(state_dir, package_dirs, temp_quota_bytes)       # blocks; .cache_dir .close
    files = storage.open_session(package_root, names)                  # blocks; admits packageRoot
    with files.resolve("a/b.mp3" or "bdfile://tmp_….mp3") as opened:   # OpenedFile; in a thread
        opened.descriptor, opened.size, opened.identity, opened.name, opened.extension
    with files.create(".jpg") as draft:                                # .path .descriptor .charge .write
        path = draft.commit()                                          # "bdfile://tmp_….jpg"
    files.adopt(real_path, ".wav"), files.remove(path), files.usage(), files.close()

    fetcher = Fetcher(storage.cache_dir, NetworkPolicy("allow"), Limits())
    with await fetcher.open("https://…") as download:                  # .size .ranges .complete .error
        download.want(offset)                                          # .on_progress .descriptor
        end = await download.wait_for(offset)                          # .contiguous_from .identity
    await fetcher.close()

    with open_data_url("data:audio/wav;base64,…") as opened: ...       # OpenedFile

`FileProblem.kind`: not-found, forbidden, not-a-file, too-long, quota.
`FetchProblem.kind`: network, forbidden, too-large, malformed. Both carry a `sentence` fit for a client.
"""

from .addresses import classify_address
from .data_url import is_data_url, open_data_url
from .download import Download
from .fetch import Fetcher
from .home import Storage
from .opened import OpenedFile
from .problems import FetchKind, FetchProblem, FileKind, FileProblem, StorageError
from .stores import Draft, SessionFiles, admit_package_root, safe_suffix
from .wire import Limits, NetworkPolicy

__all__ = [
    "Download",
    "Draft",
    "FetchKind",
    "FetchProblem",
    "Fetcher",
    "FileKind",
    "FileProblem",
    "Limits",
    "NetworkPolicy",
    "OpenedFile",
    "SessionFiles",
    "Storage",
    "StorageError",
    "admit_package_root",
    "classify_address",
    "is_data_url",
    "open_data_url",
    "safe_suffix",
]
