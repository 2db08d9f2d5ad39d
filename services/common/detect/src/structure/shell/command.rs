//! Whether a command begins at a place, and how surely.

use super::commands::{self, Kind, NAME_MAX};
use super::*;

/// Most bytes of a path before a command's name.
const PATH_MAX: usize = 64;
/// Most bytes looked through for the end of a back-ticked command.
const TICK_MAX: usize = 160;
/// Words behind a command of which the last still look like its arguments.
const ARGUMENTS_MAX: usize = 3;

/// The shape of what follows a command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument {
    /// Nothing: the end, or a separator.
    End,
    /// A flag, a path, an address, an expansion.
    Strong,
    /// A word; few of them up to the next separator or the end.
    Few,
    /// A word that begins a longer text.
    Many,
    /// The name goes on: no command at all.
    None,
}

struct Found {
    start: usize,
    end: usize,
    kind: Kind,
    path: bool,
    argument: Argument,
}

impl Reader<'_> {
    pub(super) fn command(&mut self, from: usize, before: Before) {
        let mut at = from;
        for _ in 0..3 {
            let Some(found) = self.find(at, before) else { return };
            self.judge(from, before, &found);
            if !commands::leads(&self.text[found.start..found.end]) {
                return;
            }
            at = found.end;
        }
    }

    /// Skips what may stand between a separator and the command's name.
    fn skip(&self, mut at: usize) -> usize {
        let mut left = 16;
        while left > 0
            && matches!(
                self.byte(at),
                b' ' | b'\t'
                    | b'\n'
                    | b'\r'
                    | b'"'
                    | b'\''
                    | b'('
                    | b'{'
                    | b'@'
                    | b'!'
                    | b'\\'
                    | b'+'
                    | b'^'
            )
        {
            at += 1;
            left -= 1;
        }
        at
    }

    fn find(&mut self, from: usize, before: Before) -> Option<Found> {
        let begin = self.skip(from);
        let run = self
            .rest(begin)
            .iter()
            .take(PATH_MAX + NAME_MAX)
            .take_while(|byte| in_path(**byte))
            .count();
        self.steps += run as u64;
        let word = &self.text[begin..begin + run];
        if self.variable(begin, run, before) {
            return None;
        }
        let slash =
            word.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |slash| slash + 1);
        if slash > 0 && !commands_live_in(&word[..slash]) {
            return self.glued(begin, before);
        }
        let name = &word[slash..];
        if name.len() > NAME_MAX + 4 {
            return None;
        }
        let end = begin + run;
        let kind = commands::lookup(name)?;
        let argument = self.argument(end, name, from);
        (argument != Argument::None).then_some(Found {
            start: begin + slash,
            end,
            kind,
            path: slash > 0,
            argument,
        })
    }

    /// `cat/etc/passwd`, which is what is left of `cat$IFS/etc/passwd` where the blank was lost.
    fn glued(&mut self, begin: usize, before: Before) -> Option<Found> {
        let length =
            self.rest(begin).iter().take(NAME_MAX).take_while(|byte| **byte != b'/').count();
        let kind = commands::lookup(&self.text[begin..begin + length])?;
        let end = begin + length;
        let sensitive = before != Before::Start && probes::sensitive(self.rest(end));
        sensitive.then_some(Found {
            start: begin,
            end,
            kind,
            path: false,
            argument: Argument::Strong,
        })
    }

    /// Notes `name=…`, and sees `$name` where a command should stand.
    fn variable(&mut self, begin: usize, run: usize, before: Before) -> bool {
        if run > 0 && self.byte(begin + run) == b'=' && self.byte(begin + run + 1) != b'=' {
            self.assigned.rotate_right(1);
            self.assigned[0] = begin..begin + run;
            return true;
        }
        let used = before != Before::Start && self.byte(begin) == b'$';
        let at = begin + 1 + usize::from(self.byte(begin + 1) == b'{');
        let named = |assigned: &Range<usize>| {
            !assigned.is_empty() && self.rest(at).starts_with(&self.text[assigned.clone()])
        };
        if used && self.assigned.iter().any(named) {
            self.flags |= ASSIGNED_COMMAND;
        }
        run == 0
    }

    fn argument(&self, end: usize, name: &[u8], from: usize) -> Argument {
        match self.byte(end) {
            0 | b';' | b'|' | b'&' | b')' | b'`' | b'\n' | b'"' | b'\'' | b'<' | b'>' | b'#' => {
                return Argument::End;
            }
            b',' if self.byte(from) == b'{' => return Argument::Strong,
            b'$' => {
                let next = self.byte(end + 1);
                let expands =
                    matches!(next, b'{' | b'(' | b'@' | b'*' | b'!') || next.is_ascii_digit();
                return if expands { Argument::Strong } else { Argument::None };
            }
            b' ' | b'\t' | b'+' => {}
            _ => return Argument::None,
        }
        let mut at = end;
        while (matches!(self.byte(at), b' ' | b'\t' | b'"' | b'\'')
            || (self.byte(at) == b'+' && at == end))
            && at < end + 8
        {
            at += 1;
        }
        let (first, second) = (self.byte(at), self.byte(at + 1));
        let strong = match first {
            0 | b';' | b'|' | b'&' | b')' | b'`' | b'\n' | b'#' => return Argument::End,
            b'-' => second.is_ascii_alphanumeric() || second == b'-',
            b'/' => {
                second.is_ascii_alphanumeric()
                    || matches!(second, b'?' | b'*' | b' ' | 0 | b'[' | b'"' | b'\'')
            }
            b'~' | b'*' | b'\\' => true,
            b'$' if second == b'(' => self.substitutes(at + 2),
            b'$' => second.is_ascii_alphabetic() || matches!(second, b'{' | b'@' | b'*'),
            b'<' | b'>' => second != b'=',
            b'.' => matches!(second, b'/' | b'.' | b'\\'),
            b'%' => second.is_ascii_alphabetic(),
            b'+' => name == b"chmod",
            _ => self.word_argument(at, name),
        };
        match strong {
            true => Argument::Strong,
            false if !first.is_ascii_alphanumeric() => Argument::None,
            false => self.count(at),
        }
    }

    /// Whether what stands inside `$(` at `from` may be a command or a sum: `make $(TARGETS) public` is prose.
    fn substitutes(&self, from: usize) -> bool {
        let rest = self.rest(from).iter().take(NAME_MAX + 1);
        let length = rest.take_while(|byte| in_path(**byte)).count();
        matches!(self.byte(from), b'(' | b'<' | b'/' | b'.' | b'$' | b' ' | b'"' | b'\'')
            || commands::lookup(&self.text[from..from + length]).is_some()
    }

    fn word_argument(&self, at: usize, name: &[u8]) -> bool {
        let length = self
            .rest(at)
            .iter()
            .take(64)
            .take_while(|byte| in_path(**byte) || **byte == b':')
            .count();
        let word = &self.text[at..at + length];
        if word.is_empty() {
            return false;
        }
        let url = [&b"http:"[..], b"https:", b"ftp:", b"//"]
            .iter()
            .any(|scheme| word.starts_with(scheme));
        let drive = word.len() >= 2 && word[1] == b':' && word[0].is_ascii_alphabetic();
        let number = word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let dotted = word.iter().skip(1).rev().skip(1).any(|byte| matches!(byte, b'.' | b'/'));
        let known = match name {
            b"net" => matches!(
                word,
                b"user" | b"users" | b"view" | b"localgroup" | b"share" | b"use" | b"start"
            ),
            b"ps" => matches!(word, b"aux" | b"auxw" | b"ax" | b"ef"),
            b"reg" => matches!(word, b"query" | b"add" | b"save"),
            b"ver" => true,
            b"chmod" => number,
            _ => false,
        };
        let reads = matches!(
            name,
            b"cat"
                | b"type"
                | b"rm"
                | b"less"
                | b"head"
                | b"tail"
                | b"nl"
                | b"tac"
                | b"sh"
                | b"bash"
        );
        url || drive
            || known
            || (commands::calls_out(name) && (number || dotted || word == b"localhost"))
            || (reads && dotted)
    }

    /// Whether few or many words follow up to a separator or the end.
    fn count(&self, at: usize) -> Argument {
        let mut words = 1;
        for byte in self.rest(at).iter().take(96) {
            match byte {
                b' ' => words += 1,
                b';' | b'|' | b'&' | b'`' | b'\n' => break,
                _ => {}
            }
        }
        if words <= ARGUMENTS_MAX { Argument::Few } else { Argument::Many }
    }

    fn judge(&mut self, from: usize, before: Before, found: &Found) {
        let name = &self.text[found.start..found.end];
        let (fetches, runs) = (commands::fetches(name), commands::runs(name));
        let decodes = matches!(name, b"base64" | b"base32" | b"xxd" | b"printf");
        let timing =
            matches!(name, b"sleep" | b"ping" | b"timeout") && found.argument == Argument::Strong;
        let likely = found.argument != Argument::Many || found.kind == Kind::Sharp;
        self.open = (before != Before::Start && likely) || found.argument == Argument::Strong;
        let mut flags = match before {
            Before::Start => start(name, found),
            Before::Tick => self.ticked(from, found),
            Before::Dollar => self.substituted(found),
            _ => self.separated(from, before, found),
        };
        if flags & (COMMAND_AFTER_SEPARATOR | SUBSTITUTION) != 0 {
            flags |= if timing { TIMING_PROBE } else { 0 };
            flags |= if before == Before::Pipe && self.was_open { PIPE_CHAIN } else { 0 };
            flags |= if self.quoted(from) { BREAK_OUT } else { 0 };
        }
        if found.path
            && flags & (COMMAND_AFTER_SEPARATOR | SUBSTITUTION | COMMAND_LINE | BARE_COMMAND) != 0
        {
            flags |= COMMAND_WITH_PATH;
        }
        if before != Before::Start && runs {
            flags |= if self.fetched { DOWNLOAD_AND_RUN } else { 0 };
            flags |= if self.decoded { DECODE_AND_RUN } else { 0 };
        }
        let arguments = found.argument == Argument::Strong;
        self.fetched |= fetches && arguments;
        self.decoded |= decodes && arguments;
        self.flags |= flags;
    }

    fn separated(&self, from: usize, before: Before, found: &Found) -> u32 {
        let attached = found.start == from || found.path;
        let first =
            self.text[..from].iter().rev().take(8).all(|byte| !byte.is_ascii_alphanumeric())
                && from <= 8;
        let last = self.rest(found.end).iter().take(12).all(|byte| !byte.is_ascii_alphanumeric())
            && self.text.len() <= found.end + 12;
        let sure = match (found.kind, found.argument) {
            (_, Argument::Strong) => true,
            (Kind::Sharp, Argument::End | Argument::Few) => true,
            (Kind::Plain, Argument::End | Argument::Few)
                if before == Before::Pipe && self.was_open =>
            {
                true
            }
            (Kind::Plain, Argument::End) => (attached && last) || first || self.quoted(from),
            (Kind::Plain, Argument::Few) => {
                first || self.quoted(from) || self.text[found.start..found.end] == *b"echo"
            }
            (Kind::Word, Argument::End) => {
                (first && last)
                    || (attached && (self.quoted(from) || (before == Before::Both && last)))
            }
            _ => false,
        };
        let newline = before == Before::Newline && found.argument != Argument::Strong;
        let loose = found.kind != Kind::Word || (attached && found.argument == Argument::End);
        match (sure && !newline, loose) {
            (true, _) if self.prose() && !self.quoted(from) => COMMAND_IN_TEXT,
            (true, _) => COMMAND_AFTER_SEPARATOR,
            (false, true) if found.argument != Argument::Many => LOOSE_COMMAND,
            _ => 0,
        }
    }

    /// A back-ticked command is quoted code where it stands free in a text, and a substitution where it is all there
    /// is or is glued to something.
    fn ticked(&self, from: usize, found: &Found) -> u32 {
        let Some(length) = self.rest(from).iter().take(TICK_MAX).position(|byte| *byte == b'`')
        else {
            return 0;
        };
        let whole = from <= 3 && from + length + 4 >= self.text.len();
        let glue = if from >= 2 { self.byte(from - 2) } else { b' ' };
        let sign = matches!(glue, b'"' | b'\'' | b'=' | b';' | b'|' | b'&' | b',');
        let plain = found.kind == Kind::Word && found.argument == Argument::Few;
        let glued = (glue.is_ascii_alphanumeric() || sign) && !plain;
        let free = !(whole || glued);
        match found.argument {
            Argument::Strong | Argument::End | Argument::Few if !free => SUBSTITUTION,
            Argument::Strong if self.words < 2 && from + length + 24 >= self.text.len() => {
                SUBSTITUTION
            }
            Argument::Strong => COMMAND_IN_TEXT,
            _ => 0,
        }
    }

    fn substituted(&self, found: &Found) -> u32 {
        match found.argument {
            Argument::Strong | Argument::End | Argument::Few if self.prose() => COMMAND_IN_TEXT,
            Argument::Strong | Argument::End => SUBSTITUTION,
            Argument::Few if found.kind != Kind::Word => SUBSTITUTION,
            _ => 0,
        }
    }

    /// Whether a closing quote or bracket stands before the separator that ends at `from`.
    fn quoted(&self, from: usize) -> bool {
        let before = self.text[..from]
            .iter()
            .rev()
            .skip_while(|byte| matches!(byte, b';' | b'|' | b'&' | b'`' | b'$' | b'(' | b' '));
        from > 1 && matches!(before.clone().next(), Some(b'\'' | b'"')) && !self.prose()
    }
}

fn start(name: &[u8], found: &Found) -> u32 {
    let asks = matches!(
        name,
        b"whoami"
            | b"ifconfig"
            | b"ipconfig"
            | b"netstat"
            | b"uname"
            | b"systeminfo"
            | b"tasklist"
            | b"printenv"
            | b"phpinfo"
    );
    match (found.kind, found.argument) {
        (Kind::Sharp | Kind::Plain, Argument::Strong) => COMMAND_LINE,
        (_, Argument::Strong) => LOOSE_COMMAND,
        (Kind::Sharp, Argument::End) if asks => BARE_COMMAND,
        (_, Argument::End) if found.path => BARE_COMMAND,
        // A name and words behind it are what people search for: `php course`, `ssh tunnel`.
        _ => 0,
    }
}

fn in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'\\' | b'_' | b'.' | b'-' | b'~')
}

fn commands_live_in(directory: &[u8]) -> bool {
    directory.ends_with(b"bin/")
        || directory.ends_with(b"system32\\")
        || directory.ends_with(b"system32/")
        || directory == b"./"
}
