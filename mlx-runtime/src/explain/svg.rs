//! Draws pictures as SVG: rows from top to bottom, each box below all that it reads. An arrow that passes rows has a
//! slot in each of them.
//!
//! Tests: `mlx-tests --test explain`.

use std::fmt::Write;

use super::html::escape;
use super::picture::{Block, Picture};

/// Advance of a character: titles are 13 pixels of a fixed-width font, lines are 11.
const TITLE: f64 = 7.9;
const LINE: f64 = 6.7;
const PAD: f64 = 14.0;
const GAP: f64 = 30.0;
const BESIDE: f64 = 18.0;
const STRIP: f64 = 24.0;

/// A picture with places.
struct Placed<'a> {
    picture: &'a Picture,
    width: f64,
    height: f64,
    boxes: Vec<Spot<'a>>,
    arrows: Vec<Vec<(f64, f64)>>,
}

struct Spot<'a> {
    block: &'a Block,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    inside: Option<Placed<'a>>,
}

/// An entry of a row: a box, or an arrow on its way from one box to another.
#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Block(usize),
    Pass(usize, usize),
}

/// The picture as an `svg` element.
pub(super) fn svg(picture: &Picture) -> String {
    let placed = place(picture);
    let (w, h) = (placed.width + 2.0, placed.height + 2.0);
    // It shrinks to the window as long as it can be read.
    let least = 0.65 * w;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"min-width:{least:.0}px\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"img\">\n<title>{}</title>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" class=\"tip\"/></marker></defs>\n",
        escape(&picture.title)
    );
    draw(&placed, 1.0, 1.0, 0, &mut out);
    out + "</svg>\n"
}

fn head(title: &str, lines: &[String]) -> (f64, f64) {
    let wide = lines.iter().map(|l| l.chars().count() as f64 * LINE);
    let width = wide.fold(title.chars().count() as f64 * TITLE, f64::max);
    (width, 20.0 + 15.0 * lines.len() as f64)
}

fn place(picture: &Picture) -> Placed<'_> {
    let rows = rows(picture);
    let mut spots: Vec<Spot<'_>> = picture.boxes.iter().map(spot).collect();
    let widths = |row: &[Slot], spots: &[Spot<'_>]| -> f64 {
        let each = row.iter().map(|s| match s {
            Slot::Block(i) => spots[*i].width,
            Slot::Pass(..) => 4.0,
        });
        each.sum::<f64>() + BESIDE * row.len().saturating_sub(1) as f64
    };
    let (title, mut top) = head(&picture.title, &picture.lines);
    let strip = cell(picture) * picture.layers.len() as f64;
    if strip > 0.0 {
        top += STRIP;
    }
    let title = title.max(strip);
    let inner = rows.iter().map(|r| widths(r, &spots)).fold(title, f64::max);
    let mut y = PAD + top;
    let mut passes: Vec<(Slot, f64, f64, f64)> = Vec::new();
    // The lower edge of each box's row: an arrow leaves the row before it bends.
    let mut ends = vec![0.0; spots.len()];
    for row in &rows {
        let mut x = PAD + (inner - widths(row, &spots)) / 2.0;
        let height = row.iter().map(|s| match s {
            Slot::Block(i) => spots[*i].height,
            Slot::Pass(..) => 0.0,
        });
        let height = height.fold(0.0, f64::max);
        for slot in row {
            match slot {
                Slot::Block(i) => {
                    (spots[*i].x, spots[*i].y) = (x, y);
                    ends[*i] = y + height;
                    x += spots[*i].width + BESIDE;
                }
                pass => {
                    passes.push((*pass, x + 2.0, y, y + height));
                    x += 4.0 + BESIDE;
                }
            }
        }
        y += height + GAP;
    }
    let mut arrows = Vec::new();
    for (to, block) in picture.boxes.iter().enumerate() {
        for (nth, from) in block.from.iter().enumerate() {
            let (a, b) = (&spots[*from], &spots[to]);
            let middle = a.x + a.width / 2.0;
            let mut path = vec![(middle, a.y + a.height), (middle, ends[*from])];
            for (_, x, top, bottom) in passes.iter().filter(|(s, ..)| *s == Slot::Pass(*from, to)) {
                path.extend([(*x, *top), (*x, *bottom)]);
            }
            let share = (nth as f64 + 1.0) / (block.from.len() as f64 + 1.0);
            path.push((b.x + b.width * share, b.y));
            arrows.push(path);
        }
    }
    Placed {
        picture,
        width: inner + 2.0 * PAD,
        height: y - GAP + PAD,
        boxes: spots,
        arrows,
    }
}

