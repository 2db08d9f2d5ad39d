//! Escapes of a URI (RFC 3986, 2.1), undone in the same way wherever that is done.

/// The byte that two digits stand for.
pub(crate) fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

/// The byte that the escape at the head of `text` stands for.
pub(crate) fn escape(text: &[u8]) -> Option<u8> {
    match *text {
        [b'%', high, low, ..] => byte(high, low),
        _ => None,
    }
}

/// `text` with its escapes undone once; a `%` without two digits stays.
pub(crate) fn decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (first, behind) = text.split_first()?;
        let escape = escape(text);
        text = if escape.is_some() { &behind[2..] } else { behind };
        Some(escape.unwrap_or(*first))
    })
}

/// The sign that `text` begins with after so many [rounds](decoded), and how many bytes write it: each digit of an escape
/// may be escaped itself.
pub(crate) fn sign(text: &[u8], rounds: usize) -> Option<(u8, usize)> {
    let Some(before) = rounds.checked_sub(1) else { return Some((*text.first()?, 1)) };
    let (first, length) = sign(text, before)?;
    if first != b'%' {
        return Some((first, length));
    }
    let digit = |at: usize| {
        let (one, length) = sign(&text[at..], before)?;
        Some((one, at + length))
    };
    let escape = digit(length).and_then(|(high, at)| {
        let (low, end) = digit(at)?;
        Some((byte(high, low)?, end))
    });
    escape.or(Some((first, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &[u8], rounds: usize) -> Vec<u8> {
        let (mut at, mut all) = (0, Vec::new());
        while let Some((one, length)) = sign(&text[at..], rounds) {
            all.push(one);
            at += length;
        }
        all
    }

    #[test]
    fn an_escape_has_two_digits_and_what_has_fewer_stays() {
        for (text, plain) in [
            ("", ""),
            ("a+b", "a+b"),
            ("%41%6a%6A", "Ajj"),
            ("%", "%"),
            ("%4", "%4"),
            ("%4g%zz", "%4g%zz"),
            ("%+1%u0041", "%+1%u0041"),
            ("%%41", "%A"),
            ("%2541", "%41"),
        ] {
            let found: Vec<u8> = decoded(text.as_bytes()).collect();
            assert_eq!(found, plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn signs_after_some_rounds_are_those_of_a_text_that_is_decoded_as_often() {
        for text in ["%252541", "%25%34%31", "%%34%31x%2", "%25%2535%2532f", "a%2%35b%%%", "%25"] {
            let mut plain = text.as_bytes().to_vec();
            for rounds in 0..4 {
                assert_eq!(undone(text.as_bytes(), rounds), plain, "{text}, {rounds} rounds");
                plain = decoded(&plain).collect();
            }
        }
    }
}
