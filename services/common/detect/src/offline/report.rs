//! The figures of an evaluation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calibrate::{Bin, bins, excess_bits};
use super::data::{Bag, Data};
use super::folds::OutOfFold;
use super::metrics::{Share, allowance, lowest};

/// One figure, and the bar it must reach.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    #[serde(flatten)]
    pub share: Share,
    /// Mean over classes, where that is the figure instead of the share of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

/// All figures at one threshold.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    pub name: String,
    pub threshold: f64,
    pub figures: Vec<Figure>,
    /// Benign rows of the real access log that reach the threshold.
    pub log_false_alarms: Vec<String>,
}

/// How well probabilities keep what they say.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    pub name: String,
    pub rows: usize,
    pub excess_bits: f64,
    pub bins: Vec<Bin>,
}

const PLAIN: (usize, usize) = (21, 21_100);
const PLAIN_AIM: (usize, usize) = (16, 21_100);
const PLAIN_ALONE: (usize, usize) = (2, 21_100);
/// How many of the attacks that a log shows the threshold of evidence may lose beyond the bars, of so many.
const EVIDENCE_COST: (usize, usize) = (2, 400);
const HARD: (usize, usize) = (31, 6_265);
const LOG: (usize, usize) = (5, 2_900);
const NEGATIVES: (usize, usize) = (26, 265);
const PROSE: (usize, usize) = (24, 2_496);
const CLASS_ROWS_MIN: usize = 10;
const LOG_SOURCE: &str = "elastic-apache";
const NEGATIVE_SOURCES: [&str; 2] = ["crs", "gotestwaf"];

/// Rows and their out-of-fold log-likelihood ratios.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a> {
    pub data: &'a Data,
    pub out: &'a OutOfFold,
}

impl<'a> Results<'a> {
    fn pick(self, wanted: impl Fn(&Bag) -> bool) -> impl Iterator<Item = (usize, &'a Bag)> {
        self.data.bags.iter().enumerate().filter(move |(_, bag)| wanted(bag))
    }

    fn benign(self, wanted: impl Fn(&Bag) -> bool) -> Vec<f64> {
        self.pick(|bag| !bag.attack && wanted(bag)).map(|(row, _)| self.out.all[row]).collect()
    }

    /// The lowest threshold within the false alarms allowed on `plain` and `hard` rows that are `wanted`.
    fn within(
        self,
        plain: (usize, usize),
        hard: Option<(usize, usize)>,
        wanted: impl Fn(&Bag) -> bool,
    ) -> f64 {
        let group = |tier: &str, (bar, of): (usize, usize)| {
            let values = self.benign(|bag| bag.tier == tier && wanted(bag));
            lowest(&values, allowance(bar, of, values.len()))
        };
        group("plain", plain).max(hard.map_or(f64::NEG_INFINITY, |hard| group("hard", hard)))
    }

    /// The lowest threshold with at most 0.1 % of plain and 0.5 % of hard rows.
    pub fn plain_and_hard(self) -> f64 {
        self.within(PLAIN, Some(HARD), |_| true)
    }

    /// Threshold of evidence: the lowest that also holds every other bar on benign rows, with a quarter of the bar of
    /// plain rows to spare, and from there as high as costs few attacks: other people's benign rows are not these, and
    /// few attacks lie where most false alarms do.
    pub fn evidence(self) -> f64 {
        let least = self.within_all(|_| true).max(self.within(PLAIN_AIM, None, |_| true));
        let shown = |bag: &Bag| bag.attack && bag.tier == "core" && bag.log_visible;
        let mut found: Vec<f64> = self.pick(shown).map(|(row, _)| self.out.shown[row]).collect();
        let (cost, of) = EVIDENCE_COST;
        let lost = cost * found.len() / of;
        found.retain(|llr| *llr >= least);
        found.sort_by(f64::total_cmp);
        found.get(lost).map_or(least, |llr| llr.max(least))
    }

    fn within_all(self, wanted: impl Fn(&Bag) -> bool) -> f64 {
        let log = self.number(LOG_SOURCE);
        let negatives = NEGATIVE_SOURCES.map(|name| self.number(name));
        let group = |(bar, of): (usize, usize), member: &dyn Fn(&Bag) -> bool| {
            let values = self.benign(|bag| member(bag) && wanted(bag));
            lowest(&values, allowance(bar, of, values.len()))
        };
        self.within(PLAIN, Some(HARD), &wanted)
            .max(group(LOG, &|bag| bag.source == log))
            .max(group(NEGATIVES, &|bag| negatives.contains(&bag.source)))
            .max(group(PROSE, &|bag| bag.tier == "sectext"))
    }

