//! Files, addresses and objects that a program is made to open: what a value is as a path, as the address of a script,
//! as a lookup or as a walk through a language's objects.

use std::net::Ipv4Addr;

use memchr::memmem::find;

use super::{
    CLIMB, LOOKUP, OBJECT_WALK, ODD_CLIMB, REMOTE_NUMBER, REMOTE_SCRIPT, SYSTEM_FILE, WHOLE_PATH,
    WRAPPER,
};

/// Folders at the root of a Unix system in which no site keeps its pages.
const ROOTS: &[&[u8]] = &[
    b"etc", b"proc", b"var", b"usr", b"root", b"home", b"opt", b"tmp", b"boot", b"dev", b"sys",
    b"bin", b"sbin", b"mnt", b"srv",
];
/// Schemes by which a program opens more than pages, those aside of which a signature says so.
const WRAPPERS: &[&[u8]] = &[
    b"php://",
    b"phar://",
    b"expect://",
    b"zip://",
    b"glob://",
    b"ogg://",
    b"ssh2.",
    b"ssh2:",
    b"rar://",
    b"gopher://",
    b"dict://",
    b"jar:",
    b"netdoc:",
    b"tftp://",
    b"compress.",
    b"data:text/plain",
    b"data://",
];
/// Endings of what an interpreter runs, or of what an attacker gives it to run.
const SCRIPTS: &[&[u8]] = &[
    b".txt", b".php", b".phtml", b".inc", b".asp", b".aspx", b".jsp", b".cgi", b".pl", b".py",
    b".sh", b".dat", b".gif", b".jpg", b".png",
];
/// What web shells are called.
const SHELLS: &[&[u8]] = &[
    b"c99",
    b"r57",
    b"c100",
    b"shell",
    b"cmd",
    b"b374k",
    b"wso",
    b"backdoor",
    b"evil",
    b"webshell",
    b"rce",
    b"rfi",
];
/// Attributes by which Python's objects lead to its modules.
const WALKS: &[&[u8]] = &[
    b"class__",
    b"mro__",
    b"subclasses__",
    b"globals__",
    b"builtins__",
    b"import__",
    b"base__",
    b"bases__",
    b"getattribute__",
    b"init__",
    b"proto__",
];
/// Packages and calls by which Java's objects lead to its runtime.
const CLASSES: &[&[u8]] = &[
    b"java.lang.",
    b"java.io.",
    b"java.util.",
    b"java.net.",
    b"javax.el.",
    b"javax.management.",
    b"javax.naming.",
    b"javax.script.",
    b"javax.xml.",
    b"java.beans.",
    b"java.rmi.",
    b"java.nio.",
    b"getclass(",
    b".forname(",
    b"getruntime(",
    b"classloader",
    b"processbuilder",
    b"springframework.",
    b"freemarker.",
    b"com.sun.",
];
/// What the lookups of a logger read.
const LOOKUPS: &[&[u8]] = &[
    b"jndi:",
    b"env:",
    b"sys:",
    b"lower:",
    b"upper:",
    b"date:",
    b"java:",
    b"main:",
    b"ctx:",
    b"base64:",
    b"bundle:",
    b"log4j:",
    b"web:",
    b"docker:",
    b"k8s:",
    b"hostname}",
    b"::-",
    b"${",
];

/// The flags of `text`.
pub(super) fn read(text: &[u8], steps: &mut u64) -> u32 {
    let text = text.trim_ascii();
    *steps += 4 * text.len() as u64;
    path(text) | address(text) | lookup(text) | walk(text)
}

/// Climbing and the files of the system. A segment climbs if it holds nothing but dots, two at least, and bytes that
/// only a wrong decoder takes for more. What follows such a one, or a blank or sign, is a folder at the root.
fn path(text: &[u8]) -> u32 {
    let (mut flags, mut climbs, mut root) = (0, 0, true);
    let mut segments = text.split(|byte| matches!(byte, b'/' | b'\\')).peekable();
    while let Some(segment) = segments.next() {
        if climbing(segment) {
            climbs += 1;
            if segment != b".." {
                flags |= ODD_CLIMB;
            }
            root = true;
            continue;
        }
        if root && system(segment, segments.peek().copied().unwrap_or_default()) {
            flags |= SYSTEM_FILE;
        }
        root = match segment.last() {
            Some(last) => !last.is_ascii_alphanumeric(),
            None => true,
        };
    }
    if climbs >= 2 {
        flags |= CLIMB;
    }
    if whole(text) { flags | WHOLE_PATH } else { flags }
}

fn climbing(segment: &[u8]) -> bool {
    let odd = |byte: &u8| matches!(byte, b'.' | b';' | b'%' | b'|' | 0 | 0x80..);
    let Some(first) = segment.first().filter(|first| odd(first) || **first == b'0') else {
        return false;
    };
    if *first == b'0' {
        return segment.starts_with(b"0x2e") && segment.ends_with(b"0x2e");
    }
    let dots = segment.iter().filter(|byte| **byte == b'.').count();
    dots >= 2 && segment.iter().all(odd)
}

