#!/usr/bin/env python3
"""Draws a flame graph of what `perf script` prints, as one SVG without scripts, and says where the samples are.

usage: perf script -i FILE | scripts/flamegraph.py OUTPUT.svg TITLE
"""
import collections
import html
import re
import subprocess
import sys

WIDTH, ROW, MARGIN = 1400, 17, 24
# Narrower boxes say nothing that a reader could use.
LEAST = 0.004

# A sample belongs to the first of these that one of its frames matches, from the innermost outwards.
GROUPS = [
    ("kernel: sleeping and waking", r"schedule|finish_task_switch|try_to_wake_up|futex|ep_poll|do_epoll_wait|do_poll|eventfd"),
    ("kernel: sending", r"tcp_sendmsg|__sys_sendto|__sys_sendmsg|tcp_write_xmit|do_writev|ksys_write|vfs_write"),
    ("kernel: receiving", r"tcp_recvmsg|__sys_recvfrom|sock_read_iter|vfs_read|ksys_read|do_readv"),
    ("kernel: the rest", r"\[kernel|entry_SYSCALL|do_syscall_64"),
    ("malloc and free", r"^(_int_|__libc_|)(malloc|free|calloc|realloc)|swift_(slow)?(Alloc|Dealloc|allocObject)|swift_dealloc"),
    ("retain and release", r"swift_(retain|release|bridgeObject|unknownObject)"),
    ("JSON: frames of the gateway", r"FrameMemory|FrameScanner|JSONCursor"),
    ("answers: log and chunks", r"AnswerLog|AnswerStream|PublishTemplate|ShardFeed"),
    ("AMQP", r"PublisherLoop|ConsumerLoop|ConfirmWindow|BrokerLink|FrameAssembler|LoopOwnership|amqp_"),
    ("gateway stream and WebSocket", r"GatewayStream|WebSocket|EventStream|GatewayLoop"),
    ("SwiftNIO", r"NIO|ChannelPipeline|ByteBuffer|SelectableEventLoop"),
    ("job", r"Job|Webhook|Delivery|AsyncHTTPClient"),
]


def folded(lines):
    """Stacks, outermost frame first, with their number of samples."""
    stacks, frames = collections.Counter(), []
    for line in lines:
        line = line.rstrip("\n")
        if not line.strip():
            if frames:
                stacks[tuple(reversed(frames))] += 1
            frames = []
        elif line[0] in " \t":
            match = re.match(r"\s+[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line)
            if match:
                name, where = match.groups()
                if name == "[unknown]":
                    name = "[" + where.rsplit("/", 1)[-1] + "]"
                frames.append(name + ("_[k]" if "kernel" in where or where == "[kernel.kallsyms]" else ""))
    if frames:
        stacks[tuple(reversed(frames))] += 1
    return stacks


def demangled(stacks):
    """Swift's symbols as a person writes them."""
    names = sorted({frame for stack in stacks for frame in stack if frame.startswith("$s")})
    if not names:
        return stacks
    done = subprocess.run(["swift", "demangle", "--simplified"], input="\n".join(names), capture_output=True, text=True,
                          check=True)
    known = dict(zip(names, done.stdout.splitlines()))
    out = collections.Counter()
    for stack, count in stacks.items():
        out[tuple(known.get(frame, frame) for frame in stack)] += count
    return out


def group(stack):
    for frame in reversed(stack):
        for name, pattern in GROUPS:
            if name.startswith("kernel") == frame.endswith("_[k]") and re.search(pattern, frame):
                return name
    in_kernel = stack[-1].endswith("_[k]")
    return "kernel: the rest" if in_kernel else "the rest"


class Node:
    def __init__(self):
        self.count, self.children = 0, {}


def tree(stacks):
    root = Node()
    for stack, count in stacks.items():
        node = root
        node.count += count
        for frame in stack:
            node = node.children.setdefault(frame, Node())
            node.count += count
    return root


def draw(root, title, path):
    boxes, deepest = [], 0

    def place(node, name, left, depth):
        nonlocal deepest
        width = node.count / root.count
        if width < LEAST:
            return
        deepest = max(deepest, depth)
        boxes.append((name, left, width, depth))
        for child, below in sorted(node.children.items()):
            place(below, child, left, depth + 1)
            left += below.count / root.count

    place(root, title, 0, 0)
    height = (deepest + 1) * ROW + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           'font-family="monospace" font-size="11">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    for name, left, width, depth in boxes:
        x, y, wide = left * WIDTH, height - MARGIN - (depth + 1) * ROW, width * WIDTH
        color = "#9ecae1" if name.endswith("_[k]") else "#fdae6b" if re.search(r"swift_|malloc|free", name) else "#fee391"
        text = name.removesuffix("_[k]")
        short = text if len(text) * 6.7 < wide - 4 else text[:max(0, int((wide - 10) / 6.7))] + ".." if wide > 30 else ""
        out.append(f'<g><title>{html.escape(text)}: {width:.1%}</title><rect x="{x:.1f}" y="{y}" width="{max(wide - 0.5, 0.5):.1f}" '
                   f'height="{ROW - 1}" fill="{color}"/><text x="{x + 2:.1f}" y="{y + 12}">{html.escape(short)}</text></g>')
    out.append("</svg>\n")
    with open(path, "w") as file:
        file.write("\n".join(out))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    stacks = demangled(folded(sys.stdin))
    total = sum(stacks.values())
    if total == 0:
        sys.exit("flamegraph: there are no samples in the input")
    draw(tree(stacks), f"{sys.argv[2]}: {total} samples", sys.argv[1])
    groups = collections.Counter()
    for stack, count in stacks.items():
        groups[group(stack)] += count
    print(f"{sys.argv[2]}: {total} samples")
    for name, count in groups.most_common():
        print(f"  {count / total:6.1%}  {name}")


if __name__ == "__main__":
    main()
