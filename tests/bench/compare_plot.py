"""The picture of the comparison: bars of server CPU per answer and of memory per server, as SVG, from the results of compare.py."""

from xml.sax.saxutils import escape

INK, FAINT, PAPER = "#1b1f24", "#d0d7de", "#ffffff"
OURS, OURS_TOO, OTHERS, FLOOR = "#0b6bcb", "#6aa6e0", "#8c959f", "#c9cfd6"
LABEL_W, BAR_W, VALUE_W, ROW_H, GAP = 96, 230, 74, 22, 34
MIB = 1 << 20


def text(x, y, words, size=12, anchor="start", weight="normal"):
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">{escape(words)}</text>\n'


def colour(label):
    return {"ordinald": OURS, "with reasons": OURS_TOO, "reflector": FLOOR, "reflector, 393 octets": FLOOR}.get(label, OTHERS)


def panel(x, y, title, bars):
    """One group of bars; (its SVG, its height). A bar five times the median and more is cut, its value tells."""
    values = sorted(value for _, value, _ in bars)
    most = min(values[-1], 3 * values[len(values) // 2]) or 1
    out = text(x, y + 14, title, 13, weight="bold")
    for i, (label, value, words) in enumerate(bars):
        top = y + 24 + i * ROW_H
        width = max(1, min(value, most) / most * BAR_W)
        out += text(x + LABEL_W - 6, top + 15, label, anchor="end")
        out += f'<rect x="{x + LABEL_W}" y="{top + 3}" width="{width:.1f}" height="{ROW_H - 6}" fill="{colour(label)}"/>\n'
        if value > most:
            cut = x + LABEL_W + BAR_W - 14
            out += f'<path d="M{cut} {top + ROW_H} l8 -{ROW_H}" stroke="{PAPER}" stroke-width="4"/>\n'
        out += text(x + LABEL_W + width + 5, top + 15, words, 11)
    return out, 24 + len(bars) * ROW_H


def panels(results):
    for size, kinds in results.get("cpu", {}).items():
        for kind, title in (("hit", "A of a pod"), ("nxdomain", "NXDOMAIN"), ("srv", "SRV with 5 targets")):
            yield (f"CPU us per answer: {title}, {int(size):,} endpoints",
                   [(label, s["cpu_us"], f"{s['cpu_us']:.2f} ({s['ratio']:.2f} x)") for label, s in kinds[kind].items()])
    for size, servers in results.get("memory", {}).items():
        yield (f"Memory, MiB: {int(size):,} endpoints",
               [(label, s["pss"] / MIB, f"{s['pss'] / MIB:,.0f}") for label, s in servers.items() if label != "reflector"])


def draw(results):
    column_w, margin, columns = LABEL_W + BAR_W + VALUE_W + GAP, 20, 3
    body, y, row_h = "", margin + 30, 0
    for i, (title, bars) in enumerate(panels(results)):
        if i and i % columns == 0:
            y, row_h = y + row_h + GAP, 0
        out, height = panel(margin + i % columns * column_w, y, title, bars)
        body, row_h = body + out, max(row_h, height)
    width, height = 2 * margin + columns * column_w, y + row_h + margin
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="{PAPER}"/>\n'
            + text(margin, margin + 10, "ordinald beside other servers: same data, same load, one query thread each; less is better", 15,
                   weight="bold") + body + "</svg>\n")
