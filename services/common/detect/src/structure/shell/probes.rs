//! Words and signs that mean something to a shell wherever they stand.

use super::*;

/// Files that a command of an attacker reads first.
const SENSITIVE: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/hosts",
    "/etc/issue",
    "/etc/os-release",
    "/etc/sudoers",
    "/etc/crontab",
    "/etc/",
    "/proc/",
    "/root",
    "/var/log",
    "/var/www",
    "/home/",
    "win.ini",
    "boot.ini",
    "system.ini",
    "web.config",
    "wp-config",
    ".htpasswd",
    ".htaccess",
    ".ssh/",
    "id_rsa",
    "authorized_keys",
    ".bash_history",
    ".env",
    ".aws/",
    ".git/",
    "~/.",
    "flag.",
    "/flag",
    "c:\\windows",
    "c:/windows",
    "/tmp/",
    "/dev/shm",
];

/// Phrases at the start of a word, with what each of them is; sorted.
const PHRASES: &[(&str, u32)] = &[
    ("/dev/tcp/", REVERSE_SHELL),
    ("/dev/udp/", REVERSE_SHELL),
    ("bash -c", INTERPRETER),
    ("bash -i", REVERSE_SHELL),
    ("bitsadmin /", WINDOWS),
    ("certutil -", WINDOWS),
    ("certutil.exe", WINDOWS),
    ("cmd /c", WINDOWS),
    ("cmd /k", WINDOWS),
    ("cmd.exe", WINDOWS),
    ("cmd/c", WINDOWS),
    ("ksh -c", INTERPRETER),
    ("lua -e", INTERPRETER),
    ("mkfifo /", REVERSE_SHELL),
    ("mknod /", REVERSE_SHELL),
    ("mshta http", WINDOWS),
    ("nc -c", REVERSE_SHELL),
    ("nc -e", REVERSE_SHELL),
    ("nc -l", REVERSE_SHELL),
    ("nc -n", REVERSE_SHELL),
    ("ncat --", REVERSE_SHELL),
    ("ncat -e", REVERSE_SHELL),
    ("net localgroup", WINDOWS),
    ("net user ", WINDOWS),
    ("netcat -", REVERSE_SHELL),
    ("node -e", INTERPRETER),
    ("perl -e", INTERPRETER),
    ("perl -m", INTERPRETER),
    ("php -r", INTERPRETER),
    ("powershell -", WINDOWS),
    ("powershell iex", WINDOWS),
    ("powershell.exe", WINDOWS),
    ("pty.spawn(", REVERSE_SHELL),
    ("pwsh -", WINDOWS),
    ("python -c", INTERPRETER),
    ("python2 -c", INTERPRETER),
    ("python3 -c", INTERPRETER),
    ("regsvr32 /", WINDOWS),
    ("ruby -e", INTERPRETER),
    ("ruby -r", INTERPRETER),
    ("rundll32", WINDOWS),
    ("sh -c", INTERPRETER),
    ("sh -i", REVERSE_SHELL),
    ("socat exec", REVERSE_SHELL),
    ("socat tcp", REVERSE_SHELL),
    ("wmic process", WINDOWS),
    ("zsh -c", INTERPRETER),
];

/// How far behind a phrase is looked for what makes a command of it.
const BEHIND_BYTES_MAX: usize = 64;

/// Where the phrases that begin with one byte stand, and with which bytes behind it, folded to 32 values.
#[derive(Clone, Copy)]
struct Known {
    seconds: u32,
    begin: u8,
    end: u8,
}

/// For each byte.
static KNOWN: [Known; 256] = {
    let (mut known, mut at) = ([Known { seconds: 0, begin: 0, end: 0 }; 256], 0);
    while at < PHRASES.len() {
        let phrase = PHRASES[at].0.as_bytes();
        let first = &mut known[phrase[0] as usize];
        assert!(first.seconds == 0 || first.end as usize == at, "the phrases are not sorted");
        if first.seconds == 0 {
            first.begin = at as u8;
        }
        first.seconds |= 1 << (phrase[1] % 32);
        at += 1;
        first.end = at as u8;
    }
    known
};

