"""Assertions on what the speaker played, from a capture of the whole session.

Times are in seconds from the capture's start, which for the fixtures is the opening of the session; on the
virtual clock that is the clock's own 0 unless a test moved it before.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from swanbridge_client.sync import Swan
from swanbridge_protocol.speaker import Description, Match, Segment

EDGE = 0.05  # seconds at either end of a window that may differ: shorter silences are not told apart
CLIP_EDGE = 0.02  # seconds that a clip may begin earlier or later than said
PURITY = 0.02  # how far a tone may be off, relative
SCORE = 0.8  # normalised correlation from which on a clip counts as heard
HIDDEN = ".heard"  # folder of the package for clips from elsewhere

Between = tuple[float, float]


class Ears:
    """Listens to a session from now on. `package_root` is where the daemon finds clips that tests name."""

    def __init__(self, swan: Swan, package_root: Path, *, session_id: str | None = "all") -> None:
        self._swan = swan
        self._package_root = package_root
        self._capture = swan.control.speaker.capture.start(session_id)

    def describe(self) -> Description:
        """Return what was played so far."""
        return self._swan.control.speaker.capture.describe(self._capture)

    def heard(
        self, tone: float | None = None, *, between: Between | None = None, purity: float = PURITY
    ) -> list[Segment]:
        """Assert that there was sound all through `between`, or anywhere; its strongest frequency `tone`, in Hz.

        A stretch of sound without a pause in it counts as one, with one strongest frequency. Returns the
        stretches that were meant.
        """
        __tracebackhide__ = True
        description = self.describe()
        wanted = "sound" if tone is None else f"a tone of {tone:g} Hz"
        fitting = [one for one in description.segments if one.kind == "sound" and _is_tone(one, tone, purity)]
        if between is None:
            if not fitting:
                raise AssertionError(f"{wanted} was not heard\n{shown(description)}")
            return fitting
        start, end = _window(between, description)
        at = start + EDGE
        used = []
        for segment in fitting:
            if segment.end > at and segment.start <= at + EDGE and at < end - EDGE:
                used.append(segment)
                at = segment.end
        if at < end - EDGE:
            raise AssertionError(
                f"{wanted} was not heard all through {start:g} s to {end:g} s\n{shown(description)}"
            )
        return used

    def silent(self, *, between: Between | None = None) -> None:
        """Assert that nothing was heard in `between`, or at all."""
        __tracebackhide__ = True
        description = self.describe()
        start, end = (0.0, description.duration) if between is None else _window(between, description)
        edge = 0.0 if between is None else EDGE
        loud = [
            one
            for one in description.segments
            if one.kind == "sound" and one.end > start + edge and one.start < end - edge
        ]
        if loud:
            raise AssertionError(
                f"there was sound between {start:g} s and {end:g} s, where silence was to be\n"
                f"{shown(description)}"
            )

    def heard_clip(
        self, path: str | Path, *, at: float | None = None, within: float = CLIP_EDGE, score: float = SCORE
    ) -> Match:
        """Assert that the sound file `path` was heard, beginning at `at`, and return where.

        `path` is a path of the package (`/t.mp3`), a `bdfile://` path of the session, or any local file.
        """
        __tracebackhide__ = True
        found = self._swan.control.speaker.capture.find(self._capture, self._named(path)).matches
        for match in found:
            if match.score >= score and (at is None or abs(match.at - at) <= within):
                return match
        where = "" if at is None else f" at {at:g} s"
        matches = "\n".join(f"  found at {one.at:.3f} s, score {one.score:.3f}" for one in found)
        raise AssertionError(
            f"{path} was not heard{where}\n{matches or '  it was found nowhere'}\n{shown(self.describe())}"
        )

    def _named(self, path: str | Path) -> str:
        name = str(path)
        if "://" in name or (isinstance(path, str) and (self._package_root / name.lstrip("/")).is_file()):
            return name
        local = Path(path).resolve()
        if not local.is_file():
            raise FileNotFoundError(f"there is no {path}, neither in the package nor here")
        root = self._package_root.resolve()
        if not local.is_relative_to(root):
            copy = root / HIDDEN / local.name
            copy.parent.mkdir(exist_ok=True)
            local = Path(shutil.copyfile(local, copy))
        return f"/{local.relative_to(root).as_posix()}"


def shown(description: Description) -> str:
    """Return a description as lines for people."""
    lines = [f"what was played, {description.duration:.3f} s:"]
    for one in description.segments:
        line = f"  {one.start:8.3f} to {one.end:8.3f} s  {one.kind}"
        if one.kind == "sound":
            line += f"  {one.rms:6.1f} dBFS"
        if one.dominant_frequency:
            line += f"  {one.dominant_frequency:8.1f} Hz"
        lines.append(line)
    lines += [f"  drop-out of {one.length * 1000:.1f} ms at {one.at:.3f} s" for one in description.dropouts]
    return "\n".join(lines)


def _is_tone(segment: Segment, tone: float | None, purity: float) -> bool:
    if tone is None:
        return True
    return abs(segment.dominant_frequency - tone) <= tone * purity


def _window(between: Between, description: Description) -> Between:
    start, end = between
    if not 0 <= start < end:
        raise ValueError(f"between={between} is no stretch of time: (start, end) in seconds")
    if end > description.duration + EDGE:
        raise AssertionError(
            f"only {description.duration:.3f} s were played, {end:g} s are asked about: move the clock on first\n"
            f"{shown(description)}"
        )
    return start, end
