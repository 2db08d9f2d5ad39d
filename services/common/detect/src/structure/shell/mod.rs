//! What a text is as shell. Words alone lie (prose has `cat`, `find`, `sort`): what counts is a separator, a known
//! command behind it and an argument of a command's shape.

mod command;
mod commands;
mod files;
mod probes;

use std::ops::Range;

/// Most variables whose names are remembered.
const ASSIGNED_MAX: usize = 4;

/// What was found, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shell(pub u32);

impl Shell {
    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[
        "shell.command_after_separator",
        "shell.command_with_path",
        "shell.substitution",
        "shell.pipe_chain",
        "shell.redirect_to_path",
        "shell.download_and_run",
        "shell.reverse_shell",
        "shell.sensitive_argument",
        "shell.env_expansion",
        "shell.glob_path",
        "shell.windows",
        "shell.shellshock",
        "shell.timing_probe",
        "shell.bare_command",
        "shell.loose_command",
        "shell.command_in_text",
        "shell.command_line",
        "shell.break_out",
        "shell.assigned_command",
        "shell.interpreter",
        "shell.decode_and_run",
        "shell.climb",
        "shell.odd_climb",
        "shell.system_file",
        "shell.whole_path",
        "shell.remote_script",
        "shell.remote_number",
        "shell.wrapper",
        "shell.lookup",
        "shell.object_walk",
    ];
}

const COMMAND_AFTER_SEPARATOR: u32 = 1;
const COMMAND_WITH_PATH: u32 = 1 << 1;
const SUBSTITUTION: u32 = 1 << 2;
const PIPE_CHAIN: u32 = 1 << 3;
const REDIRECT_TO_PATH: u32 = 1 << 4;
const DOWNLOAD_AND_RUN: u32 = 1 << 5;
const REVERSE_SHELL: u32 = 1 << 6;
const SENSITIVE_ARGUMENT: u32 = 1 << 7;
const ENV_EXPANSION: u32 = 1 << 8;
const GLOB_PATH: u32 = 1 << 9;
const WINDOWS: u32 = 1 << 10;
const SHELLSHOCK: u32 = 1 << 11;
const TIMING_PROBE: u32 = 1 << 12;
const BARE_COMMAND: u32 = 1 << 13;
const LOOSE_COMMAND: u32 = 1 << 14;
const COMMAND_IN_TEXT: u32 = 1 << 15;
const COMMAND_LINE: u32 = 1 << 16;
const BREAK_OUT: u32 = 1 << 17;
const ASSIGNED_COMMAND: u32 = 1 << 18;
const INTERPRETER: u32 = 1 << 19;
const DECODE_AND_RUN: u32 = 1 << 20;
/// Climbs two folders or more; climbs in a writing that only evades filters.
const CLIMB: u32 = 1 << 21;
const ODD_CLIMB: u32 = 1 << 22;
/// Names a file of the system; is a path from its root and nothing else.
const SYSTEM_FILE: u32 = 1 << 23;
const WHOLE_PATH: u32 = 1 << 24;
/// Is the address of a script, of a host without a name.
const REMOTE_SCRIPT: u32 = 1 << 25;
const REMOTE_NUMBER: u32 = 1 << 26;
/// Begins with a scheme that opens more than pages.
const WRAPPER: u32 = 1 << 27;
/// Has a logger look something up; walks through objects to what runs code.
const LOOKUP: u32 = 1 << 28;
const OBJECT_WALK: u32 = 1 << 29;

/// So many words before a separator make the text prose, in which code is quoted more often than run.
const PROSE_WORDS: u32 = 5;

/// The bytes inside of which no command begins: letters, digits and `_`.
static WORD: [bool; 256] = table(b"_", true);
/// The bytes behind which a blank ends a word of prose.
static ENDS_WORD: [bool; 256] = table(b".,", true);
/// The signs that mean something to a shell.
static ACTS: [bool; 256] = table(b";\n|&`$<>(%", false);

