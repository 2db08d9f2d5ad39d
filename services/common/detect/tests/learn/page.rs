//! The page of an evaluation: every figure from the run, a person's words as they are.

use detect::offline::calibrate::Bin;
use detect::offline::controls::Moved;
use detect::offline::metrics::Share;
use detect::offline::page::{Bar, Earlier, EarlierFigure, EarlierTable, Frame, Wanted, bars, page};
use detect::offline::report::{Calibration, Figure, Report, Table};
use detect::offline::work::{Evaluation, Options, train};

use super::work::text;

const BLIND: &str = include_str!("../../../../../docs/detection/blind-2026-11-29.json");
const BLIND_PAGE: &str = include_str!("../../../../../docs/detection/blind-2026-11-29.md");

fn figure(name: &str, hits: usize, rows: usize, mean: Option<f64>) -> Figure {
    Figure { name: name.to_owned(), share: Share::of(hits, rows), mean }
}

fn table(name: &str, figures: Vec<Figure>) -> Table {
    Table { name: name.to_owned(), threshold: 1.5, figures, log_false_alarms: Vec::new() }
}

fn bin(from: f64, probability: f64, frequency: f64) -> Bin {
    Bin { from, rows: 40, probability, frequency }
}

/// Some bars held and some missed, each known.
fn evaluation() -> Evaluation {
    let at_evidence = vec![
        figure("log-visible core", 96, 100, None),
        figure("log-visible core, mean of classes", 96, 100, Some(0.91)),
        figure("false: plain", 22, 21_100, None),
        figure("false: access log", 5, 2_900, None),
        figure("tier weak", 0, 3, None),
    ];
    let moved = |place: &str, hits, in_place| Moved {
        source: "north".to_owned(),
        place: place.to_owned(),
        share: Share::of(hits, 500),
        in_place,
    };
    let bins =
        vec![bin(0.0, 0.01, 0.5), bin(0.1, 0.15, 0.24), bin(0.2, 0.25, 0.4), bin(0.9, 0.99, 0.5)];
    let log = Table { log_false_alarms: vec!["r9".to_owned()], ..table("evidence", at_evidence) };
    Evaluation {
        rows: 3,
        report: Report {
            tables: vec![log],
            classes: Vec::new(),
            classes_off: Vec::new(),
            by_benign_source: vec![figure("false: north, threshold of the others", 2, 100, None)],
            calibration: vec![Calibration {
                name: "all rows".to_owned(),
                rows: 160,
                excess_bits: 0.02,
                bins,
            }],
            kinds: Default::default(),
        },
        emptied: Some(table(
            "payloads replaced by x, all",
            vec![figure("log-visible core", 2, 100, None)],
        )),
        moved: vec![moved("path", 2, 1), moved("cookie", 3, 1)],
        inner_loss: 0.0,
        inner_found: 1.0,
        model: None,
        pictures: vec![("roc.svg".to_owned(), String::new())],
    }
}

#[test]
fn every_bar_is_held_or_missed_by_its_figure() {
    let found = bars(&evaluation());
    let expected = [
        ("evidence: log-visible core", "≥ 96.00 %", "96.00 %", true),
        ("evidence: log-visible core, mean of classes", "≥ 92.00 %", "91.00 %", false),
        ("evidence: false: plain", "≤ 0.10 %", "0.10 %", false),
        ("evidence: false: access log", "≤ 0.17 %", "0.17 %", true),
        ("payloads replaced by x, all: log-visible core", "≤ 1.00 %", "2.00 %", false),
        ("false: north, threshold of the others", "≤ 1.00 %", "2.00 %", false),
        ("north moved to path", "≤ 2 × 1", "2 of 500", true),
        ("north moved to cookie", "≤ 2 × 1", "3 of 500", false),
        ("calibration: excess over an isotonic refit", "≤ 0.03 bit", "0.0200 bit", true),
        (
            "calibration: bins between 0.1 and 0.9",
            "off by ≤ 0.1",
            "0.25 says, 0.40 came (40 rows)",
            false,
        ),
    ];
    let expected = expected.map(|(name, bound, figure, held)| Bar {
        name: name.to_owned(),
        bound: bound.to_owned(),
        figure: figure.to_owned(),
        held,
    });
    assert_eq!(found, expected);
}

