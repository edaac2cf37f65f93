# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Workloads measured at several places of an axis: a line per contender, drawn over the places."""

from bench_report import svg, tables, units, workloads

PREFIX = "scale-"
WIDTH, TOP, PLOT, BOTTOM, LEFT, LABELS = 1000, 20, 240, 26, 78, 190
LABEL_HEIGHT = 16
OURS, FLOOR = "#0b62c4", "#3f4a55"
RIVALS = ("#d55e00", "#00845f", "#b0578d", "#b57c00", "#3a9bd1", "#7d7d7d", "#7a5cc0", "#996633")


def split(sections):
    """(the sections that stand alone, those of each sweep by the name of its workload)."""
    found = {}
    for section in sections:
        if section["name"].startswith(PREFIX) and section["contenders"]:
            found.setdefault(workloads.base(section["name"]), []).append(section)
    found = {name: places for name, places in found.items() if len(places) > 1}
    return [s for s in sections if workloads.base(s["name"]) not in found], found


def place(section):
    """Where on its axes a section was measured: "loops: 4, producers: 16"."""
    axes = section["name"].split("/")[1:]
    return ", ".join(axis.replace(":", ": ") for axis in axes) or "–"


def names(sections):
    """All contenders, ours first and the floors last."""
    found = {c["name"] for section in sections for c in section["contenders"]}
    rank = {"ours": 0, "rival": 1, "floor": 2}
    return sorted(found, key=lambda name: (rank[tables.role(name)], name))


def figures(sections, name):
    """Per section the summary of that contender, or None."""
    return [
        next((c["figure"] for c in section["contenders"] if c["name"] == name), None)
        for section in sections
    ]


def color(name, contenders):
    """The line's colour; rivals differ."""
    role = tables.role(name)
    if role != "rival":
        return OURS if role == "ours" else FLOOR
    rivals = [other for other in contenders if tables.role(other) == "rival"]
    return RIVALS[rivals.index(name) % len(RIVALS)]


def rows(sections):
    """(contenders, per section its place and per contender a figure and what else is known)."""
    contenders = names(sections)
    table = []
    for section in sections:
        found = {c["name"]: c for c in section["contenders"]}
        cells = [_cell(section["measure"], found.get(name)) for name in contenders]
        table.append((place(section), cells))
    return contenders, table


def _cell(measure, contender):
    if contender is None:
        return "", ""
    return units.figure(measure, contender["figure"]["median"]), tables.extras(contender)


def draw(sections):
    """Medians on a logarithmic scale, joined per contender, each with the range of its rounds."""
    contenders = names(sections)
    lines = {name: figures(sections, name) for name in contenders}
    every = [f for line in lines.values() for f in line if f and f["low"] > 0]
    if not every:
        return ""
    bottom = TOP + PLOT
    scale = svg.LogScale(
        min(f["low"] for f in every), max(f["high"] for f in every), bottom - 8, TOP + 8
    )
    right = WIDTH - LABELS
    step = (right - LEFT) / len(sections)
    middles = [LEFT + step * (i + 0.5) for i in range(len(sections))]
    shapes = list(_axes(sections, scale, middles, right))
    ends = {}
    for name in reversed(contenders):  # ours is drawn last, on top
        points = [(x, f) for x, f in zip(middles, lines[name]) if f and f["low"] > 0]
        if points:
            shapes += _line(points, scale, name, color(name, contenders))
            ends[name] = points[-1][0], scale(points[-1][1]["median"])
    shapes += _labels(ends, right, contenders)
    title = f"{workloads.base(sections[0]['name'])}: {sections[0]['measure_words']}"
    return svg.image(WIDTH, bottom + BOTTOM, title, shapes)


def _axes(sections, scale, middles, right):
    measure, bottom = sections[0]["measure"], TOP + PLOT
    for tick in scale.ticks():
        yield svg.line(LEFT, scale(tick), right, scale(tick), "grid")
        factor, unit = units.step_for(measure, tick)
        shown = f"{tick / factor:g} {unit}"
        yield svg.text(LEFT - 8, scale(tick) + 4, shown, "tick", "end")
    room = (right - LEFT) / len(sections) * 13 / 11.5
    for section, x in zip(sections, middles):
        shown = svg.shortened(place(section), room)
        yield svg.text(x, bottom + 17, shown, "tick", "middle", place(section))


def _line(points, scale, name, stroke):
    path = " ".join(f"{x:.1f},{scale(f['median']):.1f}" for x, f in points)
    width = 3 if tables.role(name) == "ours" else 1.8
    dashes = "5 4" if tables.role(name) == "floor" else None
    yield svg.element(
        "polyline", points=path, fill="none", stroke=stroke, stroke_width=width,
        stroke_dasharray=dashes,
    )  # fmt: skip
    for x, figure in points:
        low, high = scale(figure["low"]), scale(figure["high"])
        yield svg.element("line", x1=x, y1=low, x2=x, y2=high, stroke=stroke, stroke_width=1.2)
        yield svg.element("circle", cx=x, cy=scale(figure["median"]), r=3.6, fill=stroke)


def _labels(ends, right, contenders):
    """Names at the ends of their lines, moved apart where they would collide."""
    order = sorted(ends, key=lambda name: ends[name][1])
    heights = spread_out([ends[name][1] for name in order], TOP + 6, TOP + PLOT)
    for name, y in zip(order, heights):
        x_end, y_end = ends[name]
        stroke = color(name, contenders)
        yield svg.element(
            "line", x1=x_end + 5, y1=y_end, x2=right + 10, y2=y, stroke=stroke, stroke_width=0.7,
            opacity=0.6,
        )  # fmt: skip
        label = tables.contender_label(name)
        shown = svg.shortened(label, LABELS - 20)
        css = "name " + tables.role(name)
        yield svg.text(right + 14, y + 4.5, shown, css, title=label if shown != label else "")


def spread_out(heights, lowest, highest):
    """Sorted heights, moved as little as keeps them LABEL_HEIGHT apart and within the limits, if
    there is room for all."""
    placed = []
    for y in heights:
        placed.append(max(y, placed[-1] + LABEL_HEIGHT) if placed else max(y, lowest))
    limit = highest
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - LABEL_HEIGHT
    return placed
