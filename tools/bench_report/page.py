# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""report.html: one page that needs nothing but itself, for the screen and for paper."""

import html

from bench_report import charts, sweeps, tables, units, words

CSS = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6875; --rule: #dfe4e9; --ours: #0b62c4;
  --rival: #8d9aa8; --floor: #ffffff; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px 60px; background: #fff;
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans",
  "DejaVu Sans", sans-serif; }
h1 { font-size: 27px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 8px; }
h3 { font-size: 16px; margin: 34px 0 2px; }
p { margin: 4px 0 10px; max-width: 62em; } .soft { color: var(--soft); }
.score { display: inline-block; margin: 12px 0 4px; padding: 8px 14px; border-radius: 6px;
  background: #eef4fb; font-size: 17px; font-weight: 600; }
.warning { margin: 12px 0; padding: 9px 14px; border-left: 4px solid #c77700; background: #fff6e5; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th, td { padding: 6px 8px 6px 4px; border-bottom: 1px solid var(--rule); }
td { vertical-align: top; } .number { text-align: right; white-space: nowrap; }
th.number { white-space: normal; }
td small { display: block; font-weight: 400; color: var(--soft); font-size: 12px; }
.id { font-weight: 600; white-space: nowrap; } tr.ours td, td.ours { background: #f1f7fe; }
td.ours, th.ours { padding-left: 10px; }
.badge { display: inline-block; padding: 1px 8px; border-radius: 9px; font-size: 12.5px;
  font-weight: 600; white-space: nowrap; }
.met { background: #dff3e4; color: #12602c; } .not-met { background: #fde3e1; color: #96201a; }
.too-noisy-to-tell, .too-few-rounds-to-tell { background: #fff0d1; color: #7a4a00; }
.not-measured { background: #eceff2; color: #4d5966; }
svg { display: block; width: 100%; height: auto; margin: 6px 0 2px; }
svg text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans", "DejaVu Sans",
  sans-serif; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .heading, svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .name.ours { font-weight: 700; fill: var(--ours); }
.our-row { fill: #f1f7fe; } .grid { stroke: var(--rule); stroke-width: 1; }
.bar.ours { fill: var(--ours); } .bar.rival { fill: #b4bfca; }
.bar.floor { fill: #fff; stroke: #6c7986; stroke-width: 1.2; stroke-dasharray: 4 3; }
.range { stroke: #1c2733; stroke-width: 1.1; } .dot { fill: #fff; stroke: #1c2733;
  stroke-width: .9; }
.spine { stroke-width: 3; stroke-linecap: round; } .spine.ours { stroke: var(--ours); }
.spine.rival { stroke: #b4bfca; } .spine.floor { stroke: #6c7986; stroke-dasharray: 4 5; }
.band { opacity: .3; } .band.ours { fill: var(--ours); } .band.rival { fill: #8d9aa8; }
.band.floor { fill: #6c7986; }
td.goal, th.goal { width: 140px; } td.goal { padding-top: 5px; }
td.goal svg { width: 130px; margin: 0; }
.good { fill: #e9f6ec; } .limit { stroke: #5b6875; stroke-width: 1.4; }
.interval { stroke: #1c2733; stroke-width: 1.4; } .point.met { fill: #1d8a43; }
.point.not-met { fill: #c6312a; } .point { fill: #c77700; }
.mark { stroke: #fff; stroke-width: 1.2; } .mark.ours { fill: var(--ours); }
.mark.rival { fill: #6f7d8b; } .mark.floor { fill: #3f4a55; }
pre { padding: 10px 14px; background: #f5f7f9; border-radius: 6px; font-size: 12.5px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 8px 0; }
dt { color: var(--soft); } dd { margin: 0; }
@media print {
  @page { size: A4; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 12px; print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  .badge { font-size: 10.5px; } table { font-size: 11px; } td small { font-size: 10px; }
  th, td { padding: 4px 6px 4px 0; }
  h2 { margin-top: 24px; } h3 { margin-top: 18px; }
  section.workload, tr, pre { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
}
"""


def render(report):
    """The whole page."""
    body = [
        _head(report),
        _goals(report),
        _matrix(report),
        _workloads(report),
        _method(report),
        _machine(report),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>zmqloop beside other event loops</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _e(text):
    return html.escape(str(text))


def _capital(text):
    return text[:1].upper() + text[1:]


def _p(text, css=""):
    return f'<p class="{css}">{_e(text)}</p>' if css else f"<p>{_e(text)}</p>"


def _head(report):
    machine = report["machine"]
    about = (
        f"{report['date']} · {machine['CPU']} · {machine['cores']} cores · "
        f"{machine['machine']} machine · {report['rounds']} rounds"
    )
    parts = ["<h1>zmqloop beside other event loops</h1>", _p(about, "soft")]
    if report["goals"]:
        parts.append(f'<div class="score">Goals: {_e(words.score(report))}</div>')
    parts.append(_p(words.noise(report)))
    warnings = [*words.doubts(report), *words.failures(report)]
    parts += [f'<div class="warning">{_e(warning)}</div>' for warning in warnings]
    return "\n".join(parts)


def _table(columns, rows):
    """Columns are (heading, class); rows are of finished cells."""
    head = "".join(f'<th class="{css}">{_e(heading)}</th>' for heading, css in columns)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
        + "".join(rows)
        + "</tbody></table></div>"
    )


def _cell(content, css="", below=""):
    small = f"<small>{_e(below)}</small>" if below else ""
    return f'<td class="{css}">{_e(content)}{small}</td>'


def _goals(report):
    if not report["goals"]:
        return ""
    columns = [
        ("", ""), ("zmqloop", "number ours"), ("against", "number"), ("ratio", "number"),
        ("goal", "number"), ("worse · limit · better", "goal"), ("", ""),
    ]  # fmt: skip
    rows = []
    for row in tables.goal_rows(report):
        css = row["verdict"].replace(" ", "-")
        rows.append(
            "<tr>"
            + _what(row)
            + _cell(row["ours"], "number ours")
            + _cell(row["theirs"], "number", row["against"])
            + _cell(row["ratio"], "number", row["interval"])
            + _cell(row["limit"], "number")
            + f'<td class="goal">{charts.GoalPicture(row["judged"]).draw()}</td>'
            + f'<td><span class="badge {css}">{_e(row["verdict"])}</span></td></tr>'
        )
    legend = (
        "The ratio is zmqloop's figure divided by the other's, with the interval that holds its "
        "median. The interval decides whether a goal is met."
    )
    notes = "".join(_p(note, "soft") for note in words.better_variants(report))
    return "<h2>Goals</h2>\n" + _p(legend, "soft") + _table(columns, rows) + notes


def _what(row):
    label = tables.workload_label(row["workload"])
    question = f"{row['words']} {_capital(row['measure'])}."
    return f"<td><b>{_e(label)}</b> <small>{_e(question)}</small></td>"


def _matrix(report):
    names, rows = tables.matrix(sweeps.split(report["workloads"])[0])
    if not rows:
        return ""
    columns = [("", ""), *((n, "number ours" if n == "zmqloop" else "number") for n in names)]
    written = []
    for section, cells in rows:
        line = _cell(tables.workload_label(section["name"]), "id", section["measure_words"])
        for name, cell in zip(names, cells):
            css = "number ours" if name == "zmqloop" else "number"
            line += _cell(*(cell[:1] if cell else ("",)), css, cell[1] if cell else "")
        written.append(f"<tr>{line}</tr>")
    legend = (
        "Medians, and below each zmqloop's figure divided by it. Each library is used in its usual "
        "way; variants stand below, workload by workload."
    )
    return "<h2>All contenders</h2>\n" + _p(legend, "soft") + _table(columns, written)


def _workloads(report):
    legend = (
        "Bars are medians, lines the range of the rounds, dots the rounds: the first is the "
        "highest dot, the last the lowest. In charts of latency the circle is the median (p50), "
        "the diamond p99, the square p99.9; the scale is logarithmic."
    )
    alone, swept = sweeps.split(report["workloads"])
    listed = "\n".join([*map(_workload, alone), *(_sweep(*item) for item in swept.items())])
    return f"<h2>Workload by workload</h2>\n{_p(legend, 'soft')}\n{listed}"


def _workload(section):
    if not section["contenders"]:
        return ""  # what failed is told at the top
    better = "more is better" if section["higher_is_better"] else "less is better"
    columns = [(name, "number" if i else "") for i, name in enumerate(tables.DETAIL_COLUMNS)]
    rows = [
        f'<tr class="{tables.role(name)}">'
        + "".join(_cell(text, "number" if i else "") for i, text in enumerate(texts))
        + "</tr>"
        for name, texts in tables.detail_rows(section)
    ]
    return (
        f'<section class="workload"><h3>{_e(tables.workload_label(section["name"]))}</h3>'
        + _p(f"{section['words']} {_capital(section['measure_words'])}; {better}.", "soft")
        + ("" if section["is_latency"] else charts.bars(section))
        + charts.percentiles(section)
        + _table(columns, rows)
        + "</section>"
    )


def _sweep(name, sections):
    better = "more is better" if sections[0]["higher_is_better"] else "less is better"
    question = f"{sections[0]['words']} {_capital(sections[0]['measure_words'])}; {better}."
    contenders, rows = sweeps.rows(sections)
    columns = [("", ""), *((tables.contender_label(c), "number") for c in contenders)]
    written = [
        f"<tr>{_cell(place)}{''.join(_cell(cell, 'number', also) for cell, also in cells)}</tr>"
        for place, cells in rows
    ]
    return (
        f'<section class="workload"><h3>{_e(name)}</h3>{_p(question, "soft")}'
        f"{sweeps.draw(sections)}{_table(columns, written)}</section>"
    )


def _method(report):
    seconds = units.figure("time", report["seconds_per_measurement"] * 1e9)
    paragraphs = [
        f"In each of {report['rounds']} rounds every workload came once, and its contenders one "
        "right after the other, in an order that changed from round to round, each in a process "
        f"of its own that measured for {seconds}.",
        "A ratio is zmqloop's figure divided by the other's, formed within each round and then "
        "medianed: what disturbs a round disturbs both sides of it. The interval behind it goes "
        "from the k-th smallest to the k-th largest round, k as large as it can be for the "
        "interval to hold the true median with a chance of 90 % whatever the distribution: up to "
        "seven rounds the whole range, of nine all but the outermost. A goal is met, or not, if "
        "its limit lies outside the interval; inside, the run was too noisy to tell.",
        "Where work goes from core to core, how long a cache line takes between them decides much, "
        "and a virtual machine's host changes that as it moves the CPUs about. It was measured "
        "before and after each measurement; a round whose two sides differ in it by more than half "
        "is left out of their ratio.",
        "System calls were counted in separate runs under strace, a short one subtracted from a "
        "long one; strace slows each call down, which makes programs that batch look better. "
        + report["system_calls"],
        "CPU time is that of all threads of the process, per operation.",
    ]
    floors = [
        f"<tr>{_cell(f['workload'], 'id')}{_cell(tables.contender_label(f['contender']))}"
        f"{_cell(units.figure('part', f['spread']), 'number')}</tr>"
        for f in report["noise"]["floors"]
    ]
    columns = [("", ""), ("floor", ""), ("largest minus smallest round, of the median", "number")]
    quiet = "<h3>How quiet it was</h3>" + _p(words.noise(report))
    quiet += _table(columns, floors) if floors else ""
    return "<h2>How it was measured</h2>\n" + "".join(map(_p, paragraphs)) + quiet


def _machine(report):
    facts = {**report["machine"], **report["versions"]}
    noise = report["noise"]
    facts["load average"] = f"{noise['load_before']:.2f} before, {noise['load_after']:.2f} after"
    listed = "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in facts.items())
    commands = "\n".join([report["command"], *report["commands"]])
    return (
        f"<h2>Machine, versions, commands</h2>\n<dl>{listed}</dl>\n"
        + _p("The whole is reproduced by the first command; the others are what it ran, in turn:")
        + f"<pre>{_e(commands)}</pre>"
    )
