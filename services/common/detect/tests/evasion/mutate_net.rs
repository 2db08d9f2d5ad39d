//! Lookups, document types, addresses, headers and directory filters written differently.

use crate::chance::Chance;
use crate::table::{Mutation, text, wire};
use crate::wire::{cased, plain, replaced, words};

pub(crate) const JNDI: &[Mutation] = &[
    text("lower-case lookups", 9, |line, chance| {
        each(line, chance, |letter| format!("${{lower:{letter}}}"))
    }),
    text("upper-case lookups", 9, |line, chance| {
        each(line, chance, |letter| format!("${{upper:{letter}}}"))
    }),
    text("defaults of nothing", 9, |line, chance| {
        each(line, chance, |letter| format!("${{::-{letter}}}"))
    }),
    text("defaults of the environment", 9, |line, chance| {
        each(line, chance, |letter| format!("${{env:QZ_7:-{letter}}}"))
    }),
    text("defaults of properties", 9, |line, chance| {
        each(line, chance, |letter| format!("${{sys:q.z:-{letter}}}"))
    }),
    text("dates with text", 9, |line, chance| {
        each(line, chance, |letter| format!("${{date:'{letter}'}}"))
    }),
    text("lookups of any case", 9, |line, chance| {
        let at = line.find("jndi:")?;
        Some(format!("{}{}{}", &line[..at], cased("jndi", chance)?, &line[at + 4..]))
    }),
    text("another protocol", 9, |line, chance| {
        let with =
            chance.pick(&["jndi:rmi:", "jndi:dns:", "jndi:ldaps:", "jndi:iiop:", "jndi:nis:"]);
        replaced(line, "jndi:ldap:", with)
    }),
    text("the protocol looked up", 9, |line, _| {
        replaced(line, ":ldap:", ":${lower:l}${lower:d}a${::-p}:")
    }),
    text("text around", 9, |line, chance| {
        let before = chance.pick(&["user ", "x=", "a/b;", "Mozilla/5.0 "]);
        line.starts_with("${").then(|| format!("{before}{line} x"))
    }),
];

fn each(line: &str, chance: &mut Chance, with: impl Fn(char) -> String) -> Option<String> {
    let at = line.find("jndi:")?;
    let mut name = String::new();
    let sure = chance.below(4);
    for (place, letter) in "jndi".chars().enumerate() {
        name.push_str(&if place == sure || chance.coin() {
            with(letter)
        } else {
            letter.to_string()
        });
    }
    Some(format!("{}{name}{}", &line[..at], &line[at + 4..]))
}

pub(crate) const XML: &[Mutation] = &[
    text("a public identifier", 10, |xml, chance| {
        replaced(
            xml,
            " SYSTEM ",
            &format!(" PUBLIC \"{}\" ", chance.pick(&["x", "-//A//B//EN", "any"])),
        )
    }),
    text("quotes of the other kind", 10, |xml, _| {
        let (before, rest) = xml.split_once("SYSTEM \"")?;
        let (name, after) = rest.split_once('"')?;
        Some(format!("{before}SYSTEM '{name}'{after}"))
    }),
    text("line breaks for blanks", 10, |xml, chance| {
        let at = xml.find("<!")?;
        let blank = chance.pick(&["\n", "\t", "\r\n", "  "]);
        Some(format!("{}{}", &xml[..at], xml[at..].replace(' ', blank)))
    }),
    text("a parameter entity", 10, |xml, _| {
        let (before, rest) = xml.split_once("<!ENTITY ")?;
        let close = rest.find('>')?;
        let name = rest.split_whitespace().next().filter(|name| *name != "%")?;
        Some(format!("{before}<!ENTITY % {}> %{name};{}", &rest[..close], &rest[close + 1..]))
    }),
    text("a comment in the subset", 10, |xml, _| replaced(xml, "[<!ENTITY", "[<!-- a --><!ENTITY")),
    text("an element declared too", 10, |xml, _| {
        replaced(xml, "[<!ENTITY", "[<!ELEMENT q ANY ><!ENTITY")
    }),
    text("no declaration", 10, |xml, _| {
        let end = xml.find("?>").filter(|_| xml.starts_with("<?xml"))?;
        Some(xml[end + 2..].trim_start().to_owned())
    }),
    text("a declaration with an encoding", 10, |xml, chance| {
        let name = chance.pick(&["UTF-8", "utf-8", "ISO-8859-1"]);
        xml.starts_with("<!DOCTYPE")
            .then(|| format!("<?xml version='1.0' encoding='{name}' standalone='no'?>\n{xml}"))
    }),
    text("another scheme", 10, |xml, chance| {
        replaced(
            xml,
            "file:///",
            chance.pick(&[
                "http://192.0.2.7/",
                "php://filter/read=convert.base64-encode/resource=/",
                "FILE:///",
                "netdoc:///",
            ]),
        )
    }),
];

