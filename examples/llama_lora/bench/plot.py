"""A bar chart of the rows that compare.py measured: steps a second, ours, mlx-lm's and PyTorch's, and the floor where it is known."""
from html import escape

COLOURS = {"ours": "#2b6cb0", "mlx-lm": "#c05621", "PyTorch + PEFT": "#718096"}
WIDTH, LEFT, TOP, BAR, GAP = 760, 150, 70, 15, 14


def svg(results, model):
    rows = [r for r in results if r["ours"] or r["peer"]]
    all_sides = list(zip(("ours", "peer", "torch"), COLOURS))

    def speed(side):
        return 1e3 / side["median_ms"] if side and side.get("median_ms") else 0.0

    def floor(row):
        found = row["ours"].get("floor") if row["ours"] else None
        return 1e3 / found["ms"] if found else 0.0

    # A bar for who was measured in any row; in each row for who was measured there.
    measured = [(key, name) for key, name in all_sides if any(speed(r.get(key)) for r in rows)]
    # Each row has a scale of its own: a step on 128 tokens is many times one on 8192.
    out = []
    y = TOP
    for row in rows:
        sides = [(key, name) for key, name in measured if speed(row.get(key))]
        most = max([floor(row), *(speed(row[key]) for key, _ in sides)]) or 1.0
        room = WIDTH - LEFT - 150
        out.append(text(LEFT - 8, y + BAR + 4, row["row"], "end"))
        if floor(row):
            x = LEFT + room * floor(row) / most
            out.append(f'<path d="M{x:.1f} {y - 3}v{len(sides) * BAR + 4}" stroke="#222" stroke-dasharray="3 2"/>')
        for i, (key, name) in enumerate(sides):
            value = speed(row[key])
            at, width = y + i * BAR, room * value / most
            label = f"{value:.2f} steps/s"
            if key == "ours" and row.get("speedup"):
                label += f" ({row['speedup']:.2f}x)"
            out.append(f'<rect x="{LEFT}" y="{at}" width="{width:.1f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>')
            out.append(text(LEFT + width + 5, at + BAR - 4, label, "start", 11))
        y += len(sides) * BAR + GAP
    first = next((r["ours"] for r in rows if r["ours"]), {})
    title = f"One LoRA step of {model}, {first.get('device', '')}, MLX {first.get('mlx', '')}"
    legend = [text(LEFT, 24, title, "start", 15)]
    x = LEFT
    for _, name in measured:
        legend.append(f'<rect x="{x}" y="40" width="12" height="12" fill="{COLOURS[name]}"/>')
        legend.append(text(x + 17, 50, name, "start"))
        x += 40 + 7 * len(name)
    if any(floor(r) for r in rows):
        legend.append(f'<path d="M{x + 2} 38v16" stroke="#222" stroke-dasharray="3 2"/>')
        legend.append(text(x + 10, 50, "the device's limit", "start"))
    body = "\n".join(legend + out)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def text(x, y, words, anchor, size=12):
    # The white border keeps it readable on a line.
    border = 'paint-order="stroke" stroke="#fff" stroke-width="3"'
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-size="{size}" {border}>{escape(str(words))}</text>'
