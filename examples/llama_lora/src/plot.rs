//! Draws loss curves: an SVG for the adapter's folder, a page that compares runs, and a small curve for the terminal.
//!
//! Tests: unit tests below, `tests/reporting.rs`.

use anyhow::{anyhow, ensure, Context, Result};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cli::PlotArgs;
use crate::files::{read_json, write_atomic};
use crate::metrics::{Metrics, METRICS};
use crate::output;

type Point = (f64, f64);

/// The losses of a run.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    /// The name in the legend.
    pub name: String,
    /// Step and loss of each report of training.
    pub train: Vec<Point>,
    /// Step and loss of each evaluation.
    pub valid: Vec<Point>,
}

impl Curves {
    /// Those of a run's reports.
    pub fn of(name: String, metrics: &Metrics) -> Curves {
        Curves {
            name,
            train: metrics.train_curve(),
            valid: metrics.valid_curve(),
        }
    }
}

/// Losses that differ by more than this get an axis of powers.
const WIDE: f64 = 30.0;
/// Of runs, training and validation.
const COLORS: [(RGBColor, RGBColor); 5] = [
    (RGBColor(37, 99, 235), RGBColor(220, 38, 38)),
    (RGBColor(5, 150, 105), RGBColor(4, 120, 87)),
    (RGBColor(217, 119, 6), RGBColor(180, 83, 9)),
    (RGBColor(124, 58, 237), RGBColor(109, 40, 217)),
    (RGBColor(8, 145, 178), RGBColor(14, 116, 144)),
];
const GRID: RGBColor = RGBColor(229, 231, 235);
const TEXT: RGBColor = RGBColor(55, 65, 81);
const SIZE: (u32, u32) = (860, 480);
/// The same picture where the reader prefers dark pages: attributes give way to styles.
const STYLE: &str = "<style>\
text{font-family:system-ui,sans-serif}\
@media (prefers-color-scheme:dark){\
[fill=\"#FFFFFF\"]{fill:#111827}text[fill=\"#374151\"]{fill:#E5E7EB}\
[stroke=\"#E5E7EB\"]{stroke:#374151}[stroke=\"#374151\"]{stroke:#9CA3AF}\
[stroke=\"#2563EB\"]{stroke:#60A5FA}[fill=\"#2563EB\"]{fill:#60A5FA}\
[stroke=\"#DC2626\"]{stroke:#F87171}[fill=\"#DC2626\"]{fill:#F87171}}\
</style>";

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

/// An axis with round numbers on it: of the values themselves, or of their logarithms.
#[derive(Clone)]
struct Axis {
    range: (f64, f64),
    logarithmic: bool,
    most: usize,
}

impl Axis {
    /// The places of round values, as the axis has them.
    fn places(&self) -> Vec<f64> {
        let (low, high) = self.range;
        if self.logarithmic {
            let decades = low.floor() as i32..=high.ceil() as i32;
            let steps: &[f64] = if high - low > 4.0 {
                &[1.0]
            } else {
                &[1.0, 2.0, 5.0]
            };
            let all = decades.flat_map(|d| steps.iter().map(move |s| f64::from(d) + s.log10()));
            return all.filter(|v| (low..=high).contains(v)).collect();
        }
        let rough = (high - low) / self.most.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power);
        let step = step
            .into_iter()
            .find(|s| *s >= rough)
            .unwrap_or(10.0 * power);
        let first = (low / step).ceil() as i64;
        (first..)
            .map(|i| i as f64 * step)
            .take_while(|v| *v <= high + step * 1e-9)
            .collect()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.places()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.0..self.range.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let value = if self.logarithmic {
            10f64.powf(*value)
        } else {
            *value
        };
        short(value)
    }
}