fn spot(block: &Block) -> Spot<'_> {
    let inside = block.inside.as_ref().map(place);
    let (text, top) = head(&block.title, &block.lines);
    let label = block.label.chars().count() as f64 * LINE;
    let (mut width, mut height) = (text.max(label) + 20.0, top + 6.0);
    if !block.label.is_empty() {
        height += 16.0;
    }
    if let Some(p) = &inside {
        width = width.max(p.width + 12.0);
        height += p.height + 6.0;
    }
    Spot {
        block,
        x: 0.0,
        y: 0.0,
        width,
        height,
        inside,
    }
}

/// Puts each box into the row below the last one that it reads. Arrows between distant rows pass the rows between.
/// Within a row the order follows the rows above.
fn rows(picture: &Picture) -> Vec<Vec<Slot>> {
    let mut rank: Vec<usize> = Vec::new();
    for block in &picture.boxes {
        let above = block.from.iter().filter_map(|f| rank.get(*f));
        rank.push(above.max().map_or(0, |r| r + 1));
    }
    // An input stands right above the first box that reads it, and so do values computed from parameters alone.
    let mut constant: Vec<bool> = Vec::new();
    for block in &picture.boxes {
        let all = block.from.iter().all(|f| constant.get(*f) == Some(&true));
        constant.push(block.look != "input" && all);
    }
    for i in (0..picture.boxes.len()).rev() {
        let boxes = picture.boxes.iter().enumerate();
        let readers = boxes.filter(|(_, b)| b.from.contains(&i));
        let first = readers.map(|(j, _)| rank[j]).min();
        if let (true, Some(first)) = (constant[i] || picture.boxes[i].from.is_empty(), first) {
            rank[i] = first.saturating_sub(1);
        }
    }
    let mut rows: Vec<Vec<Slot>> = vec![Vec::new(); rank.iter().max().map_or(0, |r| r + 1)];
    for (to, block) in picture.boxes.iter().enumerate() {
        rows[rank[to]].push(Slot::Block(to));
        for from in &block.from {
            for row in rows.iter_mut().take(rank[to]).skip(rank[*from] + 1) {
                row.push(Slot::Pass(*from, to));
            }
        }
    }
    for at in 1..rows.len() {
        let (above, below) = rows.split_at_mut(at);
        let above = &above[at - 1];
        let middle = |slot: &Slot| {
            let froms = match slot {
                Slot::Block(i) => picture.boxes[*i].from.iter().map(|f| (*f, *i)).collect(),
                Slot::Pass(from, to) => vec![(*from, *to)],
            };
            let places: Vec<f64> = froms
                .iter()
                .filter_map(|(from, to)| {
                    let is = |s: &Slot| *s == Slot::Pass(*from, *to) || *s == Slot::Block(*from);
                    Some(above.iter().position(is)? as f64 / above.len() as f64)
                })
                .collect();
            match places.len() {
                0 => 0.5,
                n => places.iter().sum::<f64>() / n as f64,
            }
        };
        below[0].sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    }
    rows
}

