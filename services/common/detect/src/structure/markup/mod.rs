//! What a text is as markup and as the script inside it: tags that would open, attributes and strings that would be
//! left, calls that would run. Prose that merely names a tag keeps out of the flags that convict.

mod prologue;
mod scripts;
mod tags;
mod words;

pub use prologue::prologue;

/// What was found, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Markup(pub u32);

/// The bits, in the order of [`Markup::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// An element of HTML opens that is none of the more telling ones.
    Tag,
    /// An element opens that a forum would accept: bold, line break, code.
    FormatTag,
    /// `<script` as a tag, with or without anything in it.
    ScriptTag,
    /// A script element with code, a source or its end.
    ScriptBody,
    /// `</script`.
    ScriptClose,
    /// An element that loads or runs something, with an attribute.
    ActiveTag,
    /// The value begins with an element, after nothing but what would end an attribute.
    LeadingTag,
    /// An element loads from another host.
    RemoteSource,
    /// An `on…` attribute with a value, inside a tag.
    EventHandler,
    /// The same in a tag that does not end.
    UnclosedHandler,
    /// A handler outside a tag, behind a quote or `>` that ends an attribute.
    HandlerBreakOut,
    /// A handler with code at the beginning of a value or in plain text.
    LooseHandler,
    /// A quote and `>` followed by a tag.
    AttributeBreakOut,
    /// `javascript:` or `vbscript:` as an address with code behind it.
    ScriptUri,
    /// `data:` with HTML or script.
    DataUri,
    /// Code in a style sheet.
    CssScript,
    /// A call of a function used to show that a script runs: `alert(1)`.
    JsProbe,
    /// A call that runs or fetches further code.
    JsExec,
    /// A member of the browser's objects: `document.cookie`.
    JsMember,
    /// The same by a computed name: `self['…']`.
    JsComputed,
    /// A call behind a quote and an operator: the script's string was left.
    JsBreakOut,
    /// A call inside `${…}`.
    Template,
    /// A call or `constructor` inside `{{…}}`.
    Angular,
    /// Code written with brackets and signs only.
    Symbols,
    /// `<!--`.
    Comment,
    /// `<!--#`: a server-side include.
    ServerInclude,
    /// `<!doctype` with a subset or an outside identifier.
    Doctype,
    /// `<!entity`.
    Entity,
    /// `<![cdata[`.
    Cdata,
    /// `<?xml` elsewhere than in the prologue of a document, or with something else in it.
    Processing,
    /// An angle bracket or quote is still escaped after all decoding.
    EncodedAgain,
    /// The end of an element of HTML.
    CloseTag,
}

impl Markup {
    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[
        "markup.tag",
        "markup.format_tag",
        "markup.script_tag",
        "markup.script_body",
        "markup.script_close",
        "markup.active_tag",
        "markup.leading_tag",
        "markup.remote_source",
        "markup.event_handler",
        "markup.unclosed_handler",
        "markup.handler_break_out",
        "markup.loose_handler",
        "markup.attribute_break_out",
        "markup.script_uri",
        "markup.data_uri",
        "markup.css_script",
        "markup.js_probe",
        "markup.js_exec",
        "markup.js_member",
        "markup.js_computed",
        "markup.js_break_out",
        "markup.template",
        "markup.angular",
        "markup.symbols",
        "markup.comment",
        "markup.server_include",
        "markup.doctype",
        "markup.entity",
        "markup.cdata",
        "markup.processing",
        "markup.encoded_again",
        "markup.close_tag",
    ];

    /// Whether `flag` was found.
    pub fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }
}

/// Reads `text` (a view of a [reading](crate::normalise::Reading)). `steps` counts the bytes and tokens looked at.
pub fn read(text: &[u8], steps: &mut u64) -> Markup {
    let text = &text[prologue(text)..];
    let mut scan = Scan::new(text);
    for (at, byte) in text.iter().enumerate() {
        if SIGN[usize::from(*byte)] {
            scan.note(at, *byte);
        }
    }
    if scan.signs >= SYMBOLS_MIN && scan.signs * 20 >= text.len() * 17 && scan.empty_list {
        scan.set(Flag::Symbols);
    }
    *steps += text.len() as u64 + scan.steps;
    if scan.found & FORMAT != 0 && scan.found & !(FORMAT | HARMLESS) == 0 && written(text) {
        *steps += text.len() as u64;
        scan.found = 0;
    }
    if scan.found & !DRAWN == 0 && scan.found & !(FORMAT | HARMLESS) != 0 {
        *steps += text.len() as u64;
        if still(text) && (drawing(text) || document(text)) {
            scan.found = 0;
        }
    }
    Markup(scan.found)
}