/// A number with few digits.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A running mean that forgets: of `points`, over about a twentieth of them.
fn smooth(points: &[Point]) -> Vec<Point> {
    let window = (points.len() as f64 / 20.0).max(1.0);
    let keep = 1.0 - 2.0 / (window + 1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    points
        .iter()
        .map(|&(x, y)| {
            sum = keep * sum + y;
            weight = keep * weight + 1.0;
            (x, sum / weight)
        })
        .collect()
}

/// The curves of runs as SVG, for light and dark pages; `None` if there are no points.
pub fn svg(runs: &[Curves], subtitle: &str) -> Result<Option<String>> {
    let points = || runs.iter().flat_map(|r| r.train.iter().chain(&r.valid));
    let Some((x, y)) = bounds(points()) else {
        return Ok(None);
    };
    let positive = points().all(|p| p.1 > 0.0);
    let logarithmic = positive && y.1 / y.0 > WIDE;
    let mut text = String::new();
    draw(&mut text, runs, subtitle, (x, y), logarithmic)
        .map_err(|e| anyhow!("cannot draw the loss curve: {e}"))?;
    // The picture may be made smaller, and keeps its shape.
    let (width, height) = SIZE;
    let head = format!("width=\"{width}\" height=\"{height}\"");
    let wide = format!("width=\"100%\" style=\"max-width:{width}px\"");
    let text = text.replacen(&head, &wide, 1);
    Ok(Some(
        match text
            .find('>')
            .and_then(|first| Some(first + 1 + text[first + 1..].find('>')?))
        {
            // After the declaration and the opening of the picture, if there is a declaration.
            Some(second) if text.starts_with("<?xml") => put(&text, second + 1),
            _ => put(&text, text.find('>').map_or(0, |i| i + 1)),
        },
    ))
}

fn put(text: &str, at: usize) -> String {
    let (before, after) = text.split_at(at);
    format!("{before}{STYLE}{after}")
}

fn draw(
    text: &mut String,
    runs: &[Curves],
    subtitle: &str,
    (x, y): (Point, Point),
    logarithmic: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let style = |size: u32| ("sans-serif", size).into_font().color(&TEXT);
    area.draw(&Text::new("loss", (16, 12), style(18)))?;
    area.draw(&Text::new(subtitle.to_owned(), (60, 15), style(13)))?;
    let area = area.margin(36, 0, 0, 0);
    let up = |v: f64| if logarithmic { v.log10() } else { v };
    let (low, high) = (up(y.0), up(y.1));
    let margin = (high - low) * 0.06;
    let low = match logarithmic {
        true => low - margin,
        false => (low - margin).max(if y.0 >= 0.0 { 0.0 } else { f64::MIN }),
    };
    let axis = |range, logarithmic, most| Axis {
        range,
        logarithmic,
        most,
    };
    // The values at the end stand beside the lines.
    let right = x.1 + (x.1 - x.0) * 0.09;
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(
            axis((x.0, right), false, 10),
            axis((low, high + margin), logarithmic, 7),
        )?;
    chart
        .configure_mesh()
        .x_desc("step")
        .label_style(style(12))
        .axis_desc_style(style(13))
        .axis_style(TEXT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    let several = runs.len() > 1;
    let mut ends: Vec<(f64, String, RGBColor)> = Vec::new();
    for (run, (train, valid)) in runs.iter().zip(COLORS.into_iter().cycle()) {
        let points = |all: &[Point]| all.iter().map(|p| (p.0, up(p.1))).collect::<Vec<_>>();
        let smoothed = smooth(&run.train);
        let rough = smoothed.len() > 20;
        if rough {
            chart.draw_series(LineSeries::new(
                points(&run.train),
                train.mix(0.3).stroke_width(1),
            ))?;
        }
        let line = if rough { &smoothed } else { &run.train };
        let label = match several {
            true => run.name.clone(),
            false => "train".to_owned(),
        };
        chart
            .draw_series(LineSeries::new(points(line), train.stroke_width(2)))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], train.stroke_width(2)));
        if line.len() == 1 {
            chart.draw_series(
                points(line)
                    .into_iter()
                    .map(|p| Circle::new(p, 3, train.filled())),
            )?;
        }
        if let Some(last) = line.last() {
            ends.push((last.1, format!("{:.3}", last.1), train));
        }
        if !run.valid.is_empty() {
            let color = if several { train } else { valid };
            let dots = points(&run.valid)
                .into_iter()
                .map(|p| Circle::new(p, 4, color.filled()));
            let series = chart.draw_series(dots)?;
            if !several {
                let dot = move |(x, y): (i32, i32)| Circle::new((x + 8, y), 4, color.filled());
                series.label("valid").legend(dot);
            }
            if let Some(last) = run.valid.last() {
                ends.push((last.1, format!("{:.3}", last.1), color));
            }
        }
    }
    label_ends(&area, &chart, ends, (x.1, up))?;
    if several || !runs[0].valid.is_empty() {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .margin(12)
            .label_font(style(12))
            .background_style(WHITE)
            .border_style(GRID)
            .draw()?;
    }
    area.present()?;
    Ok(())
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Writes the last values beside the lines, none over another.
fn label_ends(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    chart: &Chart<'_, '_>,
    mut ends: Vec<(f64, String, RGBColor)>,
    (x, up): (f64, impl Fn(f64) -> f64),
) -> Result<(), Box<dyn std::error::Error>> {
    const HEIGHT: i32 = 14;
    ends.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut lowest = i32::MIN / 2;
    for (value, label, color) in ends {
        let (at, y) = chart.backend_coord(&(x, up(value)));
        let (left, top) = area.get_base_pixel();
        let y = (y - HEIGHT / 2).max(lowest + HEIGHT);
        lowest = y;
        let font = ("sans-serif", 12).into_font().color(&color);
        area.draw(&Text::new(label, (at + 6 - left, y - top), font))?;
    }
    Ok(())
}