fn draw(p: &Placed<'_>, x: f64, y: f64, depth: usize, out: &mut String) {
    let shade = depth % 4;
    let _ = writeln!(
        out,
        "<rect class=\"frame shade{shade}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"10\"/>",
        p.width, p.height
    );
    text(out, x + PAD, y + PAD + 6.0, "title", &p.picture.title);
    for (i, line) in p.picture.lines.iter().enumerate() {
        text(out, x + PAD, y + PAD + 22.0 + 15.0 * i as f64, "line", line);
    }
    strip(
        p.picture,
        x + PAD,
        y + PAD + 16.0 + 15.0 * p.picture.lines.len() as f64,
        out,
    );
    for path in &p.arrows {
        let mut d = String::new();
        for (i, (px, py)) in path.iter().enumerate() {
            let (px, py) = (px + x, py + y);
            let before = i
                .checked_sub(1)
                .and_then(|j| path.get(j))
                .map(|(a, b)| (a + x, b + y));
            let _ = match before {
                None => write!(d, "M{px:.1} {py:.1}"),
                Some((a, _)) if (a - px).abs() < 0.5 => write!(d, " L{px:.1} {py:.1}"),
                Some((a, b)) => {
                    let bend = ((py - b) / 2.0).max(6.0);
                    write!(
                        d,
                        " C{a:.1} {:.1} {px:.1} {:.1} {px:.1} {py:.1}",
                        b + bend,
                        py - bend
                    )
                }
            };
        }
        let _ = writeln!(
            out,
            "<path class=\"arrow\" d=\"{d}\" marker-end=\"url(#tip)\"/>"
        );
    }
    for spot in &p.boxes {
        block(spot, x + spot.x, y + spot.y, depth, out);
    }
}

/// The width of a layer in the strip that shows a stack's cuts.
fn cell(picture: &Picture) -> f64 {
    (480.0 / picture.layers.len().max(1) as f64).clamp(5.0, 14.0)
}

/// A stack's layers beside each other, a bar before each that begins a span.
fn strip(picture: &Picture, x: f64, y: f64, out: &mut String) {
    let width = cell(picture);
    for (i, layer) in picture.layers.iter().enumerate() {
        let left = x + width * i as f64;
        let look = if layer.again { "again" } else { "whole" };
        let text = match (layer.again, layer.boundary) {
            (true, true) => "its input is kept, it runs again",
            (true, false) => "runs again",
            (false, _) => "keeps what it needs",
        };
        let _ = writeln!(
            out,
            "<rect class=\"layer {look}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\"><title>layer {i}: {text}</title></rect>",
            left + 1.5,
            y + 3.0,
            width - 2.5
        );
        if layer.boundary {
            let _ = writeln!(
                out,
                "<rect class=\"boundary\" x=\"{:.1}\" y=\"{y:.1}\" width=\"2\" height=\"18\"/>",
                left - 0.8
            );
        }
    }
}

fn block(spot: &Spot<'_>, x: f64, y: f64, depth: usize, out: &mut String) {
    let b = spot.block;
    let faded = if b.faded { " faded" } else { "" };
    let _ = writeln!(out, "<g class=\"box {}{faded}\">", b.look);
    if !b.hint.is_empty() {
        let _ = writeln!(out, "<title>{}</title>", escape(&b.hint));
    }
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"/>",
        spot.width, spot.height
    );
    if b.kept {
        let _ = writeln!(
            out,
            "<rect class=\"kept\" x=\"{x:.1}\" y=\"{:.1}\" width=\"4\" height=\"{:.1}\" rx=\"2\"/>",
            y + 4.0,
            spot.height - 8.0
        );
    }
    let mut at = y + 17.0;
    text(out, x + 10.0, at, "title", &b.title);
    for line in &b.lines {
        at += 15.0;
        text(out, x + 10.0, at, "line", line);
    }
    if !b.label.is_empty() {
        at += 16.0;
        text(out, x + 10.0, at, "label", &b.label);
    }
    if let Some(inner) = &spot.inside {
        draw(inner, x + 6.0, at + 9.0, depth + 1, out);
    }
    out.push_str("</g>\n");
}

fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(text)
    );
}
