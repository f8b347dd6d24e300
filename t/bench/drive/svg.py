"""A chart with two logarithmic axes as an SVG. All is drawn in currentColor, which follows the reader's light or dark page."""

from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 74, 34, 64, 52
LETTER = 7.4  # pixels of a letter in the legend, about
DASHES = ("", "6 4", "", "6 4")
THICK = (2.4, 1.6, 2.4, 1.6)
SHAPES = ("circle", "circle", "square", "square")
STYLE = ("svg{color:#1a1a1a;font:13px system-ui,sans-serif}"
         "@media(prefers-color-scheme:dark){svg{color:#e8e8e8}}"
         "text{fill:currentColor}path,line{stroke:currentColor;fill:none}.grid{opacity:.18}")


class Axis:
    """Maps values to pixels; its ends are at a 1, 2 or 5 times a power of ten."""

    def __init__(self, values, start, end):
        self.low = max(t for t in ticks(min(values) / 10, min(values)))
        self.high = min(t for t in ticks(max(values), max(values) * 10))
        if self.low == self.high:
            self.high = self.low * 10
        self.start, self.end = start, end

    def at(self, value):
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return round(self.start + share * (self.end - self.start), 1)

    def marks(self):
        return ticks(self.low, self.high)


def ticks(low, high):
    """1, 2 and 5 times powers of ten between two values, both included."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    found = [factor * 10.0 ** power for power in powers for factor in (1, 2, 5)]
    return [t for t in found if low * 0.999 <= t <= high * 1.001]


def mark(shape, x, y):
    if shape == "circle":
        return f'<circle cx="{x}" cy="{y}" r="3.6" fill="currentColor"/>'
    return f'<rect x="{round(x - 3.4, 1)}" y="{round(y - 3.4, 1)}" width="6.8" height="6.8" fill="currentColor"/>'


def label(x, y, text, anchor="middle", extra=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def grid(x, y):
    for value in x.marks():
        at = x.at(value)
        yield f'<line class="grid" x1="{at}" y1="{TOP}" x2="{at}" y2="{HEIGHT - BOTTOM}"/>'
        yield label(at, HEIGHT - BOTTOM + 18, f"{value:,.0f}")
    for value in y.marks():
        at = y.at(value)
        yield f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}"/>'
        yield label(LEFT - 8, at + 4, f"{value:,.12g}", "end")


def line(n, points, x, y):
    places = [(x.at(a), y.at(b)) for a, b in points]
    dash = f' stroke-dasharray="{DASHES[n]}"' if DASHES[n] else ""
    yield f'<path stroke-width="{THICK[n]}"{dash} d="M' + "L".join(f"{a} {b}" for a, b in places) + '"/>'
    for a, b in places:
        yield mark(SHAPES[n], a, b)


def legend(lines):
    """What each line is, in one row under the title."""
    at = LEFT
    for n, (name, _) in enumerate(lines):
        yield from line(n, [(at, 44), (at + 26, 44)], Straight, Straight)
        yield label(at + 34, 48, name, "start")
        at += round(34 + LETTER * len(name) + 16)


class Straight:
    """Pixels as they are."""

    @staticmethod
    def at(value):
        return value


def chart(title, x_name, y_name, lines):
    """lines: at most four of (name, [(x, y), ...])."""
    lines = [(name, points) for name, points in lines if points]
    x = Axis([a for _, points in lines for a, _ in points], LEFT, WIDTH - RIGHT)
    y = Axis([b for _, points in lines for _, b in points], HEIGHT - BOTTOM, TOP)
    turned = f' transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) // 2})"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f"<title>{escape(f'{title}: {y_name} over {x_name}')}</title><style>{STYLE}</style>",
             label(LEFT, 22, title, "start", ' font-weight="600"'), *legend(lines), *grid(x, y),
             label((LEFT + WIDTH - RIGHT) // 2, HEIGHT - 12, x_name),
             label(16, (TOP + HEIGHT - BOTTOM) // 2, y_name, "middle", turned)]
    for n, (_, points) in enumerate(lines):
        parts += line(n, points, x, y)
    return "\n".join([*parts, "</svg>\n"])