fn earlier() -> Earlier {
    let figure =
        EarlierFigure { name: "log-visible core".to_owned(), hits: 1, rows: 8, mean: None };
    Earlier {
        name: "sealed".to_owned(),
        date: "2026-01-02".to_owned(),
        page: "sealed.md".to_owned(),
        note: "Nobody looked.".to_owned(),
        tables: vec![EarlierTable {
            name: "evidence".to_owned(),
            threshold: 2.0,
            figures: vec![figure],
        }],
        excess_bits: 0.5,
        bins: vec![bin(0.2, 0.26, 0.31)],
    }
}

#[test]
fn a_page_says_what_was_measured_and_what_came_before() {
    let frame = Frame {
        date: "2026-02-03".to_owned(),
        earlier: Some(earlier()),
        prose: "## Why\n\nSo.\n".to_owned(),
    };
    let written = page(&evaluation(), &frame, Some("drawn"));
    for words in [
        "Measured 2026-02-03;",
        "`sealed` is the figure of [the run of 2026-01-02](sealed.md)",
        "4 of 10 are held.",
        "| north moved to cookie | ≤ 2 × 1 | 3 of 500 |",
        "Log-likelihood ratio 1.50 (sealed 2.00).",
        "| log-visible core | 96 | 100 | 96.00 | 90.16–98.43 | 12.50 |",
        "| log-visible core, mean of classes | 96 | 100 | 91.00 |  |  |",
        "Lines of the access log that reach it: `r9`.",
        "## Payloads replaced by x, all\n\nA control",
        "| north | cookie | 3 | 500 | 1 | **missed** |",
        "0.0200 bit a row (sealed 0.5000)",
        "| 0.25 | 0.40 | 40 | **off** | 0.26 | 0.31 | 40 |",
        "| 0.99 | 0.50 | 40 |  | | |  |",
        "![roc](drawn/roc.svg)",
    ] {
        assert!(written.contains(words), "{words} is not in\n{written}");
    }
    assert!(!written.contains("## By class"), "there are none");
    assert!(written.ends_with("## Why\n\nSo.\n"));
    assert!(!page(&evaluation(), &Frame::default(), None).contains("## Pictures"));
}

#[test]
fn what_is_wanted_is_measured_and_written_where_it_belongs() {
    let wanted = Wanted {
        report: Some("out/report.md".into()),
        page: Some("out/page.md".into()),
        pictures: Some("out/drawn".into()),
        model: Some("model.json".into()),
        ..Wanted::default()
    };
    let options = wanted.options(Options { blind: true, quick: true, ..Options::default() });
    let measured = train(&text(4), &options).expect("the rows suffice");
    let files = wanted.files(&measured);
    let at = |name: &str| files.iter().find(|(path, _)| path.to_str() == Some(name));
    let read = |name: &str| at(name).map_or_else(|| panic!("{name}: {files:?}"), |file| &file.1);
    assert_eq!(files.len(), 3 + measured.pictures.len());
    assert_eq!(Some(read("model.json")), measured.model.as_ref());
    assert!(read("out/drawn/roc.svg").starts_with("<svg "));
    let (page, report) = (read("out/page.md"), read("out/report.md"));
    for words in ["## Evidence, owned signatures off", "## By class and source", "](drawn/roc.svg)"]
    {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    for words in
        ["payloads replaced by x, 0.1 % of all benign rows", "by benign source", "120 rows"]
    {
        assert!(page.contains(words) || report.contains(words), "{words} is not in\n{report}");
    }
    assert!(Wanted::default().files(&measured).is_empty());
}

#[test]
fn the_blind_figures_beside_ours_are_those_of_their_page() {
    let blind: Earlier = serde_json::from_str(BLIND).expect("the file is valid");
    let mut seen = 0;
    for figure in blind.tables.iter().flat_map(|table| &table.figures) {
        let share = format!("{}/{}", figure.hits, figure.rows);
        let mean = figure.mean.map(|mean| format!("mean {:.2} %", 100.0 * mean));
        let said = BLIND_PAGE.lines().any(|line| {
            line.trim_start().starts_with(&figure.name)
                && line.contains(&share)
                && mean.as_ref().is_none_or(|mean| line.contains(mean))
        });
        assert!(said, "{figure:?}");
        seen += 1;
    }
    assert!(seen > 40 && BLIND_PAGE.contains(&format!("excess {:.4} bit", blind.excess_bits)));
}
