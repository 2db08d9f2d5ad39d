//! Pictures of an evaluation, as SVG.

use std::fmt::Write;

use super::calibrate::Bin;
use super::report::{Report, Results};

/// Edge of the plotted square, and space for the words around it, in pixels.
const SIDE: f64 = 320.0;
const MARGIN: f64 = 48.0;
/// Smallest share of false alarms that a ROC curve shows.
const LEAST: f64 = 1e-5;

fn frame(title: &str, across: &str, up: &str, ticks: &[(f64, String)], inside: &str) -> String {
    let size = SIDE + 2.0 * MARGIN;
    let (left, bottom) = (MARGIN, MARGIN + SIDE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size}\" height=\"{size}\" \
         viewBox=\"0 0 {size} {size}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{title}</title>\n<rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/>\n\
         <rect x=\"{left}\" y=\"{MARGIN}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#999\"/>\n"
    );
    let mut put = |x: f64, y: f64, anchor: &str, words: &str| {
        let text =
            format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n");
        svg.push_str(&text);
    };
    put(size / 2.0, MARGIN - 16.0, "middle", title);
    put(size / 2.0, size - 10.0, "middle", across);
    put(left - 34.0, MARGIN - 8.0, "start", up);
    for (at, words) in ticks {
        put(left + at * SIDE, bottom + 15.0, "middle", words);
    }
    for tenth in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        put(left - 5.0, bottom - tenth * SIDE + 4.0, "end", &format!("{tenth:.1}"));
    }
    svg.push_str(inside);
    svg.push_str("</svg>\n");
    svg
}

fn place(across: f64, up: f64) -> (f64, f64) {
    (MARGIN + across.clamp(0.0, 1.0) * SIDE, MARGIN + (1.0 - up.clamp(0.0, 1.0)) * SIDE)
}

fn path(points: impl IntoIterator<Item = (f64, f64)>, colour: &str) -> String {
    let mut inside = String::from("<path d=\"");
    for (at, (across, up)) in points.into_iter().enumerate() {
        let (x, y) = place(across, up);
        let step = if at == 0 { 'M' } else { 'L' };
        let _ = write!(inside, "{step}{x:.1} {y:.1}");
    }
    inside + &format!("\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n")
}

/// The share of attacks found for each share of false alarms, the latter on a logarithmic scale. Both in any order.
pub fn roc(title: &str, attacks: &[f64], benign: &[f64]) -> String {
    let falling = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(|left, right| right.total_cmp(left));
        sorted
    };
    let (attacks, benign) = (falling(attacks), falling(benign));
    let across = |share: f64| 1.0 - share.max(LEAST).log10() / LEAST.log10();
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (rank, threshold) in benign.iter().enumerate() {
        let found = attacks.partition_point(|llr| llr > threshold);
        let point =
            (across(rank as f64 / benign.len() as f64), found as f64 / attacks.len().max(1) as f64);
        if points.last().is_none_or(|last| (last.0 - point.0).abs() > 0.002 || rank < 20) {
            points.push(point);
        }
    }
    let ticks: Vec<(f64, String)> =
        (-5..=0).map(|power| (across(10f64.powi(power)), format!("1e{power}"))).collect();
    frame(
        title,
        "share of benign rows above",
        "share of attacks found",
        &ticks,
        &path(points, "#0b5fa5"),
    )
}

/// Mean probability against frequency, with the diagonal; circles grow with the number of rows.
pub fn reliability(title: &str, bins: &[Bin]) -> String {
    let mut inside = path([(0.0, 0.0), (1.0, 1.0)], "#bbb");
    inside.push_str(&path(bins.iter().map(|bin| (bin.probability, bin.frequency)), "#0b5fa5"));
    for bin in bins {
        let (x, y) = place(bin.probability, bin.frequency);
        let radius = 1.5 + (1.0 + bin.rows as f64).log10();
        let _ = writeln!(
            inside,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"#0b5fa5\"><title>{} rows</title></circle>",
            bin.rows
        );
    }
    let ticks: Vec<(f64, String)> = (0..=5)
        .map(|tick| (f64::from(tick) / 5.0, format!("{:.1}", f64::from(tick) / 5.0)))
        .collect();
    frame(title, "mean probability", "frequency of attacks", &ticks, &inside)
}

impl Results<'_> {
    /// Name of a file and picture: the ROC of core attacks against all benign rows, and reliability, by source too.
    pub fn pictures(self, report: &Report) -> Vec<(String, String)> {
        let rows = || self.data.bags.iter().zip(&self.out.all);
        let attacks: Vec<f64> =
            rows().filter(|(bag, _)| bag.attack && bag.tier == "core").map(|row| *row.1).collect();
        let benign: Vec<f64> = rows().filter(|(bag, _)| !bag.attack).map(|row| *row.1).collect();
        let curve = roc("Core attacks, each source left out", &attacks, &benign);
        let mut pictures = vec![("roc.svg".to_owned(), curve)];
        for part in &report.calibration {
            let name = format!("reliability-{}.svg", part.name.replace(' ', "-"));
            pictures.push((name, reliability(&format!("Reliability, {}", part.name), &part.bins)));
        }
        pictures
    }
}
