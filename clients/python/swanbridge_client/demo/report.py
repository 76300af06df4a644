"""The report of a tour: one HTML file without scripts, beside the WAVs that it plays."""

from __future__ import annotations

from html import escape

from swanbridge_protocol.speaker import Description

from .tour import Step, Tour

_WIDTH, _HEIGHT = 480, 36  # px

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #8884; padding: .5rem; vertical-align: top }
.passed { color: #18794e } .failed { color: #cd2b31 }
svg { background: #8882; display: block; margin-bottom: .25rem } rect { fill: #3e63dd }
"""


def write_report(tour: Tour) -> None:
    """Write `report.html` into the tour's directory."""
    families: dict[str, list[Step]] = {}
    for step in tour.steps:
        families.setdefault(step.family, []).append(step)
    failed = sum(1 for step in tour.steps if not step.passed)
    verdict = f"{failed} failed" if failed else "all passed"
    parts = [
        f"<p>{len(tour.steps)} steps, {verdict}. Every claim was checked against what the virtual speaker played.",
        '<a href="events.jsonl">All events.</a></p>',
    ]
    for family, steps in families.items():
        parts.append(f"<h2>{escape(family)}</h2>\n<table>{''.join(map(_row, steps))}</table>")
    page = (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>swanbridge demo</title>'
        f"<style>{_STYLE}</style>\n<h1>swanbridge demo</h1>\n" + "\n".join(parts) + "\n</html>\n"
    )
    (tour.directory / "report.html").write_text(page, encoding="utf-8")


def _row(step: Step) -> str:
    mark, kind = ("✓", "passed") if step.passed else ("✗", "failed")
    why = f"<br><small>{escape(step.why)}</small>" if step.why else ""
    proof = ""
    if step.capture is not None and step.capture.description is not None and step.capture.file is not None:
        name = escape(step.capture.file.name)
        proof = (
            f'{_picture(step.capture.description)}<audio controls preload="none" src="{name}"></audio>'
            f'<br><a href="{name}">{name}</a>'
        )
    return f'<tr><td class="{kind}">{mark}</td><td>{escape(step.claim)}{why}</td><td>{proof}</td></tr>\n'


def _picture(description: Description) -> str:
    """Draw stretches of sound over time; taller is louder, 0 dBFS fills the height, -60 dBFS is flat."""
    scale = _WIDTH / (description.duration or 1.0)
    bars = []
    for one in description.segments:
        if one.kind == "sound":
            height = _HEIGHT * max(0.05, 1 + max(-60, one.rms) / 60)
            told = f"{one.start:.3f} s to {one.end:.3f} s, {one.dominant_frequency:.0f} Hz"
            bars.append(
                f'<rect x="{one.start * scale:.1f}" y="{_HEIGHT - height:.1f}" height="{height:.1f}" '
                f'width="{(one.end - one.start) * scale:.1f}"><title>{told}</title></rect>'
            )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(bars)}</svg>'
