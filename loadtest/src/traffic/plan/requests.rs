//! What visitors and attackers ask for. Pure: a random generator in, a request out.

use rand::Rng;
use rand::seq::IndexedRandom;
use schemas::Category;

/// The people that the sample application knows; to it they all have the same password.
const ACCOUNTS: [&str; 3] = ["alice", "bruno", "chiara"];
/// The sample application's one password.
const PASSWORD: &str = "correct horse battery staple";
/// Path on which the sample application takes logins.
const LOGIN_PATH: &str = "/login";

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
];
const PLAIN_SEARCHES: [&str; 6] =
    ["lamp", "oak table", "mug", "garden chair", "crème brûlée", "25 cm shelf"];
/// Good searches that share letters with an attack: quotes, SQL words, dots and signs.
const SUSPICIOUS_SEARCHES: [&str; 11] = [
    "O'Brien",
    "O'Brien or O'Neill",
    "select a size",
    "select a size from the chart",
    "union jack",
    "drop table lamp",
    "five o'clock tea",
    "order by phone",
    "50% off -- today",
    "rock & roll",
    "what is 1 + 1 ...",
];
const STATIC_FILES: [&str; 4] = [
    "/static/site.css",
    "/static/site.js",
    "/static/theme..dark.css",
    "/static/vendor/menu.min.js",
];

const SQL_INJECTIONS: [&str; 8] = [
    "1' OR '1'='1",
    "7 UNION SELECT username, password FROM users",
    "-1' UNION ALL SELECT NULL,NULL,version()-- -",
    "7; DROP TABLE orders--",
    "1 AND SLEEP(5)",
    "1' AND 1=1-- -",
    "7' AND (SELECT COUNT(*) FROM information_schema.tables) > 0-- -",
    "1/**/UnIoN/**/SeLeCt/**/password/**/FrOm/**/users",
];
const TRAVERSALS: [&str; 6] = [
    "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/products?id=../../../../../../etc/passwd",
    "/search?q=..%2F..%2F..%2F..%2Fetc%2Fshadow",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/products?id=..%252f..%252f..%252fetc%252fpasswd",
    "/search?q=..%5c..%5c..%5cwindows%5cwin.ini",
];
const GUESSES: [&str; 10] = [
    "123456", "password", "qwerty", "letmein", "dragon", "football", "iloveyou", "admin",
    "welcome1", "monkey",
];

/// One request, without the address it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    /// Path and query, encoded.
    pub target: String,
    /// A form, for a login.
    pub form: Option<String>,
    pub agent: &'static str,
}

impl Request {
    fn get(target: impl Into<String>, agent: &'static str) -> Self {
        Request { method: "GET", target: target.into(), form: None, agent }
    }

    fn login(account: &str, password: &str, agent: &'static str) -> Self {
        let form = Some(login_form(account, password));
        Request { method: "POST", target: LOGIN_PATH.to_owned(), form, agent }
    }
}

/// Whether a form is a login that the sample application accepts.
pub fn accepted(form: &str) -> bool {
    form.ends_with(&login_form("", PASSWORD)["username=".len()..])
}

fn login_form(account: &str, password: &str) -> String {
    format!("username={}&password={}", percent_encode(account), percent_encode(password))
}

/// An agent for one visitor or attacker to keep.
pub fn agent(rng: &mut impl Rng) -> &'static str {
    pick(&AGENTS, rng)
}

/// A page that anybody may look at.
pub fn page(agent: &'static str, rng: &mut impl Rng) -> Request {
    match rng.random_range(0..100) {
        0..30 => Request::get("/", agent),
        30..55 => Request::get(format!("/products?id={}", rng.random_range(1..200)), agent),
        55..65 => {
            Request::get(format!("/search?q={}", percent_encode(pick(&PLAIN_SEARCHES, rng))), agent)
        }
        65..80 => Request::get(
            format!("/search?q={}", percent_encode(pick(&SUSPICIOUS_SEARCHES, rng))),
            agent,
        ),
        _ => Request::get(pick(&STATIC_FILES, rng), agent),
    }
}

/// A login with the right password, or with the one slip that a person makes.
pub(super) fn login(mistyped: bool, agent: &'static str, rng: &mut impl Rng) -> Request {
    let account = pick(&ACCOUNTS, rng);
    let typed = if mistyped { &PASSWORD[..PASSWORD.len() - 1] } else { PASSWORD };
    Request::login(account, typed, agent)
}

/// What a client asks for that only wants to know whether it is let in.
pub fn plain(agent: &'static str) -> Request {
    Request::get("/products?id=7", agent)
}

/// One attempt of an attack; no two need look alike.
pub fn attack(category: Category, agent: &'static str, rng: &mut impl Rng) -> Request {
    match category {
        Category::PathTraversal => Request::get(pick(&TRAVERSALS, rng), agent),
        Category::BruteForce => {
            let guess = format!("{}{}", pick(&GUESSES, rng), rng.random_range(0..1000));
            Request::login(pick(&ACCOUNTS, rng), &guess, agent)
        }
        // No other kind is planned.
        _ => {
            let payload = percent_encode(pick(&SQL_INJECTIONS, rng));
            let page = if rng.random_bool(0.7) { "/products?id" } else { "/search?q" };
            Request::get(format!("{page}={payload}"), agent)
        }
    }
}

fn pick(choices: &[&'static str], rng: &mut impl Rng) -> &'static str {
    choices.choose(rng).expect("every table here has entries")
}

/// Encodes all that is not unreserved in RFC 3986.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn every_target_can_be_sent_as_it_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let categories = [Category::SqlInjection, Category::PathTraversal, Category::BruteForce];
        for _ in 0..2_000 {
            let attacks = categories.map(|category| attack(category, AGENTS[0], &mut rng));
            for request in [page(AGENTS[0], &mut rng), login(false, AGENTS[0], &mut rng)]
                .into_iter()
                .chain(attacks)
            {
                let target = request.target.parse::<hyper::http::uri::PathAndQuery>();
                assert!(
                    target.is_ok_and(|target| target.as_str() == request.target),
                    "{}",
                    request.target
                );
            }
        }
    }

    #[test]
    fn a_slip_is_wrong_and_a_login_is_right() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            assert!(accepted(&login(false, AGENTS[0], &mut rng).form.unwrap()));
            assert!(!accepted(&login(true, AGENTS[0], &mut rng).form.unwrap()));
            assert!(!accepted(&attack(Category::BruteForce, AGENTS[0], &mut rng).form.unwrap()));
        }
    }
}
