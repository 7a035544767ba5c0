"""A bar chart of the rows that compare.py measured: steps a second, ours and mlx-lm's, and the floor where it is known."""
from html import escape

COLOURS = {"ours": "#2b6cb0", "mlx-lm": "#c05621"}
WIDTH, LEFT, TOP, BAR, GAP = 760, 150, 70, 15, 14


def svg(results, model):
    rows = [r for r in results if r["ours"] or r["peer"]]
    sides = ("ours", "ours"), ("peer", "mlx-lm")

    def speed(side):
        return 1e3 / side["median_ms"] if side else 0.0

    def floor(row):
        found = row["ours"].get("floor") if row["ours"] else None
        return 1e3 / found["ms"] if found else 0.0

    # Each row has a scale of its own: a step on 128 tokens is many times one on 8192.
    out = []
    y = TOP
    for row in rows:
        most = max(speed(row["ours"]), speed(row["peer"]), floor(row)) or 1.0
        room = WIDTH - LEFT - 150
        out.append(text(LEFT - 8, y + BAR + 4, row["row"], "end"))
        for i, (key, name) in enumerate(sides):
            value = speed(row[key])
            if value:
                at, width = y + i * BAR, room * value / most
                label = f"{value:.2f} steps/s"
                if key == "ours" and row.get("speedup"):
                    label += f" ({row['speedup']:.2f}x)"
                out.append(f'<rect x="{LEFT}" y="{at}" width="{width:.1f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>')
                out.append(text(LEFT + width + 5, at + BAR - 4, label, "start", 11))
        if floor(row):
            x = LEFT + room * floor(row) / most
            out.append(f'<path d="M{x:.1f} {y - 3}v{2 * BAR + 4}" stroke="#222" stroke-dasharray="3 2"/>')
        y += 2 * BAR + GAP
    first = next((r["ours"] for r in rows if r["ours"]), {})
    title = f"One LoRA step of {model}, {first.get('device', '')}, MLX {first.get('mlx', '')}"
    legend = [text(LEFT, 24, title, "start", 15)]
    for i, name in enumerate(COLOURS):
        legend.append(f'<rect x="{LEFT + 90 * i}" y="40" width="12" height="12" fill="{COLOURS[name]}"/>')
        legend.append(text(LEFT + 17 + 90 * i, 50, name, "start"))
    if any(floor(r) for r in rows):
        legend.append(f'<path d="M{LEFT + 182} 38v16" stroke="#222" stroke-dasharray="3 2"/>')
        legend.append(text(LEFT + 190, 50, "the device's limit", "start"))
    body = "\n".join(legend + out)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def text(x, y, words, anchor, size=12):
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-size="{size}">{escape(str(words))}</text>'