    /// Threshold at which one request suffices: at most 0.01 % of plain rows.
    pub fn alone(self) -> f64 {
        self.within(PLAIN_ALONE, None, |_| true)
    }

    pub fn table(self, name: &str, threshold: f64) -> Table {
        let core = |bag: &Bag| bag.attack && bag.tier == "core";
        let reach = |wanted: &dyn Fn(&Bag) -> bool, values: &[f64]| {
            Share::reaching(threshold, self.pick(wanted).map(|(row, _)| values[row]))
        };
        let all = &self.out.all;
        let mut figures = Vec::new();
        let mut put = |name: &str, share: Share, mean: Option<f64>| {
            figures.push(Figure { name: name.to_owned(), share, mean });
        };
        let shown = |bag: &Bag| core(bag) && bag.log_visible;
        let pooled = reach(&shown, &self.out.shown);
        put("log-visible core", pooled, None);
        put(
            "log-visible core, mean of classes",
            pooled,
            Some(self.mean(threshold, shown, &self.out.shown)),
        );
        let pooled = reach(&core, all);
        put("core, all places", pooled, None);
        put("core, all places, mean of classes", pooled, Some(self.mean(threshold, core, all)));
        put("base64", reach(&|bag| bag.attack && bag.tier == "base64", all), None);
        for tier in ["plain", "hard", "sectext"] {
            put(
                &format!("false: {tier}"),
                reach(&|bag| !bag.attack && bag.tier == tier, all),
                None,
            );
        }
        let log = |bag: &Bag| !bag.attack && bag.source == self.number(LOG_SOURCE);
        put("false: access log", reach(&log, all), None);
        let negative = |bag: &Bag| {
            !bag.attack && NEGATIVE_SOURCES.iter().any(|name| bag.source == self.number(name))
        };
        put("false: negatives", reach(&negative, all), None);
        for tier in ["weak", "cve-path", "paranoid", "probe", "tamper"] {
            put(&format!("tier {tier}"), reach(&|bag| bag.attack && bag.tier == tier, all), None);
        }
        let reached = self.pick(log).filter(|(row, _)| all[*row] >= threshold);
        let log_false_alarms = reached.map(|(_, bag)| bag.id.clone()).collect();
        figures.retain(|figure| figure.share.rows > 0);
        Table { name: name.to_owned(), threshold, figures, log_false_alarms }
    }

    fn number(self, source: &str) -> usize {
        self.data.sources.iter().position(|known| known == source).unwrap_or(usize::MAX)
    }

    fn mean(self, threshold: f64, wanted: impl Fn(&Bag) -> bool, values: &[f64]) -> f64 {
        let classes = self.by(threshold, wanted, values, |bag| bag.category.clone());
        let big: Vec<f64> = classes
            .values()
            .filter(|share| share.rows >= CLASS_ROWS_MIN)
            .map(|share| share.share)
            .collect();
        big.iter().sum::<f64>() / big.len().max(1) as f64
    }

    fn by(
        self,
        threshold: f64,
        wanted: impl Fn(&Bag) -> bool,
        values: &[f64],
        name: impl Fn(&Bag) -> String,
    ) -> BTreeMap<String, Share> {
        let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (row, bag) in self.pick(wanted) {
            groups.entry(name(bag)).or_default().push(values[row]);
        }
        groups
            .into_iter()
            .map(|(name, values)| (name, Share::reaching(threshold, values)))
            .collect()
    }

    /// Core attacks found, by class and by source.
    pub fn classes(self, threshold: f64) -> Vec<Figure> {
        let shown = |bag: &Bag| bag.attack && bag.tier == "core" && bag.log_visible;
        let core = |bag: &Bag| bag.attack && bag.tier == "core";
        let source = |bag: &Bag| self.data.sources[bag.source].clone();
        let groups = [
            (
                "log-visible class",
                self.by(threshold, shown, &self.out.shown, |bag| bag.category.clone()),
            ),
            ("log-visible source", self.by(threshold, shown, &self.out.shown, source)),
            ("class", self.by(threshold, core, &self.out.all, |bag| bag.category.clone())),
            ("source", self.by(threshold, core, &self.out.all, source)),
        ];
        let figures = groups.into_iter().flat_map(|(kind, groups)| {
            groups.into_iter().map(move |(name, share)| Figure {
                name: format!("{kind} {name}"),
                share,
                mean: None,
            })
        });
        figures.collect()
    }