/// Whether `folder` at the root, with `next` in it, is the system's own.
fn system(folder: &[u8], next: &[u8]) -> bool {
    let named = next.first().is_some_and(u8::is_ascii_alphanumeric);
    match folder {
        b"etc" | b"proc" | b"inetpub" | b"winnt" | b"xampp" => named,
        b"var" => matches!(next, b"log" | b"run" | b"spool" | b"mail" | b"lib"),
        b"windows" => {
            let inside: [&[u8]; 6] =
                [b"system", b"win.ini", b"repair", b"panther", b"debug", b"iis"];
            inside.iter().any(|name| next.starts_with(name))
        }
        _ => {
            let files: [&[u8]; 4] = [b"boot.ini", b"win.ini", b"autoexec.bat", b"system.ini"];
            let alike = |name: &&[u8]| folder.first() == name.first();
            files.iter().any(|name| alike(name) && folder.starts_with(name))
        }
    }
}

/// Whether `text` is a path from a root of Unix and nothing else.
fn whole(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"/") else { return false };
    let Some(end) = memchr::memchr(b'/', rest) else { return false };
    ROOTS.contains(&&rest[..end])
        && rest.get(end + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
        && !rest.contains(&b' ')
}

/// Addresses that a program would fetch and run, and schemes that open more than pages.
fn address(text: &[u8]) -> u32 {
    let Some(sign) = text.iter().take(16).position(|byte| matches!(byte, b':' | b'.')) else {
        return 0;
    };
    if sign >= 3 && WRAPPERS.iter().any(|one| one[0] == text[0] && text.starts_with(one)) {
        return WRAPPER;
    }
    let web: [&[u8]; 4] = [b"http://", b"https://", b"ftp://", b"ftps://"];
    let Some(rest) = web.iter().find_map(|scheme| text.strip_prefix(*scheme)) else { return 0 };
    let Some(end) = memchr::memchr(b'/', rest) else { return 0 };
    let (host, path) = rest.split_at(end);
    if path.contains(&b' ') {
        return 0;
    }
    let number = host.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':'));
    let number = number && !own_network(host);
    let cut = path.ends_with(b"?");
    let bare = path.strip_suffix(b"?").unwrap_or(path);
    let file = bare.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let ending = file.iter().rposition(|byte| *byte == b'.').unwrap_or(file.len());
    let (stem, ending) = file.split_at(ending);
    let script = SCRIPTS.contains(&ending) && (number || cut || SHELLS.contains(&stem));
    (if number { REMOTE_NUMBER } else { 0 }) | (if script { REMOTE_SCRIPT } else { 0 })
}

/// Whether a host, perhaps with a port, is a number of the server itself or its own network: nothing remote is there.
fn own_network(host: &[u8]) -> bool {
    let address = host.split(|byte| *byte == b':').next().unwrap_or_default();
    let address: Option<Ipv4Addr> =
        std::str::from_utf8(address).ok().and_then(|address| address.parse().ok());
    address.is_some_and(|address| address.is_private() || address.is_loopback())
}

/// Lookups of a logger: `${`, then a word that reads or nests.
fn lookup(text: &[u8]) -> u32 {
    let Some(at) = pair(text, b'$', b'{') else { return 0 };
    let inside = text[at + 2..].trim_ascii_start();
    let reads = LOOKUPS.iter().any(|word| inside.starts_with(word));
    if reads || find(inside, b"jndi:").is_some() { LOOKUP } else { 0 }
}

/// Where these two bytes stand next to one another first.
fn pair(text: &[u8], first: u8, second: u8) -> Option<usize> {
    memchr::memchr_iter(first, text).find(|at| text.get(at + 1) == Some(&second))
}

/// Walks through objects up to what runs code. An attribute's name by itself is what people search for.
fn walk(text: &[u8]) -> u32 {
    let inner = text.strip_prefix(b"__").and_then(|rest| rest.strip_suffix(b"__"));
    let alone = inner.is_some_and(|name| name.iter().all(u8::is_ascii_lowercase));
    let python = pair(text, b'_', b'_')
        .filter(|_| !alone)
        .is_some_and(|at| WALKS.iter().any(|word| find(&text[at + 2..], word).is_some()));
    let dotted = memchr::memchr2(b'.', b'(', text).is_some();
    if python || dotted && names_class(text) { OBJECT_WALK } else { 0 }
}

/// For each byte, with which bytes behind it, folded to 32 values, one of [`CLASSES`] begins.
static SECONDS: [u32; 256] = {
    let (mut seconds, mut at) = ([0; 256], 0);
    while at < CLASSES.len() {
        seconds[CLASSES[at][0] as usize] |= 1 << (CLASSES[at][1] % 32);
        at += 1;
    }
    seconds
};

fn names_class(text: &[u8]) -> bool {
    text.windows(2).enumerate().any(|(at, two)| {
        SECONDS[usize::from(two[0])] >> (two[1] % 32) & 1 != 0
            && CLASSES.iter().any(|word| word[..2] == *two && text[at..].starts_with(word))
    })
}