pub(crate) const FETCH: &[Mutation] = &[
    text("the scheme of any case", 11, |url, chance| {
        let (scheme, rest) = url.split_once("://")?;
        Some(format!("{}://{rest}", cased(scheme, chance)?))
    }),
    text("the address as a number", 11, |url, _| address(url, |number| number.to_string())),
    text("the address in hex", 11, |url, _| address(url, |number| format!("0x{number:08x}"))),
    text("the address in octal", 11, |url, _| {
        address(url, |number| {
            let part = |byte: u8| format!("0{byte:o}");
            number.to_be_bytes().map(part).join(".")
        })
    }),
    text("the address with fewer parts", 11, |url, _| {
        address(url, |number| format!("{}.{}", number >> 24, number & 0x00ff_ffff))
    }),
    text("the address in IPv6", 11, |url, _| {
        address(url, |number| format!("[::ffff:{:x}:{:x}]", number >> 16, number & 0xffff))
    }),
    text("a name before the host", 11, |url, chance| {
        let name = chance.pick(&["user", "www.example.org", "a:b"]);
        let (scheme, rest) = url.split_once("://")?;
        (!rest.contains('@')).then(|| format!("{scheme}://{name}@{rest}"))
    }),
    text("a fragment behind", 11, |url, chance| {
        url.contains("://").then(|| format!("{url}{}", chance.pick(&["#", "#.example.org", "#x"])))
    }),
    text("back-slashes in the scheme", 11, |url, _| {
        replaced(url, "http://", "http:\\\\").filter(|_| url.starts_with("http"))
    }),
];

/// Writes a dotted address behind the scheme in another way.
fn address(url: &str, with: impl FnOnce(u32) -> String) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', ':', '?', '#']).unwrap_or(rest.len());
    let host: std::net::Ipv4Addr = rest[..end].parse().ok()?;
    Some(format!("{scheme}://{}{}", with(u32::from(host)), &rest[end..]))
}

pub(crate) const LINES: &[Mutation] = &[
    text("line feeds alone", 11, |text, _| replaced(text, "\r\n", "\n")),
    text("carriage returns alone", 11, |text, _| replaced(text, "\r\n", "\r")),
    text("headers of any case", 11, |text, chance| {
        let at = text.find(['\r', '\n'])?;
        let colon = at + text[at..].find(':')?;
        Some(format!("{}{}{}", &text[..at], cased(&text[at..colon], chance)?, &text[colon..]))
    }),
    text("another header", 11, |text, chance| {
        let name = chance.pick(&["Location", "X-Forwarded-Host", "Content-Length", "Refresh"]);
        replaced(text, "Set-Cookie:", &format!("{name}:"))
    }),
    text("a page behind", 11, |text, _| {
        text.contains("\r\n").then(|| format!("{text}\r\n\r\n<html>q</html>"))
    }),
    wire("line breaks escaped twice", 11, |text, _| replaced(&plain(text), "%0D%0A", "%250d%250a")),
    wire("line breaks as %u", 11, |text, _| replaced(&plain(text), "%0D%0A", "%u000d%u000a")),
    wire("line breaks as wide letters", 11, |text, _| {
        replaced(&plain(text), "%0D%0A", "%E5%98%8D%E5%98%8A")
    }),
];

pub(crate) const LDAP: &[Mutation] = &[
    text("names of any case", 11, |filter, chance| words(filter, |word| cased(word, chance))),
    text("blanks around parts", 11, |filter, chance| {
        replaced(filter, ")(", &format!("){}(", chance.pick(&[" ", "\n", "  "])))
    }),
    text("and for or", 11, |filter, _| {
        replaced(filter, "(|(", "(&(").or_else(|| replaced(filter, "(&(", "(|("))
    }),
    text("another attribute", 11, |filter, chance| {
        words(filter, |word| {
            ["uid", "cn", "objectClass", "mail"]
                .contains(&word)
                .then(|| chance.pick(&["sn", "mail", "objectclass", "userPassword"]).to_owned())
        })
    }),
    text("a part more", 11, |filter, _| replaced(filter, ")(", ")(!(q=7))(")),
    text("comparison for presence", 11, |filter, _| replaced(filter, "=*", ">=a")),
];
