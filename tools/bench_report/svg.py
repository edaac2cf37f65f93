# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The few shapes the charts are drawn with, and the scales that put figures on them."""

import html
import math

CHARACTER = 7.6  # width of a typical character at 13 px in the widest of the fonts, bold


def text_width(text):
    """About how wide a text is at 13 px; rather more than less."""
    return len(text) * CHARACTER


def shortened(text, width):
    """The text, cut with an ellipsis if it is wider than `width`."""
    if text_width(text) <= width:
        return text
    return text[: max(0, int(width / CHARACTER) - 1)] + "…"


def element(name, content="", **attributes):
    """One element. Attributes are written with "_" for "-"; numbers get two decimals at most."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _value(value):
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return html.escape(str(value))


def text(x, y, content, css="", anchor="start", title=""):
    inner = html.escape(content) + (element("title", html.escape(title)) if title else "")
    return element("text", inner, x=x, y=y, text_anchor=anchor, class_=css or None)


def line(x1, y1, x2, y2, css):
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=css)


def image(width, height, title, shapes):
    """A picture that scales with the page; the title is for those who cannot see it."""
    content = element("title", html.escape(title)) + "".join(shapes)
    return element(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height:.0f}",
        role="img",
    )


class LinearScale:
    """From 0 to `highest` on the way from `left` to `right`."""

    def __init__(self, highest, left, right):
        self._left, self._per_unit = left, (right - left) / highest if highest > 0 else 0
        self._highest = highest

    def __call__(self, value):
        return self._left + value * self._per_unit

    def ticks(self, unit=1):
        """Values that are round in that unit, about five of them."""
        if self._highest <= 0:
            return [0.0]
        rough = self._highest / unit / 5
        power = 10 ** math.floor(math.log10(rough))
        step = unit * next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
        return [i * step for i in range(int(self._highest / step * 1.0000001) + 1)]


class LogScale:
    """From `lowest` to `highest`, each factor as wide as the next equal one."""

    def __init__(self, lowest, highest, left, right):
        self._low, self._high = math.log10(lowest), math.log10(highest)
        if self._high - self._low < 0.5:  # else ticks would be too few, differences overdrawn
            middle = (self._low + self._high) / 2
            self._low, self._high = middle - 0.25, middle + 0.25
        self._left, self._right = left, right

    def __call__(self, value):
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._left + part * (self._right - self._left)

    def ticks(self):
        """Powers of ten, with 2 and 5 between them where there is room."""
        steps = (1,) if self._high - self._low > 3 else (1, 2, 5)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        values = [step * 10.0**power for power in powers for step in steps]
        return [v for v in values if self._low - 1e-9 <= math.log10(v) <= self._high + 1e-9]
