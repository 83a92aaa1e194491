#!/usr/bin/python3
"""The man page of chat-worker, made of what the program says of its commands.

usage: chat-worker --experimental-dump-help | scripts/man-page.py > chat-worker.1
"""
import json
import sys


def text(line):
    """One line of running text, as roff."""
    line = line.replace("\\", "\\e").replace("-", "\\-")
    line = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in line)
    return "\\&" + line if line[:1] in ".'" else line


def paragraphs(words):
    """Lines as they stand: examples must not be filled."""
    return [".nf", *(text(line) for line in words.splitlines()), ".fi"]


def names(argument):
    """-c, --config FILE"""
    value = argument.get("valueName", "")
    if argument["kind"] == "positional":
        return f"<{value}>"
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    shown = ", ".join(
        dashes[name["kind"]] + name["name"] for name in sorted(argument["names"], key=lambda name: len(name["name"])))
    return shown if argument["kind"] == "flag" else f"{shown} <{value}>"


def options(command):
    """What a command takes, without --help and --version, which all have."""
    lines = []
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True) or argument.get("valueName") in ("help", "version"):
            continue
        said = argument.get("abstract", "")
        if argument.get("defaultValue"):
            said += f" (default: {argument['defaultValue']})"
        lines += [".TP", f"\\fB{text(names(argument))}\\fR", text(" ".join(said.split()))]
    return lines


def commands(command, prefix):
    """A section for each command, and for those below it."""
    lines = []
    for sub in command.get("subcommands", []):
        if not sub.get("shouldDisplay", True) or sub["commandName"] == "help":
            continue
        name = f"{prefix} {sub['commandName']}".strip()
        lines += [f".SS {text(name)}", text(sub.get("abstract", ""))]
        if sub.get("discussion"):
            lines += [".PP", *paragraphs(sub["discussion"])]
        lines += options(sub)
        lines += commands(sub, name)
    return lines


def main():
    program = json.load(sys.stdin)["command"]
    version = sys.argv[1] if len(sys.argv) > 1 else ""
    name = program["commandName"]
    page = [
        f'.TH {name.upper()} 1 "" "{name} {version}" "User Commands"',
        ".SH NAME", text(f"{name} - {program['abstract'].rstrip('.')}"),
        ".SH SYNOPSIS", f"\\fB{text(name)}\\fR COMMAND [OPTIONS]",
        ".SH DESCRIPTION", *paragraphs(program.get("discussion", "")), text("All commands take --help."),
        ".SH COMMANDS", *commands(program, ""),
        ".SH FILES",
        ".TP", "/etc/chat\\-worker/worker.conf", "The configuration, with every key in it.",
        ".TP", "/etc/chat\\-worker/secrets/", "Secrets, which systemd hands to the worker alone.",
        ".SH SEE ALSO", text("/usr/share/doc/chat-worker/README.md, rabbitmqctl(8), systemctl(1)"),
    ]
    print("\n".join(page))


main()