/// Whether `text` begins with a file that is sensitive.
pub(super) fn sensitive(text: &[u8]) -> bool {
    let Some(first) = text.first() else { return false };
    let alike = |file: &[u8]| file[0] == *first && text.starts_with(file);
    SENSITIVE.iter().any(|file| alike(file.as_bytes()))
}

impl Reader<'_> {
    /// Whether a phrase may begin at `at`.
    pub(super) fn begins_phrase(&self, at: usize) -> bool {
        KNOWN[usize::from(self.byte(at))].seconds >> (self.byte(at + 1) % 32) & 1 != 0
    }

    /// Looks at what begins behind a byte that is of no word.
    pub(super) fn word_start(&mut self, at: usize, byte: u8, previous: u8) {
        let rest = self.rest(at);
        let mut flags = 0;
        let second = self.byte(at + 1);
        if self.begins_phrase(at) {
            let Known { begin, end, .. } = KNOWN[usize::from(byte)];
            for (phrase, flag) in &PHRASES[usize::from(begin)..usize::from(end)] {
                let phrase = phrase.as_bytes();
                let stands = phrase[1] == second
                    && rest.starts_with(phrase)
                    && meant(phrase, *flag, &self.text[..at], &rest[phrase.len()..]);
                flags |= if stands { *flag } else { 0 };
            }
        }
        let breaks = matches!(
            previous,
            b' ' | b'"' | b'\'' | b'<' | b'/' | b'\\' | b'>' | b',' | b'}' | b'{' | b'=' | b'@'
        );
        if self.open && breaks && sensitive(rest) && !self.prose() {
            flags |= SENSITIVE_ARGUMENT;
        }
        let new = self.flags & GLOB_PATH == 0;
        if byte == b'/' && new && glob(rest, self.open, self.questions) {
            flags |= GLOB_PATH;
        }
        self.flags |= flags;
    }

    pub(super) fn dollar(&mut self, at: usize) {
        let (next, rest) = (self.byte(at + 1), self.rest(at + 1));
        match next {
            b'(' if self.byte(at + 2) == b'(' => self.flags |= ENV_EXPANSION,
            b'(' => {
                if self.byte(at + 2) == b'<' {
                    self.flags |= SUBSTITUTION;
                }
                self.command(at + 2, Before::Dollar);
            }
            b'{' => {
                let name = rest[1..]
                    .iter()
                    .take(24)
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                    .count();
                let (colon, digit) = (self.byte(at + 2 + name), self.byte(at + 3 + name));
                let cut = name > 0 && colon == b':' && (digit.is_ascii_digit() || digit == b'~');
                if cut
                    || rest.starts_with(b"{ifs")
                    || rest.starts_with(b"{path")
                    || rest.starts_with(b"{!")
                {
                    self.flags |= ENV_EXPANSION;
                }
            }
            b'@' | b'*'
                if at > 0
                    && self.byte(at - 1).is_ascii_lowercase()
                    && self.byte(at + 2).is_ascii_lowercase() =>
            {
                self.flags |= ENV_EXPANSION;
            }
            b'i' if rest.starts_with(b"ifs") => self.flags |= ENV_EXPANSION,
            b'\'' if self.byte(at + 2) == b'\\' => self.flags |= ENV_EXPANSION,
            _ => {}
        }
    }

    /// `%comspec%`, and `%name:~1,2%`, which cuts a piece out of a variable.
    pub(super) fn percent(&mut self, at: usize) {
        let rest = self.rest(at + 1);
        let name = rest
            .iter()
            .take(20)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let known = matches!(
            &rest[..name],
            b"comspec" | b"systemroot" | b"windir" | b"programfiles" | b"userprofile" | b"appdata"
        );
        if known && self.byte(at + 1 + name) == b'%' {
            self.flags |= WINDOWS;
        }
        if name > 1 && rest[name..].starts_with(b":~") {
            self.flags |= ENV_EXPANSION;
        }
    }

    pub(super) fn redirect(&mut self, at: usize, byte: u8) {
        if self.byte(at + 1) == b'(' {
            self.command(at + 2, Before::Dollar);
            return;
        }
        let mut to = at + 1;
        while matches!(self.byte(to), b'>' | b' ' | b'&') && to < at + 4 {
            to += 1;
        }
        let rest = self.rest(to);
        let joined = self.byte(to - 1) == b'&' && rest.first().is_some_and(u8::is_ascii_digit);
        let written = [
            &b"/dev/null"[..],
            b"/tmp/",
            b"/var/",
            b"/dev/tcp",
            b"/home/",
            b"/etc/",
            b"/opt/",
            b"/usr/",
        ];
        let known = written.iter().any(|path| rest.starts_with(path));
        let file = self.open
            && rest.first().is_some_and(|first| matches!(first, b'/' | b'.' | b'~' | b'$'));
        if joined
            || (byte == b'>' && (known || file))
            || (byte == b'<' && self.open && sensitive(rest))
        {
            self.flags |= REDIRECT_TO_PATH;
        }
    }

    /// `() { :;}; …`: a function that old shells took from a variable, with a command behind it.
    pub(super) fn function(&mut self, at: usize) {
        let lead =
            self.text[..at].iter().rev().take(4).all(|byte| matches!(byte, b' ' | b'"' | b'\''));
        if self.byte(at + 1) != b')' {
            return;
        }
        let mut next = at + 2;
        while self.byte(next) == b' ' && next < at + 6 {
            next += 1;
        }
        if self.byte(next) != b'{' {
            return;
        }
        let body = self.rest(next).get(..32.min(self.text.len() - next)).unwrap_or_default();
        let closed = body.iter().position(|byte| *byte == b'}');
        let behind = closed.map(|close| &self.rest(next)[close + 1..]).unwrap_or_default();
        let idle = |body: &[u8]| {
            body.contains(&b':')
                && body.iter().all(|byte| matches!(byte, b' ' | b':' | b'_' | b';'))
        };
        let empty = closed.is_some_and(|close| close < 8 && idle(&body[1..close]));
        let first = behind.iter().take(4).find(|byte| **byte != b' ');
        if empty || (lead && at <= 4 && matches!(first, Some(b';' | b'>'))) {
            self.flags |= SHELLSHOCK;
        }
    }
}

