//! The page of an evaluation, as Markdown. Every figure in it is of the run; a person's words come in as they are.

mod bars;
mod earlier;
mod tables;

use std::path::{Path, PathBuf};

pub use bars::{Bar, bars};
pub use earlier::{Earlier, EarlierFigure, EarlierTable};

use super::work::{Evaluation, Options};

/// What a page says besides what was measured.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The day of measuring, as it is to be written.
    pub date: String,
    /// Figures of an earlier run, to stand beside these.
    pub earlier: Option<Earlier>,
    /// What is missed, and why: Markdown that stands below the figures.
    pub prose: String,
}

/// Where an evaluation is to be written.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The text under a head.
    pub report: Option<PathBuf>,
    pub page: Option<PathBuf>,
    /// Folder of the pictures.
    pub pictures: Option<PathBuf>,
    /// The model learnt from all rows.
    pub model: Option<PathBuf>,
    pub frame: Frame,
}

impl Wanted {
    /// What must be measured for this: a page wants the controls, too, and nothing left out.
    pub fn options(&self, options: Options) -> Options {
        if self.page.is_none() {
            return options;
        }
        Options { blind: false, quick: false, emptied: true, moved: true, ..options }
    }

    /// Paths and contents, in the order in which to write them.
    pub fn files(&self, evaluation: &Evaluation) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        if let Some((path, model)) = self.model.as_ref().zip(evaluation.model.as_ref()) {
            files.push((path.clone(), model.clone()));
        }
        if let Some(path) = &self.report {
            files.push((path.clone(), report(evaluation, &self.frame)));
        }
        if let Some(folder) = &self.pictures {
            let pictures = evaluation.pictures.iter();
            files.extend(pictures.map(|(name, svg)| (folder.join(name), svg.clone())));
        }
        if let Some(path) = &self.page {
            let pictures = self.pictures.as_ref().map(|folder| linked(path, folder));
            files.push((path.clone(), page(evaluation, &self.frame, pictures.as_deref())));
        }
        files
    }
}

/// How a page links to a folder: from where the page lies, if the folder is below.
fn linked(page: &Path, folder: &Path) -> String {
    let below = page.parent().and_then(|parent| folder.strip_prefix(parent).ok());
    below.unwrap_or(folder).display().to_string()
}

/// The text of an evaluation under a head.
pub fn report(evaluation: &Evaluation, frame: &Frame) -> String {
    format!(
        "# The figures behind the model\n\nMeasured {}. Every figure is of a row whose source was left out.\n\n\
         ```text\n{}\n```\n",
        frame.date,
        evaluation.text().trim()
    )
}

/// The page. `pictures` is the folder that it links to; without, there are none on it.
pub fn page(evaluation: &Evaluation, frame: &Frame, pictures: Option<&str>) -> String {
    let mut page = head(frame);
    page.push_str(&bars::section(evaluation));
    let report = &evaluation.report;
    for table in &report.tables {
        page.push_str(&tables::table(table, frame.earlier.as_ref()));
    }
    if let Some(emptied) = &evaluation.emptied {
        page.push_str(&tables::table(emptied, None));
    }
    for (title, about, figures) in [
        (
            "By class and source",
            "At the threshold of the table \"Evidence\".",
            report.classes.as_slice(),
        ),
        (
            "By class and source, owned signatures off",
            "At the threshold of the table of that name.",
            report.classes_off.as_slice(),
        ),
        (
            "By benign source",
            "Each with the threshold taken from the other sources.",
            report.by_benign_source.as_slice(),
        ),
    ] {
        page.push_str(&tables::plain(title, about, figures));
    }
    page.push_str(&tables::moved(&evaluation.moved));
    page.push_str(&tables::calibration(&report.calibration, frame.earlier.as_ref()));
    if let Some(folder) = pictures {
        page.push_str("## Pictures\n\n");
        for (name, _) in &evaluation.pictures {
            let words = name.trim_end_matches(".svg").replace('-', " ");
            page.push_str(&format!("![{words}]({folder}/{name})\n\n"));
        }
    }
    page.push_str(&frame.prose);
    page.trim_end().to_owned() + "\n"
}

fn head(frame: &Frame) -> String {
    let mut head = format!(
        "# How well the detector does\n\nMeasured {}; `perimeter evaluate --page` wrote this page. Every figure is of rows \
         whose source was left out: weights, the choice of features and the calibrator come from the other sources. \
         The intervals are Wilson's at 95 %.\n",
        frame.date
    );
    if let Some(earlier) = &frame.earlier {
        let Earlier { name, date, page, note, .. } = earlier;
        head.push_str(&format!(
            "`{name}` is the figure of [the run of {date}]({page}), of the table of the same name and at its own \
             threshold. {note}\n"
        ));
    }
    head + "\n"
}
