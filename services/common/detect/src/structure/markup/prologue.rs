//! What a document of XML begins with, and what by itself says nothing: its declaration, and instructions to those who
//! show it.

/// Instructions that documents begin with: W3C, Extensible Markup Language 1.0 (§2.8) and Associating Style Sheets;
/// Adobe, XMP Specification Part 1 (§7.3).
const TARGETS: &[&[u8]] = &[b"xml", b"xml-model", b"xml-stylesheet", b"xpacket", b"xsl-stylesheet"];
/// Most bytes of one instruction.
const BYTES_MAX: usize = 256;
/// Most instructions that are passed over.
const COUNT_MAX: usize = 4;

/// Length of the declaration and instructions at the head of `text`, in lower case, with the blanks behind them. What has
/// more in it than names and plain quoted texts is none.
pub fn prologue(text: &[u8]) -> usize {
    let mut end = 0;
    for _ in 0..COUNT_MAX {
        let Some(length) = instruction(&text[end..]) else { break };
        end += length;
        end += usize::from(text.get(end) == Some(&b' '));
    }
    end
}

fn instruction(text: &[u8]) -> Option<usize> {
    let inside = text.strip_prefix(b"<?")?;
    let plain = inside.iter().take(BYTES_MAX).take_while(|byte| plain(**byte)).count();
    let name = inside.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'-').count();
    let known = TARGETS.contains(&&inside[..name]) && matches!(inside.get(name), Some(b' ' | b'?'));
    (known && inside[plain..].starts_with(b"?>")).then_some(2 + plain + 2)
}

/// What the name and the quoted texts of an instruction are written with.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b' ' | b'=' | b'\'' | b'"' | b'.' | b'-' | b'_' | b'/' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prologue_is: &str, rest: &str) {
        let text = format!("{prologue_is}{rest}");
        assert_eq!(prologue(text.as_bytes()), prologue_is.len(), "{text}");
    }

    #[test]
    fn a_declaration_and_plain_instructions_at_the_head_are_passed_over() {
        check("<?xml version=\"1.0\" encoding='utf-8'?> ", "<order/>");
        check(
            "<?xml version='1.0'?><?xml-stylesheet type=\"text/xsl\" href=\"style.xsl\"?>",
            "<a/>",
        );
        check("<?xpacket end=\"w\"?>", "");
        check("<?xml?>", "<!doctype a [<!entity b system 'file:///etc/passwd'>]>");
    }

    #[test]
    fn what_has_code_in_it_or_stands_elsewhere_is_none() {
        check("", "<?php system('id') ?>");
        check("", "<?xml version='1.0'; system('id')?>");
        check("", "<?xmlx version='1.0'?>");
        check("", "<?xml version='1.0'");
        check("", " <?xml version='1.0'?>");
        check("", "<?= 1 ?>");
        check("", "");
    }
}