/// Whether nothing of `text` may stand where a browser sees something else than is seen here, and no style of it loads
/// anything: no quote that is none in HTML, no comment that ends otherwise (HTML, 13.2.5.43 and 13.2.5.52), no escape by
/// which a style hides what it loads.
fn still(text: &[u8]) -> bool {
    let odd = [&b"<!-->"[..], b"<!--->", b"--!>"];
    let elsewhere = |at: usize| {
        let before = |byte: &&u8| matches!(byte, b'"' | b'\'' | b' ');
        let address = &text[at + text[at..].iter().take_while(before).count()..];
        address.starts_with(b"http") || address.starts_with(b"//")
    };
    memchr::memchr2(b'`', b'\\', text).is_none()
        && memchr::memmem::find(text, b"image-set(").is_none()
        && odd.iter().all(|odd| memchr::memmem::find(text, odd).is_none())
        && memchr::memmem::find_iter(text, b"url(").all(|at| !elsewhere(at + 4))
}

/// Whether it is a picture as SVG has them, from its first element to its last byte, of nothing but shapes and texts. What
/// of it would run, another flag says.
fn drawing(text: &[u8]) -> bool {
    let begun = behind_comments(text);
    let head = &begun[..begun.len().min(HEAD_BYTES)];
    begun.starts_with(b"<svg ")
        && ends_with(text, b"</svg")
        && memchr::memmem::find(head, b"http://www.w3.org/2000/svg").is_some()
        && names(text).all(|name| name.starts_with(b"!--") || SHAPES.contains(&name))
}

/// Whether it is a whole page of HTML with a text, as writers of mail send it: of what is active in it there is nothing but
/// styles, and words about the page that send nobody on.
fn document(text: &[u8]) -> bool {
    let begun = behind_comments(text);
    let passive = |name: &[u8]| matches!(name, b"style" | b"meta") || !words::is_active(name);
    (begun.starts_with(b"<html") || begun.starts_with(b"<!doctype html"))
        && ends_with(text, b"</html")
        && names(text).all(passive)
        && memchr::memmem::find(text, b"refresh").is_none()
        && written(text)
}

/// What follows the blanks and comments that `text` begins with.
fn behind_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let Some(inside) = text.strip_prefix(b"<!--") else { return text };
        let Some(end) = memchr::memmem::find(inside, b"-->") else { return text };
        text = &inside[end + 3..];
    }
}

/// Whether `end` is what the last bracket of `text` opens, and stands there alone.
fn ends_with(text: &[u8], end: &[u8]) -> bool {
    memchr::memmem::find(text, end)
        .is_some_and(|at| memchr::memchr(b'<', &text[at + 1..]).is_none())
}

/// The names of all elements that open or end in `text`, each as it stands behind its bracket.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'<').skip(1).map(|behind| {
        if behind.starts_with(b"!--") {
            return &behind[..3];
        }
        let name = behind.strip_prefix(b"/").unwrap_or(behind);
        // With its prefix: `g:iframe` may be a frame in a picture.
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-');
        &name[..name.iter().take_while(part).count()]
    })
}

/// Whether there are elements and nothing else: what every document of XML has.
pub(crate) fn elements(markup: Markup) -> bool {
    markup.0 != 0 && markup.0 & !(FORMAT | HARMLESS) == 0
}

const FORMAT: u32 = 1 << Flag::FormatTag as u32;
/// What a text with headings, lists and tables has besides.
const HARMLESS: u32 =
    1 << Flag::Tag as u32 | 1 << Flag::CloseTag as u32 | 1 << Flag::Comment as u32;
