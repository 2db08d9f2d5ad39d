//! The key figures: shares with their intervals, percentiles, and what each of them counts. Data in, data out.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use schemas::{Action, Millis, Origin};

/// A block is judged once it had so long for its proof, or its whole life.
pub const PROOF_WITHIN_MS: Millis = 30_000;
/// A lift is on time when it is proved so soon after the end.
pub const LIFT_WITHIN_MS: Millis = 5_000;
/// A lift is judged once its end lies so far back.
pub const LIFT_JUDGED_MS: Millis = 30_000;
/// The two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// What the figures are counted from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retained {
    /// At which level a block counts as proved; 0 where nobody said anything of any.
    pub level: i32,
    pub detections: usize,
    /// Blocks that automation only simulated.
    pub simulated: usize,
    /// Blocks that automation decided and that were to be enforced at once.
    pub blocks: Vec<Block>,
    /// Every enforced decision that does something, whoever decided it, those blocks included.
    pub words: Vec<Word>,
}

/// One block by automation, and what was proved of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub network: IpNet,
    pub detected_at: Option<Millis>,
    pub decided_at: Millis,
    pub until: Millis,
    /// First proof, of the level that counts, that it holds.
    pub proved_at: Option<Millis>,
    /// First proof, of that level, that it holds no more.
    pub lifted_at: Option<Millis>,
}

/// What somebody decided about a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub network: IpNet,
    pub action: Action,
    pub origin: Origin,
    pub at: Millis,
    pub until: Millis,
}

/// The key figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    pub level: i32,
    pub detections: usize,
    pub blocks: usize,
    pub simulated: usize,
    pub contained: Share,
    pub proof_p50_ms: Millis,
    pub proof_p99_ms: Millis,
    pub proofs: usize,
    pub false_positives: Share,
    pub lifted_on_time: Share,
}

/// A share with its Wilson score interval at 95 %; all zero of none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share {
    pub count: usize,
    pub of: usize,
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// Counts.
///
/// * Contained: blocks proved before their end, of all that are over or had [`PROOF_WITHIN_MS`] for it. The end is
///   `until`, or an operator's allow before it.
/// * Time to proof: from the detection to the first proof.
/// * False positives: blocks that an operator lifted or allowed away before `until`, of all.
/// * Lifted on time: contained blocks whose lift was proved within [`LIFT_WITHIN_MS`] of their end, of all whose end
///   lies [`LIFT_JUDGED_MS`] back. Where somebody blocks the network anew meanwhile, no lift is to be seen, and none
///   is judged.
pub fn figures(retained: &Retained, now: Millis) -> Figures {
    let operators_allow =
        |word: &&Word| word.action == Action::Allow && word.origin == Origin::Operator;
    let allows = Covering::new(retained.words.iter().filter(operators_allow));
    let blocks = Covering::new(retained.words.iter().filter(|word| word.action == Action::Block));
    let (mut contained, mut of, mut undone) = (0, 0, 0);
    let (mut on_time, mut judged) = (0, 0);
    let mut proofs = Vec::new();
    for block in &retained.blocks {
        let allowed_at = allows
            .first(block.network, |allow| allow.at >= block.decided_at && allow.at < block.until);
        undone += usize::from(allowed_at.is_some());
        let end = allowed_at.unwrap_or(block.until);
        if let (Some(detected_at), Some(proved_at)) = (block.detected_at, block.proved_at) {
            proofs.push(proved_at.saturating_sub(detected_at).max(0));
        }
        let held = block.proved_at.is_some_and(|proved_at| proved_at < end);
        if now >= end.min(block.decided_at.saturating_add(PROOF_WITHIN_MS)) {
            of += 1;
            contained += usize::from(held);
        }
        let anew = |other: &Word| {
            other.at > block.decided_at
                && other.at <= end.saturating_add(LIFT_WITHIN_MS)
                && other.until > end
        };
        if held
            && now >= end.saturating_add(LIFT_JUDGED_MS)
            && blocks.first(block.network, anew).is_none()
        {
            judged += 1;
            let latest = end.saturating_add(LIFT_WITHIN_MS);
            on_time += usize::from(block.lifted_at.is_some_and(|lifted_at| lifted_at <= latest));
        }
    }
    proofs.sort_unstable();
    Figures {
        level: retained.level,
        detections: retained.detections,
        blocks: retained.blocks.len(),
        simulated: retained.simulated,
        contained: share(contained, of),
        proof_p50_ms: percentile(&proofs, 50),
        proof_p99_ms: percentile(&proofs, 99),
        proofs: proofs.len(),
        false_positives: share(undone, retained.blocks.len()),
        lifted_on_time: share(on_time, judged),
    }
}

/// `count` of `of` with its Wilson score interval, which stays inside 0 to 1 and is honest for few.
pub fn share(count: usize, of: usize) -> Share {
    if of == 0 {
        return Share::default();
    }
    let (n, share) = (of as f64, count as f64 / of as f64);
    let spread = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / spread;
    let half = Z / spread * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // All or none have an end of the interval there exactly, which rounding would miss.
    let low = if count == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if count == of { 1.0 } else { (centre + half).min(1.0) };
    Share { count, of, share, low, high }
}

/// The smallest of the sorted values that so many percent do not exceed; 0 of none.
pub fn percentile(sorted: &[Millis], percent: usize) -> Millis {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Words by network, to be asked for those that cover another.
struct Covering<'a> {
    words: HashMap<IpNet, Vec<&'a Word>>,
    lengths: BTreeSet<u8>,
}

impl<'a> Covering<'a> {
    fn new(words: impl Iterator<Item = &'a Word>) -> Self {
        let mut covering = Covering { words: HashMap::new(), lengths: BTreeSet::new() };
        for word in words {
            covering.lengths.insert(word.network.prefix_len());
            covering.words.entry(word.network).or_default().push(word);
        }
        covering
    }

    /// When the first of those that cover all of `network`, and that `meant` says, was said.
    fn first(&self, network: IpNet, meant: impl Fn(&Word) -> bool) -> Option<Millis> {
        let lengths = self.lengths.range(..=network.prefix_len());
        let around = lengths.filter_map(|length| IpNet::new(network.addr(), *length).ok());
        around
            .filter_map(|around| self.words.get(&around.trunc()))
            .flatten()
            .filter(|word| meant(word))
            .map(|word| word.at)
            .min()
    }
}
