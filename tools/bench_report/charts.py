# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures: a bar per contender, percentiles of latency, how far a goal is from its limit."""

import math

from bench_report import goals, svg, tables, units

WIDTH = 1000
ROW, BAR, TOP, BOTTOM = 34, 16, 26, 26
LABELS_AT_LEAST, LABELS_AT_MOST, LABEL_GAP = 80, 220, 14
VALUE_COLUMN, PERCENTILE_COLUMN, RATIO_COLUMN = 190, 220, 110
MARKS = {"p50": "circle", "p99": "diamond", "p99.9": "square"}
LEAST_SHOWN = 0.1  # nanoseconds; a logarithmic scale has no place for zero


class Frame:
    """Rows with names at the left, a plot, and columns of text at the right."""

    def __init__(self, contenders, columns):
        widest = max(svg.text_width(tables.contender_label(c["name"])) for c in contenders)
        self.left = max(LABELS_AT_LEAST, min(LABELS_AT_MOST, widest)) + LABEL_GAP
        self.right = WIDTH - sum(width for _, width in columns) - 12
        self.bottom = TOP + ROW * len(contenders)
        self.height = self.bottom + BOTTOM
        self.shapes = []
        edge = self.right + 12
        self.column_ends = []
        for heading, width in columns:
            edge += width
            self.column_ends.append(edge)
            self.shapes.append(svg.text(edge, TOP - 12, heading, "heading", "end"))
        for index, contender in enumerate(contenders):
            self._name_row(index, contender)

    def middle(self, index):
        return TOP + ROW * index + ROW / 2

    def _name_row(self, index, contender):
        y, name = self.middle(index), tables.contender_label(contender["name"])
        if tables.role(contender["name"]) == "ours":
            self.shapes.append(
                svg.element("rect", x=0, y=y - ROW / 2, width=WIDTH, height=ROW, class_="our-row")
            )
        shown = svg.shortened(name, LABELS_AT_MOST)
        title = name if shown != name else ""
        css = "name " + tables.role(contender["name"])
        self.shapes.append(svg.text(self.left - 10, y + 4.5, shown, css, "end", title))

    def write(self, index, *texts):
        for edge, content in zip(self.column_ends, texts):
            self.shapes.append(svg.text(edge, self.middle(index) + 4.5, content, "value", "end"))

    def axis(self, scale, measure, highest):
        factor, unit = units.step_for(measure, highest)
        ticks = scale.ticks(factor)
        for tick in ticks:
            x = scale(tick)
            self.shapes.append(svg.line(x, TOP - 2, x, self.bottom, "grid"))
            content = f"{tick / factor:g}" + (f" {unit}" if tick == ticks[-1] else "")
            self.shapes.append(svg.text(x, self.bottom + 16, content, "tick", "middle"))


def bars(section):
    """Medians as bars, the range of the rounds as a line, each round as a dot."""
    contenders, measure = section["contenders"], section["measure"]
    columns = (("median (range)", VALUE_COLUMN), ("zmqloop ÷ this", RATIO_COLUMN))
    frame = Frame(contenders, columns)
    highest = max(c["figure"]["high"] for c in contenders)
    scale = svg.LinearScale(highest, frame.left, frame.right)
    frame.axis(scale, measure, highest)
    for index, contender in enumerate(contenders):
        figure, y = contender["figure"], frame.middle(index)
        frame.shapes.append(
            svg.element(
                "rect",
                x=scale(0),
                y=y - BAR / 2,
                width=max(1.0, scale(figure["median"]) - scale(0)),
                height=BAR,
                class_="bar " + tables.role(contender["name"]),
            )
        )
        frame.shapes += _range_line(scale, figure, y)
        frame.shapes += _dots(scale, figure, y)
        ratio = contender["ratio"]
        frame.write(index, units.with_range(measure, figure), _ratio(ratio) if ratio else "")
    better = "longer is better" if section["higher_is_better"] else "shorter is better"
    title = f"{section['name']}: {section['measure_words']}, {better}"
    return svg.image(WIDTH, frame.height, title, frame.shapes)


def _range_line(scale, summary, y, css="range"):
    low, high = scale(summary["low"]), scale(summary["high"])
    yield svg.line(low, y, high, y, css)
    for x in (low, high):
        yield svg.line(x, y - 5, x, y + 5, css)


def _dots(scale, summary, y):
    """The first round is the highest dot, the last the lowest: a drift shows as a slope."""
    rounds = summary["rounds"]
    for number, value in enumerate(rounds):
        if value is not None:
            value = max(value, LEAST_SHOWN) if isinstance(scale, svg.LogScale) else value
            offset = (number + 0.5) / len(rounds) - 0.5
            yield svg.element(
                "circle", cx=float(scale(value)), cy=y + offset * (BAR - 3), r=1.9, class_="dot"
            )


