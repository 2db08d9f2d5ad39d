//! Paths written differently.

use crate::table::{Mutation, text, wire};
use crate::wire::replaced;

pub(crate) const TABLE: &[Mutation] = &[
    text("back-slashes", 4, |path, _| up(path)?.contains('/').then(|| path.replace('/', "\\"))),
    text("back-slashes behind dots", 4, |path, _| replaced(path, "../", "..\\")),
    text("mixed slashes", 4, |path, _| replaced(path, "../../", "..\\../")),
    text("the step in a step", 4, |path, chance| {
        replaced(path, "../", chance.pick(&["....//", "..././", "....\\/"]))
    }),
    text("steps in place", 4, |path, chance| {
        replaced(path, "../", chance.pick(&[".././", "..//", "..///", ".//../"]))
    }),
    text("a NUL and an ending", 4, |path, chance| {
        up(path).map(|path| format!("{path}\0{}", chance.pick(&[".png", "", ".html", ".jpg"])))
    }),
    text("more steps", 4, |path, chance| {
        path.find("../").map(|at| {
            format!("{}{}{}", &path[..at], "../".repeat(1 + chance.below(7)), &path[at..])
        })
    }),
    text("a folder before", 4, |path, chance| {
        let folder = chance.pick(&["images/", "/var/www/html/", "static/a/", "./"]);
        path.starts_with("../").then(|| format!("{folder}{path}"))
    }),
    text("parameters in segments", 4, |path, _| replaced(path, "../", "..;/")),
    text("steps inside the target", 4, |path, chance| {
        replaced(path, "/etc/", chance.pick(&["/etc/./", "/etc//", "/./etc/", "/etc/../etc/"]))
    }),
    wire("dots escaped", 4, |path, _| dots(path, "%2e", "/")),
    wire("dots and slashes escaped", 4, |path, _| dots(path, "%2e", "%2f")),
    wire("slashes escaped twice", 4, |path, _| dots(path, ".", "%252f")),
    wire("overlong dots and slashes", 4, |path, _| dots(path, "%c0%ae", "%c0%af")),
    wire("overlong slashes", 4, |path, _| dots(path, ".", "%c0%af")),
    wire("three-byte overlong slashes", 4, |path, _| dots(path, ".", "%e0%80%af")),
    wire("%u slashes", 4, |path, _| dots(path, ".", "%u2215")),
];

/// The path, if it climbs or names a file of the system.
fn up(path: &str) -> Option<&str> {
    (path.contains("../") || path.contains("/etc/")).then_some(path)
}

fn dots(path: &str, dot: &str, slash: &str) -> Option<String> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-".contains(&byte);
    let plain = up(path)?.bytes().all(usual);
    plain.then(|| path.replace('.', "\u{1}").replace('/', slash).replace('\u{1}', dot))
}
