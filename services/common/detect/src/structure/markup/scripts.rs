//! Script, wherever it stands: handlers, addresses, calls, members, and the ends of strings before them.

use super::words::{self, has};
use super::{Flag, REACH, Scan, is_blank, is_word};

impl Scan<'_> {
    /// A handler outside a tag.
    pub(super) fn equals(&mut self, at: usize) {
        if at < self.tag_end {
            return;
        }
        let name_end = self.skip_blanks_back(at);
        let name = self.word_before(name_end);
        if !words::is_handler(name) || !words::is_event(name) {
            return;
        }
        let begin = name_end - name.len();
        let before = if begin == 0 { b' ' } else { self.text[begin - 1] };
        if !(is_blank(before) || matches!(before, b'"' | b'\'' | b'`' | b'/' | b';' | b'{' | b'>'))
        {
            return;
        }
        let mut value = self.skip_blanks(at + 1);
        while matches!(self.byte(value), b'"' | b'\'' | b'`' | b'\\' | b'{' | b'(') {
            value += 1;
        }
        let word = self.word_at(value);
        let next = self.byte(value + word.len());
        let probe = has(words::PROBES, word);
        if probe && matches!(next, b';' | b'}' | b',' | b'>' | b'"' | b'\'') {
            self.set(Flag::JsProbe);
        }
        let code =
            !word.is_empty() && (probe || matches!(next, b'(' | b'`' | b'.' | b'[' | b':' | b'='));
        if code {
            self.set(if self.boundary { Flag::HandlerBreakOut } else { Flag::LooseHandler });
        }
    }

    /// An address that is code.
    pub(super) fn colon(&mut self, at: usize) {
        let head = &self.text[..at];
        if head.ends_with(b"data") {
            let rest = &self.text[at + 1..];
            let kinds: [&[u8]; 5] = [
                b"text/html",
                b"text/javascript",
                b"application/javascript",
                b"application/x-javascript",
                b"text/xml",
            ];
            let free = at < 5 || !is_word(self.text[at - 5]);
            let rest = &rest[self.skip_blanks(at + 1) - at - 1..];
            if free
                && kinds.iter().any(|kind| rest.starts_with(kind))
                && rest.iter().take(64).any(|b| *b == b',')
            {
                self.set(Flag::DataUri);
            }
            return;
        }
        let Some((begin, spaced)) = self.scheme_before(at) else { return };
        let next = self.byte(at + 1);
        let begin = if spaced { self.skip_blanks_back(begin) } else { begin };
        let before = if begin == 0 { b'=' } else { self.text[begin - 1] };
        if is_word(before) || next == before {
            return;
        }
        let placed = matches!(before, b'=' | b'"' | b'\'' | b'(' | b'>' | b':' | b'\\' | b',');
        let direct = !is_blank(next) && at + 1 < self.text.len();
        if (placed && (direct || self.tag_end > at))
            || (direct && !spaced && self.calls_soon(at + 1))
        {
            self.set(Flag::ScriptUri);
        }
    }

    /// Where `javascript` or `vbscript` before `at` begins, and whether blanks stood in it.
    fn scheme_before(&mut self, at: usize) -> Option<(usize, bool)> {
        let last = self.skip_blanks_back(at);
        if !matches!(last.checked_sub(1).map(|i| self.text[i]), Some(b't')) {
            return None;
        }
        for scheme in [&b"javascript"[..], b"vbscript", b"livescript"] {
            let (mut i, mut left, mut spaced) = (last, scheme.len(), last != at);
            while i > 0 && left > 0 && last - i < 40 {
                let byte = self.text[i - 1];
                if byte == scheme[left - 1] {
                    left -= 1;
                } else if is_blank(byte) || byte == b'\\' {
                    spaced = true;
                } else {
                    break;
                }
                i -= 1;
            }
            self.steps += (last - i) as u64;
            if left == 0 {
                return Some((i, spaced));
            }
        }
        None
    }

    /// Whether a call or an assignment stands in the next bytes.
    fn calls_soon(&mut self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default();
        let rest = &rest[..rest.len().min(REACH)];
        self.steps += rest.len() as u64;
        let solid = rest.iter().position(|b| is_blank(*b)).unwrap_or(rest.len());
        rest[..solid].iter().any(|b| matches!(b, b'(' | b'`' | b'=' | b'%' | b'['))
            || rest.starts_with(b"//")
    }

    /// A call, at its bracket or back-tick.
    pub(super) fn call(&mut self, at: usize) {
        let mut end = self.skip_blanks_back(at);
        let spaced = end != at;
        while end > 0 && matches!(self.text[end - 1], b')' | b'.' | b'?') && at - end < 4 {
            end -= 1;
        }
        let name = self.word_before(end);
        let begin = end - name.len();
        let quoted = begin > 0 && self.text[begin - 1] == b'`';
        if name.is_empty() || (self.byte(at) == b'`' && (quoted || spaced)) {
            return;
        }
        let argument = self.skip_blanks(at + 1);
        let literal = matches!(self.byte(argument), b'"' | b'\'' | b'`' | b'/' | b'\\')
            || self.byte(at) == b'`';
        if has(words::PROBES, name) {
            if !spaced || literal || self.byte(argument).is_ascii_digit() {
                self.probe(at, argument, literal);
            }
        } else if has(words::EXEC, name) {
            if !spaced && self.byte(argument) != b')' && argument < self.text.len() {
                self.run(Flag::JsExec, begin);
            }
        } else if has(words::EXEC_STRING, name) {
            if literal && !spaced {
                self.run(Flag::JsExec, begin);
            }
        } else if has(words::HIGHER, name) {
            let argument = self.word_at(argument);
            if has(words::PROBES, argument) {
                self.run(Flag::JsProbe, begin);
            }
        } else if name == b"expression" {
            let before = self.skip_blanks_back(begin);
            if before > 0 && matches!(self.text[before - 1], b':' | b'/' | b'\\') {
                self.set(Flag::CssScript);
            }
        }
    }

    fn probe(&mut self, at: usize, argument: usize, literal: bool) {
        let byte = self.byte(argument);
        let word = self.word_at(argument);
        let telling = literal
            || byte.is_ascii_digit()
            || (byte == b')' && self.boundary)
            || matches!(byte, b'-' | b'[' | b'{' | b'!' | b'$' | b'<' | b'&' | b'+')
            || argument >= self.text.len()
            || has(words::PROBE_ARGUMENTS, word);
        if telling {
            self.run(Flag::JsProbe, at);
        }
    }

    /// Notes a call and what it stands in.
    fn run(&mut self, flag: Flag, at: usize) {
        self.set(flag);
        let near = |from: Option<usize>| from.is_some_and(|from| at - from.min(at) <= REACH);
        if near(self.broke) {
            self.set(Flag::JsBreakOut);
        }
        if near(self.template) {
            self.set(Flag::Template);
        }
        if near(self.braces) {
            self.set(Flag::Angular);
        }
    }

    pub(super) fn member(&mut self, at: usize) {
        let object = self.word_before(at);
        if !has(words::OBJECTS, object) {
            return;
        }
        let name = self.word_at(at + 1);
        if has(words::MEMBERS, name) {
            self.run(Flag::JsMember, at - object.len());
        }
    }

    pub(super) fn computed(&mut self, at: usize) {
        let object = self.word_before(at);
        if !has(words::OBJECTS, object) {
            return;
        }
        let next = self.skip_blanks(at + 1);
        let byte = self.byte(next);
        let rest = self.text.get(next..).unwrap_or_default();
        let calls = is_called(rest);
        if matches!(byte, b'"' | b'\'' | b'`' | b'/') || calls {
            self.run(Flag::JsComputed, at - object.len());
        }
    }

    /// A quote: what it might end.
    pub(super) fn quote(&mut self, at: usize) {
        self.boundary = true;
        let next = self.skip_blanks(at + 1);
        let mut behind = next;
        while self.byte(behind) == b'/' && behind < next + 2 {
            behind += 1;
        }
        if self.byte(behind) == b'>' && at >= self.tag_end {
            let tag = self.skip_blanks(behind + 1);
            if self.byte(tag) == b'<'
                && matches!(self.byte(tag + 1), b'a'..=b'z' | b'/' | b'!' | b'?')
            {
                self.set(Flag::AttributeBreakOut);
            }
        }
        if matches!(
            self.byte(next),
            b';' | b'-' | b'+' | b'*' | b'|' | b'&' | b'^' | b'?' | b')' | b'}' | b'%' | b'/'
        ) {
            self.broke = Some(at);
        }
    }

    pub(super) fn brace(&mut self, at: usize) {
        if at > 0 && self.text[at - 1] == b'$' {
            self.template = Some(at);
        }
        if self.byte(at + 1) == b'{' {
            self.braces = Some(at);
        }
    }

    /// Angle brackets and quotes that are escaped even now.
    pub(super) fn escape(&mut self, at: usize) {
        let rest = &self.text[at + 1..];
        self.steps += 1;
        if !matches!(rest.first(), Some(b'x' | b'u' | b'2' | b'3' | b'l' | b'#')) {
            return;
        }
        let escapes: [&[u8]; 13] = [
            b"x3c", b"x3e", b"u003c", b"u003e", b"u0022", b"u0027", b"x22", b"x27", b"3c", b"3e",
            b"lt;", b"#60;", b"#x3c",
        ];
        let fits = |escape: &&[u8]| {
            (escape.len() != 2 || self.text[at] == b'%') && rest.starts_with(escape)
        };
        if escapes.iter().any(fits) {
            self.set(Flag::EncodedAgain);
        }
    }
}

/// Whether a computed member is called: `](` before the first blank.
fn is_called(rest: &[u8]) -> bool {
    let rest = &rest[..rest.len().min(REACH)];
    let solid = rest.iter().position(|b| is_blank(*b)).unwrap_or(rest.len());
    rest[..solid].windows(2).any(|pair| pair == b"](" || pair == b"]`")
}
