//! Packs that do not go together: the one at fault is refused alone, and what was good of every other stays in force.

use super::files::{Installation, PACK};

/// A rule with this id about a word of its own.
fn rule(id: &str, word: &str) -> String {
    PACK.replace("own.marker", id).replace("zorkmidquux", word)
}

/// Which of these words are found.
fn found(at: &Installation, words: &[&str]) -> Vec<bool> {
    let nothing = at.llr("/x?q=a+plainword+b");
    words.iter().map(|word| at.llr(&format!("/x?q=a+{word}+b")) > nothing + 5.0).collect()
}

const NAMES: [&str; 3] = ["a.toml", "m.toml", "z.toml"];
const WORDS: [&str; 3] = ["zorkmidaaa", "zorkmidmmm", "zorkmidzzz"];
const IDS: [&str; 3] = ["own.a", "own.m", "own.z"];

/// Three packs in force, a word each.
fn three() -> Installation {
    let mut at = Installation::new();
    for ((name, id), word) in NAMES.iter().zip(IDS).zip(WORDS) {
        at.pack(name, rule(id, word));
    }
    assert_eq!(at.refused(), Vec::<String>::new());
    assert_eq!(found(&at, &WORDS), [true; 3]);
    at
}

#[test]
fn a_pack_with_an_id_that_is_built_in_throws_no_other_out_of_force() {
    let mut at = three();
    for ((name, id), word) in NAMES.iter().zip(IDS).zip(WORDS) {
        at.pack(name, rule("sqli.union-select", "zorkmidnew"));
        let refused = at.refused();
        assert!(
            refused.len() == 1
                && refused[0].starts_with(&format!("{name}: {name}: sqli.union-select: "))
                && refused[0].contains("the id stands in sql"),
            "{refused:?}"
        );
        assert_eq!(found(&at, &WORDS), [true; 3], "{name}: what it was before stays, too");
        assert_eq!(found(&at, &["zorkmidnew"]), [false], "{name}");
        at.pack(name, rule(id, word));
        assert_eq!(at.refused(), Vec::<String>::new());
    }
}

#[test]
fn a_new_pack_with_an_id_of_another_is_refused_wherever_its_name_sorts() {
    let mut at = three();
    for name in ["0.toml", "n.toml", "zz.toml"] {
        at.pack(name, rule("own.m", "zorkmidnew"));
        let refused = at.refused();
        assert!(
            refused.len() == 1
                && refused[0].starts_with(&format!("{name}: {name}: own.m: "))
                && refused[0].contains("the id stands in m.toml"),
            "{refused:?}"
        );
        assert_eq!(found(&at, &WORDS), [true; 3], "{name}");
        at.remove(name);
        assert_eq!(at.refused(), Vec::<String>::new());
    }
}

#[test]
fn what_is_good_comes_into_force_beside_what_is_refused() {
    let mut at = three();
    at.pack("a.toml", rule("sqli.union-select", "zorkmidaaa"));
    at.pack("m.toml", rule("own.m", "zorkmidother"));
    at.pack("new.toml", rule("own.new", "zorkmidnew"));
    at.remove("z.toml");
    assert_eq!(at.refused().len(), 1);
    assert_eq!(found(&at, &WORDS), [true, false, false]);
    assert_eq!(found(&at, &["zorkmidother", "zorkmidnew"]), [true, true]);
}

#[test]
fn ids_may_move_along_a_chain_of_packs_though_one_is_refused() {
    let mut at = three();
    // Each takes an id from the next in order, so that only the last finds room at first.
    at.pack("a.toml", rule("own.m", "zorkmidone"));
    at.pack("m.toml", rule("own.z", "zorkmidtwo"));
    at.pack("z.toml", rule("own.other", "zorkmidsix"));
    at.pack("zz.toml", rule("sqli.union-select", "zorkmidnew"));
    let refused = at.refused();
    assert!(refused.len() == 1 && refused[0].starts_with("zz.toml: "), "{refused:?}");
    assert_eq!(found(&at, &["zorkmidone", "zorkmidtwo", "zorkmidsix"]), [true; 3]);
    assert_eq!(found(&at, &WORDS), [false; 3]);
}

#[test]
fn ids_may_change_places_between_packs() {
    let mut at = three();
    at.pack("a.toml", rule("own.z", "zorkmidzzz"));
    at.pack("z.toml", rule("own.a", "zorkmidaaa"));
    assert_eq!(at.refused(), Vec::<String>::new());
    assert_eq!(found(&at, &WORDS), [true; 3]);
}

#[test]
fn an_exchange_of_ids_waits_for_a_third_that_does_not_fit_and_for_none_that_is_bad_by_itself() {
    for (third, refused, exchanged) in [
        (rule("sqli.union-select", "zorkmidnew"), 3, false),
        ("no pack at all".to_owned(), 1, true),
    ] {
        let mut at = three();
        at.pack("a.toml", rule("own.z", "zorkmidone"));
        at.pack("m.toml", third);
        at.pack("z.toml", rule("own.a", "zorkmidtwo"));
        assert_eq!(at.refused().len(), refused);
        assert_eq!(found(&at, &["zorkmidone", "zorkmidtwo"]), [exchanged; 2]);
        assert_eq!(found(&at, &WORDS), [!exchanged, true, !exchanged]);
    }
}

#[test]
fn an_id_may_move_to_another_pack_though_a_third_is_refused() {
    let mut at = three();
    at.pack("a.toml", rule("own.z", "zorkmidzzz"));
    at.pack("m.toml", rule("sqli.union-select", "zorkmidnew"));
    // Only this makes room for the first.
    at.pack("z.toml", rule("own.other", "zorkmidaaa"));
    let refused = at.refused();
    assert!(refused.len() == 1 && refused[0].starts_with("m.toml: "), "{refused:?}");
    assert_eq!(found(&at, &WORDS), [true; 3]);
}
