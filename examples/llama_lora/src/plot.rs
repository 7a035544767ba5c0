//! Draws the loss curve: an SVG for the adapter's folder, and a small one for the terminal.
//!
//! Tests: unit tests below.

use anyhow::{anyhow, Result};
use plotters::prelude::*;

type Point = (f64, f64);

/// The smallest rectangle that holds every point, never empty: `(x range, y range)`.
fn bounds<'a>(points: impl Iterator<Item = &'a Point>) -> Option<(Point, Point)> {
    let mut all = points.peekable();
    all.peek()?;
    let (mut x, mut y) = ((f64::MAX, f64::MIN), (f64::MAX, f64::MIN));
    for &(px, py) in all {
        x = (x.0.min(px), x.1.max(px));
        y = (y.0.min(py), y.1.max(py));
    }
    let widen = |(low, high): Point| {
        if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        }
    };
    Some((widen(x), widen(y)))
}

/// The curves as SVG; `None` if there are no points.
pub fn svg(train: &[Point], valid: &[Point]) -> Result<Option<String>> {
    let Some((x, y)) = bounds(train.iter().chain(valid)) else {
        return Ok(None);
    };
    let mut text = String::new();
    draw(&mut text, train, valid, x, y).map_err(|e| anyhow!("cannot draw the loss curve: {e}"))?;
    Ok(Some(text))
}

fn draw(
    text: &mut String,
    train: &[Point],
    valid: &[Point],
    x: Point,
    y: Point,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, (800, 450)).into_drawing_area();
    area.fill(&WHITE)?;
    let margin = (y.1 - y.0) * 0.05;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption("loss", ("sans-serif", 20))
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(x.0..x.1, (y.0 - margin).max(0.0)..y.1 + margin)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (name, points, color) in [("train", train, BLUE), ("valid", valid, RED)] {
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                color.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|&p| Circle::new(p, 2, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// A curve in Braille dots, `columns` by `rows` characters with the range of the loss at its left; empty if there are
/// fewer than two points.
pub fn sketch(points: &[Point], columns: usize, rows: usize) -> String {
    let (Some((x, y)), true) = (bounds(points.iter()), points.len() > 1) else {
        return String::new();
    };
    let (wide, high) = (columns * 2, rows * 4);
    let mut cells = vec![0u8; columns * rows];
    let mut dot = |px: f64, py: f64| {
        let i = ((px - x.0) / (x.1 - x.0) * (wide - 1) as f64).round() as usize;
        let j = ((y.1 - py) / (y.1 - y.0) * (high - 1) as f64).round() as usize;
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if let Some(cell) = cells.get_mut((j / 4) * columns + i / 2) {
            *cell |= BITS[j % 4][i % 2];
        }
    };
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let steps = 2 * (wide + high);
        for s in 0..=steps {
            let t = s as f64 / steps as f64;
            dot(ax + t * (bx - ax), ay + t * (by - ay));
        }
    }
    let mut text = String::new();
    for (r, line) in cells.chunks(columns).enumerate() {
        let label = match r {
            0 => format!("{:>8.3}", y.1),
            r if r + 1 == rows => format!("{:>8.3}", y.0),
            _ => " ".repeat(8),
        };
        let dots: String = line
            .iter()
            .filter_map(|&bits| char::from_u32(0x2800 + u32::from(bits)))
            .collect();
        text += &format!("{label} │{dots}\n");
    }
    text + &format!("{:>8} └{} step {}\n", "loss", "─".repeat(columns), x.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_whatever_the_points() {
        assert!(svg(&[], &[]).unwrap().is_none());
        for points in [
            vec![(1.0, 2.0)],
            vec![(1.0, 2.0), (2.0, 2.0)],
            vec![(1.0, 9.0), (2.0, 0.0)],
        ] {
            let text = svg(&points, &points).unwrap().unwrap();
            assert!(text.contains("<svg") && text.trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn the_sketch_falls_from_top_left_to_bottom_right() {
        let text = sketch(&[(1.0, 4.0), (9.0, 1.0)], 10, 3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("   4.000 │"));
        let dots = |line: &str| line.split('│').nth(1).unwrap().chars().collect::<Vec<_>>();
        assert!(dots(lines[0])[0] > '\u{2800}' && dots(lines[2])[9] > '\u{2800}');
        assert_eq!(dots(lines[2])[0], '\u{2800}');
        assert_eq!(sketch(&[(1.0, 1.0)], 10, 3), "");
    }
}
