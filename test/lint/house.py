#!/usr/bin/env python3
"""house.py: the house rules a machine can check.

usage: house.py RULE       one of: layers lists sizes text versions
Prints what breaks the rule, a line each, and exits 1; "sizes" only warns.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What each layer may include. A file that lies directly in src/ joins them all and may include any.
LAYERS = {
    "base": {"base"},
    "event": {"base", "event"},
    "sla": {"base", "sla"},
    "ingest": {"base", "event", "ingest"},
    "transport": {"base", "event", "transport"},
    "dispatch": {"base", "event", "sla", "transport", "dispatch"},
}
MAX_LINES = 500
MAX_FUNCTION_LINES = 60
TEXT_SUFFIXES = {".c", ".h", ".sql", ".sh", ".py", ".pl", ".pm", ".md", ".json", ".control", ".js", ".mjs", ""}


def files():
    """The files of the project, as git would add them, or all there are outside a clone."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        names = [name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if ".git" not in path.relative_to(ROOT).parts]
    return sorted(name for name in names if (ROOT / name).is_file())


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def makefile_list(variable):
    """The words of a variable of Makefile; other variables in it are followed."""
    match = re.search(r"^%s *:?= *((?:.*\\\n)*.*)$" % re.escape(variable), read("Makefile"), re.M)
    words = []
    for word in match.group(1).replace("\\\n", " ").split() if match else []:
        inner = re.fullmatch(r"\$\((\w+)\)", word)
        words.extend(makefile_list(inner.group(1)) if inner else [word])
    return words


def rule_layers():
    for name in files():
        parts = name.split("/")
        if parts[0] != "src" or len(parts) < 3 or not name.endswith((".c", ".h")):
            continue
        layer = parts[1]
        if layer not in LAYERS:
            yield f"{name}: there is no layer \"{layer}\""
            continue
        for number, line in enumerate(read(name).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if match and match.group(1) in LAYERS and match.group(1) not in LAYERS[layer]:
                yield f"{name}:{number}: {layer} may not include {match.group(1)}: {line.strip()}"


def missing(what, there, listed, where):
    for name in sorted(set(there) - set(listed)):
        yield f"{name}: is not in {where} of Makefile"
    for name in sorted(set(listed) - set(there)):
        yield f"{name}: in {where} of Makefile, but there is no such {what}"


def rule_lists():
    names = files()
    sources = [n[:-2] + ".o" for n in names if n.startswith("src/") and n.endswith(".c")]
    yield from missing("source", sources, makefile_list("OBJS"), "OBJS")

    parts = [n for n in names if n.startswith("sql/install/")]
    listed = makefile_list("INSTALL_SQL")
    yield from missing("part", parts, listed, "INSTALL_SQL")
    if listed != sorted(listed):
        yield "INSTALL_SQL of Makefile is not in the order of its names"

    tests = [n[4:-4] for n in names if re.fullmatch(r"sql/[^/]+\.sql", n)]
    yield from missing("test", tests, makefile_list("REGRESS"), "REGRESS")
    expected = {re.sub(r"_\d+$", "", n[9:-4]) for n in names if re.fullmatch(r"expected/[^/]+\.out", n)}
    for test in sorted(set(tests) ^ expected):
        yield f"{test}: needs both sql/{test}.sql and expected/{test}.out"


def functions(text):
    """(name, first line, lines) of each function of a C file in our style: braces in column 0."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = next((l for l in reversed(lines[:start - 1]) if re.match(r"\w+\(", l)), "")
            yield head.split("(")[0], start, number - start - 1
            start = None


def rule_sizes():
    for name in files():
        if not name.endswith((".c", ".h", ".sql", ".pl", ".pm", ".py", ".js", ".mjs")) or name.startswith("expected/"):
            continue
        if name.startswith("test/data/"):
            continue
        text = read(name)
        count = text.count("\n")
        if count > MAX_LINES:
            yield f"{name}: {count} lines, {MAX_LINES} are the rule"
        if name.endswith(".c"):
            for function, start, length in functions(text):
                if length > MAX_FUNCTION_LINES:
                    yield f"{name}:{start}: {function} has {length} lines, {MAX_FUNCTION_LINES} are the rule"


def rule_text():
    marker = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
    for name in files():
        path = Path(name)
        if path.suffix not in TEXT_SUFFIXES or name.startswith("expected/"):
            continue
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        if text and not text.endswith("\n"):
            yield f"{name}: does not end with a newline"
        if "\r" in text:
            yield f"{name}: has carriage returns"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield f"{name}:{number}: space at the end of the line"
            if marker.search(line):
                yield f"{name}:{number}: something left to do"
            if path.suffix in {".sql", ".sh", ".py", ".js", ".mjs"} and line.startswith("\t") and path.suffix != ".sh":
                yield f"{name}:{number}: tab"
            if path.suffix in {".c", ".h"} and re.match(r"\s*//", line):
                yield f"{name}:{number}: // comment"


def rule_versions():
    version = re.search(r"^default_version = '(.*)'", read("cxsig.control"), re.M).group(1)
    meta = json.loads(read("META.json"))
    if meta["version"] != version:
        yield f"META.json has version {meta['version']}, cxsig.control {version}"
    if meta["provides"]["cxsig"]["version"] != version:
        yield "META.json: provides.cxsig.version differs from cxsig.control"
    if not re.search(r"^## %s\b" % re.escape(version), read("CHANGELOG.md"), re.M):
        yield f"CHANGELOG.md has no section for {version}"


def main():
    rules = {n[5:]: f for n, f in globals().items() if n.startswith("rule_")}
    if len(sys.argv) != 2 or sys.argv[1] not in rules:
        sys.exit(__doc__)
    found = list(rules[sys.argv[1]]())
    for line in found:
        print(line)
    sys.exit(1 if found and sys.argv[1] != "sizes" else 0)


if __name__ == "__main__":
    main()
