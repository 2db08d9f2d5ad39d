//! Tags, declarations and what stands in them.

use super::words::{self, Kind, has};
use super::{Flag, Scan, is_blank, is_word};

/// What the attributes of one tag told.
#[derive(Default)]
struct Attributes {
    end: usize,
    closed: bool,
    /// How many have a value.
    valued: usize,
    handler: bool,
    remote: bool,
    inline: bool,
}

impl Scan<'_> {
    pub(super) fn angle(&mut self, at: usize) {
        match self.byte(at + 1) {
            b'!' => self.declaration(at + 2),
            b'?' if self.word_at(at + 2).starts_with(b"xml") => self.set(Flag::Processing),
            b'/' => self.close(at + 2),
            b'a'..=b'z' => self.open(at, at + 1),
            blank if at + 1 < self.text.len() && is_blank(blank) => {
                let name = self.skip_blanks(at + 1);
                if self.word_at(name) == b"script" {
                    self.open(at, name);
                }
            }
            _ => {}
        }
    }

    fn declaration(&mut self, at: usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with(b"--#") {
            self.set(Flag::ServerInclude);
        } else if rest.starts_with(b"--") {
            self.set(Flag::Comment);
        } else if rest.starts_with(b"[cdata[") {
            self.set(Flag::Cdata);
        } else if rest.starts_with(b"entity") && rest.get(6).is_some_and(|b| is_blank(*b)) {
            self.set(Flag::Entity);
        } else if rest.starts_with(b"doctype") {
            let head = &rest[..rest.len().min(160)];
            self.steps += head.len() as u64;
            let subset =
                head.contains(&b'[') || head.windows(7).any(|w| w == b" system" || w == b" public");
            if subset && !head.windows(10).any(|w| w == b"-//w3c//dt") {
                self.set(Flag::Doctype);
            }
        }
    }

    fn close(&mut self, at: usize) {
        let at = self.skip_blanks(at);
        let name = self.word_at(at);
        match words::kind(name) {
            Kind::Script => self.set(Flag::ScriptClose),
            Kind::Active | Kind::Plain => self.set(Flag::CloseTag),
            Kind::Format | Kind::Unknown => {}
        }
    }

    fn open(&mut self, at: usize, name_at: usize) {
        let rest = &self.text[name_at..];
        let len =
            rest.iter().take(32).take_while(|b| is_word(**b) || matches!(**b, b':' | b'-')).count();
        self.steps += len as u64;
        let (name, end) = (&rest[..len], name_at + len);
        let kind = words::kind(name);
        let ends = end == self.text.len()
            || is_blank(self.byte(end))
            || matches!(self.byte(end), b'/' | b'>' | b'<');
        if !ends && (kind == Kind::Unknown || !matches!(self.byte(end), b'"' | b'\'' | b'`')) {
            return;
        }
        let found = self.attributes(end);
        // A word directly before the bracket makes it a generic argument, unless attributes say otherwise.
        let glued = at > 0
            && (is_word(self.text[at - 1]) || self.text[at - 1] == b':')
            && found.valued == 0;
        if kind != Kind::Unknown || found.valued > 0 {
            self.tag_end = self.tag_end.max(found.end);
        }
        if found.handler {
            self.set(Flag::EventHandler);
            if !found.closed {
                self.set(Flag::UnclosedHandler);
            }
        }
        self.judge(kind, &found, glued, at);
    }

    fn judge(&mut self, kind: Kind, found: &Attributes, glued: bool, at: usize) {
        match kind {
            Kind::Script => {
                self.set(Flag::ScriptTag);
                if found.valued > 0 || (found.closed && self.is_code(found.end)) {
                    self.set(Flag::ScriptBody);
                }
            }
            Kind::Active if glued => {}
            Kind::Active if found.valued > 0 => self.set(Flag::ActiveTag),
            Kind::Active | Kind::Plain => {
                if !glued {
                    self.set(Flag::Tag);
                }
            }
            Kind::Format if found.closed || found.end < self.text.len() => {
                self.set(Flag::FormatTag)
            }
            Kind::Format => return,
            Kind::Unknown => return,
        }
        if found.inline {
            self.set(Flag::ActiveTag);
        }
        if found.remote && kind != Kind::Format {
            self.set(Flag::RemoteSource);
        }
        if !glued && kind != Kind::Format && self.is_leading(at) {
            self.set(Flag::LeadingTag);
        }
    }

    /// Nothing before `at` but what would end an attribute, a string or an element.
    fn is_leading(&mut self, at: usize) -> bool {
        let head = &self.text[..at];
        self.steps += head.len().min(12) as u64;
        head.len() <= 12 && head.iter().all(|b| !b.is_ascii_alphanumeric() && *b != b'`')
    }

    /// Whether a script begins at `at`, or the element ends there.
    fn is_code(&mut self, at: usize) -> bool {
        let at = self.skip_blanks(at);
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with(b"</") || rest.starts_with(b"//") || rest.starts_with(b"/*") {
            return true;
        }
        let word = self.word_at(at);
        if word.is_empty() {
            return matches!(self.byte(at), b'{' | b'[' | b'(' | b'!' | b'+' | b'~' | b'\\' | b'<');
        }
        has(words::STATEMENTS, word)
            || matches!(self.byte(at + word.len()), b'(' | b'=' | b'[' | b'`' | b'\\')
            || (self.byte(at + word.len()) == b'.' && is_word(self.byte(at + word.len() + 1)))
    }

    fn attributes(&mut self, mut at: usize) -> Attributes {
        let mut found = Attributes::default();
        let begin = at;
        loop {
            while at < self.text.len() && (is_blank(self.byte(at)) || self.byte(at) == b'/') {
                at += 1;
            }
            if at >= self.text.len() || at - begin >= self.budget {
                break;
            }
            if self.byte(at) == b'>' {
                found.closed = true;
                at += 1;
                break;
            }
            at = self.attribute(at, &mut found);
        }
        found.end = at;
        self.budget = self.budget.saturating_sub(at - begin);
        self.steps += (at - begin) as u64;
        found
    }

    /// Reads one attribute and answers where it ends; always moves on, and no further than there is budget for.
    fn attribute(&mut self, at: usize, found: &mut Attributes) -> usize {
        let stop = |b: &u8| is_blank(*b) || matches!(*b, b'/' | b'>' | b'=');
        let rest = self.text[at..].iter().skip(1).take(self.budget);
        let len = rest.take_while(|b| !stop(b)).count() + 1;
        let name = &self.text[at..at + len];
        let name = name
            .iter()
            .rposition(|b| matches!(*b, b'"' | b'\'' | b'`' | b';'))
            .map_or(name, |q| &name[q + 1..]);
        let equals = self.skip_blanks(at + len);
        if self.byte(equals) != b'=' {
            return at + len;
        }
        let value_at = self.skip_blanks(equals + 1);
        let quote = self.byte(value_at);
        let (value, end) = if matches!(quote, b'"' | b'\'' | b'`') {
            let rest = &self.text[value_at + 1..];
            let len = rest.iter().take(self.budget).position(|b| *b == quote).unwrap_or(rest.len());
            (&rest[..len], (value_at + len + 2).min(self.text.len()))
        } else {
            let rest = self.text.get(value_at..).unwrap_or_default();
            let ends = |b: &u8| is_blank(*b) || *b == b'>';
            let len = rest.iter().take(self.budget).position(ends).unwrap_or(rest.len());
            (&rest[..len], (value_at + len).min(self.text.len()))
        };
        found.valued += 1;
        if words::is_handler(name) && !value.is_empty() {
            // `onclick={handler}` is a template of a framework, not what a browser would run.
            found.handler |= value[0] != b'{' || value.iter().any(|b| *b == b'(' || *b == b'`');
        }
        let addressed = has(words::ADDRESSES, name);
        found.remote |= addressed
            && [&b"//"[..], b"http:", b"https:", b"ftp:", b"\\\\"]
                .iter()
                .any(|scheme| value.starts_with(scheme));
        found.inline |= name == b"srcdoc";
        end
    }
}
