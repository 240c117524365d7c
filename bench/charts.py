"""Pictures: bars and lines as SVG, readable on a light page and on a dark one.

Never here: what is measured.
"""

import math
from xml.sax.saxutils import escape

# Told apart by hue and by lightness; each is legible on white and on near-black.
COLOURS = ["#2f81f7", "#d29922", "#8957e5", "#3fb950", "#db6d28", "#bf4b8a"]
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 14px; font-weight: 600; }
  .small { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .axis { stroke: #59636e; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .axis { stroke: #9198a1; }
  }
"""


def _text(x, y, text, anchor="start", kind=""):
    cls = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{cls}>{escape(text)}</text>'


def _line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>'


def _picture(width, height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img" aria-label="{escape(title)}">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")


def _legend(names, x, y):
    parts = []
    for number, name in enumerate(names):
        parts.append(f'<rect x="{x:g}" y="{y - 9:g}" width="10" height="10" '
                     f'fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(_text(x + 15, y, name))
        x += 15 + 7.2 * len(name) + 18
    return parts


def bars(title, note, groups, series, limit=None, width=760):
    """Horizontal bars. `groups`: (label, {name: value}); `series`: the names, in order; a line is
    drawn at `limit`. A bar that would leave the picture is cut, and its figure says by how much."""
    left, right, top, bar, gap = 170, 60, 66, 13, 14
    values = [v for _, group in groups for v in group.values()]
    most = min(max([*values, limit or 0]), 1.5 * (limit or math.inf)) * 1.04
    shown = [[name for name in series if name in group] for _, group in groups]
    height = top + sum(len(names) * bar + gap for names in shown) + 30
    scale = (width - left - right) / most
    step = 0.25 if most <= 2 else 10 ** math.floor(math.log10(most / 3))
    parts = [_text(10, 22, title, kind="title"), *_legend(series, 10, 46)]
    tick = 0.0
    while tick <= most:
        x = left + tick * scale
        parts.append(_line(x, top - 6, x, height - 24, "grid"))
        parts.append(_text(x, height - 8, f"{tick:g}", "middle", "small"))
        tick += step
    y = top
    for (label, group), names in zip(groups, shown):
        parts.append(_text(left - 8, y + len(names) * bar / 2 + 4, label, "end"))
        for name in names:
            length = min(group[name], most) * scale
            colour = COLOURS[series.index(name) % len(COLOURS)]
            parts.append(f'<rect x="{left}" y="{y:g}" width="{length:.1f}" height="{bar - 2}" '
                         f'fill="{colour}"/>')
            parts.append(_text(left + length + 4, y + bar - 3.5, f"{group[name]:.2f}",
                               kind="small"))
            y += bar
        y += gap
    if limit is not None:
        x = left + limit * scale
        parts.append(_line(x, top - 6, x, height - 24, "axis"))
    parts.append(_text(width - 10, 22, note, "end", "small"))
    return _picture(width, height, title, parts)


def _decades(low, high):
    """From the power of ten below to the one above."""
    return range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9) + 1)


def _short(exponent):
    for unit, at in (("M", 6), ("k", 3)):
        if exponent >= at:
            return f"{10 ** (exponent - at):g}{unit}"
    return f"{10.0 ** exponent:g}"


def lines(title, x_name, y_name, series, width=560, height=340):
    """Lines on logarithmic axes. `series`: {name: [(x, y), …]}."""
    left, right, top, bottom = 62, 20, 66, 44
    points = [p for line in series.values() for p in line if p[0] > 0 and p[1] > 0]
    xs, ys = ([p[i] for p in points] for i in (0, 1))
    across, up = _decades(min(xs), max(xs)), _decades(min(ys), max(ys))
    across = range(across[0], max(across[-1], across[0] + 1) + 1)
    up = range(up[0], max(up[-1], up[0] + 1) + 1)

    def at_x(x):
        share = (math.log10(x) - across[0]) / (across[-1] - across[0])
        return left + share * (width - left - right)

    def at_y(y):
        return height - bottom - (math.log10(y) - up[0]) / (up[-1] - up[0]) * (
            height - top - bottom)

    parts = [_text(10, 22, title, kind="title"), *_legend(list(series), 10, 44)]
    for exponent in across:
        x = at_x(10.0 ** exponent)
        parts += [_line(x, top, x, height - bottom, "grid"),
                  _text(x, height - bottom + 16, _short(exponent), "middle", "small")]
    for exponent in up:
        y = at_y(10.0 ** exponent)
        parts += [_line(left, y, width - right, y, "grid"),
                  _text(left - 6, y + 4, _short(exponent), "end", "small")]
    parts.append(_text((left + width - right) / 2, height - 8, x_name, "middle", "small"))
    parts.append(_text(left, top - 6, y_name, "start", "small"))
    for number, line in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line if x > 0 and y > 0)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for place in path.split():
            x, y = place.split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>')
    return _picture(width, height, title, parts)