    /// Core attacks found at 0.1 % of all benign rows together.
    pub fn at_all_benign(self) -> Table {
        let values = self.benign(|_| true);
        self.table("0.1 % of all benign rows", lowest(&values, values.len() / 1000))
    }

    /// False alarms of each benign source at the threshold that the others give.
    pub fn by_benign_source(self) -> Vec<Figure> {
        let sources = self.data.sources.iter().enumerate();
        let figures = sources.map(|(source, name)| {
            let threshold = self.within_all(|bag| bag.source != source);
            let share = Share::reaching(threshold, self.benign(|bag| bag.source == source));
            Figure { name: format!("false: {name}, threshold of the others"), share, mean: None }
        });
        figures.filter(|figure| figure.share.rows > 0).collect()
    }

    /// Calibration of core attacks and all benign rows, all together and by source. Log-odds add the share of attacks
    /// that the rows have.
    pub fn calibration(self) -> Vec<Calibration> {
        let counted = |bag: &Bag| !bag.attack || bag.tier == "core";
        let attacks = self.pick(|bag| counted(bag) && bag.attack).count() as f64;
        let benign = self.pick(|bag| counted(bag) && !bag.attack).count() as f64;
        let odds = (attacks.max(0.5) / benign.max(0.5)).ln();
        let part = |name: &str, wanted: &dyn Fn(&Bag) -> bool| {
            let rows: Vec<(f64, bool)> = self
                .pick(|bag| counted(bag) && wanted(bag))
                .map(|(row, bag)| (self.out.all[row] + odds, bag.attack))
                .collect();
            Calibration {
                name: name.to_owned(),
                rows: rows.len(),
                excess_bits: excess_bits(&rows),
                bins: bins(&rows),
            }
        };
        let sources = self.data.sources.iter().enumerate();
        let by_source = sources.map(|(source, name)| part(name, &|bag: &Bag| bag.source == source));
        std::iter::once(part("all rows", &|_| true)).chain(by_source).collect()
    }

    /// Missed core attacks by source and class, and false alarms by source: identifiers.
    pub fn kinds(self, threshold: f64) -> BTreeMap<String, Vec<String>> {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (row, bag) in self.pick(|bag| !bag.attack || bag.tier == "core") {
            let reached = self.out.all[row] >= threshold;
            if reached != bag.attack {
                let kind = if bag.attack { "missed" } else { "false" };
                let key = format!("{kind} {} {}", self.data.sources[bag.source], bag.category);
                kinds.entry(key).or_default().push(format!("{}:{:.1}", bag.id, self.out.all[row]));
            }
        }
        kinds
    }
}

/// Everything an evaluation says.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub tables: Vec<Table>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Figure>,
    /// The same with owned signatures off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes_off: Vec<Figure>,
    pub by_benign_source: Vec<Figure>,
    pub calibration: Vec<Calibration>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// `scored` are the rows of `out` as the scorer answers them; `blind` keeps totals only.
    pub fn of(
        data: &Data,
        out: &OutOfFold,
        scored: &OutOfFold,
        owned_off: Option<&OutOfFold>,
        blind: bool,
        kinds: bool,
    ) -> Self {
        let results = Results { data, out };
        let evidence = results.evidence();
        // As the file of a model keeps it, and as the scorer compares.
        let alone = f64::from(results.alone().max(evidence) as f32);
        let mut tables = vec![
            results.table("evidence", evidence),
            results.table("bars of plain and hard only", results.plain_and_hard()),
            Results { data, out: scored }.table("alone", alone),
            results.at_all_benign(),
        ];
        if let Some(out) = owned_off {
            let off = Results { data, out };
            tables.push(off.table("evidence, owned signatures off", off.evidence()));
        }
        let classes_off = owned_off.filter(|_| !blind).map_or(Vec::new(), |out| {
            let off = Results { data, out };
            off.classes(off.evidence())
        });
        let mut calibration = results.calibration();
        if blind {
            tables.iter_mut().for_each(|table| table.log_false_alarms.clear());
            calibration.truncate(1);
        }
        Self {
            tables,
            classes: if blind { Vec::new() } else { results.classes(evidence) },
            classes_off,
            by_benign_source: if blind { Vec::new() } else { results.by_benign_source() },
            calibration,
            kinds: if kinds && !blind { results.kinds(evidence) } else { BTreeMap::new() },
        }
    }
}