def percentiles(section):
    """p50, p99 and p99.9 of each contender on one line, each over the range of its rounds; empty if
    the workload has none."""
    contenders = [c for c in section["contenders"] if c["percentiles"]]
    if not contenders:
        return ""
    contenders.sort(key=lambda c: next(iter(c["percentiles"].values()))["median"])
    columns = (("p50 / p99 / p99.9", PERCENTILE_COLUMN), ("zmqloop ÷ this", RATIO_COLUMN))
    frame = Frame(contenders, columns if section["is_latency"] else columns[:1])
    every = [p for c in contenders for p in c["percentiles"].values()]
    lowest, highest = (max(pick(p[end] for p in every), LEAST_SHOWN)
                       for pick, end in ((min, "low"), (max, "high")))  # fmt: skip
    scale = svg.LogScale(lowest, highest, frame.left + 8, frame.right - 8)
    _log_axis(frame, scale)
    for index, contender in enumerate(contenders):
        _percentile_row(frame, scale, frame.middle(index), contender)
        medians = [units.figure("time", p["median"]) for p in contender["percentiles"].values()]
        ratio = contender["ratio"] if section["is_latency"] else None
        frame.write(index, " / ".join(medians), _ratio(ratio) if ratio else "")
    title = f"{section['name']}: percentiles of latency, further left is better"
    return svg.image(WIDTH, frame.height, title, frame.shapes)


def _ratio(summary):
    return units.factor(summary["median"]) + " ×"


def _percentile_row(frame, scale, y, contender):
    role = tables.role(contender["name"])
    at = {name: max(p["median"], LEAST_SHOWN) for name, p in contender["percentiles"].items()}
    ends = scale(min(at.values())), scale(max(at.values()))
    frame.shapes.append(svg.line(*ends[:1], y, *ends[1:], y, "spine " + role))
    for name, summary in contender["percentiles"].items():
        low, high = (scale(max(summary[end], LEAST_SHOWN)) for end in ("low", "high"))
        frame.shapes.append(
            svg.element("rect", x=low, y=y - 6, width=high - low, height=12, rx=3,
                        class_="band " + role)
        )  # fmt: skip
        frame.shapes += _dots(scale, summary, y)
    for name, value in at.items():
        frame.shapes.append(_mark(MARKS[name], scale(value), y, role))


def _log_axis(frame, scale):
    for tick in scale.ticks():
        x = scale(tick)
        frame.shapes.append(svg.line(x, TOP - 2, x, frame.bottom, "grid"))
        factor, unit = units.step_for("time", tick)
        content = f"{tick / factor:g} {unit}"
        frame.shapes.append(svg.text(x, frame.bottom + 16, content, "tick", "middle"))


def _mark(shape, x, y, role):
    css = "mark " + role
    if shape == "circle":
        return svg.element("circle", cx=float(x), cy=y, r=6, class_=css)
    turn = f"rotate(45 {x:.2f} {y:.2f})" if shape == "diamond" else None
    return svg.element("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, transform=turn, class_=css)


class GoalPicture:
    """A ratio and its interval on a logarithmic scale with the limit in the middle; further right
    is better, and a ratio that does not fit is an arrow at the edge."""

    WIDTH, HEIGHT, MIDDLE = 130, 20, 10
    SPAN = 2  # ratios of up to twice and half the limit fit

    def __init__(self, judged):
        self._judged = judged
        self._scale = svg.LogScale(1 / self.SPAN, self.SPAN, 10, self.WIDTH - 10)

    def draw(self):
        limit = self._scale(1)
        shapes = [
            svg.element("rect", x=limit, y=2, width=self.WIDTH - limit, height=16, class_="good"),
            svg.line(limit, 0, limit, self.HEIGHT, "limit"),
        ]
        if self._judged["ratio"]:
            shapes += self._ratio(self._judged["ratio"])
        title = f"{self._judged['verdict']}; the limit is in the middle, better is to the right"
        return svg.image(self.WIDTH, self.HEIGHT, title, shapes)

    def _goodness(self, ratio):
        """1 at the limit, more is better."""
        factor = self._judged["factor"]
        if self._judged["direction"] == goals.AT_LEAST:
            return ratio / factor
        return factor / ratio if ratio > 0 else math.inf

    def _place(self, ratio):
        return self._scale(min(max(self._goodness(ratio), 1 / self.SPAN), self.SPAN))

    def _ratio(self, ratio):
        css = "point " + self._judged["verdict"].replace(" ", "-")
        ends = [self._place(ratio[end]) for end in ("sure_low", "sure_high")]
        yield svg.line(ends[0], self.MIDDLE, ends[1], self.MIDDLE, "interval")
        for x in ends:
            yield svg.line(x, self.MIDDLE - 4, x, self.MIDDLE + 4, "interval")
        x, goodness = self._place(ratio["median"]), self._goodness(ratio["median"])
        if 1 / self.SPAN <= goodness <= self.SPAN:
            yield svg.element("circle", cx=x, cy=self.MIDDLE, r=4.5, class_=css)
            return
        tip = x + (9 if goodness > 1 else -9)
        points = f"{tip:.1f},{self.MIDDLE} {x:.1f},{self.MIDDLE - 5} {x:.1f},{self.MIDDLE + 5}"
        yield svg.element("polygon", points=points, class_=css)
