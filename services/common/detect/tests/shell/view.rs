//! A plain stand-in for the normaliser: decodes, lowers the case, folds blanks, and drops what a shell drops.

/// The fully decoded view.
pub(crate) fn text(raw: &str) -> String {
    let mut bytes = raw.as_bytes().to_vec();
    for blank in [!bytes.contains(&b' '), false] {
        bytes = decode(&bytes, blank);
    }
    let lower = bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect::<String>();
    let mut folded = String::with_capacity(lower.len());
    for letter in lower.chars() {
        let blank = letter.is_ascii_whitespace();
        if !(blank && folded.ends_with(' ')) {
            folded.push(if blank { ' ' } else { letter });
        }
    }
    folded
}

/// The shell's view: no quotes inside words, no backslashes, `$IFS` a blank.
pub(crate) fn shell(raw: &str) -> String {
    let text = text(raw)
        .replace("${ifs}", " ")
        .replace("$ifs$9", " ")
        .replace("$ifs", " ")
        .replace("$@", "");
    let letters: Vec<char> = text.chars().collect();
    let word = |at: Option<usize>| {
        at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric())
    };
    let kept = letters.iter().enumerate().filter(|(at, letter)| match letter {
        '\'' | '"' => {
            let paired = letters.get(at + 1) == Some(*letter)
                && word(at.checked_sub(1))
                && word(Some(at + 2));
            let second = at.checked_sub(1).is_some_and(|before| letters[before] == **letter)
                && word(Some(at + 1));
            let single = word(at.checked_sub(1)) && word(Some(at + 1));
            !(paired || second && word(at.checked_sub(2)) || single)
        }
        '\\' => {
            !word(Some(at + 1)) || at.checked_sub(1).is_some_and(|before| letters[before] == ':')
        }
        _ => true,
    });
    kept.map(|(_, letter)| *letter).collect()
}

fn decode(bytes: &[u8], blank: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(if byte == b'+' && blank { b' ' } else { byte });
                at += 1;
            }
        }
    }
    out
}

/// A view's bytes: each letter of a view stands for one byte.
pub(crate) fn bytes(view: &str) -> Vec<u8> {
    view.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect()
}
