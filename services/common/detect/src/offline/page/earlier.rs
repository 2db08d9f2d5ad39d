//! Figures of an earlier run, kept as a small file: what a page puts beside its own.

use serde::Deserialize;

use crate::offline::calibrate::Bin;

/// One earlier run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// Head of the column.
    pub name: String,
    pub date: String,
    /// The page that tells of the run, as the new page links to it.
    pub page: String,
    /// A sentence on what sets the run apart.
    pub note: String,
    pub tables: Vec<EarlierTable>,
    pub excess_bits: f64,
    pub bins: Vec<Bin>,
}

/// All figures at one threshold, by the name that the table has today.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierTable {
    pub name: String,
    pub threshold: f64,
    pub figures: Vec<EarlierFigure>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierFigure {
    pub name: String,
    pub hits: usize,
    pub rows: usize,
    /// Mean over classes, where that is the figure.
    #[serde(default)]
    pub mean: Option<f64>,
}

impl Earlier {
    pub fn table(&self, name: &str) -> Option<&EarlierTable> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl EarlierTable {
    /// A share, or a mean where that is the figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|figure| figure.name == name)?;
        Some(found.mean.unwrap_or(found.hits as f64 / found.rows.max(1) as f64))
    }
}