/// Whether a phrase between `before` and `rest` is a command and no prose: behind the option of an interpreter stands
/// code, which for a shell is any word and for a language has a sign; behind the list of users an option, or nothing. The
/// name of a program by itself is what people search for.
fn meant(phrase: &[u8], flag: u32, before: &[u8], rest: &[u8]) -> bool {
    let near = &rest[..rest.len().min(BEHIND_BYTES_MAX)];
    let sign = |byte: &u8| matches!(byte, b'\'' | b'"' | b'(' | b';' | b'=' | b'{' | b'$');
    match flag {
        INTERPRETER => phrase.ends_with(b"sh -c") || near.iter().any(sign),
        WINDOWS if phrase.ends_with(b".exe") => !(before.is_empty() && rest.is_empty()),
        WINDOWS if phrase == b"net user " => rest.is_empty() || near.contains(&b'/'),
        _ => true,
    }
}

/// A path in which `?`, `*` or `[…]` stand for letters of a well-known place, like `/???/c?t`.
fn glob(rest: &[u8], open: bool, questions: bool) -> bool {
    let known =
        [&b"/bin/"[..], b"/usr/bin/", b"/etc/"].iter().any(|folder| rest.starts_with(folder));
    if !(open || known || questions) {
        return false;
    }
    let (mut marks, mut stars, mut slashes) = (0, 0, 0);
    for byte in rest.iter().take(40) {
        match byte {
            b'?' => marks += 1,
            b'*' | b'[' => stars += 1,
            b'/' => slashes += 1,
            b'=' | b'&' => return false,
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b']') => {}
            _ => break,
        }
    }
    slashes >= 2 && (marks >= 2 || ((open || known) && marks + stars >= 1))
}
