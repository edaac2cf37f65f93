# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The machine a run was made on, and what else it was busy with meanwhile."""

import os
import platform
import re
import resource
import subprocess

PACKAGES = {  # what a contender is called here, and the Debian package it comes from
    "libzmq": "libzmq3-dev",
    "cppzmq": "cppzmq-dev",
    "asio": "libasio-dev",
    "libuv": "libuv1-dev",
    "libevent": "libevent-dev",
    "libev": "libev-dev",
    "czmq": "libczmq-dev",
    "TBB": "libtbb-dev",
    "Google Benchmark": "libbenchmark-dev",
}


def describe(root):
    """What one needs to know of the machine and of the versions, as {what: text}."""
    info = _cpu_info()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.uname()
    return {
        "CPU": info.get("model name", system.machine) + _mhz(info),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "machine": "virtual" if "hypervisor" in info.get("flags", "").split() else "physical",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{system.system} {system.release} {system.machine}",
        "system": _os_name(),
        "compiler": _first_line("g++", "--version"),
        "zmqloop": _revision(root),
    }


def library_versions():
    """The versions of the rivals and of what else is linked, of those that are installed."""
    found = {}
    for name, package in PACKAGES.items():
        version = _first_line("dpkg-query", "-W", "-f=${Version}", package)
        if version:
            found[name] = version
    return found


def _cpu_info():
    info = {}
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            info.setdefault(name.strip(), value.strip())
    return info


def _mhz(info):
    if "GHz" in info.get("model name", "") or "cpu MHz" not in info:
        return ""
    return f", {float(info['cpu MHz']) / 1000:.2f} GHz"


def _os_name():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _revision(root):
    revision = _first_line("git", "-C", root, "rev-parse", "--short=12", "HEAD")
    if not revision:
        return "not under version control"
    changed = _first_line("git", "-C", root, "status", "--porcelain", "--untracked-files=no")
    return f"commit {revision}" + (", with local changes" if changed else "")


def _first_line(*command):
    """The first line a command prints; empty if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


class Load:
    """Watches what others take of the processors from its construction to finish()."""

    def __init__(self):
        self._begin = self._now()

    def finish(self):
        """Parts of the processors' time: of other processes, and taken by the host; and the load
        averages before and after. Parts are None where /proc does not tell."""
        begin, end = self._begin, self._now()
        total = end["total"] - begin["total"]
        busy = end["busy"] - begin["busy"]
        stolen = end["stolen"] - begin["stolen"]
        own = end["own"] - begin["own"]
        return {
            "others": max(0.0, busy - own) / total if total > 0 else None,
            "stolen": stolen / total if total > 0 else None,
            "load_before": begin["load"],
            "load_after": end["load"],
        }

    @staticmethod
    def _now():
        with open("/proc/stat", encoding="ascii") as file:
            match = re.match(r"cpu +(.*)", file.read())
        ticks = [int(text) for text in match.group(1).split()] + [0] * 8
        user, nice, system, idle, iowait, irq, softirq, steal = ticks[:8]
        busy = user + nice + system + irq + softirq
        per_second = os.sysconf("SC_CLK_TCK")
        own = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        return {
            "total": (busy + idle + iowait + steal) / per_second,
            "busy": busy / per_second,
            "stolen": steal / per_second,
            "own": own,
            "load": os.getloadavg()[0],
        }