/// What a picture has, in which nothing runs and which loads nothing.
const DRAWN: u32 = FORMAT | HARMLESS | 1 << Flag::ActiveTag as u32 | 1 << Flag::LeadingTag as u32;
/// The elements of such a picture.
#[rustfmt::skip]
const SHAPES: &[&[u8]] = &[
    b"svg", b"g", b"path", b"rect", b"circle", b"ellipse", b"line", b"polyline", b"polygon", b"text", b"tspan",
    b"title", b"desc", b"defs", b"symbol", b"style", b"lineargradient", b"radialgradient", b"stop", b"clippath",
    b"mask", b"pattern", b"marker", b"filter", b"metadata",
];
/// Where a picture says what it is.
const HEAD_BYTES: usize = 512;
/// Fewest letters and blanks outside of tags in a text that somebody wrote.
const LETTERS_MIN: usize = 10;
const BLANKS_MIN: usize = 2;

/// Whether there is a text between the tags: an editor sends what its user wrote so.
fn written(text: &[u8]) -> bool {
    let (mut inside, mut letters, mut blanks) = (false, 0, 0);
    for byte in text {
        match byte {
            b'<' => inside = true,
            b'>' => inside = false,
            b' ' if !inside => blanks += 1,
            _ if !inside => letters += usize::from(byte.is_ascii_alphabetic() || *byte >= 0x80),
            _ => {}
        }
    }
    letters >= LETTERS_MIN && blanks >= BLANKS_MIN
}

/// The bytes that mean something here.
static SIGN: [bool; 256] = {
    let (signs, mut table, mut at) = (b"<=:(`.[{\"'\\%&>])!+}", [false; 256], 0);
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
};

/// Fewest brackets and signs that are taken for code.
const SYMBOLS_MIN: usize = 24;
/// How far a break-out is remembered, in bytes.
const REACH: usize = 96;

struct Scan<'a> {
    text: &'a [u8],
    found: u32,
    steps: u64,
    /// Bytes of attributes that may still be read: keeps a text full of open tags linear.
    budget: usize,
    /// End of the last tag.
    tag_end: usize,
    /// Where a quote was followed by an operator.
    broke: Option<usize>,
    /// Where `${` and `{{` were seen.
    template: Option<usize>,
    braces: Option<usize>,
    /// A quote or `>` was seen.
    boundary: bool,
    signs: usize,
    empty_list: bool,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        Scan {
            text,
            found: 0,
            steps: 0,
            budget: 4 * text.len() + 256,
            tag_end: 0,
            broke: None,
            template: None,
            braces: None,
            boundary: false,
            signs: 0,
            empty_list: false,
        }
    }

    fn set(&mut self, flag: Flag) {
        self.found |= 1 << flag as u32;
    }

    fn note(&mut self, at: usize, byte: u8) {
        match byte {
            b'<' => self.angle(at),
            b'=' => self.equals(at),
            b':' => self.colon(at),
            b'(' | b'`' => self.call(at),
            b'.' => self.member(at),
            b'[' => self.computed(at),
            b'{' => self.brace(at),
            b'"' | b'\'' => self.quote(at),
            b'\\' | b'%' | b'&' => self.escape(at),
            b'>' => self.boundary = true,
            _ => {}
        }
        if matches!(byte, b'[' | b']' | b'(' | b')' | b'!' | b'+' | b'{' | b'}') {
            self.signs += 1;
            self.empty_list |= byte == b'[' && self.text.get(at + 1) == Some(&b']');
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// First byte at or after `at` that is no blank, looking at most sixteen ahead.
    fn skip_blanks(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let blanks = rest.iter().take(16).take_while(|b| is_blank(**b)).count();
        self.steps += blanks as u64 + 1;
        at + blanks
    }

    /// Position behind the last byte before `at` that is no blank, looking at most sixteen back.
    fn skip_blanks_back(&mut self, at: usize) -> usize {
        let blanks = self.text[..at].iter().rev().take(16).take_while(|b| is_blank(**b)).count();
        self.steps += blanks as u64 + 1;
        at - blanks
    }

    /// The word that ends before `at`, at most 32 bytes of it.
    fn word_before(&mut self, at: usize) -> &'a [u8] {
        let head = &self.text[..at];
        let len = head.iter().rev().take(32).take_while(|b| is_word(**b)).count();
        self.steps += len as u64 + 1;
        &head[at - len..]
    }

    /// The word that begins at `at`, at most 32 bytes of it.
    fn word_at(&mut self, at: usize) -> &'a [u8] {
        let rest = self.text.get(at..).unwrap_or_default();
        let len = rest.iter().take(32).take_while(|b| is_word(**b)).count();
        self.steps += len as u64 + 1;
        &rest[..len]
    }
}

fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}
