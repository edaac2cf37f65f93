# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What a report says in sentences."""

from bench_report import goals, units, workloads


def score(report):
    """How many goals came out how, in words; the best news first."""
    verdicts = [goal["verdict"] for goal in report["goals"]]
    order = (goals.MET, goals.MISSED, goals.TOO_NOISY, goals.TOO_FEW, goals.UNMEASURED)
    counted = [(verdicts.count(verdict), verdict) for verdict in order]
    return ", ".join(f"{count} {verdict}" for count, verdict in counted if count)


def noise(report):
    """How quiet the machine was, in one or two sentences."""
    told = report["noise"]
    words = {
        "quiet": "The machine was quiet",
        "restless": "The machine was not quiet",
        "noisy": "The machine was noisy",
        "unknown": "No floor was measured, so that nothing tells how quiet the machine was",
    }[told["level"]]
    if told["spread"] is not None:
        words += f": rounds of a typical floor differ by {units.figure('part', told['spread'])}"
    return f"{words}. {disturbances(told)}".rstrip()


def disturbances(told):
    """The machine's other work meanwhile, and how far apart its cores were."""
    sentences = []
    others, stolen = told["others"], told["stolen"]
    if others is not None:
        words = f"Other processes took {units.figure('part', others)} of the processors' time"
        if stolen:
            words += f", the host {units.figure('part', stolen)}"
        sentences.append(words + ".")
    if distance := told["core_distance_ns"]:
        words = f"A cache line took {units.with_range('time', distance)} from core to core"
        if told["left_out"]:
            pairs = "pair" if told["left_out"] == 1 else "pairs"
            words += f"; {told['left_out']} {pairs} that differed in it were left out of ratios"
        sentences.append(words + ".")
    return " ".join(sentences)


def failures(report):
    """What could not be measured, a sentence each."""
    for failure in report["failures"]:
        times = f"{failure['rounds']} of {report['rounds']} rounds"
        yield f"{failure['benchmark']} failed in {times}: {failure['why']}"


def better_variants(report):
    """Where another way to use a rival does better than the usual one, a sentence each."""
    for goal in report["goals"]:
        if variant := goal["better_variant"]:
            ratio = variant["ratio"]
            told = f": zmqloop ÷ that is {units.factor(ratio)} ×" if ratio else ""
            yield f"In {goal['workload']}, {variant['name']} does better than {goal['against']}{told}."


def doubts(report):
    """The goals that these rounds cannot decide, a sentence for each reason."""
    reasons = (
        (goals.TOO_NOISY, "the limit lies inside the ratio's interval. More rounds, or a quieter "
                          "machine, would tell."),
        (goals.TOO_FEW, "five rounds are the fewest that can."),
    )  # fmt: skip
    for verdict, why in reasons:
        unsure = [g["workload"] for g in report["goals"] if g["verdict"] == verdict]
        if unsure:
            names = ", ".join(dict.fromkeys(map(workloads.base, unsure)))
            reason = verdict.removesuffix(" to tell").capitalize()
            yield f"{reason} to judge goals of {names}: {why}"