/// `bytes`, and letters and digits if these are wanted.
const fn table(bytes: &[u8], alphanumeric: bool) -> [bool; 256] {
    let (mut table, mut at) = ([false; 256], 0);
    while at < 256 {
        table[at] = alphanumeric && (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// What stood before a place where a command may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Start,
    Newline,
    Semicolon,
    Pipe,
    Both,
    Ampersand,
    Tick,
    Dollar,
}

/// Reads `text` (a view of a [reading](crate::normalise::Reading)). `steps` counts the bytes and tokens looked at.
pub fn read(text: &[u8], steps: &mut u64) -> Shell {
    let mut reader = Reader {
        text,
        flags: 0,
        steps: 0,
        words: 0,
        ticks: 0,
        open: false,
        was_open: false,
        fetched: false,
        decoded: false,
        assigned: Default::default(),
        questions: memchr::memchr_iter(b'?', text).nth(1).is_some(),
    };
    reader.run();
    *steps += reader.steps;
    Shell(reader.flags | files::read(text, steps))
}

struct Reader<'a> {
    text: &'a [u8],
    flags: u32,
    steps: u64,
    /// Words read so far.
    words: u32,
    /// Back-ticks read so far: every second one closes.
    ticks: u32,
    /// The simple command being read began with a known command.
    open: bool,
    /// So did the one before the last separator.
    was_open: bool,
    /// A command before fetched something; one before decoded something.
    fetched: bool,
    decoded: bool,
    /// Names of the variables that were set last.
    assigned: [Range<usize>; ASSIGNED_MAX],
    /// The text has `?` twice.
    questions: bool,
}

impl<'a> Reader<'a> {
    fn run(&mut self) {
        self.command(0, Before::Start);
        let mut at = 0;
        let mut previous = b' ';
        while let Some(&byte) = self.text.get(at) {
            if WORD[usize::from(byte)] && WORD[usize::from(previous)] {
                let rest = self.text[at..].iter();
                let run = rest.take_while(|byte| WORD[usize::from(**byte)]).count();
                self.steps += run as u64;
                at += run;
                previous = self.text[at - 1];
                continue;
            }
            self.steps += 1;
            self.words += u32::from((byte == b' ') & ENDS_WORD[usize::from(previous)]);
            let width = if ACTS[usize::from(byte)] { self.act(at, byte, previous) } else { 1 };
            let begins = (byte > b' ') & !WORD[usize::from(previous)];
            self.steps += u64::from(begins);
            if begins & (self.open | (byte == b'/') | self.begins_phrase(at)) {
                self.word_start(at, byte, previous);
            }
            at += width;
            previous = byte;
        }
    }

    /// What a sign that means something to a shell does; answers how long it is.
    fn act(&mut self, at: usize, byte: u8, previous: u8) -> usize {
        match byte {
            b';' => self.separate(at, 1, Before::Semicolon),
            b'\n' => self.separate(at, 1, Before::Newline),
            b'|' | b'&' => return self.bars(at, byte, previous),
            b'`' => self.ticks(at),
            b'$' => self.dollar(at),
            b'<' | b'>' => self.redirect(at, byte),
            b'(' => self.function(at),
            _ => self.percent(at),
        }
        1
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    fn prose(&self) -> bool {
        self.words >= PROSE_WORDS
    }

    fn separate(&mut self, at: usize, width: usize, before: Before) {
        self.was_open = std::mem::take(&mut self.open);
        self.command(at + width, before);
    }

    fn bars(&mut self, at: usize, byte: u8, previous: u8) -> usize {
        let doubled = self.byte(at + 1) == byte;
        if byte == b'&' && !doubled && (previous == b'>' || self.byte(at + 1) == b'>') {
            return 1;
        }
        let width = if doubled { 2 } else { 1 };
        let before = match (doubled, byte) {
            (true, _) => Before::Both,
            (false, b'|') => Before::Pipe,
            _ => Before::Ampersand,
        };
        self.separate(at, width, before);
        width
    }

    fn ticks(&mut self, at: usize) {
        self.ticks += 1;
        if self.ticks % 2 == 1 {
            self.command(at + 1, Before::Tick);
        }
    }
}
