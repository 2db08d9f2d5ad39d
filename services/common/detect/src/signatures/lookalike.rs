//! Hosts that are called like the one that was asked and are another's: `shop.example.evil.example` asked of
//! `shop.example`. A program that only looks whether an address begins like its own sends visitors there.

use memchr::{memchr, memmem};
use regex_automata::meta::Regex;

use super::target::undone;
use crate::request::Request;

/// Longest address that is read.
const ADDRESS_MAX: usize = 512;

/// Whether a parameter of the query of `request` with one of these `names` is such an address.
pub(super) fn stands_in(request: &Request<'_>, names: &Regex) -> bool {
    let mut headers = request.headers.iter();
    let asked = headers.find(|header| header.name.eq_ignore_ascii_case(b"host"));
    let target = request.target().origin;
    let query = memchr(b'?', target).map(|at| &target[at + 1..]);
    let (Some(asked), Some(query)) = (asked, query) else { return false };
    let mut room = [0; ADDRESS_MAX];
    let Some(site) = site(asked.value, &mut room) else { return false };
    query.split(|byte| *byte == b'&').any(|pair| {
        let Some(equals) = memchr(b'=', pair) else { return false };
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if !names.is_match(name) {
            return false;
        }
        let mut room = [0; ADDRESS_MAX];
        let address = undone(value, &mut room);
        address.make_ascii_lowercase();
        host(address).is_some_and(|host| borrows(host, site))
    })
}

/// The name of the site that is asked by a header `Host`: without port and `www.`; none if it is but a number or a word.
fn site<'a>(value: &[u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let name = undone(value.trim_ascii(), room);
    name.make_ascii_lowercase();
    let name = name.split(|byte| *byte == b':').next()?;
    let name = name.strip_prefix(b"www.").unwrap_or(name);
    let last = name.rsplit(|byte| *byte == b'.').next()?;
    (last.len() < name.len() && last.iter().any(u8::is_ascii_alphabetic)).then_some(name)
}

/// The host of an address that begins with `http:` or two slashes of either kind.
fn host(address: &[u8]) -> Option<&[u8]> {
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let address = address.trim_ascii();
    let scheme =
        [&b"https:"[..], b"http:"].into_iter().find_map(|scheme| address.strip_prefix(scheme));
    let behind = scheme.unwrap_or(address);
    let slashes = behind.iter().take_while(|byte| slash(byte)).count();
    if slashes < 2 {
        return None;
    }
    let authority =
        behind[slashes..].split(|byte| slash(byte) || matches!(byte, b'?' | b'#')).next()?;
    let named = authority.rsplit(|byte| *byte == b'@').next()?;
    named.split(|byte| *byte == b':').next()
}

/// Whether the name `site` ends inside `host`: before a hyphen, or before two labels or more, as one label alone is often
/// the same company's in another country (`shop.com.au`).
fn borrows(host: &[u8], site: &[u8]) -> bool {
    let own =
        host.strip_suffix(site).is_some_and(|before| before.is_empty() || before.ends_with(b"."));
    !own && memmem::find_iter(host, site).any(|at| {
        let begins = at == 0 || matches!(host[at - 1], b'.' | b'-');
        let labels = |rest: &[u8]| {
            rest.split(|byte| *byte == b'.').filter(|label| !label.is_empty()).count()
        };
        begins
            && match host[at + site.len()..].split_first() {
                Some((b'-', _)) => true,
                Some((b'.', rest)) => labels(rest) > 1,
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Header;

    #[test]
    fn a_host_is_told_from_one_that_is_only_called_like_it() {
        let names = Regex::new("^next$").expect("a pattern");
        for (asked, uri, expected) in [
            ("shop.example", "/a?next=https://shop.example.evil.example/", true),
            ("www.shop.example", "/a?next=//shop.example.evil.example", true),
            (
                "shop.example:8443",
                "/a?b=c&next=https%3A%2F%2Fwww.SHOP.example.evil.example%2Fx",
                true,
            ),
            ("Shop.example", "/a?next=https:/%5Cx.shop.example-login.example?", true),
            ("shop.example", "/a?next=https://a@shop.example.evil.example:8/", true),
            ("shop.example", "/a?next=https://shop.example/", false),
            ("shop.example", "/a?next=https://www.shop.example/a.shop.example.evil.example", false),
            ("www.shop.example", "/a?next=https://shop.example:8/", false),
            ("shop.example", "/a?next=https://shop.example.au/", false),
            ("mail.example", "/a?next=https://hotmail.example.org.example/", false),
            ("shop.example", "/a?next=https://evil.example/shop.example.evil.example", false),
            ("shop.example", "/a?next=shop.example.evil.example", false),
            ("localhost", "/a?next=https://localhost.a.example/", false),
            ("192.0.2.7", "/a?next=https://192.0.2.7.a.example/", false),
            ("shop.example", "/a?q=https://shop.example.evil.example/", false),
            ("shop.example", "/a?q=https://shop.example.evil.example/&next=/home", false),
            ("shop.example", "/a?https://shop.example.evil.example/", false),
            ("shop.example", "/a", false),
        ] {
            let headers = [Header { name: b"Host", value: asked.as_bytes() }];
            let request = Request { uri: uri.as_bytes(), headers: &headers, ..Request::default() };
            assert_eq!(stands_in(&request, &names), expected, "{asked} {uri}");
        }
        assert!(!stands_in(&Request { uri: b"/a?next=//c.d.e", ..Request::default() }, &names));
    }
}
