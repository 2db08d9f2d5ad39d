//! HTML and its scripts written differently.

use crate::chance::Chance;
use crate::table::{Mutation, text, wire};
use crate::wire::{cased, escape, replaced};

pub(crate) const TABLE: &[Mutation] = &[
    text("tags of any case", 3, |html, chance| {
        tags(html, |name| cased(name, chance).unwrap_or_else(|| name.to_owned()))
    }),
    text("handlers of any case", 3, |html, chance| {
        let at = handler(html)?;
        let end = at + html[at..].find('=')?;
        Some(format!("{}{}{}", &html[..at], cased(&html[at..end], chance)?, &html[end..]))
    }),
    text("a slash behind the tag", 3, |html, _| {
        let at = html.find('<')? + 1;
        let end = at + html[at..].find(' ')?;
        html[at..end]
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic())
            .then(|| format!("{}/{}", &html[..end], &html[end + 1..]))
    }),
    text("other blanks between attributes", 3, |html, chance| {
        let at = handler(html)?;
        let blank = chance.pick(&["\n", "\t", "\x0c", "\r\n", " / "]);
        html[..at].ends_with(' ').then(|| format!("{}{blank}{}", &html[..at - 1], &html[at..]))
    }),
    text("blanks around the equals sign", 3, |html, chance| {
        let at = handler(html)?;
        let equals = at + html[at..].find('=')?;
        let blank = chance.pick(&[" ", "\n", "\t", "\r\n"]);
        Some(format!("{}{blank}={blank}{}", &html[..equals], &html[equals + 1..]))
    }),
    text("an attribute more", 3, |html, chance| {
        let at = handler(html)?;
        let more = chance.pick(&["id=a7 ", "class=\"b c\" ", "title='x' ", "a ", "data-k=1 "]);
        Some(format!("{}{more}{}", &html[..at], &html[at..]))
    }),
    text("entities in the handler", 3, entities),
    text("entities in the scheme", 3, |html, chance| {
        scheme(
            html,
            &["java&#115;cript:", "&#x6a;avascript:", "javascript&colon;", "java&Tab;script:"],
            chance,
        )
    }),
    text("blanks in the scheme", 3, |html, chance| {
        scheme(
            html,
            &["java\tscript:", "java\nscript:", "jav\rascript:", " \x01javascript:", "JaVaScRiPt:"],
            chance,
        )
    }),
    text("escapes in a name", 3, |html, chance| {
        let code = chance.pick(&["\\u0061lert(", "al\\u0065rt(", "aler\\u0074(", "\\u{61}lert("]);
        replaced(html, "alert(", code)
    }),
    text("the function in brackets", 3, |html, chance| {
        let code =
            chance.pick(&["(alert)(", "window['alert'](", "top['al'+'ert'](", "self?.alert("]);
        let inside = html.contains('\'') && code.contains('\'');
        replaced(html, "alert(", code).filter(|_| !inside)
    }),
    text("another function", 3, |html, chance| {
        replaced(html, "alert(", chance.pick(&["confirm(", "prompt(", "print("]))
    }),
    text("back-ticks for parentheses", 3, |html, _| replaced(html, "alert(1)", "alert`1`")),
    text("the tag left open", 3, |html, _| {
        let at = handler(html)?;
        let tag = html[..at].rfind('<')?;
        let open = html[tag..].trim_end().strip_suffix('>')?;
        (!open.contains('>')).then(|| format!("{}{open} ", &html[..tag]))
    }),
    text("text and a comment before", 3, |html, chance| {
        let before = chance.pick(&["hello <!-- x -->", "<b>a</b>", "<", "<p>", "1 "]);
        html.starts_with('<').then(|| format!("{before}{html}"))
    }),
    wire("%u escapes", 3, |html, _| {
        let text = escape(html, |byte| b"<>\"'".contains(&byte), "%u00", true);
        let mut out = String::new();
        for part in text.split_inclusive("%u") {
            let (body, mark) = part.strip_suffix("%u").map_or((part, ""), |body| (body, "%u"));
            out.push_str(&body.replace(' ', "%20").replace('&', "%26").replace('#', "%23"));
            out.push_str(mark);
        }
        (out.is_ascii() && !html.contains('%') && out.contains("%u")).then_some(out)
    }),
];

/// Rewrites the name of every tag; None where there is none.
fn tags(html: &str, mut each: impl FnMut(&str) -> String) -> Option<String> {
    let mut out = String::new();
    let mut parts = html.split('<');
    out.push_str(parts.next()?);
    for part in parts {
        let start = usize::from(part.starts_with('/'));
        let length = part[start..].find(|byte: char| !byte.is_ascii_alphanumeric());
        let end = length.map_or(part.len(), |length| start + length);
        out.push('<');
        out.push_str(&part[..start]);
        out.push_str(&each(&part[start..end]));
        out.push_str(&part[end..]);
    }
    (out != html).then_some(out)
}

/// Where a handler begins in a tag.
fn handler(html: &str) -> Option<usize> {
    let lower = html.to_ascii_lowercase();
    let open = lower.find('<')?;
    let mut from = open;
    while let Some(at) = lower[from..].find("on").map(|at| from + at) {
        let name = lower[at..].find(|byte: char| !byte.is_ascii_alphabetic())?;
        let before = lower.as_bytes()[at - 1];
        if name > 4 && lower.as_bytes()[at + name] == b'=' && b" /\t\n".contains(&before) {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

/// Entities for letters of a handler's code, which a browser decodes before it runs it.
fn entities(html: &str, chance: &mut Chance) -> Option<String> {
    let at = handler(html)?;
    let start = at + html[at..].find('=')? + 1;
    let end = start + html[start..].find([' ', '>']).unwrap_or(html.len() - start);
    let form = chance.below(4);
    let written = |byte: u8| match form {
        0 => format!("&#{byte};"),
        1 => format!("&#x{byte:X};"),
        2 => format!("&#{byte:07};"),
        _ => format!("&#x{byte:06x};"),
    };
    let code: String = html[start..end]
        .bytes()
        .map(|byte| {
            let change = byte.is_ascii_alphabetic() && chance.below(3) == 0 || byte == b'(';
            if change { written(byte) } else { char::from(byte).to_string() }
        })
        .collect();
    let new = format!("{}{code}{}", &html[..start], &html[end..]);
    (html.is_ascii() && new != html).then_some(new)
}

fn scheme(html: &str, with: &[&str], chance: &mut Chance) -> Option<String> {
    replaced(html, "javascript:", chance.pick(with)).filter(|_| html.contains(['=', '"']))
}
