//! Lists of words as one table that is made when this is compiled, so that a word is looked up in about one step.

/// Places of a table, a power of two: several times as many as words, so that most others meet a free one.
pub(super) const SLOTS: usize = 2048;

/// Words, each with what it is.
#[derive(Debug)]
pub(super) struct Table<T: 'static> {
    words: &'static [(&'static [u8], T)],
    /// One more than the number of a word, where its hash leads or, in steps of one, at the next free place.
    slots: [u16; SLOTS],
}

/// How many words there are in `lists`.
pub(super) const fn count<T>(lists: &[(T, &[&'static [u8]])]) -> usize {
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        count += lists[list].1.len();
        list += 1;
    }
    count
}

/// All words of `lists`, of which there are `N`.
pub(super) const fn flat<T: Copy, const N: usize>(
    lists: &[(T, &[&'static [u8]])],
) -> [(&'static [u8], T); N] {
    let mut all = [(lists[0].1[0], lists[0].0); N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].1.len() {
            all[count] = (lists[list].1[at], lists[list].0);
            (at, count) = (at + 1, count + 1);
        }
        list += 1;
    }
    all
}

impl<T: Copy> Table<T> {
    pub(super) const fn new(words: &'static [(&'static [u8], T)]) -> Self {
        let (mut slots, mut at) = ([0; SLOTS], 0);
        while at < words.len() {
            let mut slot = hash(words[at].0);
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            at += 1;
            slots[slot] = at as u16;
        }
        Self { words, slots }
    }

    /// What `word` is, by the first list that it stands in.
    pub(super) fn get(&self, word: &[u8]) -> Option<T> {
        if word.is_empty() {
            return None;
        }
        let mut slot = hash(word);
        loop {
            let (known, what) = self.words[usize::from(self.slots[slot].checked_sub(1)?)];
            if known == word {
                return Some(what);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

/// Of both ends and the length of a word, which has a byte at least.
const fn hash(word: &[u8]) -> usize {
    let (length, last) = (word.len(), word.len() - 1);
    let second = if length > 1 { 1 } else { 0 };
    let ends = [word[0], word[second], word[last - second], word[last]];
    let mixed = (u32::from_le_bytes(ends) ^ (length as u32) << 13).wrapping_mul(0x9E37_79B1);
    (mixed >> 21) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &[(u8, &[&[u8]])] =
        &[(1, &[b"a", b"ab", b"abc"]), (2, &[b"ab", b"axxc", b"ayyc"])];
    static WORDS: [(&[u8], u8); count(LISTS)] = flat(LISTS);
    static TABLE: Table<u8> = Table::new(&WORDS);

    #[test]
    fn a_word_is_what_the_first_list_with_it_says() {
        for (word, what) in [
            (&b"a"[..], Some(1)),
            (b"ab", Some(1)),
            (b"abc", Some(1)),
            (b"axxc", Some(2)),
            (b"ayyc", Some(2)),
            (b"azzc", None),
            (b"b", None),
            (b"", None),
        ] {
            assert_eq!(TABLE.get(word), what, "{word:?}");
        }
    }
}
