//! The target of a request, as it was sent and as servers read it.

use std::cell::OnceCell;
use std::ops::Range;

use regex_automata::meta::Regex;

use super::musts::Pairs;
use super::symbols::set;
use crate::percent;
use crate::request::Request;

/// Most bytes of a target that are read otherwise than sent.
const PLAIN_MAX: usize = 2048;

/// A target as it was sent, and as servers read what is sent otherwise.
pub(super) struct Target<'a> {
    sent: &'a [u8],
    /// Its path and query.
    origin: &'a [u8],
    /// The symbols of it and of what is escaped in it.
    pub(super) symbols: u64,
    /// The pairs of them, in it and in what servers may read.
    pairs: OnceCell<Pairs>,
    plain: OnceCell<Plain>,
}

/// Path and query, their escapes undone once, as far as there is room; from their last leading slash.
struct Plain {
    room: [u8; PLAIN_MAX],
    stands: Range<usize>,
}

impl<'a> Target<'a> {
    pub(super) fn of(request: &Request<'a>) -> Self {
        let (sent, origin) = (request.uri, request.target().origin);
        Target {
            sent,
            origin,
            symbols: symbols(sent),
            pairs: OnceCell::new(),
            plain: OnceCell::new(),
        }
    }

    pub(super) fn matches(&self, pattern: &Regex) -> bool {
        pattern.is_match(self.sent)
            || self.sent.len() != self.origin.len() && pattern.is_match(self.origin)
            || otherwise(self.sent) && pattern.is_match(self.plain())
    }

    /// Whether all of `pairs` may stand in it.
    pub(super) fn has(&self, pairs: &Pairs) -> bool {
        let all = || {
            let sent = Pairs::of(self.sent);
            if otherwise(self.sent) { sent.and(Pairs::of(self.plain())) } else { sent }
        };
        pairs.is_empty() || pairs.within(self.pairs.get_or_init(all))
    }

    fn plain(&self) -> &[u8] {
        let plain = self.plain.get_or_init(|| {
            let mut room = [0; PLAIN_MAX];
            let undone = undone(self.origin, &mut room);
            let slashes = undone.iter().take_while(|byte| **byte == b'/').count();
            let stands = slashes.saturating_sub(1)..undone.len();
            Plain { room, stands }
        });
        &plain.room[plain.stands.clone()]
    }
}

/// Whether servers may read a target in another way than it is sent.
fn otherwise(uri: &[u8]) -> bool {
    !uri.starts_with(b"/") || uri.starts_with(b"//") || uri.contains(&b'%')
}

/// `text` with its escapes undone once, as far as `room` goes.
pub(super) fn undone<'a>(text: &[u8], room: &'a mut [u8]) -> &'a mut [u8] {
    let mut length = 0;
    for (place, byte) in room.iter_mut().zip(percent::decoded(text)) {
        *place = byte;
        length += 1;
    }
    &mut room[..length]
}

/// The symbols of a target and of what is escaped in it.
fn symbols(uri: &[u8]) -> u64 {
    let escapes = memchr::memchr_iter(b'%', uri);
    let undone = escapes.filter_map(|at| percent::escape(&uri[at..]));
    undone.fold(set(uri), |all, byte| all | set(&[byte]))
}