/// The command `plot`: one page of several runs.
pub fn run(args: &PlotArgs) -> Result<()> {
    let mut runs = Vec::new();
    let mut table = String::new();
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    for folder in &args.runs {
        let path = folder.join(METRICS);
        ensure!(
            path.is_file(),
            "{} has no {METRICS}: name the folders of runs, as --adapter-path did",
            folder.display()
        );
        let metrics = Metrics::read(&path)?;
        let curves = Curves::of(folder.display().to_string(), &metrics);
        let config: serde_json::Value =
            read_json(&folder.join(crate::adapter::CONFIG)).unwrap_or_default();
        let text = |key: &str| match &config[key] {
            serde_json::Value::Null => "-".to_owned(),
            serde_json::Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        let last = |all: &[Point]| all.last().map_or("-".to_owned(), |p| format!("{:.3}", p.1));
        let best = curves
            .valid
            .iter()
            .map(|p| p.1)
            .fold(f64::INFINITY, f64::min);
        let best = if best.is_finite() {
            format!("{best:.3}")
        } else {
            "-".to_owned()
        };
        let cells = [
            curves.name.clone(),
            text("model"),
            text("data"),
            text("fine_tune_type"),
            text("learning_rate"),
            last(&curves.train),
            last(&curves.valid),
            best,
        ];
        let cells: String = cells
            .iter()
            .map(|c| format!("<td>{}</td>", escape(c)))
            .collect();
        table += &format!("<tr>{cells}</tr>\n");
        runs.push(curves);
    }
    let subtitle = format!("{} runs", runs.len());
    let picture = svg(
        &runs,
        if runs.len() > 1 {
            &subtitle
        } else {
            &runs[0].name
        },
    )?
    .context("the runs have no reports yet")?;
    let file = &args.out;
    let text = match file.extension().is_some_and(|e| e == "svg") {
        true => picture,
        false => page(&picture, &table),
    };
    write_atomic(file, text.as_bytes())?;
    output::result(format!("wrote {}\n", file.display()))
}

fn page(picture: &str, table: &str) -> String {
    let heads = [
        "run",
        "model",
        "data",
        "kind",
        "learning rate",
        "train",
        "valid",
        "best valid",
    ];
    let heads: String = heads.iter().map(|h| format!("<th>{h}</th>")).collect();
    let picture = picture.trim_start_matches(|c| c != '<');
    let picture = match picture.strip_prefix("<?xml") {
        Some(rest) => rest
            .split_once("?>")
            .map_or(rest, |(_, svg)| svg.trim_start()),
        None => picture,
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
<title>losses</title><style>body{{font:15px system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;\
background:#fff;color:#374151}}.wide{{overflow-x:auto}}table{{border-collapse:collapse;margin-top:1rem}}\
th,td{{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #e5e7eb;white-space:nowrap}}\
@media (prefers-color-scheme:dark){{body{{background:#111827;color:#e5e7eb}}th,td{{border-color:#374151}}}}</style>\n\
{picture}\n<div class=\"wide\"><table><tr>{heads}</tr>\n{table}</table></div>\n"
    )
}

/// A curve in Braille dots, `columns` by `rows` characters with the range of the loss at its left; empty if there are
/// fewer than two points. As [`svg`], smoothed and on an axis of powers where that helps.
pub fn sketch(points: &[Point], columns: usize, rows: usize) -> String {
    let points = match points.len() > 20 {
        true => smooth(points),
        false => points.to_vec(),
    };
    let (Some((x, y)), true) = (bounds(points.iter()), points.len() > 1) else {
        return String::new();
    };
    let logarithmic = y.0 > 0.0 && y.1 / y.0 > WIDE;
    let up = |v: f64| if logarithmic { v.log10() } else { v };
    let (low, high_value) = (up(y.0), up(y.1));
    let (wide, high) = (columns * 2, rows * 4);
    let mut cells = vec![0u8; columns * rows];
    let mut dot = |px: f64, py: f64| {
        let i = ((px - x.0) / (x.1 - x.0) * (wide - 1) as f64).round() as usize;
        let j = ((high_value - py) / (high_value - low) * (high - 1) as f64).round() as usize;
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if let Some(cell) = cells.get_mut((j / 4) * columns + i / 2) {
            *cell |= BITS[j % 4][i % 2];
        }
    };
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = ((pair[0].0, up(pair[0].1)), (pair[1].0, up(pair[1].1)));
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
    let name = if logarithmic { "log loss" } else { "loss" };
    text + &format!("{name:>8} └{} step {}\n", "─".repeat(columns), x.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(points: &[Point]) -> Curves {
        Curves {
            name: "a".into(),
            train: points.to_vec(),
            valid: points.to_vec(),
        }
    }

    #[test]
    fn curves_are_drawn_whatever_the_points() {
        assert!(svg(&[run(&[])], "").unwrap().is_none());
        for points in [
            vec![(1.0, 2.0)],
            vec![(1.0, 2.0), (2.0, 2.0)],
            vec![(1.0, 9.0), (2.0, 0.0)],
            vec![(1.0, 90.0), (2.0, 0.01)],
            vec![(1.0, -3.0), (2.0, 5.0)],
            (0..100)
                .map(|i| (f64::from(i), 3.0 + f64::from(i % 7)))
                .collect(),
        ] {
            for runs in [vec![run(&points)], vec![run(&points); 7]] {
                let text = svg(&runs, "a model").unwrap().unwrap();
                assert!(text.contains("<svg") && text.trim_end().ends_with("</svg>"));
                assert!(text.contains("prefers-color-scheme:dark") && text.contains("a model"));
                // The last value is said.
                let last = format!("{:.3}", points[points.len() - 1].1);
                assert!(points.len() > 20 || text.contains(&last), "{last}");
            }
        }
    }

    #[test]
    fn axes_have_round_numbers() {
        let labels = |range: (f64, f64), logarithmic: bool| {
            let axis = Axis {
                range,
                logarithmic,
                most: 7,
            };
            axis.places()
                .iter()
                .map(|v| axis.format_ext(v))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            labels((0.0, 3.0), false),
            ["0", "0.5", "1", "1.5", "2", "2.5", "3"]
        );
        assert_eq!(
            labels((2.1, 2.4), false),
            ["2.1", "2.15", "2.2", "2.25", "2.3", "2.35", "2.4"]
        );
        assert_eq!(
            labels((-1.0, 1.0), true),
            ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
        );
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
        assert!(sketch(&[(1.0, 100.0), (2.0, 1.0)], 10, 3).contains("log loss"));
    }
}
